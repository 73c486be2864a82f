//! `sallyport diagnose --upstream ID` and `--ssl ID`: configured objects, probed by the nodes that use them.

use cluster_tests::answer::Answer;
use cluster_tests::cluster::Cluster;
use cluster_tests::http1;
use cluster_tests::node::{ADMIN_KEY, Node, binary};
use cluster_tests::objects::{mtls, ssl};
use cluster_tests::pki::{Authority, Identity};
use cluster_tests::process::{Said, run};
use cluster_tests::target::Target;
use cluster_tests::tls_server::server_config;
use serde_json::{Value, json};

/// An upstream of one https node whose certificate is to be for this name.
fn upstream(target: &Target, name: &str, ca: &Authority) -> Value {
    json!({"scheme": "https", "nodes": {target.node(): 1}, "tls": {"ca_certs": [ca.cert], "sni": name}})
}

async fn target(identity: &Identity) -> Target {
    Target::start_tls(server_config(identity, None), Answer::echo).await
}

async fn diagnose(node: &Node, args: &[&str]) -> (Said, Value) {
    let url = format!("http://{}", node.admin);
    let mut all = vec!["diagnose", "--json", "--admin", &url, "--key", ADMIN_KEY];
    all.extend(args);
    let said = run(binary().to_str().unwrap(), all).await;
    let answer = serde_json::from_str(&said.stdout)
        .unwrap_or_else(|error| panic!("no JSON: {error}: {}", said.text()));
    (said, answer)
}

fn first_cause(report: &Value) -> &Value {
    &report["reports"][0]["findings"][0]["cause"]
}

#[tokio::test]
async fn every_processor_probes_the_targets_of_an_upstream() {
    let (_etcd, cluster) = Cluster::start(1, 2).await;
    cluster.met().await;
    let ca = Authority::root("ca");
    let expired = ca
        .leaf("b.test")
        .names(&["b.test"])
        .for_servers()
        .expired()
        .issue();
    let target = target(&expired).await;
    let revision = cluster
        .write("upstreams/u", &upstream(&target, "b.test", &ca))
        .await;
    cluster.applied(revision).await;
    let (said, answer) = diagnose(&cluster.control, &["--upstream", "u"]).await;
    assert_eq!(said.code, 2, "{answer:#}");
    let nodes = answer["nodes"].as_array().unwrap();
    let reports: Vec<_> = nodes.iter().filter(|n| n["report"].is_object()).collect();
    assert_eq!(reports.len(), 2, "{answer:#}");
    for node in reports {
        assert_eq!(node["report"]["object"], "upstreams/u");
        assert_eq!(first_cause(&node["report"]), "server_cert_expired");
    }
    let refused = nodes.iter().filter_map(|node| node["error"].as_str());
    assert!(
        refused.clone().count() == 2 && refused.clone().all(|e| e.contains("role processor")),
        "the router and control: {answer:#}"
    );
}

#[tokio::test]
async fn our_own_listener_under_the_names_of_an_ssl_object() {
    let node = Node::start().await;
    let ca = Authority::root("ca");
    node.put("ssls/good", &ssl("good.test", &ca.server(&["good.test"])))
        .await;
    let closed = mtls("closed.test", &ca.server(&["closed.test"]), &ca);
    node.put("ssls/closed", &closed).await;
    node.put(
        "ssls/named",
        &ssl("named.test", &ca.server(&["other.test"])),
    )
    .await;
    for (id, code) in [("good", 0), ("closed", 0), ("named", 2)] {
        let (said, answer) = diagnose(&node, &["--ssl", id]).await;
        assert_eq!(said.code, code, "{id}: {answer:#}");
        let report = &answer["nodes"][0]["report"]["reports"][0];
        assert_eq!(report["sni"], format!("{id}.test"));
        let found = report["findings"].as_array().unwrap();
        let cause = |wanted: &str| found.iter().find(|f| f["cause"] == wanted);
        match id {
            "closed" => assert_eq!(cause("client_cert_missing").unwrap()["severity"], "info"),
            "named" => {
                let found = cause("server_cert_hostname_mismatch").unwrap();
                assert_eq!(found["owner"], "gateway");
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn only_configured_objects_and_only_for_the_admin() {
    let node = Node::start().await;
    let ca = Authority::root("ca");
    let target = target(&ca.server(&["b.test"])).await;
    node.put("upstreams/u", &upstream(&target, "b.test", &ca))
        .await;
    let plain = json!({"nodes": {"127.0.0.1:1": 1}});
    node.put("upstreams/plain", &plain).await;
    for (query, status) in [
        ("upstream=u", 200),
        ("upstream=nobody", 404),
        ("upstream=plain", 409),
        ("host=127.0.0.1:1", 400),
        ("upstream=u&ssl=1", 400),
        ("", 400),
    ] {
        let path = format!("/v1/diagnose?{query}");
        let reply = http1::get(node.metrics, "x", &path).await.unwrap();
        assert_eq!(reply.status(), status, "{query}: {}", reply.text());
    }
    let before = target.connections();
    let reply = http1::get(node.metrics, "x", "/v1/diagnose?upstream=u").await;
    assert_eq!(reply.unwrap().json()["verdict"], "ok");
    assert_eq!(
        target.connections(),
        before,
        "the result is kept for a while"
    );
    let reply = http1::get(node.admin, "x", "/v1/diagnose?upstream=u")
        .await
        .unwrap();
    assert_eq!(reply.status(), 401, "{}", reply.text());
    assert!(target.received().is_empty(), "no request over TLS");
}
