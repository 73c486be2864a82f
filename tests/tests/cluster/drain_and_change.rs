//! Ending and changing a node under traffic without dropping a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cluster_tests::answer::Answer;
use cluster_tests::h2_client::H2Client;
use cluster_tests::http1;
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::{route, ssl};
use cluster_tests::pki::Authority;
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use cluster_tests::wait::{SOON, eventually, same};
use tokio::sync::Notify;

#[tokio::test]
async fn sigterm_drains_and_exits_with_0() {
    let mut node = Node::start().await;
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    let target = Target::start(move |received| match received.target() {
        "/held" => Answer::Hold(Arc::clone(&held), Box::new(Answer::ok("finished"))),
        _ => Answer::ok("fine"),
    })
    .await;
    node.put(
        "ssls/1",
        &ssl("test.com", &Authority::root("ca").server(&["test.com"])),
    )
    .await;
    node.put("routes/1", &route(&target.node())).await;
    let mut idle = http1::open(node.http).await;
    idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(idle.reply().await.unwrap().text(), "fine");
    let mut held = http1::open(node.http).await;
    held.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut h2 = H2Client::connect(&TlsClient::new("test.com"), node.https)
        .await
        .unwrap();
    let fields: [(&str, &[u8]); 4] = [
        (":method", b"GET"),
        (":scheme", b"https"),
        (":authority", b"test.com"),
        (":path", b"/held"),
    ];
    let stream = h2.begin(&fields, true).await.unwrap();
    eventually("both are with the target", SOON, || async {
        same(target.received().len(), &3)
    })
    .await;
    node.process.signal("TERM");
    eventually("readiness is off", SOON, || async {
        let reply = http1::get(node.metrics, "localhost", "/status/ready")
            .await
            .map_err(|error| error.to_string())?;
        same(reply.status(), &503)
    })
    .await;
    gate.notify_one();
    gate.notify_one();
    // Each waiter takes one permit; the second call may find nobody waiting yet.
    let release = tokio::spawn(async move {
        loop {
            gate.notify_waiters();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let reply = held.reply().await.unwrap();
    assert_eq!((reply.status(), reply.text()), (200, "finished".to_owned()));
    assert_eq!(
        reply.header("connection").map(str::to_lowercase).as_deref(),
        Some("close")
    );
    assert!(idle.rest().await.is_empty(), "idle connections are closed");
    let outcome = h2.outcome(stream).await;
    assert_eq!(
        (outcome.status, outcome.body.as_slice()),
        (Some(200), b"finished".as_slice())
    );
    if outcome.gone.is_none() {
        assert_eq!(
            h2.outcome(u32::MAX).await.gone,
            Some(0),
            "GOAWAY without an error"
        );
    }
    release.abort();
    assert_eq!(
        node.process.wait(Duration::from_secs(20)).await.code(),
        Some(0)
    );
}

#[tokio::test]
async fn a_drain_that_takes_too_long_is_cut_off() {
    let launch = Launch::new().flag("--drain-timeout", "1s");
    let mut node = launch.start().await;
    let target = Target::start(|_| Answer::Hang).await;
    node.put("routes/1", &route(&target.node())).await;
    let mut wire = http1::open(node.http).await;
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    eventually("it is with the target", SOON, || async {
        same(target.received().len(), &1)
    })
    .await;
    node.process.signal("TERM");
    node.process.wait(Duration::from_secs(15)).await;
}

#[tokio::test]
async fn two_hundred_changes_under_load_drop_no_request() {
    let node = Node::start().await;
    let ca = Authority::root("ca");
    let server = ca.server(&["test.com"]);
    let targets = [
        Target::start(|_| Answer::ok("0")).await,
        Target::start(|_| Answer::ok("1")).await,
    ];
    node.put("ssls/1", &ssl("test.com", &server)).await;
    node.put("routes/1", &route(&targets[0].node())).await;
    let stop = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let mut clients = Vec::new();
    for tls in [false, true, false, true] {
        let (stop, served, http, https) = (
            Arc::clone(&stop),
            Arc::clone(&served),
            node.http,
            node.https,
        );
        clients.push(tokio::spawn(async move {
            let dialer = TlsClient::new("test.com").dialer();
            while !stop.load(Ordering::Relaxed) {
                let reply = if tls {
                    dialer
                        .get(https, "/")
                        .await
                        .map_err(|refusal| refusal.to_string())
                } else {
                    http1::get(http, "test.com", "/")
                        .await
                        .map_err(|error| error.to_string())
                };
                let reply = reply?;
                if reply.status() != 200 {
                    return Err(format!("{} {}", reply.status(), reply.text()));
                }
                served.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }));
    }
    for number in 0..200 {
        let reply = if number % 10 == 9 {
            node.admin("PUT", "ssls/1", &ssl("test.com", &server).to_string())
                .await
        } else {
            node.admin(
                "PUT",
                "routes/1",
                &route(&targets[number % 2].node()).to_string(),
            )
            .await
        };
        assert_eq!(reply.status(), 200, "{}", reply.text());
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert_eq!(client.await.unwrap(), Ok(()));
    }
    println!(
        "{} requests during 200 changes",
        served.load(Ordering::Relaxed)
    );
    assert!(targets.iter().all(|target| !target.received().is_empty()));
}
