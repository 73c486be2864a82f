//! The store away under load: frozen beyond its leases, killed, back after a compaction; one of three members gone, then
//! the majority.

use std::time::Duration;

use cluster_tests::cluster::{Cluster, Plan, TOGETHER, list};
use cluster_tests::counting::CountingTarget;
use cluster_tests::etcd::Etcd;
use cluster_tests::etcd_trio::EtcdTrio;
use cluster_tests::http1;
use cluster_tests::load;
use cluster_tests::node::Node;
use cluster_tests::objects::route;
use cluster_tests::pki::Authority;
use cluster_tests::wait::{eventually, same};
use serde_json::json;

/// Longer than the lease of a node's entry, twice over.
const BEYOND_LEASES: Duration = Duration::from_secs(12);

/// A path is served by the target, or answered with 404.
async fn answered(nodes: &[&Node], path: &str, status: u16) {
    for node in nodes {
        eventually(&format!("{path} gives {status}"), TOGETHER, || async {
            let reply = http1::get(node.http, "x", path)
                .await
                .map_err(|error| error.to_string())?;
            same(reply.status(), &status).map_err(|error| error + &reply.text())
        })
        .await;
    }
}

fn at(path: &str, target: &CountingTarget) -> serde_json::Value {
    let mut route = route(&target.node());
    route["uri"] = json!(path);
    route
}

#[tokio::test]
async fn traffic_goes_on_without_etcd_and_changes_flow_once_it_is_back() {
    let (mut etcd, mut cluster) = Cluster::start(2, 2).await;
    let target = CountingTarget::start(Duration::ZERO).await;
    cluster.put("routes/1", &at("/", &target)).await;
    cluster.put("routes/2", &at("/old", &target)).await;
    let both = [cluster.routers[0].http, cluster.routers[1].http];
    let load = load::Plan::gets(&both).start();
    etcd.freeze();
    load.lasts(BEYOND_LEASES).await;
    assert_eq!(load.failed(), 0, "etcd frozen: {}", load.tally());
    etcd.thaw();
    etcd.put_json("/apisix/routes/3", &at("/thawed", &target))
        .await;
    answered(&[&cluster.routers[0], &cluster.routers[1]], "/thawed", 200).await;
    cluster.met().await;
    assert_eq!(load.failed(), 0, "etcd thawed: {}", load.tally());

    etcd.kill().await;
    load.lasts(BEYOND_LEASES).await;
    assert_eq!(load.failed(), 0, "etcd killed: {}", load.tally());
    // A router that starts now has what it kept: the configuration and the processors.
    let one = load::Plan {
        name: "one",
        ..load::Plan::gets(&both[1..])
    };
    let load = swap(load, one).await;
    let fixed = cluster.routers[0].http.to_string();
    cluster.routers[0].process.kill().await;
    cluster.routers[0] = cluster.routers[0]
        .launch
        .clone()
        .flag("--http", &fixed)
        .start()
        .await;
    answered(&[&cluster.routers[0]], "/?id=restarted", 200).await;
    let restarted = load::Plan {
        name: "restarted",
        ..load::Plan::gets(&both[..1])
    };
    let restarted = restarted.start();
    restarted.turns(20).await;
    assert_eq!(
        (load.failed(), restarted.failed()),
        (0, 0),
        "{}\n{}",
        load.tally(),
        restarted.tally()
    );

    etcd.start_again().await;
    etcd.delete("/apisix/routes/2").await;
    etcd.put_json("/apisix/routes/4", &at("/new", &target))
        .await;
    etcd.compact().await;
    let routers = [&cluster.routers[0], &cluster.routers[1]];
    answered(&routers, "/new", 200).await;
    answered(&routers, "/old", 404).await;
    cluster.met().await;
    load.turns(5).await;
    let (load, restarted) = (load.stop().await, restarted.stop().await);
    assert_eq!((load.failed, restarted.failed), (0, 0), "etcd back");
}

/// Ends a load that must not have failed and starts the next one first.
async fn swap(old: load::Load, new: load::Plan) -> load::Load {
    let new = new.start();
    new.turns(1).await;
    assert_eq!(old.stop().await.failed, 0);
    new
}

#[tokio::test]
async fn one_etcd_member_of_three_is_not_missed_and_without_two_traffic_goes_on() {
    let mut etcd = EtcdTrio::start().await;
    let cluster = Plan::new(&etcd.store(), 1, 1).start().await;
    let target = CountingTarget::start(Duration::ZERO).await;
    cluster.put("routes/1", &at("/", &target)).await;
    let router = &cluster.routers[0];
    let load = load::Plan::gets(&[router.http]).start();
    for number in 0..3 {
        etcd.kill(number).await;
        let path = format!("/without-{number}");
        etcd.put_json(&format!("/apisix/routes/w{number}"), &at(&path, &target))
            .await;
        answered(&[router], &path, 200).await;
        etcd.start_again(number);
        etcd.put_json("/apisix/routes/w", &at(&format!("/with-{number}"), &target))
            .await;
        answered(&[router], &format!("/with-{number}"), 200).await;
    }
    assert_eq!(load.failed(), 0, "one member away: {}", load.tally());
    etcd.kill(0).await;
    etcd.kill(1).await;
    load.lasts(Duration::from_secs(6)).await;
    let refused = cluster
        .control
        .admin("PUT", "routes/5", &at("/refused", &target).to_string())
        .await;
    println!(
        "a write without a majority: {} {}",
        refused.status(),
        refused.text()
    );
    assert!(
        (500..=504).contains(&refused.status()),
        "{} {}",
        refused.status(),
        refused.text()
    );
    assert!(
        refused.json()["error_msg"].is_string(),
        "a clear error: {}",
        refused.text()
    );
    assert_eq!(load.failed(), 0, "the majority away: {}", load.tally());
    etcd.start_again(0);
    etcd.start_again(1);
    etcd.put_json("/apisix/routes/6", &at("/back", &target))
        .await;
    etcd.compact().await;
    answered(&[router], "/back", 200).await;
    cluster.met().await;
    let nodes = cluster.control.view("nodes").await;
    assert_eq!(list(&nodes).len(), 3, "{nodes}");
    let tally = load.stop().await;
    assert_eq!(tally.failed, 0);
}

#[tokio::test]
async fn a_cluster_on_an_etcd_with_tls_and_a_password() {
    let ca = Authority::root("etcd ca");
    let mut etcd = Etcd::start_tls(&ca).await;
    let password = etcd.demand_password("a password of the tests").await;
    let plan = [
        ("ca", "ca.crt"),
        ("cert", "client.crt"),
        ("key", "client.key"),
    ]
    .into_iter()
    .fold(Plan::new(&etcd.store(), 1, 1), |plan, (flag, file)| {
        plan.flag(&format!("--etcd-{flag}"), &etcd.file(file))
    })
    .flag("--etcd-user", "root")
    .flag("--etcd-password-file", &password);
    let mut cluster = plan.start().await;
    let target = CountingTarget::start(Duration::ZERO).await;
    cluster.put("routes/1", &at("/", &target)).await;
    answered(&[&cluster.routers[0]], "/?id=1", 200).await;
    // Tokens end with the server that gave them; the leases of the entries must be kept all the same.
    etcd.kill().await;
    etcd.start_again().await;
    etcd.put_json("/apisix/routes/2", &at("/new", &target))
        .await;
    answered(&[&cluster.routers[0]], "/new", 200).await;
    cluster.met().await;
    cluster.routers[0].process.signal("TERM");
    cluster.routers[0].process.wait(TOGETHER).await;
    let entries = etcd.ctl(&["get", "--prefix", "/apisix-nodes"]).await.stdout;
    assert!(
        !entries.contains("/apisix-nodes/r1"),
        "it took its entry with it: {entries}"
    );
    eventually("the others have heard of it", TOGETHER, || async {
        same(cluster.member("r1").await, &json!(null))
    })
    .await;
    let stored = etcd
        .ctl(&["get", "--prefix", "/apisix-tickets"])
        .await
        .stdout;
    assert!(
        stored.contains("/apisix-tickets"),
        "the routers' keys are there: {stored}"
    );
}
