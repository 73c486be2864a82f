//! Writes and the requests right behind them: on a node that has all roles at once, in a cluster once no node lags.

use cluster_tests::answer::Answer;
use cluster_tests::cluster::{Cluster, TOGETHER, list};
use cluster_tests::http1;
use cluster_tests::node::Node;
use cluster_tests::target::Target;
use cluster_tests::wait::eventually;
use serde_json::{Value, json};

fn at(path: &str, target: &Target) -> Value {
    json!({"uri": path, "upstream": {"nodes": {target.node(): 1}}})
}

#[tokio::test]
async fn on_one_node_a_request_right_behind_its_put_meets_the_route() {
    let node = Node::start().await;
    let target = Target::start(|_| Answer::ok("met")).await;
    for number in 0..40 {
        let path = format!("/behind/{number}");
        let reply = node
            .admin(
                "PUT",
                &format!("routes/{number}"),
                &at(&path, &target).to_string(),
            )
            .await;
        assert_eq!(reply.status(), 201, "{}", reply.text());
        let reply = http1::get(node.http, "x", &path).await.unwrap();
        assert_eq!(
            (reply.status(), reply.text()),
            (200, "met".to_owned()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn in_a_cluster_control_alone_takes_writes_and_what_no_node_lags_behind_is_served() {
    let (_etcd, cluster) = Cluster::start(2, 1).await;
    let target = Target::start(|_| Answer::ok("met")).await;
    for node in cluster.nodes() {
        assert_eq!(node.admin.port(), 1, "no Admin API but on control");
        let reply = http1::get(node.metrics, "x", "/apisix/admin/routes")
            .await
            .unwrap();
        assert_eq!(reply.status(), 404, "{}", reply.text());
    }
    assert_eq!(
        (cluster.control.http.port(), cluster.control.https.port()),
        (1, 1),
        "and no traffic there"
    );
    for number in 0..10 {
        let path = format!("/behind/{number}");
        let revision = cluster
            .write(&format!("routes/{number}"), &at(&path, &target))
            .await;
        eventually("no node lags", TOGETHER, || async {
            let nodes = cluster.control.view("nodes").await;
            let there = |node: &Value| {
                node["lag"] == 0 && node["applied_revision"].as_f64() >= Some(revision)
            };
            let data_plane = list(&nodes).iter().filter(|node| node["id"] != "c1");
            if data_plane.clone().count() == 3 && data_plane.clone().all(there) {
                Ok(())
            } else {
                Err(format!("revision {revision}: {nodes}"))
            }
        })
        .await;
        for router in &cluster.routers {
            let reply = http1::get(router.http, "x", &path).await.unwrap();
            assert_eq!(
                (reply.status(), reply.text()),
                (200, "met".to_owned()),
                "{path}"
            );
        }
    }
}
