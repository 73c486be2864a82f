//! Router and processor apart answer as one process does: plain and mutual TLS on both sides, the contract's faults, what
//! logs and metrics say of the hop.

use cluster_tests::answer::Answer;
use cluster_tests::cluster::{Cluster, INTERNAL, Plan};
use cluster_tests::etcd::{Etcd, free_port};
use cluster_tests::http1::{self, Message};
use cluster_tests::objects::{https_route, mtls, route, ssl};
use cluster_tests::pki::Authority;
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use cluster_tests::tls_server::{RawTarget, server_config};
use cluster_tests::wait::{SOON, eventually, same};
use serde_json::{Value, json};

async fn stage() -> (Etcd, Cluster) {
    Cluster::start(1, 1).await
}

async fn get(cluster: &Cluster, path: &str) -> Message {
    http1::get(cluster.routers[0].http, "client.test", path)
        .await
        .unwrap()
}

#[tokio::test]
async fn plain_and_mutual_tls_work_on_both_sides_of_the_hop() {
    let (_etcd, cluster) = stage().await;
    let (north, south) = (Authority::root("clients"), Authority::root("targets"));
    let plain = Target::echo().await;
    let secure = Target::start_tls(
        server_config(&south.server(&["backend.test"]), Some(&south)),
        Answer::echo,
    )
    .await;
    let gateway = south.client("GATEWAY");
    let tls =
        json!({"client_cert": gateway.chain, "client_key": gateway.key, "ca_certs": [south.cert]});
    let mut to_secure = https_route(&secure.node(), "backend.test", &tls);
    to_secure["uri"] = json!("/secure/*");
    cluster
        .put("ssls/1", &ssl("plain.test", &north.server(&["plain.test"])))
        .await;
    cluster
        .put(
            "ssls/2",
            &mtls("mtls.test", &north.server(&["mtls.test"]), &north),
        )
        .await;
    cluster.put("routes/1", &route(&plain.node())).await;
    cluster.put("routes/2", &to_secure).await;
    let router = &cluster.routers[0];

    let reply = get(&cluster, "/a?q=1").await;
    assert_eq!(
        (reply.status(), &reply.json()["target"]),
        (200, &json!("/a?q=1")),
        "{}",
        reply.text()
    );
    let reply = get(&cluster, "/secure/b").await;
    let seen = reply.json();
    assert_eq!(reply.status(), 200, "{}", reply.text());
    assert_eq!(
        (&seen["client"], &seen["sni"]),
        (&json!("GATEWAY"), &json!("backend.test"))
    );
    let client = TlsClient::new("plain.test");
    assert_eq!(client.get(router.https, "/c").await.unwrap().status(), 200);
    let client = TlsClient::new("mtls.test").identity(&north.client("CLIENT"));
    let reply = client.get(router.https, "/secure/d").await.unwrap();
    assert_eq!(reply.json()["client"], "GATEWAY", "{}", reply.text());
    let headers = reply.json()["headers"].to_string().to_lowercase();
    assert!(
        headers.contains("\"client-cert\""),
        "the client's certificate is told: {headers}"
    );
    assert_eq!(
        TlsClient::new("mtls.test").refused(router.https).await,
        Some(116)
    );
}

#[tokio::test]
async fn the_hop_shows_in_log_and_metrics() {
    let etcd = Etcd::start().await;
    let plan = Plan::new(&etcd.store(), 1, 1).flag("--access-log", "stdout");
    let cluster = plan.start().await;
    let target = Target::echo().await;
    cluster.put("routes/1", &route(&target.node())).await;
    for _ in 0..5 {
        assert_eq!(get(&cluster, "/shown").await.status(), 200);
    }
    let (router, processor) = (&cluster.routers[0], &cluster.processors[0]);
    let line = eventually("the access log's line", SOON, || async {
        let line = router
            .json_lines()
            .into_iter()
            .find(|line| line["path"] == "/shown");
        line.ok_or_else(|| router.process.tail())
    })
    .await;
    assert_eq!(line["status"], 200, "{line}");
    assert!(
        line["target"].to_string().contains(&target.node()),
        "{line}"
    );
    let metrics = router.metrics_of_now().await;
    let count = |name: &str, labels: &[(&str, &str)]| metrics.value(name, labels);
    assert!(count("http_requests_total", &[INTERNAL, ("code", "200")]) > 4.5);
    assert!(
        count(
            "http_requests_total",
            &[("hop", "northbound"), ("code", "200")]
        ) > 4.5
    );
    assert!(
        count(
            "tls_handshakes_total",
            &[INTERNAL, ("result", "ok"), ("version", "TLSv1.3")]
        ) > 0.5
    );
    assert!(count("connections", &[INTERNAL, ("protocol", "quic")]) > 0.5);
    assert!(count("bytes_total", &[INTERNAL]) > 0.5);
    assert!(
        count("hop_requests_in_flight", &[INTERNAL]) < 0.5,
        "nothing is in flight any more"
    );
    assert!(
        count("tls_certificate_not_after_seconds", &[("kind", "hop")]) > 1.7e9,
        "the end of the node's own certificate"
    );
    let metrics = processor.metrics().await;
    let count = |name: &str, labels: &[(&str, &str)]| metrics.value(name, labels);
    assert!(
        count(
            "http_requests_total",
            &[("hop", "southbound"), ("code", "200")]
        ) > 4.5
    );
    assert!(count("tls_handshakes_total", &[INTERNAL, ("result", "ok")]) > 0.5);
    assert!(count("connections", &[INTERNAL, ("protocol", "quic")]) > 0.5);
}

#[tokio::test]
async fn without_a_processor_the_router_says_so() {
    let (_etcd, cluster) = Cluster::start(1, 0).await;
    cluster.put("routes/1", &route("127.0.0.1:1")).await;
    let reply = get(&cluster, "/").await;
    assert_eq!(
        (reply.status(), reply.fault_code()),
        (503, "NoProcessor".to_owned()),
        "{}",
        reply.text()
    );
    assert_eq!(reply.header("x-fault-code"), Some("NoProcessor"));
    assert_eq!(reply.header("x-fault-source"), Some("router"));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let id = reply.header("x-request-id").expect("a request id");
    assert_eq!(reply.json()["fault"]["detail"]["request_id"], id);
    let request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
    let reply = http1::exchange(cluster.routers[0].http, request)
        .await
        .unwrap();
    assert_eq!(
        (reply.status(), reply.fault_code()),
        (503, "NoProcessor".to_owned()),
        "{}",
        reply.text()
    );
    let none = http1::get(cluster.routers[0].http, "x", "/").await.unwrap();
    assert!(
        !none.text().contains("127.0.0.1"),
        "no address in a client's answer: {}",
        none.text()
    );
}

#[tokio::test]
async fn the_processors_faults_arrive_as_in_one_process() {
    let (etcd, cluster) = stage().await;
    let ca = Authority::root("targets");
    let expired = ca
        .leaf("backend.test")
        .names(&["backend.test"])
        .for_servers()
        .expired()
        .issue();
    let late = Target::start_tls(server_config(&expired, None), Answer::echo).await;
    let hangs = Target::start(|_| Answer::Hang).await;
    let closes = Target::start(|_| Answer::SendAndClose(Vec::new())).await;
    let silent = RawTarget::start(None).await;
    let errs = Target::start(|_| Answer::status("503 Service Unavailable", "mine")).await;
    let timeout = json!({"connect": 1, "send": 1, "read": 0.5});
    let tls = json!({"ca_certs": [ca.cert]});
    let slow = |mut route: Value| {
        route["timeout"] = timeout.clone();
        route
    };
    let refused = format!("127.0.0.1:{}", free_port());
    let closed = "UnexpectedEOFAtTarget";
    let cases = [
        (route(&refused), 502, "TargetUnreachable", None),
        (
            https_route(&late.node(), "backend.test", &tls),
            503,
            "SslHandshakeFailed",
            Some("server_cert_expired"),
        ),
        (
            slow(https_route(&silent.node(), "backend.test", &tls)),
            504,
            "GatewayTimeout",
            Some("handshake_timeout"),
        ),
        (slow(route(&hangs.node())), 504, "GatewayTimeout", None),
        (route(&closes.node()), 502, closed, None),
        (
            json!({"uri": "/*", "upstream": {"nodes": []}}),
            503,
            "NoActiveTargets",
            None,
        ),
    ];
    for (object, status, code, reason) in cases {
        cluster.put("routes/1", &object).await;
        let reply = get(&cluster, "/").await;
        let got = (reply.status(), reply.fault_code());
        assert_eq!(got, (status, code.to_owned()), "{object}: {}", reply.text());
        assert_eq!(reply.header("x-fault-code"), Some(code));
        if let Some(reason) = reason {
            assert_eq!(reply.reason(), reason, "{}", reply.text());
        }
        let source = reply.header("x-fault-source");
        assert!(
            matches!(source, Some("target" | "processor")),
            "{code}: {source:?}"
        );
        assert!(reply.header("x-request-id").is_some());
    }
    // The Admin API would refuse a reference that leads nowhere.
    let dangling = json!({"uri": "/dangling", "upstream_id": "none"});
    etcd.put_json("/apisix/routes/2", &dangling).await;
    eventually("the reference leads nowhere", SOON, || async {
        let reply = get(&cluster, "/dangling").await;
        same(
            (reply.status(), reply.fault_code()),
            &(503, "ConfigMissingMaterial".to_owned()),
        )
    })
    .await;
    // A POST, because a GET is tried again and there is no other node.
    cluster.put("routes/1", &route(&closes.node())).await;
    let request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
    let reply = http1::exchange(cluster.routers[0].http, request)
        .await
        .unwrap();
    assert_eq!(
        (reply.status(), reply.fault_code()),
        (502, closed.to_owned()),
        "{}",
        reply.text()
    );
    cluster.put("routes/1", &route(&errs.node())).await;
    let reply = get(&cluster, "/").await;
    assert_eq!((reply.status(), reply.text()), (503, "mine".to_owned()));
    assert_eq!(reply.header("x-apisix-upstream-status"), Some("503"));
    assert_eq!(reply.header("x-fault-code"), None);
}
