//! One revision end to end: a request is served by the router's view of it or a later one, or not at all.

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

#[tokio::test]
async fn a_processor_that_is_ahead_says_so() {
    on_a_thread(async {
        let (target, heads) = Target::saying(OK).await;
        let bench = Bench::to(&target).await;
        let old = bench.request("GET", Body::Empty);
        let revision = bench.cluster.put("routes/1", route(target.port + 1)).await;
        let status = &bench.cluster.processor.status;
        assert!(status.wait_applied(revision, Duration::from_secs(20)).await);
        let outcome = bench.lane.call(old).await;
        assert_eq!(told(&outcome), format!("not taken: Ahead({revision})"));
        let deleted = bench.request("GET", Body::Empty);
        let store = &bench.cluster.store;
        store.delete("routes/1", Expect::Any).await.unwrap();
        assert!(
            status
                .wait_applied(revision + 1, Duration::from_secs(20))
                .await
        );
        let outcome = bench.lane.call(deleted).await;
        assert_eq!(
            told(&outcome),
            format!("not taken: Ahead({})", revision + 1)
        );
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
