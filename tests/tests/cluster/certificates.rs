//! Certificates in use and what is wrong with them: `/v1/certs` and `sallyport status` of a real node.

use cluster_tests::cluster::HopPki;
use cluster_tests::etcd::Etcd;
use cluster_tests::node::{ADMIN_KEY, Launch, Node, binary};
use cluster_tests::objects::{mtls, ssl};
use cluster_tests::pki::Authority;
use cluster_tests::process::run;
use serde_json::Value;

/// `kind id field finding` of each finding, and of each entry without one.
fn found(view: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_row = |row: &Value| {
        let place = ["kind", "id", "field"]
            .map(|name| text(&row[name]))
            .join(" ");
        let findings = row["findings"].as_array().unwrap();
        let lines = findings
            .iter()
            .map(|found| format!("{place} {}", text(&found["finding"])));
        let lines: Vec<_> = lines.collect();
        if lines.is_empty() { vec![place] } else { lines }
    };
    let rows = view["list"].as_array().unwrap();
    rows.iter().flat_map(of_row).collect()
}

#[tokio::test]
async fn an_expired_certificate_is_accepted_and_shown() {
    let node = Node::start().await;
    let authority = Authority::root("root.test");
    let expired = authority
        .leaf("old.test")
        .names(&["old.test"])
        .expired()
        .issue();
    node.put("ssls/old", &ssl("old.test", &expired)).await;
    let good = authority.server(&["a.test"]);
    node.put("ssls/good", &mtls("a.test", &good, &authority))
        .await;
    node.applied("ssls/good").await;

    let all = found(&node.view("certs").await);
    for line in [
        "server ssls/old cert expired",
        "server ssls/good cert",
        "ca ssls/good client.ca",
    ] {
        assert!(all.contains(&line.to_owned()), "{line}: {all:?}");
    }
    let worst = node.view("certs?severity=warning").await;
    assert_eq!(found(&worst), ["server ssls/old cert expired"]);
    let info = &worst["list"][0]["certInfo"][0];
    assert_eq!(
        (info["subject"].as_str(), info["isValid"].as_str()),
        (Some("CN=old.test"), Some("No"))
    );

    let url = format!("http://{}", node.admin);
    let said = run(
        binary().to_str().unwrap(),
        ["status", "--admin", &url, "--key", ADMIN_KEY],
    )
    .await;
    assert_eq!(said.code, 0, "{}", said.text());
    let line = said
        .stdout
        .lines()
        .find(|line| line.starts_with("ssls/old cert"));
    let line = line.unwrap_or_else(|| panic!("{}", said.text()));
    assert!(
        line.contains("error     expired  \"CN=old.test\" expired at "),
        "{line}"
    );
    assert!(!said.stdout.contains("ssls/good cert"), "{}", said.text());
}

#[tokio::test]
async fn a_nodes_own_certificate_is_in_the_list() {
    let (etcd, pki) = (Etcd::start().await, HopPki::init().await);
    let tls = pki.node("router", "r1").await;
    let node = Launch::new()
        .store(&etcd.store())
        .flag("--role", "router,control")
        .flag("--hop-tls", &tls.display().to_string())
        .start()
        .await;
    let view = node.view("certs?kind=hop").await;
    assert_eq!(found(&view), ["hop nodes/r1 node.crt"]);
    assert_eq!(view["list"][0]["names"][0], "r1");
}
