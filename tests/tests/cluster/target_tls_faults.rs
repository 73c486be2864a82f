//! TLS to targets that fails: every reason is named, and nothing that would help an attacker.

use cluster_tests::answer::Answer;
use cluster_tests::node::Launch;
use cluster_tests::pki::Authority;
use cluster_tests::target::Target;
use cluster_tests::tls_server::{RawTarget, server_config, server_config_for};
use rustls::version;
use serde_json::json;

use super::mtls_out::{assert_fault, stage, stage_with};

#[tokio::test]
async fn each_fault_of_a_targets_certificate_is_named() {
    let stage = stage().await;
    let ca = &stage.ca;
    let leaf = || ca.leaf("backend.test").names(&["backend.test"]);
    let mut incomplete = ca.intermediate("between").server(&["backend.test"]);
    incomplete.chain.clone_from(&incomplete.cert);
    let cases = [
        (
            leaf().for_servers().expired().issue(),
            "server_cert_expired",
        ),
        (
            leaf().for_servers().future().issue(),
            "server_cert_not_yet_valid",
        ),
        (leaf().for_clients().issue(), "server_cert_wrong_purpose"),
        (
            ca.server(&["elsewhere.test"]),
            "server_cert_hostname_mismatch",
        ),
    ];
    for (identity, reason) in cases {
        for version in [&version::TLS12, &version::TLS13] {
            let target =
                Target::start_tls(server_config_for(&identity, None, &[version]), Answer::echo)
                    .await;
            let reply = stage
                .get(&target.node(), &json!({"ca_certs": [ca.cert]}))
                .await;
            assert_fault(&reply, 503, "SslHandshakeFailed", reason);
            assert_eq!(reply.header("x-fault-source"), Some("target"));
        }
    }
    let target = Target::start_tls(server_config(&incomplete, None), Answer::echo).await;
    let reply = stage
        .get(&target.node(), &json!({"ca_certs": [ca.cert]}))
        .await;
    assert_eq!(
        (reply.status(), reply.fault_code().as_str()),
        (503, "SslHandshakeFailed"),
        "{}",
        reply.text()
    );
    let full = ca.intermediate("between").server(&["backend.test"]);
    let target = Target::start_tls(server_config(&full, None), Answer::echo).await;
    assert_eq!(
        stage
            .get(&target.node(), &json!({"ca_certs": [ca.cert]}))
            .await
            .status(),
        200,
        "an intermediate sent"
    );
}

#[tokio::test]
async fn a_target_that_refuses_our_certificate_or_its_lack_is_a_failed_handshake_in_every_version()
{
    let stage = stage().await;
    let clients = Authority::root("whom the target trusts");
    for version in [&version::TLS12, &version::TLS13] {
        let config = server_config_for(&stage.server, Some(&clients), &[version]);
        let target = Target::start_tls(config, Answer::echo).await;
        for tls in [json!({"ca_certs": [stage.ca.cert]}), stage.inline()] {
            let reply = stage.get(&target.node(), &tls).await;
            assert_eq!(
                (reply.status(), reply.fault_code().as_str()),
                (503, "SslHandshakeFailed"),
                "{}",
                reply.text()
            );
        }
        assert!(target.received().is_empty());
    }
    let metrics = stage.node.metrics().await;
    let received = metrics.value(
        "tls_handshake_failures_total",
        &[("hop", "southbound"), ("direction", "received")],
    );
    assert!(
        received > 3.5,
        "each alert was received from the target: {received}"
    );
}

#[tokio::test]
async fn targets_that_do_not_speak_tls_are_told_from_those_that_say_nothing() {
    let stage = stage_with(Launch::new().flag("--handshake-timeout", "1s")).await;
    let plain = RawTarget::start(Some(
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    ))
    .await;
    assert_fault(
        &stage.get(&plain.node(), &json!({})).await,
        503,
        "SslHandshakeFailed",
        "peer_not_tls",
    );
    let ssh = RawTarget::start(Some(b"SSH-2.0-OpenSSH_9.2\r\n")).await;
    assert_fault(
        &stage.get(&ssh.node(), &json!({})).await,
        503,
        "SslHandshakeFailed",
        "peer_not_tls",
    );
    let silent = RawTarget::start(None).await;
    assert_fault(
        &stage.get(&silent.node(), &json!({})).await,
        504,
        "GatewayTimeout",
        "handshake_timeout",
    );
    let closing = RawTarget::start(Some(b"")).await;
    let reply = stage.get(&closing.node(), &json!({})).await;
    assert_eq!(
        (reply.status(), reply.fault_code().as_str()),
        (503, "SslHandshakeFailed"),
        "{}",
        reply.text()
    );
}

#[tokio::test]
async fn what_would_help_an_attacker_stays_out_of_a_faults_body() {
    let stage = stage().await;
    let target = Target::start_tls(
        server_config(&stage.ca.server(&["secret-name.test"]), None),
        Answer::echo,
    )
    .await;
    let reply = stage
        .get(&target.node(), &json!({"ca_certs": [stage.ca.cert]}))
        .await;
    assert_eq!(reply.status(), 503);
    let shown = format!(
        "{}{}",
        String::from_utf8_lossy(&reply.head.raw),
        reply.text()
    );
    for secret in [
        "secret-name",
        "backend.test",
        "127.0.0.1",
        &target.port().to_string(),
        "target ca",
    ] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}
