//! One revision end to end: a request is served by the router's view of it or a later one, or not at all.

use control::sync::KEPT_FOR;

use super::*;

#[tokio::test]
async fn a_processor_that_is_behind_serves_when_it_has_caught_up() {
    on_a_thread(async {
        let (target, heads) = Target::saying(OK).await;
        let cluster = Cluster::start(false).await;
        cluster.put("routes/1", route(target.port)).await;
        let bench = Bench::over(cluster).await;
        let (feed, body) = fed();
        feed.send(data("kept")).unwrap();
        let outcome = bench.lane.call(bench.request("POST", body)).await;
        let Outcome::NotTaken(why, mut request) = outcome else {
            panic!("{}", told(&outcome));
        };
        assert_eq!(why, NotTaken::Behind(0));
        drop(feed);
        // It comes back as it was, and what was sent of it is sent again.
        let body = std::mem::take(&mut request.body);
        assert_eq!(text(body).await, "kept");
        request.body = Body::Full(Bytes::from_static(b"kept"));
        let mut call = pin!(bench.lane.call(*request));
        tokio::select! {
            _ = &mut call => panic!("answered"),
            () = until("it is on its way", || bench.server.metrics.encode().contains("quic")) => {}
        }
        bench.cluster.processor.gate.set_open(true);
        assert_eq!(text(answered(call.await).body).await, "ok");
        assert_eq!(heads.borrow().len(), 1);
    })
    .await;
}

impl Bench {
    /// Asks by the route's version of now after it was replaced or deleted, until that is `served` as told: a machine that
    /// stands still for the time that versions are kept spoils one try, not all.
    async fn ask_late(&self, deletes: bool, upstreams: [Value; 2], served: bool) -> u64 {
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let [before, after] = upstreams.clone();
            let route = |upstream| json!({"uri": "/*", "upstream": upstream});
            self.cluster.put("routes/1", route(before)).await;
            let old = self.request("GET", Body::Empty);
            // One more, so that the processor may never have published the first one.
            let mut revision = self.cluster.put("routes/1", route(after)).await;
            if deletes {
                let deleted = self.cluster.store.delete("routes/1", Expect::Any).await;
                let _ = deleted.unwrap();
                revision += 1;
            }
            let status = &self.cluster.processor.status;
            assert!(status.wait_applied(revision, Duration::from_secs(20)).await);
            if !served {
                tokio::time::sleep(KEPT_FOR).await;
            }
            let outcome = self.lane.call(old).await;
            match outcome {
                Outcome::Answered(_) if served => return revision,
                Outcome::NotTaken(NotTaken::Ahead(at), _) if !served => {
                    assert_eq!(at, revision);
                    return revision;
                }
                other => assert!(Instant::now() < limit, "{}", told(&other)),
            }
        }
    }
}

#[tokio::test]
async fn a_processor_that_is_ahead_serves_what_was_matched_a_moment_ago() {
    on_a_thread(async {
        let (target, heads) = Target::saying(OK).await;
        let bench = Bench::to(&target).await;
        let upstreams = [1, 2].map(|n| upstream(n, target.port));
        for deletes in [false, true] {
            bench.ask_late(deletes, upstreams.clone(), true).await;
            let head = heads.borrow_mut().pop().unwrap();
            assert!(head.contains("v1.example"), "as it was matched: {head}");
            heads.borrow_mut().clear();
        }
    })
    .await;
}

#[tokio::test]
async fn a_processor_that_is_far_ahead_says_so() {
    on_a_thread(async {
        let (target, heads) = Target::saying(OK).await;
        let bench = Bench::to(&target).await;
        let upstreams = [1, 2].map(|n| upstream(n, target.port));
        for deletes in [false, true] {
            bench.ask_late(deletes, upstreams.clone(), false).await;
        }
        assert!(heads.borrow().is_empty());
    })
    .await;
}

/// Version `n` is seen in the Host that the target gets.
fn upstream(n: usize, port: u16) -> Value {
    json!({"type": "roundrobin", "nodes": {format!("127.0.0.1:{port}"): 1},
        "pass_host": "rewrite", "upstream_host": format!("v{n}.example")})
}

#[tokio::test]
async fn no_request_is_served_by_an_older_view_than_its_routers() {
    on_a_thread(async {
        let (target, heads) = Target::saying(OK).await;
        let cluster = Cluster::start(true).await;
        cluster.put("upstreams/1", upstream(0, target.port)).await;
        cluster
            .put("routes/1", json!({"uri": "/*", "upstream_id": "1"}))
            .await;
        let bench = Bench::over(cluster).await;
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut served, mut behind) = (0, 0);
        for n in 1..=150 {
            if random.u8(..3) > 0 {
                bench
                    .cluster
                    .put("upstreams/1", upstream(n, target.port))
                    .await;
            }
            // The processor is held up, let go before or while the request is there, or not at all.
            let gate = bench.cluster.processor.gate.clone();
            gate.set_open(random.bool());
            let waits = random.u64(..30);
            let opens = random.u8(..10) > 0;
            let request = bench.request("GET", Body::Empty);
            let known = request.snapshot.upstream("1").unwrap().clone();
            let (outcome, ()) = tokio::join!(bench.lane.call(request), async {
                tokio::time::sleep(Duration::from_millis(waits)).await;
                if opens {
                    gate.set_open(true);
                }
            });
            match outcome {
                Outcome::Answered(_) => {
                    let head = heads.borrow_mut().pop().unwrap();
                    let host = version(&head);
                    let least = version(&format!("{:?}", known));
                    assert!(host >= least, "seed {seed}: v{host} for v{least}");
                    served += 1;
                }
                Outcome::NotTaken(NotTaken::Behind(_), _) => behind += 1,
                Outcome::NotTaken(NotTaken::Ahead(_), _) => {}
                other => panic!("seed {seed}: {}", told(&other)),
            }
            assert!(
                heads.borrow().is_empty(),
                "seed {seed}: served twice or unasked"
            );
        }
        assert!(served > 50 && behind < 100, "{served} {behind}");
    })
    .await;
}

fn version(text: &str) -> usize {
    let rest = &text[text.find("v").unwrap()..];
    let start = rest.find(".example").unwrap();
    let digits = rest[..start].rsplit('v').next().unwrap();
    digits.parse().unwrap()
}
