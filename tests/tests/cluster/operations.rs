//! What operators see and do: metrics, status, access log, drain, settings, change under load.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cluster_tests::answer::Answer;
use cluster_tests::h2_client::H2Client;
use cluster_tests::http1;
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::{https_route, mtls, route, ssl};
use cluster_tests::pki::Authority;
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use cluster_tests::tls_server::server_config;
use cluster_tests::wait::{SOON, eventually, same};
use serde_json::{Value, json};
use tokio::sync::Notify;

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
    let metrics = node.metrics().await;
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
    let metrics = node.metrics().await;
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
        (&json!(200), &json!("good"), &json!("u")),
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

#[tokio::test]
async fn sigterm_drains_and_exits_with_0() {
    let mut node = Node::start().await;
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    let target = Target::start(move |received| match received.target() {
        "/held" => Answer::Hold(Arc::clone(&held), Box::new(Answer::ok("finished"))),
        _ => Answer::ok("fine"),
    })
    .await;
    node.put(
        "ssls/1",
        &ssl("test.com", &Authority::root("ca").server(&["test.com"])),
    )
    .await;
    node.put("routes/1", &route(&target.node())).await;
    let mut idle = http1::open(node.http).await;
    idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(idle.reply().await.unwrap().text(), "fine");
    let mut held = http1::open(node.http).await;
    held.send("GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut h2 = H2Client::connect(&TlsClient::new("test.com"), node.https)
        .await
        .unwrap();
    let fields: [(&str, &[u8]); 4] = [
        (":method", b"GET"),
        (":scheme", b"https"),
        (":authority", b"test.com"),
        (":path", b"/held"),
    ];
    let stream = h2.begin(&fields, true).await.unwrap();
    eventually("both are with the target", SOON, || async {
        same(target.received().len(), &3)
    })
    .await;
    node.process.signal("TERM");
    eventually("readiness is off", SOON, || async {
        let reply = http1::get(node.metrics, "localhost", "/status/ready")
            .await
            .map_err(|error| error.to_string())?;
        same(reply.status(), &503)
    })
    .await;
    gate.notify_one();
    gate.notify_one();
    // Each waiter takes one permit; the second call may find nobody waiting yet.
    let release = tokio::spawn(async move {
        loop {
            gate.notify_waiters();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let reply = held.reply().await.unwrap();
    assert_eq!((reply.status(), reply.text()), (200, "finished".to_owned()));
    assert_eq!(
        reply.header("connection").map(str::to_lowercase).as_deref(),
        Some("close")
    );
    assert!(idle.rest().await.is_empty(), "idle connections are closed");
    let outcome = h2.outcome(stream).await;
    assert_eq!(
        (outcome.status, outcome.body.as_slice()),
        (Some(200), b"finished".as_slice())
    );
    if outcome.gone.is_none() {
        assert_eq!(
            h2.outcome(u32::MAX).await.gone,
            Some(0),
            "GOAWAY without an error"
        );
    }
    release.abort();
    assert_eq!(
        node.process.wait(Duration::from_secs(20)).await.code(),
        Some(0)
    );
}

#[tokio::test]
async fn a_drain_that_takes_too_long_is_cut_off() {
    let launch = Launch::new().flag("--drain-timeout", "1s");
    let mut node = launch.start().await;
    let target = Target::start(|_| Answer::Hang).await;
    node.put("routes/1", &route(&target.node())).await;
    let mut wire = http1::open(node.http).await;
    wire.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    eventually("it is with the target", SOON, || async {
        same(target.received().len(), &1)
    })
    .await;
    node.process.signal("TERM");
    node.process.wait(Duration::from_secs(15)).await;
}

#[tokio::test]
async fn two_hundred_changes_under_load_drop_no_request() {
    let node = Node::start().await;
    let ca = Authority::root("ca");
    let server = ca.server(&["test.com"]);
    let targets = [
        Target::start(|_| Answer::ok("0")).await,
        Target::start(|_| Answer::ok("1")).await,
    ];
    node.put("ssls/1", &ssl("test.com", &server)).await;
    node.put("routes/1", &route(&targets[0].node())).await;
    let stop = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let mut clients = Vec::new();
    for tls in [false, true, false, true] {
        let (stop, served, http, https) = (
            Arc::clone(&stop),
            Arc::clone(&served),
            node.http,
            node.https,
        );
        clients.push(tokio::spawn(async move {
            let dialer = TlsClient::new("test.com").dialer();
            while !stop.load(Ordering::Relaxed) {
                let reply = if tls {
                    dialer
                        .get(https, "/")
                        .await
                        .map_err(|refusal| refusal.to_string())
                } else {
                    http1::get(http, "test.com", "/")
                        .await
                        .map_err(|error| error.to_string())
                };
                let reply = reply?;
                if reply.status() != 200 {
                    return Err(format!("{} {}", reply.status(), reply.text()));
                }
                served.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        }));
    }
    for number in 0..200 {
        let reply = if number % 10 == 9 {
            node.admin("PUT", "ssls/1", &ssl("test.com", &server).to_string())
                .await
        } else {
            node.admin(
                "PUT",
                "routes/1",
                &route(&targets[number % 2].node()).to_string(),
            )
            .await
        };
        assert_eq!(reply.status(), 200, "{}", reply.text());
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        assert_eq!(client.await.unwrap(), Ok(()));
    }
    println!(
        "{} requests during 200 changes",
        served.load(Ordering::Relaxed)
    );
    assert!(targets.iter().all(|target| !target.received().is_empty()));
}

#[tokio::test]
async fn bad_flags_and_files_end_with_2_and_one_line_that_names_them() {
    let launch = Launch::new();
    let file = launch.dir().join("config.yaml");
    let at_file = file.display().to_string();
    std::fs::write(&file, "http: 127.0.0.1:0\nno-such-key: 1\n").unwrap();
    let cases = [
        ("--http", "nonsense", "http"),
        ("--https", "1.2.3.4", "https"),
        ("--store", "mysql://x", "store"),
        ("--handshake-timeout", "soon", "handshake-timeout"),
        ("--upstream-verify", "maybe", "upstream-verify"),
        ("--threads", "-1", "threads"),
        ("--fallback-sni", "a b", "fallback-sni"),
        ("--role", "king", "role"),
        ("--keyring-file", "/no/such/file", "keyring-file"),
        ("--config", "/no/such/file", "/no/such/file"),
        ("--config", &at_file, "no-such-key"),
        ("--no-such-flag", "x", "no-such-flag"),
    ];
    for (flag, value, named) in cases {
        let said = launch.clone().flag(flag, value).run().await;
        assert_eq!(said.code, 2, "{flag} {value}: {}", said.text());
        assert!(
            said.stderr.contains(named),
            "{flag} {value}: {}",
            said.stderr
        );
        assert!(
            said.stderr.trim_end().lines().count() <= 8,
            "{flag} {value}: {}",
            said.stderr
        );
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let said = launch
        .clone()
        .flag("--http", &taken.local_addr().unwrap().to_string())
        .run()
        .await;
    assert!(matches!(said.code, 1 | 2), "{}", said.text());
    assert!(
        said.stderr
            .contains(&taken.local_addr().unwrap().port().to_string()),
        "{}",
        said.stderr
    );
}

#[tokio::test]
async fn the_flag_wins_over_the_variable_and_the_variable_over_the_file() {
    let launch = Launch::new();
    let file = launch.dir().join("config.yaml");
    std::fs::write(&file, "node-id: from-file\nfallback-sni: file.com\n").unwrap();
    let launch = launch.flag("--config", &file.display().to_string());
    assert_eq!(launch.start().await.status().await["node"], "from-file");
    let launch = launch.env("SALLYPORT_NODE_ID", "from-variable");
    assert_eq!(launch.start().await.status().await["node"], "from-variable");
    let launch = launch.flag("--node-id", "from-flag");
    assert_eq!(launch.start().await.status().await["node"], "from-flag");
}

#[tokio::test]
async fn a_listener_that_is_off_does_not_listen_and_a_body_over_its_bound_is_413() {
    let node = Launch::new()
        .flag("--https", "off")
        .flag("--max-body-bytes", "1KiB")
        .start()
        .await;
    assert_eq!(node.https.port(), 1, "no address was given");
    let target = Target::echo().await;
    node.put("routes/1", &route(&target.node())).await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\n";
    let sized = format!("{head}Content-Length: 1025\r\n\r\n{}", "x".repeat(1025));
    assert_eq!(
        http1::exchange(node.http, sized).await.unwrap().status(),
        413
    );
    let chunked = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n800\r\n{}\r\n0\r\n\r\n",
        "x".repeat(2048)
    );
    assert_eq!(
        http1::exchange(node.http, chunked).await.unwrap().status(),
        413
    );
    assert!(target.received().is_empty());
    let fits = format!("{head}Content-Length: 1024\r\n\r\n{}", "x".repeat(1024));
    assert_eq!(
        http1::exchange(node.http, fits).await.unwrap().status(),
        200
    );
}
