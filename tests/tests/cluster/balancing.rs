//! Which node gets the next request: weights, hashes, load, priorities, health.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cluster_tests::answer::{Answer, Received};
use cluster_tests::http1;
use cluster_tests::node::{Launch, Node};
use cluster_tests::pki::Authority;
use cluster_tests::target::Target;
use cluster_tests::tls_server::server_config;
use cluster_tests::wait::eventually;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// One data-plane thread, so that counts are exact; three targets that answer their number.
async fn stage() -> (Node, [Target; 3]) {
    let node = Launch::new().flag("--threads", "1").start().await;
    let targets = [
        Target::start(|_| Answer::ok("0")).await,
        Target::start(|_| Answer::ok("1")).await,
        Target::start(|_| Answer::ok("2")).await,
    ];
    (node, targets)
}

async fn put(node: &Node, upstream: Value) {
    node.put("routes/1", &json!({"uri": "/*", "upstream": upstream}))
        .await;
}

/// How many of `count` requests each target answered.
async fn spread(
    node: &Node,
    count: usize,
    path: impl Fn(usize) -> String,
) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    let mut wire = http1::open(node.http).await;
    for number in 0..count {
        wire.send(format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", path(number)))
            .await
            .unwrap();
        *answers
            .entry(wire.reply().await.unwrap().text())
            .or_insert(0) += 1;
    }
    answers
}

#[tokio::test]
async fn roundrobin_follows_the_weights_in_both_forms_of_nodes() {
    let (node, targets) = stage().await;
    let wanted = BTreeMap::from([("0".to_owned(), 30), ("1".to_owned(), 10)]);
    let map = json!({targets[0].node(): 3, targets[1].node(): 1, targets[2].node(): 0});
    put(&node, json!({"type": "roundrobin", "nodes": map})).await;
    assert_eq!(spread(&node, 40, |_| "/".into()).await, wanted);
    let array = targets.iter().zip([3, 1, 0]);
    let array = array.map(
        |(target, weight)| json!({"host": "127.0.0.1", "port": target.port(), "weight": weight}),
    );
    put(
        &node,
        json!({"type": "roundrobin", "nodes": array.collect::<Vec<_>>()}),
    )
    .await;
    assert_eq!(spread(&node, 40, |_| "/".into()).await, wanted);
}

#[tokio::test]
async fn chash_sends_one_key_to_one_node_and_many_keys_to_all() {
    let (node, targets) = stage().await;
    let nodes = json!({targets[0].node(): 1, targets[1].node(): 1, targets[2].node(): 1});
    put(
        &node,
        json!({"type": "chash", "key": "arg_user", "nodes": nodes}),
    )
    .await;
    assert_eq!(spread(&node, 20, |_| "/?user=anna".into()).await.len(), 1);
    assert_eq!(
        spread(&node, 100, |number| format!("/?user={number}"))
            .await
            .len(),
        3
    );
    put(
        &node,
        json!({"type": "chash", "hash_on": "header", "key": "x-user", "nodes": nodes}),
    )
    .await;
    assert_eq!(
        spread(&node, 20, |_| "/".into()).await.len(),
        1,
        "without the header: by the client's address"
    );
}

#[tokio::test]
async fn least_conn_and_ewma_avoid_a_busy_node() {
    let node = Launch::new().flag("--threads", "1").start().await;
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    let busy =
        Target::start(move |_| Answer::Hold(Arc::clone(&held), Box::new(Answer::ok("busy")))).await;
    let free = Target::start(|_| Answer::ok("free")).await;
    put(
        &node,
        json!({"type": "least_conn", "nodes": {busy.node(): 1, free.node(): 1}}),
    )
    .await;
    let mut waiting = Vec::new();
    while busy.received().is_empty() {
        assert!(waiting.len() < 10, "the busy one never got a request");
        let mut wire = http1::open(node.http).await;
        wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        // Either target has it when the next one is sent.
        eventually("somebody got it", Duration::from_secs(5), || async {
            let got = busy.received().len() + free.received().len();
            if got > waiting.len() {
                Ok(())
            } else {
                Err(format!("{got}"))
            }
        })
        .await;
        waiting.push(wire);
    }
    assert_eq!(
        spread(&node, 10, |_| "/".into()).await,
        BTreeMap::from([("free".to_owned(), 10)])
    );
    gate.notify_one();
    let slow =
        Target::start(|_| Answer::After(Duration::from_millis(300), Box::new(Answer::ok("slow"))))
            .await;
    put(
        &node,
        json!({"type": "ewma", "nodes": {slow.node(): 1, free.node(): 1}}),
    )
    .await;
    // One each, as nothing is known of them; from then on the better of the two.
    assert_eq!(spread(&node, 2, |_| "/".into()).await.len(), 2);
    assert_eq!(
        spread(&node, 10, |_| "/".into()).await,
        BTreeMap::from([("free".to_owned(), 10)])
    );
}

#[tokio::test]
async fn nodes_of_lower_priority_serve_only_when_the_higher_cannot() {
    let (node, mut targets) = stage().await;
    let nodes = [(0, 10), (1, 0)].map(|(index, priority): (usize, i32)| {
        json!({"host": "127.0.0.1", "port": targets[index].port(), "weight": 1, "priority": priority})
    });
    put(&node, json!({"nodes": nodes})).await;
    assert_eq!(
        spread(&node, 10, |_| "/".into()).await,
        BTreeMap::from([("0".to_owned(), 10)])
    );
    targets[0].stop_listening().await;
    put(&node, json!({"nodes": nodes, "retries": 1, "keepalive_pool": {"size": 1, "idle_timeout": 1, "requests": 1}})).await;
    let after = spread(&node, 10, |_| "/".into()).await;
    assert!(after.get("1").is_some_and(|count| *count >= 9), "{after:?}");
}

/// A target whose health the test decides.
async fn moody(name: &'static str) -> (Target, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&well);
    let target =
        Target::start(
            move |received| match (received.target(), state.load(Ordering::Relaxed)) {
                ("/health", true) => Answer::ok("well"),
                ("/health", false) | ("/fail", _) => {
                    Answer::status("500 Internal Server Error", "ill")
                }
                _ => Answer::ok(name),
            },
        )
        .await;
    (target, well)
}

async fn only(node: &Node, wanted: &[&str]) {
    eventually(
        &format!("only {wanted:?} answer"),
        Duration::from_secs(20),
        || async {
            let answers = spread(node, 10, |_| "/".into())
                .await
                .into_keys()
                .collect::<Vec<_>>();
            if answers == wanted {
                Ok(())
            } else {
                Err(format!("{answers:?}"))
            }
        },
    )
    .await;
}

#[tokio::test]
async fn active_checks_take_an_ill_node_out_and_bring_it_back() {
    let node = Launch::new().flag("--threads", "1").start().await;
    let ((first, well), (second, _)) = (moody("first").await, moody("second").await);
    let active = json!({
        "type": "http", "http_path": "/health", "timeout": 1,
        "healthy": {"interval": 1, "successes": 1}, "unhealthy": {"interval": 1, "http_failures": 1},
    });
    let nodes = json!({first.node(): 1, second.node(): 1});
    node.put(
        "upstreams/u",
        &json!({"nodes": nodes, "checks": {"active": active}}),
    )
    .await;
    node.put("routes/1", &json!({"uri": "/*", "upstream_id": "u"}))
        .await;
    only(&node, &["first", "second"]).await;
    well.store(false, Ordering::Relaxed);
    only(&node, &["second"]).await;
    let metrics = node.metrics().await;
    let ill = metrics
        .matching("target_healthy", &[])
        .iter()
        .filter(|sample| sample.value < 0.5)
        .count();
    assert_eq!(ill, 1, "{:?}", metrics.matching("target_healthy", &[]));
    well.store(true, Ordering::Relaxed);
    only(&node, &["first", "second"]).await;
}

#[tokio::test]
async fn active_tcp_checks_take_out_a_node_that_is_gone() {
    let (node, mut targets) = stage().await;
    let active = json!({
        "type": "tcp", "timeout": 1, "healthy": {"interval": 1, "successes": 1},
        "unhealthy": {"interval": 1, "tcp_failures": 1, "timeouts": 1},
    });
    let nodes = json!({targets[0].node(): 1, targets[1].node(): 1});
    put(
        &node,
        json!({"nodes": nodes, "retries": 0, "checks": {"active": active}}),
    )
    .await;
    only(&node, &["0", "1"]).await;
    targets[0].stop_listening().await;
    eventually("the gone one is out", Duration::from_secs(20), || async {
        let ill = node
            .metrics()
            .await
            .matching("target_healthy", &[])
            .iter()
            .filter(|s| s.value < 0.5)
            .count();
        if ill == 1 {
            Ok(())
        } else {
            Err(format!("{ill} unhealthy"))
        }
    })
    .await;
}

/// A target that fails all requests, and answers probes with `probed`, for as long as the test wants.
fn failing(
    name: &'static str,
    probed: &'static str,
) -> (impl Fn(&Received) -> Answer + Send + Sync, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(true));
    let state = Arc::clone(&well);
    let script = move |received: &Received| match (received.target(), state.load(Ordering::Relaxed))
    {
        (_, true) => Answer::ok(name),
        ("/health", false) => Answer::status(probed, "ill"),
        (_, false) => Answer::status("500 Internal Server Error", "ill"),
    };
    (script, well)
}

fn requests_of(target: &Target) -> usize {
    let all = target.received();
    all.iter().filter(|r| r.target() != "/health").count()
}

#[tokio::test]
async fn passive_checks_take_a_node_out_that_fails_requests() {
    let node = Launch::new().flag("--threads", "1").start().await;
    let (script, well) = failing("first", "418 I am a teapot");
    let (first, (second, _)) = (Target::start(script).await, moody("second").await);
    // Probes bring the node back, but 418 says nothing: only the requests can take it out.
    let active = json!({
        "http_path": "/health", "healthy": {"interval": 1, "successes": 1}, "unhealthy": {"interval": 1},
    });
    let passive = json!({"unhealthy": {"http_statuses": [500], "http_failures": 3}});
    let nodes = json!({first.node(): 1, second.node(): 1});
    put(
        &node,
        json!({"nodes": nodes, "checks": {"active": active, "passive": passive}}),
    )
    .await;
    only(&node, &["first", "second"]).await;
    let before = requests_of(&first);
    well.store(false, Ordering::Relaxed);
    let answers = spread(&node, 20, |_| "/".into()).await;
    // Three, or more if a probe that went well was still under way; its turns alone would be ten.
    let ill = answers["ill"];
    assert!((3..=5).contains(&ill), "{answers:?}");
    assert_eq!(answers["second"], 20 - ill);
    assert_eq!(requests_of(&first), before + ill);
    well.store(true, Ordering::Relaxed);
    only(&node, &["first", "second"]).await;
}

#[tokio::test]
async fn active_https_checks_take_an_ill_node_out_and_bring_it_back() {
    let node = Launch::new().flag("--threads", "1").start().await;
    let ca = Authority::root("target ca");
    let (script, well) = failing("first", "500 Internal Server Error");
    let config = server_config(&ca.server(&["probe.test", "backend.test"]), None);
    let first = Target::start_tls(config.clone(), script).await;
    let second = Target::start_tls(config, |_| Answer::ok("second")).await;
    let active = json!({
        "type": "https", "http_path": "/health", "host": "probe.test", "timeout": 1,
        "healthy": {"interval": 1, "successes": 1}, "unhealthy": {"interval": 1, "http_failures": 1},
    });
    let nodes = json!({first.node(): 1, second.node(): 1});
    put(
        &node,
        json!({
            "scheme": "https", "pass_host": "rewrite", "upstream_host": "backend.test",
            "tls": {"ca_certs": [ca.cert]}, "nodes": nodes, "checks": {"active": active},
        }),
    )
    .await;
    only(&node, &["first", "second"]).await;
    well.store(false, Ordering::Relaxed);
    only(&node, &["second"]).await;
    let received = first.received();
    let probe = received.iter().find(|r| r.target() == "/health").unwrap();
    assert_eq!(probe.sni.as_deref(), Some("probe.test"));
    well.store(true, Ordering::Relaxed);
    only(&node, &["first", "second"]).await;
}
