//! What operators see: metrics, access log, status.

use std::collections::BTreeSet;

use cluster_tests::answer::Answer;
use cluster_tests::http1;
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::{https_route, mtls, route, ssl};
use cluster_tests::pki::Authority;
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use cluster_tests::tls_server::server_config;
use cluster_tests::wait::{SOON, eventually};
use serde_json::{Value, json};

/// A node that has seen every kind of traffic: mTLS on both hops, and a handshake that failed on each.
async fn busy() -> (Node, Target, Authority) {
    let node = Node::start().await;
    let ca = Authority::root("ca");
    let target = Target::start_tls(
        server_config(&ca.server(&["backend.test"]), Some(&ca)),
        Answer::echo,
    )
    .await;
    let client = ca.client("CLIENT");
    node.put("ssls/1", &mtls("test.com", &ca.server(&["test.com"]), &ca))
        .await;
    let tls = json!({"client_cert": client.chain, "client_key": client.key, "ca_certs": [ca.cert]});
    let mut good = https_route(&target.node(), "backend.test", &tls);
    good["upstream_id"] = json!("u");
    let upstream = good["upstream"].take();
    good.as_object_mut().unwrap().remove("upstream");
    node.put("upstreams/u", &upstream).await;
    node.put("routes/good", &good).await;
    let mut bad = https_route(&target.node(), "other.test", &tls);
    bad["uri"] = json!("/bad");
    node.put("routes/bad", &bad).await;
    let known = TlsClient::new("test.com").identity(&client);
    assert_eq!(
        known.get(node.https, "/x?secret=1").await.unwrap().status(),
        200
    );
    assert_eq!(known.get(node.https, "/bad").await.unwrap().status(), 503);
    assert_eq!(
        TlsClient::new("test.com").tls13().refused(node.https).await,
        Some(116)
    );
    assert_eq!(
        TlsClient::new("unknown.com").refused(node.https).await,
        Some(112)
    );
    (node, target, ca)
}

#[tokio::test]
async fn every_metric_of_the_contract_is_there_with_its_type_and_labels() {
    let (node, _target, _ca) = busy().await;
    let metrics = node.metrics_of_now().await;
    let families: &[(&str, &str, &[&str])] = &[
        (
            "tls_handshakes_total",
            "counter",
            &["hop", "result", "version", "resumed", "client_auth"],
        ),
        (
            "tls_handshake_failures_total",
            "counter",
            &["hop", "cause", "alert", "direction"],
        ),
        ("tls_handshake_duration_seconds", "histogram", &["hop"]),
        (
            "tls_certificate_not_after_seconds",
            "gauge",
            &["kind", "id"],
        ),
        ("http_requests_total", "counter", &["hop", "route", "code"]),
        (
            "http_request_duration_seconds",
            "histogram",
            &["hop", "route"],
        ),
        ("hop_requests_in_flight", "gauge", &["hop"]),
        ("connections", "gauge", &["hop", "protocol"]),
        ("connections_total", "counter", &["hop", "protocol"]),
        ("bytes_total", "counter", &["hop", "direction"]),
        ("config_revision", "gauge", &["state"]),
        ("config_objects", "gauge", &["kind"]),
        ("config_rejected_objects", "gauge", &["kind"]),
        ("config_apply_duration_seconds", "histogram", &[]),
        ("store_connected", "gauge", &[]),
        ("build_info", "gauge", &["version", "commit"]),
    ];
    let mut wrong = Vec::new();
    for (name, kind, labels) in families {
        let full = format!("sallyport_{name}");
        if metrics.types.get(&full).map(String::as_str) != Some(*kind) {
            wrong.push(format!(
                "{name}: type {:?} instead of {kind}",
                metrics.types.get(&full)
            ));
        }
        let sample = if *kind == "histogram" {
            format!("{name}_count")
        } else {
            (*name).to_owned()
        };
        let samples = metrics.matching(&sample, &[]);
        if samples.is_empty() {
            wrong.push(format!("{name}: no sample"));
        }
        let wanted = labels
            .iter()
            .map(|label| (*label).to_owned())
            .collect::<BTreeSet<_>>();
        for sample in samples {
            let got = sample.labels.keys().cloned().collect::<BTreeSet<_>>();
            if got != wanted {
                wrong.push(format!("{name}: labels {got:?} instead of {wanted:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn handshakes_requests_and_certificates_are_counted_under_the_right_labels() {
    let (node, _target, ca) = busy().await;
    node.put("ssls/2", &ssl("two.com", &ca.server(&["two.com"])))
        .await;
    let metrics = node.metrics_of_now().await;
    let at_least = |name: &str, labels: &[(&str, &str)]| {
        assert!(
            metrics.value(name, labels) > 0.5,
            "{name} {labels:?}: {:?}",
            metrics.matching(name, &[])
        );
    };
    at_least(
        "tls_handshakes_total",
        &[("hop", "northbound"), ("result", "ok")],
    );
    at_least(
        "tls_handshakes_total",
        &[("hop", "southbound"), ("result", "ok")],
    );
    at_least(
        "tls_handshakes_total",
        &[("hop", "northbound"), ("result", "failed")],
    );
    let sent = ("direction", "sent");
    at_least(
        "tls_handshake_failures_total",
        &[
            ("hop", "northbound"),
            ("alert", "certificate_required"),
            sent,
        ],
    );
    at_least(
        "tls_handshake_failures_total",
        &[("hop", "northbound"), ("alert", "unrecognized_name"), sent],
    );
    at_least(
        "tls_handshake_failures_total",
        &[("hop", "southbound"), sent],
    );
    at_least(
        "http_requests_total",
        &[("hop", "northbound"), ("route", "good"), ("code", "200")],
    );
    at_least(
        "http_requests_total",
        &[("hop", "northbound"), ("route", "bad"), ("code", "503")],
    );
    at_least(
        "http_requests_total",
        &[("hop", "southbound"), ("code", "200")],
    );
    at_least("tls_certificate_not_after_seconds", &[("id", "1")]);
    at_least("config_objects", &[("kind", "ssl")]);
    assert!(metrics.value("config_objects", &[("kind", "ssl")]) > 1.5);
    let alias = http1::get(node.metrics, "localhost", "/apisix/prometheus/metrics")
        .await
        .unwrap();
    assert!(alias.status() == 200 && alias.text().contains("sallyport_build_info"));
    let names = metrics
        .samples
        .iter()
        .flat_map(|sample| sample.labels.values())
        .cloned()
        .collect::<Vec<_>>();
    assert!(
        !names.iter().any(|value| value.contains("unknown.com")),
        "a client's text is no label"
    );
}

#[tokio::test]
async fn the_access_log_has_one_line_of_json_a_request_with_the_tls_facts_of_both_hops() {
    let (node, _target, _ca) = busy().await;
    let line = eventually("the request is logged", SOON, || async {
        let lines = node.json_lines();
        let mine = lines
            .into_iter()
            .filter(|line| line["path"] == "/x")
            .collect::<Vec<_>>();
        if let [line] = &mine[..] {
            Ok(line.clone())
        } else {
            Err(format!("{mine:?}"))
        }
    })
    .await;
    for field in [
        "time",
        "request_id",
        "client",
        "method",
        "host",
        "protocol",
        "duration_ms",
        "bytes_in",
        "bytes_out",
        "target",
    ] {
        assert!(!line[field].is_null(), "{field}: {line}");
    }
    assert_eq!(
        (&line["status"], &line["route"], &line["upstream"]),
        (&json!(200), &json!("good"), &json!("upstreams/u")),
        "{line}"
    );
    for hop in ["tls", "target_tls"] {
        assert_eq!(line[hop]["version"], "TLSv1.3", "{hop}: {line}");
        assert!(
            line[hop]["cipher"]
                .as_str()
                .is_some_and(|cipher| cipher.starts_with("TLS")),
            "{hop}: {line}"
        );
    }
    assert_eq!(
        (&line["tls"]["sni"], &line["target_tls"]["sni"]),
        (&json!("test.com"), &json!("backend.test"))
    );
    assert_eq!(line["tls"]["client_cert"], "verified");
    assert!(
        !line.to_string().contains("secret=1"),
        "a query is no business of a log: {line}"
    );
    let lines = node.json_lines();
    let bad = lines
        .iter()
        .find(|line| line["path"] == "/bad")
        .expect("failed requests are logged too");
    assert_eq!(
        (&bad["status"], &bad["fault"]),
        (&json!(503), &json!("SslHandshakeFailed")),
        "{bad}"
    );
}

#[tokio::test]
async fn what_a_client_sends_cannot_break_or_forge_a_log_line() {
    let node = Node::start().await;
    let odd = "/%0a{\"path\":\"/forged\"}\"\\";
    let request = format!("GET {odd} HTTP/1.1\r\nHost: a\"b\\c\r\nX: y\r\n\r\n");
    http1::exchange(node.http, request).await.unwrap();
    http1::get(node.http, "plain", odd).await.unwrap();
    eventually("both are logged", SOON, || async {
        let lines = node.json_lines();
        let mine = lines
            .iter()
            .filter(|line| line["status"].is_number())
            .count();
        if mine >= 2 {
            Ok(())
        } else {
            Err(format!("{lines:?}"))
        }
    })
    .await;
    assert!(
        node.json_lines()
            .iter()
            .all(|line| line["path"] != "/forged")
    );
    let broken = node
        .process
        .lines()
        .into_iter()
        .filter(|line| serde_json::from_str::<Value>(line).is_err())
        .collect::<Vec<_>>();
    assert!(broken.is_empty(), "lines that are not JSON: {broken:?}");
}

#[tokio::test]
async fn status_tells_revision_store_roles_and_rejections() {
    let node = Launch::new().flag("--node-id", "n1").start().await;
    node.put("routes/1", &route("127.0.0.1:1")).await;
    let status = node.status().await;
    assert_eq!(status["node"], "n1", "{status}");
    assert!(status["revision"]["applied"].as_u64() > Some(0), "{status}");
    assert_eq!(
        (&status["store_connected"], &status["rejected"]),
        (&json!(true), &json!([])),
        "{status}"
    );
    assert!(
        status["roles"]
            .as_array()
            .is_some_and(|roles| !roles.is_empty()),
        "{status}"
    );
}
