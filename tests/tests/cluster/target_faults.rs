//! Targets that are dead, slow, absent or in error: retries, time limits, faults.

use std::sync::Arc;
use std::time::Duration;

use cluster_tests::answer::Answer;
use cluster_tests::etcd::free_port;
use cluster_tests::http1;
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::{route, upstream};
use cluster_tests::target::Target;
use cluster_tests::wait::{SOON, eventually, same};
use serde_json::json;
use tokio::sync::Notify;

async fn stage(
    script: impl Fn(&cluster_tests::answer::Received) -> Answer + Send + Sync + 'static,
) -> (Node, Target) {
    let node = Node::start().await;
    let target = Target::start(script).await;
    node.put("routes/1", &route(&target.node())).await;
    (node, target)
}

#[tokio::test]
async fn what_was_never_sent_is_tried_on_the_next_node_and_what_was_sent_is_not() {
    let (node, target) = stage(|received| match received.target() {
        "/close" => Answer::SendAndClose(Vec::new()),
        _ => Answer::ok("fine"),
    })
    .await;
    let dead = format!("127.0.0.1:{}", free_port());
    node.put(
        "routes/1",
        &json!({"uri": "/*", "upstream": {"nodes": {dead: 1, target.node(): 1}}}),
    )
    .await;
    for number in 0..10 {
        let method = if number % 2 == 0 { "GET" } else { "POST" };
        let request = format!("{method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(
            http1::exchange(node.http, request).await.unwrap().text(),
            "fine",
            "{method}"
        );
    }
    assert!(node.metrics().await.value("upstream_retries_total", &[]) > 0.5);
    let second = Target::start(|_| Answer::SendAndClose(Vec::new())).await;
    let closing = json!({"uri": "/*", "upstream": {"nodes": {second.node(): 1, target.node(): 1}}});
    node.put("routes/1", &closing).await;
    let before = target.received().len();
    let request = "POST /close HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
    let reply = http1::exchange(node.http, request).await.unwrap();
    assert_eq!(
        (reply.status(), reply.fault_code()),
        (502, "UnexpectedEOFAtTarget".to_owned()),
        "{}",
        reply.text()
    );
    assert_eq!(
        target.received().len() - before + second.received().len(),
        1,
        "a POST is sent once"
    );
}

#[tokio::test]
async fn a_kept_connection_that_the_target_closed_costs_no_request() {
    let (node, target) =
        stage(|_| Answer::SendAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()))
            .await;
    for _ in 0..10 {
        let request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(
            http1::exchange(node.http, request).await.unwrap().text(),
            "ok"
        );
        eventually("the target's side is closed", SOON, || async {
            same(target.open_connections(), &0)
        })
        .await;
    }
}

#[tokio::test]
async fn targets_that_are_refused_slow_or_absent_give_the_contracts_faults() {
    let (node, target) = stage(|_| Answer::Hang).await;
    let timeout = json!({"connect": 1, "send": 1, "read": 0.3});
    let named = |nodes: serde_json::Value| json!({"uri": "/*", "timeout": timeout, "upstream": {"nodes": nodes}});
    let closed = format!("127.0.0.1:{}", free_port());
    let cases = [
        (json!({closed: 1}), 502, "TargetUnreachable"),
        (
            json!({"no-such-host.invalid:80": 1}),
            502,
            "TargetUnreachable",
        ),
        (json!({target.node(): 1}), 504, "GatewayTimeout"),
        (json!([]), 503, "NoActiveTargets"),
    ];
    for (nodes, status, code) in cases {
        node.put("routes/1", &named(nodes.clone())).await;
        let reply = http1::get(node.http, "x", "/").await.unwrap();
        assert_eq!(
            (reply.status(), reply.fault_code().as_str()),
            (status, code),
            "{nodes}: {}",
            reply.text()
        );
        assert_eq!(reply.header("x-fault-code"), Some(code));
        let id = reply.header("x-request-id").expect("a request id");
        assert_eq!(reply.json()["fault"]["detail"]["request_id"], id);
        assert!(
            matches!(reply.header("x-fault-source"), Some("target" | "processor")),
            "{:?}",
            reply.head.headers
        );
        assert!(reply.json()["error_msg"].is_string());
    }
}

#[tokio::test]
async fn a_target_that_accepts_no_connection_is_a_timeout() {
    let node = Node::start().await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Fill the accept queue, so that further connects are dropped.
    let mut held = Vec::new();
    while let Ok(stream) = tokio::time::timeout(
        Duration::from_millis(300),
        tokio::net::TcpStream::connect(address),
    )
    .await
    {
        held.push(stream.unwrap());
    }
    let timeout = json!({"connect": 0.5, "send": 1, "read": 1});
    node.put(
        "routes/1",
        &json!({"uri": "/*", "timeout": timeout, "upstream": upstream(&address.to_string())}),
    )
    .await;
    let reply = http1::get(node.http, "x", "/").await.unwrap();
    assert_eq!(
        (reply.status(), reply.fault_code()),
        (504, "GatewayTimeout".to_owned()),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn a_targets_own_error_passes_through_with_its_status_named() {
    let (node, _target) = stage(|_| Answer::status("503 Service Unavailable", "mine")).await;
    let reply = http1::get(node.http, "x", "/").await.unwrap();
    assert_eq!((reply.status(), reply.text()), (503, "mine".to_owned()));
    assert_eq!(reply.header("x-apisix-upstream-status"), Some("503"));
    assert_eq!(reply.header("x-fault-code"), None);
}

#[tokio::test]
async fn slow_heads_and_idle_connections_are_cut_and_slow_answers_are_not() {
    let launch = Launch::new()
        .flag("--header-timeout", "1s")
        .flag("--idle-timeout", "1s");
    let node = launch.start().await;
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    let target = Target::start(move |received| match received.target() {
        "/held" => Answer::Hold(Arc::clone(&held), Box::new(Answer::ok("late"))),
        _ => Answer::ok("fine"),
    })
    .await;
    node.put("routes/1", &route(&target.node())).await;
    let mut slow = http1::open(node.http).await;
    let mut idle = http1::open(node.http).await;
    let mut waiting = http1::open(node.http).await;
    slow.send("GET / HTTP/1.1\r\nHo").await.unwrap();
    idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    waiting
        .send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(idle.reply().await.unwrap().text(), "fine");
    let text = String::from_utf8_lossy(&slow.rest().await).into_owned();
    assert!(
        text.is_empty() || text.starts_with("HTTP/1.1 408"),
        "{text}"
    );
    assert!(idle.rest().await.is_empty());
    gate.notify_one();
    assert_eq!(waiting.reply().await.unwrap().text(), "late");
}
