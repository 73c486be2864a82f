//! etcd compacted, restarted, frozen, emptied, or away while the node itself restarts.

use std::time::Duration;

use cluster_tests::answer::Answer;
use cluster_tests::etcd::Etcd;
use cluster_tests::http1;
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::{mtls, route};
use cluster_tests::pki::Authority;
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use cluster_tests::wait::{eventually, same};

/// Reconnecting has back-off in it.
const AFTER_A_BREAK: Duration = Duration::from_secs(30);

async fn serves(node: &Node, path: &str, body: &str) {
    eventually(&format!("{path} gives {body}"), AFTER_A_BREAK, || async {
        let reply = http1::get(node.http, "x", path)
            .await
            .map_err(|error| error.to_string())?;
        same(reply.text(), &body.to_owned())
    })
    .await;
}

/// etcd with one route to a target that answers `first`, a node that serves it, and a target that answers `second`.
async fn stage() -> (Etcd, Node, Target, Target) {
    let etcd = Etcd::start().await;
    let node = Launch::new().store(&etcd.store()).start().await;
    let first = Target::start(|_| Answer::ok("first")).await;
    let second = Target::start(|_| Answer::ok("second")).await;
    etcd.put_json("/apisix/routes/1", &route(&first.node()))
        .await;
    serves(&node, "/", "first").await;
    (etcd, node, first, second)
}

#[tokio::test]
async fn an_etcd_restart_drops_no_request_and_loses_no_change() {
    let (mut etcd, node, _first, second) = stage().await;
    etcd.kill().await;
    serves(&node, "/", "first").await;
    eventually("the store is known to be away", AFTER_A_BREAK, || async {
        let connected = node.metrics().await.value("store_connected", &[]);
        if connected < 0.5 {
            Ok(())
        } else {
            Err("still connected".to_owned())
        }
    })
    .await;
    etcd.start_again().await;
    etcd.put_json("/apisix/routes/1", &route(&second.node()))
        .await;
    serves(&node, "/", "second").await;
    eventually("the store is known to be back", AFTER_A_BREAK, || async {
        same(
            node.metrics().await.value("store_connected", &[]) > 0.5,
            &true,
        )
    })
    .await;
}

#[tokio::test]
async fn a_node_that_has_read_no_configuration_does_not_say_404() {
    let mut etcd = Etcd::start().await;
    etcd.kill().await;
    let node = Launch::new().store(&etcd.store()).start_unready().await;
    let reply = http1::get(node.http, "x", "/").await.unwrap();
    assert_eq!(reply.status(), 503, "{}", reply.text());
    assert_eq!(reply.header("x-fault-code"), Some("ConfigMissingMaterial"));
    etcd.start_again().await;
    eventually("an empty configuration", AFTER_A_BREAK, || async {
        let reply = http1::get(node.http, "x", "/").await;
        same(reply.map_err(|e| e.to_string())?.status(), &404)
    })
    .await;
}

#[tokio::test]
async fn changes_compacted_away_while_the_node_was_cut_off_are_caught_up_with() {
    let (mut etcd, node, first, second) = stage().await;
    etcd.put_json(
        "/apisix/routes/2",
        &serde_json::json!({"uri": "/gone", "upstream": {"nodes": {first.node(): 1}}}),
    )
    .await;
    node.process.signal("STOP");
    etcd.kill().await;
    etcd.start_again().await;
    etcd.put_json("/apisix/routes/1", &route(&second.node()))
        .await;
    etcd.delete("/apisix/routes/2").await;
    etcd.put_json(
        "/apisix/routes/3",
        &serde_json::json!({"uri": "/new", "upstream": {"nodes": {first.node(): 1}}}),
    )
    .await;
    etcd.compact().await;
    node.process.signal("CONT");
    serves(&node, "/", "second").await;
    serves(&node, "/gone", "second").await;
    serves(&node, "/new", "first").await;
}

#[tokio::test]
async fn a_frozen_etcd_hangs_nothing_and_changes_after_it_are_applied() {
    let (etcd, node, _first, second) = stage().await;
    etcd.freeze();
    serves(&node, "/", "first").await;
    eventually("the node notices", AFTER_A_BREAK, || async {
        let connected = node.metrics().await.value("store_connected", &[]);
        if connected < 0.5 {
            Ok(())
        } else {
            Err("still connected".to_owned())
        }
    })
    .await;
    let reply = http1::get(node.metrics, "localhost", "/status/ready")
        .await
        .unwrap();
    assert_eq!(reply.status(), 200, "it serves what it has");
    etcd.thaw();
    etcd.put_json("/apisix/routes/1", &route(&second.node()))
        .await;
    serves(&node, "/", "second").await;
}

#[tokio::test]
async fn an_etcd_whose_revision_went_backwards_is_followed() {
    let (mut etcd, node, first, second) = stage().await;
    for round in 0..20 {
        etcd.put(&format!("/apisix/filler/{round}"), "x").await;
    }
    etcd.start_empty().await;
    etcd.put_json("/apisix/routes/1", &route(&second.node()))
        .await;
    serves(&node, "/", "second").await;
    etcd.put_json("/apisix/routes/1", &route(&first.node()))
        .await;
    serves(&node, "/", "first").await;
}

#[tokio::test]
async fn a_node_restarted_with_etcd_away_serves_what_it_last_had_and_then_catches_up() {
    let (mut etcd, mut node, _first, second) = stage().await;
    let ca = Authority::root("ca");
    let (server, client) = (ca.server(&["test.com"]), ca.client("CLIENT"));
    etcd.put_json("/apisix/ssls/1", &mtls("test.com", &server, &ca))
        .await;
    let with_certificate = TlsClient::new("test.com").identity(&client);
    let serves_tls = async |node: &Node| {
        eventually("mTLS is served", AFTER_A_BREAK, || async {
            with_certificate
                .get(node.https, "/")
                .await
                .map(|reply| reply.text())
                .map_err(|refusal| refusal.to_string())
        })
        .await
    };
    serves_tls(&node).await;
    // What serves must also be on disk: the snapshot is written behind the change.
    eventually("the snapshot is on disk", AFTER_A_BREAK, || async {
        let newest = std::fs::read_dir(node.launch.data_dir())
            .map_err(|error| error.to_string())?
            .count();
        if newest > 0 {
            Ok(())
        } else {
            Err("an empty data directory".to_owned())
        }
    })
    .await;
    etcd.kill().await;
    node.process.signal("TERM");
    node.process.wait(Duration::from_secs(40)).await;
    let node = node.launch.start().await;
    serves(&node, "/", "first").await;
    assert_eq!(serves_tls(&node).await, "first");
    assert_eq!(
        TlsClient::new("test.com").refused(node.https).await,
        Some(116),
        "mTLS is still required"
    );
    etcd.start_again().await;
    etcd.put_json("/apisix/routes/1", &route(&second.node()))
        .await;
    serves(&node, "/", "second").await;
}

#[tokio::test]
async fn a_node_started_before_its_etcd_is_not_ready_and_becomes_so() {
    let mut etcd = Etcd::start().await;
    etcd.kill().await;
    let node = Launch::new().store(&etcd.store()).start_unready().await;
    let reply = http1::get(node.metrics, "localhost", "/status/ready")
        .await
        .unwrap();
    assert_eq!(reply.status(), 503, "{}", reply.text());
    etcd.start_again().await;
    eventually("the node is ready", AFTER_A_BREAK, || async {
        let reply = http1::get(node.metrics, "localhost", "/status/ready")
            .await
            .map_err(|error| error.to_string())?;
        same(reply.status(), &200)
    })
    .await;
}
