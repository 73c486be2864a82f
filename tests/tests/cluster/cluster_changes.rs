//! A thousand changes under load: nobody is turned away. No request meets an older version of its route than one that its
//! router answered with before it was sent, nor an older version of what the route refers to than its router had by then.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use cluster_tests::cluster::Cluster;
use cluster_tests::counting::CountingTarget;
use cluster_tests::http1;
use cluster_tests::load::{Hosts, Load, Plan};
use cluster_tests::node::ADMIN_KEY;
use serde_json::{Value, json};

/// Changes of the route, and as many of the upstream that another route refers to.
const CHANGES: u64 = 500;

/// An upstream that tells its target its version by the Host; every other one leads elsewhere, too.
fn upstream(version: u64, targets: &[CountingTarget; 2]) -> Value {
    let node = targets[usize::from(version % 2 == 1)].node();
    json!({"nodes": {node: 1}, "pass_host": "rewrite", "upstream_host": format!("v{version}.test")})
}

fn rising(name: &'static str, path: &'static str, router: SocketAddr, hosts: Hosts) -> Load {
    let plan = Plan {
        name,
        workers: 3,
        path,
        pause: Duration::from_millis(5),
        hosts,
        ..Plan::gets(&[router])
    };
    plan.start()
}

/// Versions that a client must not see go back.
fn seen() -> Hosts {
    Hosts::Rising {
        floor: Arc::new(AtomicU64::new(0)),
        answers_raise_it: true,
    }
}

/// Versions of what is beside the route: a processor that knows a newer one than the router may serve it earlier.
fn had(floor: &Arc<AtomicU64>) -> Hosts {
    Hosts::Rising {
        floor: Arc::clone(floor),
        answers_raise_it: false,
    }
}

#[tokio::test]
async fn a_thousand_changes_under_load_fail_nothing_and_never_go_back() {
    let (_etcd, cluster) = Cluster::start(2, 2).await;
    let targets = [
        CountingTarget::start(Duration::ZERO).await,
        CountingTarget::start(Duration::ZERO).await,
    ];
    let inline = |version| json!({"uri": "/inline", "upstream": upstream(version, &targets)});
    cluster.put("upstreams/u", &upstream(0, &targets)).await;
    cluster
        .put("routes/2", &json!({"uri": "/by-id", "upstream_id": "u"}))
        .await;
    cluster.put("routes/1", &inline(0)).await;
    let (a, b) = (cluster.routers[0].http, cluster.routers[1].http);
    let floors = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
    let loads = [
        rising("inline-r1", "/inline", a, seen()),
        rising("inline-r2", "/inline", b, seen()),
        rising("by-id-r1", "/by-id", a, had(&floors[0])),
        rising("by-id-r2", "/by-id", b, had(&floors[1])),
    ];
    let mut admin = http1::open(cluster.control.admin).await;
    for version in 1..=CHANGES {
        for (path, object) in [
            ("routes/1", inline(version)),
            ("upstreams/u", upstream(version, &targets)),
        ] {
            let body = object.to_string();
            let request = format!(
                "PUT /apisix/admin/{path} HTTP/1.1\r\nHost: x\r\nX-API-KEY: {ADMIN_KEY}\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            admin.send(request).await.unwrap();
            let reply = admin.reply().await.unwrap();
            assert_eq!(reply.status(), 200, "{}", reply.text());
        }
        // Now and then only, so that changes come in bursts, too.
        if version % 10 == 0 {
            let stored = cluster.control.admin("GET", "upstreams/u", "").await;
            let revision = stored.json()["modifiedIndex"].as_f64().unwrap();
            for (router, floor) in cluster.routers.iter().zip(&floors) {
                router.applied_revision(revision).await;
                floor.store(version, Ordering::SeqCst);
            }
        }
    }
    let last = cluster.write("routes/1", &inline(CHANGES + 1)).await;
    cluster.applied(last).await;
    for load in &loads {
        load.turns(3).await;
    }
    for load in loads {
        let tally = load.stop().await;
        assert_eq!(tally.failed, 0, "{tally}");
        assert!(tally.ok > 100, "enough requests to say something: {tally}");
    }
    for node in &cluster.routers {
        let reply = http1::get(node.http, "x", "/inline?id=last").await.unwrap();
        assert_eq!(
            reply.text(),
            format!("v{}.test last 0", CHANGES + 1),
            "and the last one stands"
        );
        let reply = http1::get(node.http, "x", "/by-id?id=last").await.unwrap();
        assert_eq!(reply.text(), format!("v{CHANGES}.test last 0"));
    }
}

/// Writers that change one route at the same time, on a connection each.
const WRITERS: u64 = 4;
/// Changes by each of them.
const EACH: u64 = 250;

/// Changes the route and the upstream that it refers to in turn, as fast as the Admin API answers.
async fn hurry(admin: SocketAddr, writer: u64, node: String) {
    let mut admin = http1::open(admin).await;
    for version in 0..EACH {
        let told = format!("{writer}-{version}");
        let object = match version % 4 {
            0 => (
                "upstreams/u",
                json!({"nodes": {node.clone(): 1}, "desc": told}),
            ),
            _ => (
                "routes/1",
                json!({"uri": "/", "upstream_id": "u", "desc": told}),
            ),
        };
        let (path, body) = (object.0, object.1.to_string());
        let request = format!(
            "PUT /apisix/admin/{path} HTTP/1.1\r\nHost: x\r\nX-API-KEY: {ADMIN_KEY}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        admin.send(request).await.unwrap();
        let reply = admin.reply().await.unwrap();
        assert_eq!(reply.status(), 200, "{}", reply.text());
    }
}

/// Stops a process again and again for some milliseconds until it is dropped: a node on a busy machine.
struct Halting(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Halting {
    fn start(pid: u32) -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ends);
        let send = move |name: &str| {
            let done = std::process::Command::new("kill")
                .args([&format!("-{name}"), &pid.to_string()])
                .status();
            assert!(done.is_ok_and(|status| status.success()), "kill -{name}");
        };
        let thread = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                send("STOP");
                std::thread::sleep(Duration::from_millis(40));
                send("CONT");
                std::thread::sleep(Duration::from_millis(15));
            }
        });
        Self(ends, Some(thread))
    }
}

impl Drop for Halting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        // A panic there has been printed.
        drop(self.1.take().map(JoinHandle::join));
    }
}

/// Several versions of the route between two publications of a node, others at each node, and a router behind all others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_that_changes_faster_than_nodes_follow_fails_nothing() {
    let (_etcd, cluster) = Cluster::start(2, 2).await;
    let target = CountingTarget::start(Duration::ZERO).await;
    cluster
        .put("upstreams/u", &json!({"nodes": {target.node(): 1}}))
        .await;
    cluster
        .put("routes/1", &json!({"uri": "/", "upstream_id": "u"}))
        .await;
    let routers = [cluster.routers[0].http, cluster.routers[1].http];
    let gets = Plan::gets(&routers).start();
    let posts = Plan::posts(&routers).start();
    let halting = Halting::start(cluster.routers[1].process.pid());
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(hurry(cluster.control.admin, writer, target.node())))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    drop(halting);
    gets.turns(2).await;
    posts.turns(2).await;
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
