//! The failed handshakes of all nodes in one view, and the two records of one handshake between nodes as one.

use cluster_tests::cluster::{Cluster, HopPki, TOGETHER, list};
use cluster_tests::http1;
use cluster_tests::node::{ADMIN_KEY, Node};
use cluster_tests::wait::eventually;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

async fn view(control: &Node, query: &str) -> Value {
    control.view(&format!("tls/failures?{query}")).await
}

/// The first record of the view that `is` right.
async fn found(control: &Node, query: &str, is: impl Fn(&Value) -> bool) -> Value {
    let what = format!("a record for {query}");
    eventually(&what, TOGETHER, || async {
        let view = view(control, query).await;
        let found = list(&view).iter().find(|record| is(record)).cloned();
        found.map(Some).ok_or_else(|| view.to_string())
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn control_lists_the_failures_of_every_node() {
    let (_etcd, cluster) = Cluster::start(2, 1).await;
    for router in &cluster.routers {
        let mut client = TcpStream::connect(router.https).await.unwrap();
        client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    }
    let query = "hop=northbound&cause=plaintext_to_tls_port";
    for node in ["r1", "r2"] {
        let record = found(&cluster.control, query, |record| record["node"] == node).await;
        assert_eq!(record["confidence"], "certain");
        assert_eq!(record["owner"], "client");
    }
    let both = view(&cluster.control, query).await;
    assert_eq!((both["total"].as_u64(), list(&both).len()), (Some(2), 2));
    assert_eq!(both["unreachable"], serde_json::json!([]));
    let times: Vec<_> = list(&both).iter().map(|r| r["time"].as_str()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "newest first: {times:?}");
    let one = view(&cluster.control, &format!("{query}&limit=1")).await;
    assert_eq!((one["total"].as_u64(), list(&one).len()), (Some(2), 1));
    let none = view(&cluster.control, "hop=southbound").await;
    assert_eq!(none["total"], 0);

    for (key, status, says) in [(ADMIN_KEY, 400, "colour"), ("wrong", 401, "token")] {
        let mut wire = http1::open(cluster.control.admin).await;
        let request = format!(
            "GET /v1/tls/failures?colour=red HTTP/1.1\r\nHost: a\r\nX-API-KEY: {key}\r\n\r\n"
        );
        wire.send(request).await.unwrap();
        let reply = wire.reply_to("GET").await.unwrap();
        assert_eq!(reply.status(), status, "{}", reply.text());
        assert!(reply.text().contains(says), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_is_named() {
    let (_etcd, cluster) = Cluster::start(1, 1).await;
    let silent = cluster.ground.launch("router", "r9").await;
    let _silent = silent.flag("--metrics", "off").start_unready().await;
    let what = "the node without a metrics listener is named";
    eventually(what, TOGETHER, || async {
        let view = view(&cluster.control, "").await;
        let unreachable = &view["unreachable"][0];
        let named = unreachable["node"] == "r9"
            && unreachable["error"]
                .as_str()
                .is_some_and(|e| e.contains("metrics listener is off"));
        named.then_some(()).ok_or_else(|| view.to_string())
    })
    .await;
}

#[tokio::test]
async fn both_ends_of_a_handshake_between_nodes_are_one_certain_record() {
    let (_etcd, cluster) = Cluster::start(1, 1).await;
    let stranger = cluster.ground.launch("router", "r9").await;
    let other = HopPki::init().await;
    let tls = other.node("router", "r9").await;
    let stranger = stranger.flag("--hop-tls", &tls.display().to_string());
    let _stranger = stranger.start().await;
    let record = found(&cluster.control, "hop=internal", |record| {
        record["other_end"]["node"].is_string()
    })
    .await;
    // The router looks at the processor's certificate first, and does not know its CA.
    assert_eq!(record["node"], "r9", "{record}");
    assert_eq!(record["other_end"]["node"], "p1");
    assert_eq!(record["cause"], "server_cert_untrusted_ca");
    assert_eq!(record["confidence"], "certain");
    assert_eq!(record["alert"]["direction"], "sent");
    assert_eq!(record["other_end"]["alert"]["direction"], "received");
    assert_eq!(record["owner"], "gateway");
}
