//! Requests and answers that do not end as they should.

use http_body::Body as _;

use super::*;

#[tokio::test]
async fn a_client_that_goes_away_takes_the_targets_connection_along() {
    on_a_thread(async {
        let closed = Rc::new(Cell::new(0));
        let count = closed.clone();
        let target = Target::start(move |mut stream| {
            let count = count.clone();
            async move {
                let head = read_head(&mut stream).await.unwrap();
                if head.starts_with("PUT") {
                    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nfour";
                    stream.write_all(head).await.unwrap();
                }
                read_all(&mut stream).await;
                count.set(count.get() + 1);
            }
        })
        .await;
        let bench = Bench::to(&target).await;
        // Before the answer.
        {
            let mut call = pin!(bench.lane.call(bench.request("GET", Body::Empty)));
            tokio::select! {
                _ = &mut call => panic!("answered"),
                () = until("the target has it", || target.connections.get() == 1) => {}
            }
            assert_eq!(bench.lane.in_flight(), 1);
        }
        until("the target's connection is closed", || closed.get() == 1).await;
        // In mid-answer.
        let mut answer = bench.ask("PUT", Body::Empty).await.body;
        answer.frame().await.unwrap().unwrap();
        assert_eq!(closed.get(), 1);
        drop(answer);
        until("the target's connection is closed", || closed.get() == 2).await;
        assert_eq!(bench.lane.in_flight(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_request_that_breaks_off_is_never_whole_at_the_target() {
    on_a_thread(async {
        let seen = Rc::new(RefCell::new(None));
        let kept = seen.clone();
        let target = Target::start(move |mut stream| {
            let kept = kept.clone();
            async move {
                read_head(&mut stream).await.unwrap();
                let (body, _) = read_all(&mut stream).await;
                kept.replace(Some(body));
            }
        })
        .await;
        let bench = Bench::to(&target).await;
        for error in [
            BodyError::TimedOut,
            BodyError::Malformed("x"),
            BodyError::TooLarge("x"),
            BodyError::Truncated("x".into()),
        ] {
            let (feed, body) = fed();
            feed.send(data("x")).unwrap();
            let mut call = pin!(bench.lane.call(bench.request("POST", body)));
            let before = target.connections.get();
            tokio::select! {
                _ = &mut call => panic!("answered"),
                () = until("the target has it", || target.connections.get() > before) => {}
            }
            feed.send(Err(error.clone())).unwrap();
            let outcome = told(&call.await);
            assert!(outcome.starts_with("failed BadRequest"), "{outcome}");
            until("the target saw the end", || seen.borrow().is_some()).await;
            let body = seen.take().unwrap();
            assert!(!body.ends_with(b"0\r\n\r\n"), "{error}: {body:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_at_the_target_is_cut() {
    on_a_thread(async {
        let target = Target::start(|mut stream| async move {
            read_head(&mut stream).await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n";
            stream.write_all(head).await.unwrap();
        })
        .await;
        let bench = Bench::to(&target).await;
        let answer = bench.ask("GET", Body::Empty).await;
        assert_eq!(answer.body.size_hint().exact(), None);
        let error = answer.body.collect().await.unwrap_err();
        assert!(matches!(error, BodyError::Truncated(_)), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_processor_that_dies_cuts_answers_and_gives_back_what_can_be_sent_again() {
    on_a_thread(async {
        let target = Target::start(|mut stream| async move {
            let head = read_head(&mut stream).await.unwrap();
            if head.starts_with("GET") {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nfour";
                stream.write_all(head).await.unwrap();
            }
            read_all(&mut stream).await;
        })
        .await;
        let mut bench = Bench::to(&target).await;
        let pki = Pki::new();
        let (address, kill) = serve_apart(&bench.cluster, pki.server());
        let lane = open_lane(address, &pki.client(), &bench.metrics).await;
        bench.lane = Rc::new(lane.unwrap());
        let mut answer = bench.ask("GET", Body::Empty).await.body;
        answer.frame().await.unwrap().unwrap();
        let lane = &bench.lane;
        let whole = lane.call(bench.request("PUT", Body::Full(Bytes::from_static(b"x"))));
        let (feed, body) = fed();
        feed.send(data("y")).unwrap();
        let taken = lane.call(bench.request("PUT", body));
        let (whole, taken, ()) = tokio::join!(whole, taken, async {
            until("all are at the target", || target.connections.get() == 3).await;
            kill.send(()).unwrap();
        });
        let Outcome::Lost(_, Some(request)) = whole else {
            panic!("{}", told(&whole));
        };
        assert_eq!(text(request.body).await, "x");
        assert!(matches!(taken, Outcome::Lost(_, None)), "{}", told(&taken));
        let error = answer.collect().await.unwrap_err();
        assert!(matches!(error, BodyError::Truncated(_)), "{error}");
        assert!(lane.ended().is_some());
        let after = lane.call(bench.request("GET", Body::Empty)).await;
        assert!(
            told(&after).starts_with("not taken: Unsent"),
            "{}",
            told(&after)
        );
    })
    .await;
}

#[tokio::test]
async fn faults_come_back_as_they_are() {
    on_a_thread(async {
        let target = Target::start(|_| async {}).await;
        let bench = Bench::to(&target).await;
        let Outcome::Failed(failure) = bench.lane.call(bench.request("POST", Body::Empty)).await
        else {
            panic!("answered");
        };
        assert_eq!(failure.fault.code.as_str(), "UnexpectedEOFAtTarget");
        assert_eq!(failure.fault.source_role.as_str(), "target");
        assert_eq!(failure.target.statuses, [502]);
        assert!(failure.target.target.is_some());
    })
    .await;
}

#[tokio::test]
async fn answers_that_nobody_reads_hold_up_no_others() {
    on_a_thread(async {
        let target = Target::start(|mut stream| async move {
            let head = read_head(&mut stream).await.unwrap();
            if head.starts_with("GET") {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n";
                stream.write_all(head).await.unwrap();
                // Ends when the answer is given up.
                let _ = stream.write_all(&vec![0; 4_000_000]).await;
            } else {
                stream.write_all(OK.as_bytes()).await.unwrap();
            }
        })
        .await;
        let bench = Bench::to(&target).await;
        let mut unread = Vec::new();
        for _ in 0..40 {
            unread.push(bench.ask("GET", Body::Empty).await.body);
        }
        assert_eq!(text(bench.ask("POST", Body::Empty).await.body).await, "ok");
        let last = unread.pop().unwrap();
        assert_eq!(last.collect().await.unwrap().to_bytes().len(), 4_000_000);
    })
    .await;
}

#[tokio::test]
async fn a_tunnel_that_is_given_up_ends_though_its_target_takes_nothing() {
    on_a_thread(async {
        let target = Target::start(|mut stream| async move {
            read_head(&mut stream).await.unwrap();
            let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\
                          Upgrade: websocket\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            std::future::pending().await
        })
        .await;
        let bench = Bench::to(&target).await;
        let mut request = bench.request("GET", Body::Empty);
        request.upgrade = Some("websocket".parse().unwrap());
        let mut stream = answered(bench.lane.call(request).await)
            .tunnel
            .unwrap()
            .stream;
        // Until no buffer on the way takes any more.
        let much = vec![7; 1 << 20];
        let full = Duration::from_millis(300);
        while tokio::time::timeout(full, stream.write_all(&much))
            .await
            .is_ok()
        {}
        assert_eq!(bench.server.at_work.get(), 1);
        drop(stream);
        until("the processor is idle", || bench.server.at_work.get() == 0).await;
    })
    .await;
}

#[tokio::test]
async fn a_request_that_is_given_up_while_it_waits_is_never_begun() {
    on_a_thread(async {
        let (target, heads) = Target::saying(OK).await;
        let bench = Bench::to(&target).await;
        // The target's connection is there: a request would be written at once.
        bench.ask("GET", Body::Empty).await;
        let old = bench.request("GET", Body::Empty);
        bench.cluster.processor.gate.set_open(false);
        bench.cluster.put("routes/1", route(target.port)).await;
        {
            let mut call = pin!(bench.lane.call(bench.request("DELETE", Body::Empty)));
            tokio::select! {
                _ = &mut call => panic!("answered"),
                () = until("it waits", || bench.server.at_work.get() == 1) => {}
            }
        }
        // What comes later on the connection arrives later.
        answered(bench.lane.call(old).await);
        bench.cluster.processor.gate.set_open(true);
        until("it waits no longer", || bench.server.at_work.get() == 0).await;
        bench.ask("GET", Body::Empty).await;
        let seen: Vec<_> = heads.borrow().iter().map(|h| h[..3].to_owned()).collect();
        assert_eq!(seen, ["GET", "GET", "GET"]);
    })
    .await;
}
