//! Real clients at Sallyport's door whose hello cannot be agreed to: versions, suites, groups, signatures, protocols, names;
//! and those at the wrong door.

use cluster_tests::etcd::Etcd;
use cluster_tests::matrix::client::Dial;
use cluster_tests::matrix::relay::Relay;
use cluster_tests::matrix::rustls_peer;
use cluster_tests::matrix::table::{Besides, Row, judge};
use cluster_tests::matrix::want::{Want, want};
use cluster_tests::matrix::zoo::Fault;
use cluster_tests::matrix::{Stack, Version};
use cluster_tests::node::Launch;
use cluster_tests::objects::ssl;
use serde_json::json;

use super::matrix_northbound::{Case, Stage, host, row};

/// Refused by us before anything was agreed on.
fn at_the_hello(cause: &'static str, alert: u8) -> Want {
    want(cause)
        .sent(alert)
        .owner("client")
        .phase("client_hello")
}

/// The dial with more arguments.
fn with(mut dial: Dial, more: &[&str]) -> Dial {
    dial.more.extend(more.iter().map(|word| (*word).to_owned()));
    dial
}

#[tokio::test]
async fn matrix_northbound_hellos() {
    let etcd = Etcd::start().await;
    let stage = Stage::new(Launch::new().store(&etcd.store())).await;
    stage.serve("good", Fault::Good, &json!({})).await;
    for (label, version) in [("only-12", "TLSv1.2"), ("only-13", "TLSv1.3")] {
        let only = json!({"ssl_protocols": [version]});
        stage.serve(label, Fault::Good, &only).await;
    }
    let suite = json!({"ciphers": ["TLS_AES_256_GCM_SHA384"]});
    stage.serve("one-suite", Fault::Good, &suite).await;
    stage.serve_mtls("mtls", &json!({})).await;
    let mut cases = versions(&stage);
    cases.extend(suites(&stage));
    cases.extend(groups_and_signatures(&stage));
    cases.extend(protocols(&stage));
    cases.extend(names(&stage));
    cases.extend(doors(&stage));
    let mut rows = stage.run(cases).await;
    rows.extend(wrong_keys(&stage).await);
    rows.push(without_material(&stage, &etcd).await);
    judge(
        "Northbound: hellos, names and doors",
        &stage.node,
        &rows,
        Besides::Nothing,
    )
    .await;
}

/// Below what we speak, and each of ours where only the other is allowed.
fn versions(stage: &Stage) -> Vec<Case> {
    let mut cases = Vec::new();
    for stack in Stack::CLIENTS {
        for old in [Version::V10, Version::V11] {
            if stack == Stack::Rustls {
                continue;
            }
            let name = format!("TLS {} at most", old.number());
            let want = at_the_hello("protocol_version_mismatch", 70);
            cases.push(Case::new(name, stage.dial(stack, old, "good"), want));
        }
        for (version, label) in [(Version::V12, "only-13"), (Version::V13, "only-12")] {
            let name = format!("TLS {} where it is not allowed", version.number());
            let want = at_the_hello("protocol_version_mismatch", 70);
            cases.push(Case::new(name, stage.dial(stack, version, label), want));
        }
    }
    let dial = stage.dial(Stack::OpenSsl, Version::V12, "good");
    let want = at_the_hello("fallback_rejected", 86);
    let dial = with(dial, &["-fallback_scsv"]);
    cases.push(Case::new("TLS_FALLBACK_SCSV below our best", dial, want));
    let dial = stage.dial(Stack::GnuTls, Version::V12, "good");
    let want = at_the_hello("fallback_rejected", 86);
    let dial = with(dial, &[":%FALLBACK_SCSV"]);
    cases.push(Case::new("TLS_FALLBACK_SCSV below our best", dial, want));
    cases
}

/// How to hold a stack to suites with static RSA, which we do not speak.
const STATIC_RSA: [(Stack, &[&str]); 6] = [
    (Stack::OpenSsl, &["-cipher", "AES128-GCM-SHA256"]),
    (Stack::Curl, &["--ciphers", "AES128-GCM-SHA256"]),
    (Stack::Python, &["ciphers=AES128-GCM-SHA256"]),
    (Stack::Go, &["ciphers=0x009c"]),
    (Stack::GnuTls, &[":-KX-ALL:+RSA"]),
    (Stack::Java, &["ciphers=TLS_RSA_WITH_AES_128_GCM_SHA256"]),
];

fn suites(stage: &Stage) -> Vec<Case> {
    let none = || at_the_hello("no_shared_cipher", 40);
    let mut cases = Vec::new();
    for (stack, more) in STATIC_RSA {
        let dial = with(stage.dial(stack, Version::V12, "good"), more);
        cases.push(Case::new("static RSA suites only", dial, none()));
    }
    let key_type: [(Stack, &[&str]); 3] = [
        (Stack::OpenSsl, &["-cipher", "ECDHE-RSA-AES128-GCM-SHA256"]),
        (Stack::Curl, &["--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"]),
        (Stack::Go, &["ciphers=0xc02f"]),
    ];
    for (stack, more) in key_type {
        let dial = with(stage.dial(stack, Version::V12, "good"), more);
        let want = none().because("the suites are ours, but our key is ECDSA");
        cases.push(Case::new("suites for RSA keys only", dial, want));
    }
    let cbc = with(
        stage.dial(Stack::OpenSsl, Version::V12, "good"),
        &["-cipher", "ECDHE-ECDSA-AES128-SHA256"],
    );
    cases.push(Case::new("CBC suites only", cbc, none()));
    let tls13: [(Stack, &[&str]); 3] = [
        (
            Stack::OpenSsl,
            &["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
        ),
        (
            Stack::Curl,
            &["--tls13-ciphers", "TLS_CHACHA20_POLY1305_SHA256"],
        ),
        (Stack::Java, &["ciphers=TLS_CHACHA20_POLY1305_SHA256"]),
    ];
    for (stack, more) in tls13 {
        let dial = with(stage.dial(stack, Version::V13, "one-suite"), more);
        cases.push(Case::new(
            "another suite than the one allowed",
            dial,
            none(),
        ));
    }
    cases
}

fn groups_and_signatures(stage: &Stage) -> Vec<Case> {
    let mut cases = Vec::new();
    let groups: [(Stack, &[&str]); 4] = [
        (Stack::OpenSsl, &["-groups", "P-521"]),
        (Stack::Curl, &["--curves", "P-521"]),
        (Stack::Go, &["groups=25"]),
        (Stack::GnuTls, &[":-GROUP-ALL:+GROUP-SECP521R1"]),
    ];
    for (stack, more) in groups {
        for version in Version::BOTH {
            let dial = with(stage.dial(stack, version, "good"), more);
            let want = at_the_hello("no_shared_group", 40);
            cases.push(Case::new("group secp521r1 only", dial, want));
        }
    }
    let schemes: [(Stack, &[&str]); 2] = [
        (Stack::OpenSsl, &["-sigalgs", "RSA-PSS+SHA256"]),
        (Stack::GnuTls, &[":-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256"]),
    ];
    for (stack, more) in schemes {
        for version in Version::BOTH {
            let dial = with(stage.dial(stack, version, "good"), more);
            let want = at_the_hello("no_shared_signature_scheme", 40);
            cases.push(Case::new("signatures of RSA keys only", dial, want));
        }
    }
    let sha1 = with(
        stage.dial(Stack::OpenSsl, Version::V12, "good"),
        &["-sigalgs", "ECDSA+SHA1", "-cipher", "DEFAULT@SECLEVEL=0"],
    );
    let want = at_the_hello("no_shared_signature_scheme", 40);
    cases.push(Case::new("signatures with SHA-1 only", sha1, want));
    cases
}

fn protocols(stage: &Stage) -> Vec<Case> {
    let stacks = [
        Stack::OpenSsl,
        Stack::Python,
        Stack::Go,
        Stack::GnuTls,
        Stack::Java,
        Stack::Rustls,
    ];
    let mut cases = Vec::new();
    for stack in stacks {
        for version in Version::BOTH {
            let mut dial = stage.dial(stack, version, "good");
            dial.alpn = Some("imap".to_owned());
            let want = at_the_hello("no_shared_alpn", 120);
            cases.push(Case::new("ALPN imap only", dial, want));
        }
    }
    cases
}

fn names(stage: &Stage) -> Vec<Case> {
    let mut cases = Vec::new();
    for stack in Stack::CLIENTS {
        for version in Version::BOTH {
            let want = at_the_hello("sni_unknown", 112);
            let dial = stage.dial(stack, version, "nobody");
            cases.push(Case::new("unknown server name", dial, want));
            let mut dial = stage.dial(stack, version, "good");
            dial.sni = None;
            dial.check = false;
            let want = at_the_hello("sni_missing", 112);
            cases.push(Case::new("no server name", dial, want));
            // The host is right for TLS, and belongs to an object with another policy.
            let mut dial = stage.dial(stack, version, "good");
            dial.host = host("mtls");
            let want = want_421();
            cases.push(Case::new(
                "Host of an mTLS object over another name",
                dial,
                want,
            ));
        }
    }
    cases
}

fn want_421() -> Want {
    want("sni_host_mismatch")
        .owner("client")
        .phase("post_handshake")
        .answer(421, "")
}

/// TLS at the plain door. What is plain at the TLS door is among the fakes.
fn doors(stage: &Stage) -> Vec<Case> {
    let mut cases = Vec::new();
    for stack in Stack::CLIENTS {
        for version in Version::BOTH {
            let dial = stage.dial(stack, version, "good");
            let want = at_the_hello("tls_to_plaintext_port", 70);
            let mut case = Case::new("TLS to the plain port", dial, want);
            case.plain = true;
            cases.push(case);
        }
    }
    cases
}

/// A client that shows a good certificate and signs with another key.
async fn wrong_keys(stage: &Stage) -> Vec<Row> {
    let (chain, key) = (
        stage.peers.zoo.client(Fault::Good),
        stage.peers.zoo.client(Fault::Expired),
    );
    let mut rows = Vec::new();
    for version in Version::BOTH {
        let relay = Relay::to(stage.node.https).await;
        let (name, port) = (host("mtls"), relay.port());
        let (chain, key) = (&chain.identity, &key.identity);
        let said = rustls_peer::dial_with_wrong_key(version, &name, port, chain, key).await;
        let want = want("key_cert_mismatch")
            .sent(51)
            .owner("client")
            .phase("client_cert");
        let case = "client without its certificate's key".to_owned();
        rows.push(row(case, "rustls", version, want.into(), said, &relay));
    }
    rows
}

/// An object that was written past the Admin API and cannot be served: its name is closed.
async fn without_material(stage: &Stage, etcd: &Etcd) -> Row {
    let mut object = ssl(
        &host("broken"),
        &stage.peers.zoo.server(Fault::Good).identity,
    );
    object["id"] = json!("broken");
    object["key"] = json!("no key at all");
    etcd.put_json("/apisix/ssls/broken", &object).await;
    cluster_tests::wait::eventually(
        "the object is refused",
        cluster_tests::wait::SOON,
        || async {
            let status = stage.node.status().await;
            if status["rejected"].to_string().contains("broken") {
                Ok(())
            } else {
                Err(status.to_string())
            }
        },
    )
    .await;
    let relay = Relay::to(stage.node.https).await;
    let dial = stage.dial(Stack::OpenSsl, Version::V13, "broken");
    let said = dial.run(&stage.peers, relay.port()).await;
    let want = want("config_missing_material")
        .sent(112)
        .owner("gateway")
        .phase("client_hello");
    let case = "name of a refused object".to_owned();
    row(case, "openssl", Version::V13, want.into(), said, &relay)
}
