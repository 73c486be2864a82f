//! One node cut off from the store while the others go on changing: what did not change is served as before, what did is
//! no longer served in its old form a moment later, and a processor that knows less is passed over. And one processor cut off from its
//! routers.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use cluster_tests::cluster::{Cluster, TOGETHER, gets_work};
use cluster_tests::counting::CountingTarget;
use cluster_tests::gate::{Gate, UdpGate};
use cluster_tests::http1;
use cluster_tests::load::{Hosts, Plan};
use cluster_tests::node::Node;
use cluster_tests::objects::route;
use cluster_tests::wait::{eventually, same};
use serde_json::{Value, json};

/// A route that tells its target its version by the Host.
fn version(path: &str, number: u64, target: &CountingTarget) -> Value {
    let upstream = json!({
        "nodes": {target.node(): 1}, "pass_host": "rewrite", "upstream_host": format!("v{number}.test"),
    });
    json!({"uri": path, "upstream": upstream})
}

/// One more node of the cluster, that reaches the store through the gate.
async fn gated(cluster: &Cluster, gate: &Gate, role: &str, id: &str) -> Node {
    let store = format!("etcd://127.0.0.1:{}/apisix", gate.port());
    cluster
        .ground
        .launch(role, id)
        .await
        .store(&store)
        .start()
        .await
}

async fn away(node: &Node) {
    eventually("the store is away", TOGETHER, || async {
        same(
            node.metrics().await.value("store_connected", &[]) < 0.5,
            &true,
        )
    })
    .await;
}

#[tokio::test]
async fn a_processor_cut_off_from_the_store_costs_nothing_while_routes_change() {
    let (etcd, cluster) = Cluster::start(1, 1).await;
    let gate = Gate::to(etcd.port()).await;
    let cut = gated(&cluster, &gate, "processor", "p2").await;
    let target = CountingTarget::start(Duration::ZERO).await;
    cluster.put("routes/1", &version("/", 1, &target)).await;
    let router = [cluster.routers[0].http];
    let floor = Arc::new(AtomicU64::new(0));
    let hosts = Hosts::Rising {
        floor,
        answers_raise_it: true,
    };
    let gets = Plan {
        hosts: hosts.clone(),
        ..Plan::gets(&router)
    }
    .start();
    let posts = Plan {
        hosts,
        ..Plan::posts(&router)
    }
    .start();
    gets_work(&cut, "southbound", 10).await;
    gate.cut();
    away(&cut).await;
    for number in 2..=10 {
        cluster
            .put("routes/1", &version("/", number, &target))
            .await;
        gets.turns(2).await;
    }
    posts.turns(5).await;
    gate.mend();
    gets_work(&cut, "southbound", 10).await;
    let (gets, posts) = (gets.stop().await, posts.stop().await);
    assert_eq!(
        (gets.failed, posts.failed),
        (0, 0),
        "GET {gets}\nPOST {posts}"
    );
    assert_eq!(
        target.doubles("post"),
        Vec::<String>::new(),
        "no POST is sent twice"
    );
}

#[tokio::test]
async fn a_router_cut_off_from_the_store_serves_what_did_not_change_and_soon_no_old_route() {
    let (etcd, cluster) = Cluster::start(0, 2).await;
    let gate = Gate::to(etcd.port()).await;
    let router = gated(&cluster, &gate, "router", "r1").await;
    let target = CountingTarget::start(Duration::ZERO).await;
    for (id, path) in [("1", "/"), ("2", "/changed")] {
        let revision = cluster
            .write(&format!("routes/{id}"), &version(path, 1, &target))
            .await;
        cluster.applied(revision).await;
        router.applied_revision(revision).await;
    }
    let hosts = Hosts::Rising {
        floor: Arc::new(AtomicU64::new(1)),
        answers_raise_it: true,
    };
    let load = Plan {
        hosts,
        ..Plan::gets(&[router.http])
    }
    .start();
    load.turns(2).await;
    gate.cut();
    away(&router).await;
    cluster
        .put("routes/2", &version("/changed", 2, &target))
        .await;
    // Only as long as a router may be behind that is not cut off.
    eventually("the old route ends", TOGETHER, || async {
        let reply = http1::get(router.http, "x", "/changed?id=cut").await;
        same(reply.map_err(|error| error.to_string())?.status(), &503)
    })
    .await;
    load.turns(20).await;
    let reply = http1::get(router.http, "x", "/changed?id=cut")
        .await
        .unwrap();
    println!("what changed: {} {}", reply.status(), reply.text());
    assert_eq!(reply.status(), 503, "and for good: {}", reply.text());
    gate.mend();
    eventually("the change is served", TOGETHER, || async {
        let reply = http1::get(router.http, "x", "/changed?id=mended").await;
        same(
            reply.map_err(|error| error.to_string())?.text(),
            &"v2.test mended 0".to_owned(),
        )
    })
    .await;
    let tally = load.stop().await;
    assert_eq!(tally.failed, 0, "{tally}");
}

#[tokio::test]
async fn a_processor_cut_off_from_its_router_costs_at_most_the_posts_it_had() {
    let (_etcd, cluster) = Cluster::start(1, 1).await;
    let (gate, aim) = UdpGate::start().await;
    let launch = cluster.ground.launch("processor", "p2").await;
    let advertised = format!("127.0.0.1:{}", gate.port());
    let cut = launch.flag("--hop-advertise", &advertised).start().await;
    aim.send(cut.hop.unwrap()).unwrap();
    let target = CountingTarget::start(Duration::from_millis(30)).await;
    cluster.put("routes/1", &route(&target.node())).await;
    let router = [cluster.routers[0].http];
    let (gets, posts) = (Plan::gets(&router).start(), Plan::posts(&router).start());
    gets_work(&cut, "southbound", 20).await;
    gate.cut();
    gets.turns(20).await;
    posts.turns(20).await;
    let during = posts.failed();
    gate.mend();
    gets_work(&cut, "southbound", 20).await;
    gets.turns(3).await;
    posts.turns(3).await;
    let (gets, posts) = (gets.stop().await, posts.stop().await);
    assert_eq!(gets.failed, 0, "{gets}");
    assert!(posts.failed <= 4 && posts.failed == during, "{posts}");
    assert_eq!(
        target.doubles("post"),
        Vec::<String>::new(),
        "no POST is sent twice"
    );
}
