//! The cluster as users deploy it: compose.yaml from nothing to the first mTLS request, then everything that can happen
//! to it while clients are served. Where there is no Docker engine the test says so and passes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster_tests::compose::{Compose, Container};
use cluster_tests::http1;
use cluster_tests::load::{Hosts, Load, Plan, Routers, Tally};
use cluster_tests::node::binary;
use cluster_tests::process::run;
use cluster_tests::wait::eventually;
use serde_json::{Value, json};

/// Containers start, elect and find each other on two shared cores.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long each trouble lasts: longer than QUIC's idle timeout and a retry after it.
const TROUBLE: Duration = Duration::from_secs(6);
/// Longer than a node's lease and the time that its entry is remembered afterwards.
const WITHOUT_STORE: Duration = Duration::from_secs(12);

/// promtool keeps the series of the rules' tests in a file, and the root is read-only.
const IN_PROMETHEUS: [&str; 6] = [
    "exec",
    "-T",
    "-e",
    "TMPDIR=/prometheus",
    "prometheus",
    "promtool",
];
/// What deploy/Dockerfile begins with.
const BASE_IMAGE: &str = "debian:bookworm-slim";

/// The two loads through both routers.
struct Loads {
    routers: Routers,
    gets: Load,
    posts: Load,
    before: (Tally, Tally),
}

impl Loads {
    fn start(routers: &[SocketAddr]) -> Self {
        let routers: Routers = Arc::new(Mutex::new(routers.to_vec()));
        let demo = |plan: Plan| {
            let plan = Plan {
                routers: Arc::clone(&routers),
                path: "/plain",
                hosts: Hosts::Demo,
                ..plan
            };
            plan.start()
        };
        Self {
            gets: demo(Plan::gets(&[])),
            posts: demo(Plan::posts(&[])),
            routers,
            before: Default::default(),
        }
    }

    /// Prints what happened since the last time, with the first failures since then; failures of GETs and of POSTs.
    fn since(&mut self, what: &str) -> (u64, u64) {
        let now = (self.gets.look(), self.posts.look());
        let (gets, posts) = (&now.0, &now.1);
        let failed = (
            gets.failed - self.before.0.failed,
            posts.failed - self.before.1.failed,
        );
        println!(
            "{what}: {} GETs, {} failed; {} POSTs, {} failed; slowest so far {:?}, {:?}",
            gets.sent - self.before.0.sent,
            failed.0,
            posts.sent - self.before.1.sent,
            failed.1,
            gets.slowest,
            posts.slowest
        );
        for text in gets.texts.iter().chain(&posts.texts) {
            println!("    {text}");
        }
        self.before = now;
        failed
    }

    async fn last(&self, time: Duration) {
        self.gets.lasts(time).await;
        self.posts.lasts(Duration::ZERO).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compose_from_nothing_through_all_troubles() {
    let Some(compose) = Compose::up().await else {
        return;
    };
    first_request(&compose).await;
    small(&compose).await;
    prometheus_sees_all(&compose).await;
    rules_hold(&compose).await;
    hardened(&compose).await;
    let routers = addresses(&compose.containers("router").await);
    assert_eq!(routers.len(), 2);
    let mut loads = Loads::start(&routers);
    loads.last(Duration::from_secs(2)).await;
    assert_eq!(loads.since("nothing happens"), (0, 0));
    processors_fail(&compose, &mut loads).await;
    the_store_fails(&compose, &mut loads).await;
    a_route_changes(&compose, &mut loads, 1000).await;
    every_node_is_replaced(&compose, &mut loads).await;
    let (gets, posts) = (loads.gets.stop().await, loads.posts.stop().await);
    assert!(gets.sent > 1000 && posts.sent > 500, "{gets}\n{posts}");
}

fn addresses(routers: &[Container]) -> Vec<SocketAddr> {
    routers.iter().map(|r| (r.address, 9080).into()).collect()
}

/// README's way: a client's certificate, through router, hop and processor, to a target that wants one as well.
async fn first_request(compose: &Compose) {
    let dir = tempfile::tempdir().unwrap();
    for (what, file) in [("client", "client.pem"), ("ca", "ca.pem")] {
        let shown = compose
            .compose(&["run", "--rm", "-T", "setup-demo", "show", what])
            .await;
        std::fs::write(dir.path().join(file), shown).unwrap();
    }
    let routers = compose.containers("router").await;
    let at = |own: u16| {
        routers[0]
            .ports
            .iter()
            .find(|(port, _)| *port == own)
            .unwrap()
            .1
    };
    let https = at(9443);
    let url = format!("https://mtls.sallyport.test:{}/mtls", https.port());
    let resolve = format!("mtls.sallyport.test:{}:{}", https.port(), https.ip());
    let file = |name: &str| dir.path().join(name).display().to_string();
    let (ca, client) = (file("ca.pem"), file("client.pem"));
    let args = ["-sS", "--cacert", &ca, "--resolve", &resolve, &url];
    let with = [&args[..], &["--cert", &client]].concat();
    eventually("the first request", PATIENCE, || async {
        let said = run("curl", &with).await;
        if said.stdout.contains("CN=sallyport-gateway over TLSv1.3") {
            Ok(())
        } else {
            Err(said.text())
        }
    })
    .await;
    let without = run("curl", &args).await;
    assert!(
        without.stderr.contains("certificate required"),
        "{}",
        without.text()
    );
}

async fn prometheus_sees_all(compose: &Compose) {
    let prometheus = compose.one("prometheus").await;
    let at = SocketAddr::from((prometheus.address, 9090));
    let ask = |path: &'static str| async move {
        let reply = http1::get(at, "prometheus", path)
            .await
            .map_err(|e| e.to_string())?;
        serde_json::from_str::<Value>(&reply.text()).map_err(|e| format!("{e}: {}", reply.text()))
    };
    eventually("every target is up", PATIENCE, || async {
        let targets = ask("/api/v1/targets?state=active").await?;
        let active = targets["data"]["activeTargets"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let down: Vec<_> = active.iter().filter(|t| t["health"] != "up").collect();
        let nodes = active
            .iter()
            .filter(|t| {
                t["labels"]["job"]
                    .as_str()
                    .is_some_and(|job| job.contains("sallyport"))
            })
            .count();
        if down.is_empty() && nodes >= 5 {
            println!(
                "Prometheus: {} targets up, {nodes} of them nodes",
                active.len()
            );
            Ok(())
        } else {
            Err(format!("{nodes} nodes of {}; down: {down:?}", active.len()))
        }
    })
    .await;
    let rules = ask("/api/v1/rules").await.unwrap();
    let groups = rules["data"]["groups"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let all: Vec<_> = groups
        .iter()
        .flat_map(|g| g["rules"].as_array().cloned().unwrap_or_default())
        .collect();
    println!("Prometheus: {} rules", all.len());
    assert!(
        all.len() >= 10 && all.iter().all(|r| r["health"] != "err"),
        "{rules}"
    );
}

/// The rules' own tests, by the Prometheus that loads the rules.
async fn rules_hold(compose: &Compose) {
    for check in [
        ["check", "config", "/etc/prometheus/prometheus.yml"],
        ["check", "rules", "/etc/prometheus/rules.yml"],
        ["test", "rules", "/etc/prometheus/rules.test.yml"],
    ] {
        let args = [&IN_PROMETHEUS[..], &check].concat();
        let said = compose.compose(&args).await;
        assert!(said.contains("SUCCESS"), "promtool {check:?}: {said}");
    }
}

/// What the image adds to its base and the program: with the program that users get, a release build of some 18 MB, it must
/// stay under 30 MB. The debug build in the tests' image is far larger.
async fn small(compose: &Compose) {
    let image = format!("sallyport:{}", compose.project());
    let over = image_size(&image).await - image_size(BASE_IMAGE).await;
    let dir = tempfile::tempdir().unwrap();
    let stripped = dir.path().join("sallyport");
    let args = [
        "--strip-all".into(),
        "-o".into(),
        stripped.clone(),
        binary(),
    ];
    let said = run("strip", args).await;
    assert_eq!(said.code, 0, "{}", said.text());
    let program = std::fs::metadata(&stripped).unwrap().len() as f64;
    let besides = over - program;
    println!(
        "the image is {:.1} MB over {BASE_IMAGE}, {:.1} MB of it the program",
        over / 1e6,
        program / 1e6
    );
    assert!(
        besides <= 10e6,
        "{besides} bytes over {BASE_IMAGE} and the program"
    );
}

async fn image_size(image: &str) -> f64 {
    let said = run(
        "docker",
        ["image", "inspect", "--format", "{{.Size}}", image],
    )
    .await;
    let count = said.stdout.trim().parse();
    count.unwrap_or_else(|_| panic!("{}", said.text()))
}

/// Nodes are no root, write nowhere but to their data, and have no rights.
async fn hardened(compose: &Compose) {
    for service in ["router", "processor", "control"] {
        for node in compose.containers(service).await {
            let facts = &node.facts;
            assert_eq!(facts["Config"]["User"], "10001:10001", "{service}");
            assert_eq!(facts["HostConfig"]["ReadonlyRootfs"], true, "{service}");
            assert_eq!(facts["HostConfig"]["CapDrop"], json!(["ALL"]), "{service}");
        }
    }
}

async fn healthy(compose: &Compose, service: &str, count: usize) {
    eventually(&format!("{count} healthy {service}"), PATIENCE, || async {
        let found = compose.containers(service).await;
        let well = found.iter().filter(|c| c.is_healthy()).count();
        if well >= count {
            Ok(())
        } else {
            Err(format!("{well} of {}", found.len()))
        }
    })
    .await;
}

async fn processors_fail(compose: &Compose, loads: &mut Loads) {
    let processors = compose.containers("processor").await;
    let (one, two) = (&processors[0], &processors[1]);

    one.docker(&["kill", "--signal", "KILL"]).await;
    loads.last(TROUBLE).await;
    let (gets, posts) = loads.since("a processor is killed");
    assert_eq!(gets, 0);
    assert!(posts <= 4, "more POSTs failed than there were workers");
    one.docker(&["start"]).await;
    healthy(compose, "processor", 2).await;
    loads.last(Duration::from_secs(1)).await;
    assert_eq!(loads.since("it is started again"), (0, 0));

    two.docker(&["stop", "--time", "40"]).await;
    loads.last(Duration::from_secs(2)).await;
    assert_eq!(loads.since("a processor is stopped"), (0, 0));
    two.docker(&["start"]).await;
    healthy(compose, "processor", 2).await;
    loads.last(Duration::from_secs(1)).await;

    one.docker(&["pause"]).await;
    loads.last(TROUBLE).await;
    let (gets, posts) = loads.since("a processor is paused");
    assert_eq!(gets, 0);
    assert!(posts <= 4, "more POSTs failed than there were workers");
    one.docker(&["unpause"]).await;
    healthy(compose, "processor", 2).await;
    loads.last(Duration::from_secs(1)).await;
    loads.since("it goes on");

    // Container addresses may be others after a restart.
    let router = compose.containers("router").await.swap_remove(0);
    let processor = compose.containers("processor").await.swap_remove(1);
    router.cut_off(&processor).await;
    loads.last(TROUBLE).await;
    let (gets, posts) = loads.since("a router is cut off from a processor");
    assert_eq!(gets, 0);
    assert!(posts <= 4, "more POSTs failed than there were workers");
    router.rejoin(&processor).await;
    loads.last(Duration::from_secs(1)).await;
    loads.since("they meet again");
}

/// A write through the Admin API: its status.
async fn write(compose: &Compose, key: &str, path: &str, object: &Value) -> Result<u16, String> {
    let control = compose.one("control").await;
    let body = object.to_string();
    let request = format!(
        "PUT /apisix/admin/{path} HTTP/1.1\r\nHost: admin\r\nX-API-KEY: {key}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let at = SocketAddr::from((control.address, 9180));
    let reply = http1::exchange(at, request)
        .await
        .map_err(|e| e.to_string())?;
    Ok(reply.status())
}

async fn admin_key(compose: &Compose) -> String {
    let file = ["exec", "-T", "control", "cat", "/etc/sallyport/admin.key"];
    let text = compose.compose(&file).await;
    text.lines().next().unwrap().trim().to_owned()
}

/// Waits until every router serves `path` by a route written just now.
async fn served(routers: &[SocketAddr], path: &str) {
    for router in routers {
        eventually("the new route is served", PATIENCE, || async {
            let reply = http1::get(*router, "any.test", path)
                .await
                .map_err(|e| e.to_string())?;
            if reply.status() == 200 {
                Ok(())
            } else {
                Err(reply.text())
            }
        })
        .await;
    }
}

fn route(path: &str) -> Value {
    json!({ "uri": path, "upstream_id": "demo-plain" })
}

async fn the_store_fails(compose: &Compose, loads: &mut Loads) {
    let key = admin_key(compose).await;
    let routers = loads.routers.lock().unwrap().clone();
    compose
        .one("etcd1")
        .await
        .docker(&["kill", "--signal", "KILL"])
        .await;
    eventually("a write with two members left", PATIENCE, || async {
        match write(compose, &key, "routes/two-left", &route("/two-left")).await {
            Ok(200 | 201) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    served(&routers, "/two-left").await;
    loads.last(Duration::from_secs(1)).await;
    assert_eq!(loads.since("an etcd member is killed"), (0, 0));

    compose
        .one("etcd2")
        .await
        .docker(&["kill", "--signal", "KILL"])
        .await;
    loads.last(WITHOUT_STORE).await;
    assert_eq!(loads.since("the majority of etcd is killed"), (0, 0));
    let refused = write(compose, &key, "routes/none-left", &route("/none-left")).await;
    assert!(matches!(refused, Ok(500..=599)), "{refused:?}");

    compose.compose(&["start", "etcd1", "etcd2"]).await;
    eventually("a write with all members back", PATIENCE, || async {
        match write(compose, &key, "routes/back", &route("/back")).await {
            Ok(200 | 201) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    served(&routers, "/back").await;
    loads.last(Duration::from_secs(2)).await;
    assert_eq!(loads.since("all members are back"), (0, 0));
}

async fn a_route_changes(compose: &Compose, loads: &mut Loads, times: usize) {
    let key = admin_key(compose).await;
    let control = compose.one("control").await;
    let mut wire = http1::open((control.address, 9180).into()).await;
    for n in 0..times {
        let body = json!({ "uri": "/plain", "upstream_id": "demo-plain", "desc": n.to_string() });
        let body = body.to_string();
        let request = format!(
            "PUT /apisix/admin/routes/demo-plain HTTP/1.1\r\nHost: admin\r\nX-API-KEY: {key}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        wire.send(request).await.unwrap();
        let reply = wire.reply_to("PUT").await.unwrap();
        assert_eq!(reply.status(), 200, "{}", reply.text());
    }
    loads.last(Duration::from_secs(1)).await;
    let what = format!("the route changes {times} times");
    assert_eq!(loads.since(&what), (0, 0));
}

async fn every_node_is_replaced(compose: &Compose, loads: &mut Loads) {
    let tag = format!("{}-next", compose.project());
    let program = binary().display().to_string();
    let made = compose
        .script(&["image", compose.project(), &program, &tag], &[])
        .await;
    assert_eq!(made.code, 0, "image: {}", made.text());
    // What a load balancer does: whoever is ready gets connections. One that has just started is not, however long that
    // takes here.
    let routers = Arc::clone(&loads.routers);
    let look = async {
        loop {
            let mut ready = compose.containers("router").await;
            ready.retain(Container::is_healthy);
            let now = addresses(&ready);
            if !now.is_empty() {
                *routers.lock().unwrap() = now;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let args = ["roll", compose.project(), "processor", "router", "control"];
    let version = [("SALLYPORT_VERSION", tag.as_str())];
    let roll = compose.script(&args, &version);
    let rolled = tokio::select! {
        rolled = roll => rolled,
        () = look => unreachable!("it looks for ever"),
    };
    assert_eq!(rolled.code, 0, "roll: {}", rolled.text());
    loads.last(Duration::from_secs(1)).await;
    assert_eq!(loads.since("every node is replaced"), (0, 0));
    let image = format!("sallyport:{tag}");
    for service in ["router", "processor", "control"] {
        for node in compose.containers(service).await {
            assert_eq!(node.facts["Config"]["Image"], image.as_str(), "{service}");
        }
    }
}
