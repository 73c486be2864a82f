//! What the record of a failed handshake holds: each leg's evidence, the alert on the wire, and nothing of handshakes that
//! went well.

use std::net::SocketAddr;

use cluster_tests::answer::Answer;
use cluster_tests::cluster::{Cluster, HopPki};
use cluster_tests::hello;
use cluster_tests::http1;
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::{https_route, mtls, route, ssl};
use cluster_tests::pki::Authority;
use cluster_tests::target::Target;
use cluster_tests::tls_client::TlsClient;
use cluster_tests::tls_server::{RawTarget, server_config_for};
use cluster_tests::wait::{SOON, eventually};
use rustls::version;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The newest record of this cause, once there is one.
async fn record(node: &Node, cause: &str) -> Value {
    eventually(&format!("a record of {cause}"), SOON, || async {
        let path = format!("/v1/tls/failures?cause={cause}");
        let reply = http1::get(node.metrics, "localhost", &path).await;
        let page = reply.map_err(|e| e.to_string())?.json();
        match page["list"].as_array().and_then(|list| list.first()) {
            Some(record) => Ok(record.clone()),
            None => Err(format!("{page}\n{}", node.process.tail())),
        }
    })
    .await
}

async fn total(node: &Node) -> u64 {
    let reply = http1::get(node.metrics, "localhost", "/v1/tls/failures").await;
    reply.unwrap().json()["total"].as_u64().unwrap()
}

fn alert_of(record: &Value) -> (u64, &str) {
    let alert = &record["alert"];
    (
        alert["number"].as_u64().unwrap_or(0),
        alert["direction"].as_str().unwrap_or("none"),
    )
}

/// Sends `bytes` and reads what comes until the end.
async fn say(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_address_in_a_record_is_the_one_the_client_called() {
    let node = Launch::new().flag("--https", "0.0.0.0:0").start().await;
    let port = node.https.port();
    let called = SocketAddr::from(([127, 0, 0, 1], port));
    say(called, b"GET / HTTP/1.1\r\n\r\n").await;
    let record = record(&node, "plaintext_to_tls_port").await;
    assert_eq!(record["evidence"]["local"], called.to_string());
    let command = format!("curl -sv --max-time 5 http://{called}/");
    assert_eq!(record["verify"], command);
}

async fn mtls_node() -> (Node, Target, Authority) {
    let node = Launch::new()
        .flag("--handshake-timeout", "1s")
        .start()
        .await;
    let target = Target::echo().await;
    let ca = Authority::root("ca");
    let server = ca.server(&["test.com"]);
    node.put("ssls/1", &mtls("test.com", &server, &ca)).await;
    node.put("routes/1", &route(&target.node())).await;
    (node, target, ca)
}

#[tokio::test]
async fn a_refused_client_is_recorded_with_what_it_offered_and_showed() {
    let (node, _target, ca) = mtls_node().await;
    let client = TlsClient::new("test.com");
    for anonymous in [client.clone().tls12(), client.clone().tls13()] {
        let alert = anonymous.refused(node.https).await.unwrap();
        let record = record(&node, "client_cert_missing").await;
        assert_eq!(alert_of(&record), (u64::from(alert), "sent"));
        assert_eq!(record["hop"], "northbound");
        assert_eq!(
            (&record["ssl"], &record["sni"]),
            (&json!("1"), &json!("test.com"))
        );
        assert_eq!(record["phase"], "client_cert");
        assert_eq!(record["confidence"], "certain");
        assert_eq!(record["evidence"]["client_hello"]["sni"], "test.com");
        let hello = record["evidence"]["server_hello"].to_string();
        assert!(hello.contains("TLSv1."), "{record}");
    }
    let stranger = Authority::root("stranger").client("STRANGER");
    let refused = client.clone().identity(&stranger).refused(node.https).await;
    assert_eq!(refused, Some(48));
    let found = record(&node, "client_cert_untrusted_ca").await;
    assert_eq!(
        (alert_of(&found), &found["phase"]),
        ((48, "sent"), &json!("client_cert"))
    );
    assert!(
        found["evidence"].to_string().contains("STRANGER"),
        "the chain shown: {found}"
    );

    assert_eq!(
        TlsClient::new("nobody.test").refused(node.https).await,
        Some(112)
    );
    let found = record(&node, "sni_unknown").await;
    assert_eq!(
        (alert_of(&found), &found["sni"]),
        ((112, "sent"), &json!("nobody.test"))
    );
    assert_eq!(
        (&found["phase"], &found["ssl"]),
        (&json!("client_hello"), &Value::Null)
    );

    let before = total(&node).await;
    let known = client.identity(&ca.client("KNOWN"));
    assert_eq!(known.get(node.https, "/").await.unwrap().status(), 200);
    assert_eq!(
        total(&node).await,
        before,
        "a handshake that went well leaves nothing"
    );
}

#[tokio::test]
async fn an_old_or_broken_hello_gets_the_right_alert_and_a_record() {
    let (node, ..) = mtls_node().await;
    for (bytes, alert, cause) in [
        (
            hello::old_version(0x0301, "test.com"),
            70,
            "protocol_version_mismatch",
        ),
        (hello::fallback("test.com"), 86, "fallback_rejected"),
        (vec![22, 3, 1, 0, 4, 1, 0, 0, 0], 50, "unknown"),
        (vec![23, 3, 3, 0, 4, 1, 2, 3, 4], 10, "unknown"),
    ] {
        let answer = say(node.https, &bytes).await;
        assert_eq!(hello::alert(&answer), Some((2, alert)), "{cause}");
        let record = record(&node, cause).await;
        assert_eq!(alert_of(&record), (u64::from(alert), "sent"), "{record}");
    }
}

#[tokio::test]
async fn what_is_on_the_wrong_port_is_told_so_and_recorded() {
    let (node, ..) = mtls_node().await;
    let answer = say(node.https, b"GET / HTTP/1.1\r\nHost: test.com\r\n\r\n").await;
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
    let found = record(&node, "plaintext_to_tls_port").await;
    assert_eq!(found["alert"], Value::Null);

    let answer = say(node.http, &hello::genuine("test.com")).await;
    assert_eq!(answer, [21, 3, 3, 0, 2, 2, 70]);
    let found = record(&node, "tls_to_plaintext_port").await;
    assert_eq!(
        (alert_of(&found), &found["sni"]),
        ((70, "sent"), &json!("test.com"))
    );

    let behind = b"\x16\x03\x01\0\x05hello\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = say(node.http, behind).await;
    assert_eq!(
        answer,
        [21, 3, 3, 0, 2, 2, 70],
        "what follows is no request"
    );

    let answer = say(
        node.http,
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\n\r\n",
    )
    .await;
    assert!(answer.starts_with(b"HTTP/1.1 400 "));
    record(&node, "proxy_protocol_mismatch").await;
    // A load balancer's check.
    let before = total(&node).await;
    drop(TcpStream::connect(node.https).await.unwrap());
    eventually("it is counted", SOON, || async {
        let metrics = node.metrics().await;
        let name = "tls_handshake_failures_total";
        match metrics.value(name, &[("cause", "probe_no_data")]) {
            count if count > 0.5 => Ok(()),
            count => Err(count.to_string()),
        }
    })
    .await;
    assert_eq!(total(&node).await, before, "and not listed");
}

#[tokio::test]
async fn a_client_that_goes_or_stalls_in_the_middle_is_recorded() {
    let (node, ..) = mtls_node().await;
    let hello = hello::genuine("test.com");
    let mut stream = TcpStream::connect(node.https).await.unwrap();
    stream.write_all(&hello[..60]).await.unwrap();
    let mut waste = Vec::new();
    stream.read_to_end(&mut waste).await.unwrap();
    let found = record(&node, "handshake_timeout").await;
    assert_eq!(
        (&found["phase"], &found["sni"]),
        (&json!("client_hello"), &Value::Null)
    );

    let mut stream = TcpStream::connect(node.https).await.unwrap();
    stream.write_all(&hello).await.unwrap();
    stream.read_exact(&mut [0; 64]).await.unwrap();
    stream.read_to_end(&mut waste).await.unwrap();
    let found = record(&node, "handshake_timeout").await;
    assert_eq!(
        (&found["phase"], &found["sni"]),
        (&json!("server_cert"), &json!("test.com"))
    );
    assert!(found["evidence"]["server_hello"].is_object(), "{found}");

    let mut stream = TcpStream::connect(node.https).await.unwrap();
    stream.write_all(&hello).await.unwrap();
    stream.read_exact(&mut [0; 64]).await.unwrap();
    // With unread bytes the kernel resets the connection.
    drop(stream);
    record(&node, "peer_reset_during_handshake").await;
}

#[tokio::test]
async fn refusals_over_http_are_records_too() {
    let (node, _target, ca) = mtls_node().await;
    let mut object = mtls("soft.com", &ca.server(&["soft.com"]), &ca);
    object["client"]["auth_failure"] = json!("http_400");
    node.put("ssls/2", &object).await;
    node.put("ssls/3", &ssl("open.com", &ca.server(&["open.com"])))
        .await;
    let soft = TlsClient::new("soft.com");
    let reply = soft.get(node.https, "/").await.unwrap();
    assert_eq!(
        (reply.status(), &*reply.reason()),
        (400, "client_cert_missing")
    );
    let found = record(&node, "client_cert_missing").await;
    assert_eq!(
        (&found["phase"], &found["alert"], &found["ssl"]),
        (&json!("post_handshake"), &Value::Null, &json!("2"))
    );
    let stranger = Authority::root("stranger").client("STRANGER");
    let reply = soft.identity(&stranger).get(node.https, "/").await.unwrap();
    assert_eq!(reply.status(), 400);
    let found = record(&node, &reply.reason()).await;
    assert!(
        found["evidence"].to_string().contains("STRANGER"),
        "{found}"
    );

    let open = TlsClient::new("open.com");
    let mut wire = open.connect(node.https).await.unwrap();
    wire.send("GET / HTTP/1.1\r\nHost: test.com\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(wire.reply().await.unwrap().status(), 421);
    let found = record(&node, "sni_host_mismatch").await;
    assert_eq!(
        (&found["phase"], &found["sni"], &found["ssl"]),
        (&json!("post_handshake"), &json!("open.com"), &json!("1"))
    );
}

#[tokio::test]
async fn a_targets_refusal_is_recorded_with_who_and_what_was_asked() {
    let node = Launch::new()
        .flag("--handshake-timeout", "1s")
        .start()
        .await;
    let ca = Authority::root("ca");
    let server = ca.server(&["backend.test"]);
    let trusting = json!({"ca_certs": [ca.cert]});
    let ask = async |target: &str, tls: &Value| {
        node.put("routes/1", &https_route(target, "backend.test", tls))
            .await;
        http1::get(node.http, "x", "/").await.unwrap()
    };
    for version in [&version::TLS12, &version::TLS13] {
        let clients = Authority::root("whom the target trusts");
        let config = server_config_for(&server, Some(&clients), &[version]);
        let target = Target::start_tls(config, Answer::echo).await;
        let reply = ask(&target.node(), &trusting).await;
        assert_eq!(
            (reply.status(), &*reply.reason()),
            (503, "client_cert_missing")
        );
        let found = record(&node, "client_cert_missing").await;
        assert_eq!(
            (alert_of(&found), &found["hop"]),
            ((116, "received"), &json!("southbound"))
        );
        assert_eq!(
            (&found["phase"], &found["role"]),
            (&json!("client_cert"), &json!("client"))
        );
        assert_eq!(
            (&found["target"], &found["route"], &found["sni"]),
            (&json!(target.node()), &json!("1"), &json!("backend.test"))
        );
        assert!(found["upstream"].is_string(), "{found}");
        let evidence = found["evidence"].to_string();
        assert!(
            evidence.contains("whom the target trusts"),
            "the CAs asked for: {evidence}"
        );
    }
    let expired = ca
        .leaf("backend.test")
        .names(&["backend.test"])
        .for_servers()
        .expired()
        .issue();
    let config = server_config_for(&expired, None, &[&version::TLS13]);
    let target = Target::start_tls(config, Answer::echo).await;
    ask(&target.node(), &trusting).await;
    let found = record(&node, "server_cert_expired").await;
    assert_eq!(
        (alert_of(&found), &found["phase"]),
        ((45, "sent"), &json!("server_cert"))
    );
    assert_eq!(found["confidence"], "certain");

    let ssh = RawTarget::start(Some(b"SSH-2.0-OpenSSH_9.2\r\n")).await;
    ask(&ssh.node(), &trusting).await;
    record(&node, "peer_not_tls").await;
    let silent = RawTarget::start(None).await;
    assert_eq!(ask(&silent.node(), &trusting).await.status(), 504);
    let found = record(&node, "handshake_timeout").await;
    assert_eq!(found["evidence"]["client_hello"]["sni"], "backend.test");
    // A port that was ours and is closed.
    let gone = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert_eq!(ask(&gone.to_string(), &trusting).await.status(), 502);
    let found = record(&node, "tcp_connect_failed").await;
    assert_eq!(
        (&found["phase"], &found["target"]),
        (&json!("tcp_connect"), &json!(gone.to_string()))
    );
}

#[tokio::test]
async fn both_ends_of_the_hop_record_a_stranger() {
    let (_etcd, cluster) = Cluster::start(1, 1).await;
    let stranger = cluster.ground.launch("router", "r9").await;
    let other = HopPki::init().await;
    let tls = other.node("router", "r9").await;
    let tls = tls.display().to_string();
    let stranger = stranger.flag("--hop-tls", &tls).start().await;
    let theirs = record(&stranger, "server_cert_untrusted_ca").await;
    assert_eq!(
        (&theirs["hop"], &theirs["role"]),
        (&json!("internal"), &json!("client"))
    );
    assert_eq!(
        (alert_of(&theirs).1, &theirs["phase"]),
        ("sent", &json!("server_cert"))
    );
    let ours = record(&cluster.processors[0], "server_cert_untrusted_ca").await;
    assert_eq!(
        (alert_of(&ours).1, &ours["role"]),
        ("received", &json!("server"))
    );
    assert_eq!(alert_of(&ours).0, alert_of(&theirs).0);
    assert!(
        theirs["evidence"]["peer_chain"].to_string().contains("p1"),
        "whom it met: {theirs}"
    );
    // The addresses tell which two records are of one handshake.
    eventually("two records meet", SOON, || async {
        let at_processor = addresses(&cluster.processors[0], "/peer").await;
        let at_stranger = addresses(&stranger, "/evidence/local").await;
        match at_stranger.iter().find(|own| at_processor.contains(own)) {
            Some(_) => Ok(()),
            None => Err(format!("{at_stranger:?} {at_processor:?}")),
        }
    })
    .await;
}

/// What is at `pointer` in a node's records.
async fn addresses(node: &Node, pointer: &str) -> Vec<Value> {
    let reply = http1::get(node.metrics, "localhost", "/v1/tls/failures").await;
    let page = reply.unwrap().json();
    let list = page["list"].as_array().unwrap().iter();
    list.filter_map(|record| record.pointer(pointer).cloned())
        .collect()
}
