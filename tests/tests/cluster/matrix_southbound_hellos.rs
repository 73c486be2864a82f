//! Sallyport as the client of real servers whose answer to its hello is no: versions, suites, groups, signatures, names,
//! protocols.

use std::sync::Arc;

use cluster_tests::matrix::run::Peers;
use cluster_tests::matrix::server::{Offer, Strict};
use cluster_tests::matrix::want::{Expect, Want, want};
use cluster_tests::matrix::zoo::{DOMAIN, Fault};
use cluster_tests::matrix::{Stack, Version};
use serde_json::json;

use super::matrix_southbound::{Case, run};

/// Refused by the target before anything was agreed on.
fn by_target(cause: &'static str, alert: u8) -> Want {
    want(cause).received(alert).owner("target").owner("gateway")
}

/// A target's 40 says only that there is nothing in common.
fn nothing_in_common(best: &'static str, alert: u8) -> Want {
    let mut want = by_target(best, alert)
        .medium()
        .because("the alert is one for several causes; a probe may tell them apart");
    for cause in ["no_shared_cipher", "no_shared_group"] {
        if cause != best {
            want = want.or(cause);
        }
    }
    want
}

fn with(mut offer: Offer, more: &[&str]) -> Offer {
    offer
        .more
        .extend(more.iter().map(|word| (*word).to_owned()));
    offer
}

#[tokio::test]
async fn matrix_southbound_hellos() {
    let peers = Peers::start().await;
    let mut cases = versions(&peers);
    cases.extend(suites_and_groups(&peers));
    cases.extend(names(&peers));
    cases.extend(protocols(&peers));
    let title = "Southbound: hellos and names";
    run(title, cases, Arc::clone(&peers)).await;
}

fn versions(peers: &Peers) -> Vec<Case> {
    let server = peers.zoo.server(Fault::Good);
    let mut cases = Vec::new();
    for stack in Stack::SERVERS {
        let want = || by_target("protocol_version_mismatch", 70);
        if stack != Stack::Rustls {
            let offer = Offer::new(stack, &[Version::V11], server.clone());
            let want = if stack == Stack::GnuTls {
                by_target("protocol_version_mismatch", 40)
                    .or("no_shared_cipher")
                    .medium()
                    .because("GnuTLS misses a suite for TLS 1.1 before it minds the version")
            } else {
                want()
            };
            cases.push(Case::new("target speaks TLS 1.1 at most", offer, want));
        }
        for (theirs, ours) in [(Version::V12, "TLSv1.3"), (Version::V13, "TLSv1.2")] {
            let offer = Offer::new(stack, &[theirs], server.clone());
            let want = if (stack, theirs) == (Stack::GnuTls, Version::V12) {
                // It answers in TLS 1.2 although that was not offered, and it is us who refuse.
                let mut want = want().sent(70);
                want.alerts.remove(0);
                want
            } else {
                want()
            };
            let case = Case::new(format!("we are held to {ours}"), offer, want);
            cases.push(case.tls(json!({"protocols": [ours]})));
        }
    }
    cases
}

fn suites_and_groups(peers: &Peers) -> Vec<Case> {
    let (ecdsa, rsa) = (peers.zoo.server(Fault::Good), peers.zoo.rsa_server());
    let mut cases = Vec::new();
    let static_rsa: [(Stack, &[&str]); 6] = [
        (Stack::OpenSsl, &["-cipher", "AES128-GCM-SHA256"]),
        (Stack::Nginx, &["ssl_ciphers AES128-GCM-SHA256;"]),
        (Stack::Python, &["ciphers=AES128-GCM-SHA256"]),
        (Stack::Go, &["ciphers=0x009c"]),
        (Stack::GnuTls, &[":-KX-ALL:+RSA"]),
        (Stack::Java, &["ciphers=TLS_RSA_WITH_AES_128_GCM_SHA256"]),
    ];
    for (stack, more) in static_rsa {
        let offer = with(Offer::new(stack, &[Version::V12], rsa.clone()), more);
        let want = nothing_in_common("no_shared_cipher", 40);
        cases.push(Case::new("target takes static RSA only", offer, want));
    }
    let groups: [(Stack, &[&str]); 4] = [
        (Stack::OpenSsl, &["-groups", "P-521"]),
        (Stack::Nginx, &["ssl_ecdh_curve secp521r1;"]),
        (Stack::Go, &["groups=25"]),
        (Stack::GnuTls, &[":-GROUP-ALL:+GROUP-SECP521R1"]),
    ];
    for (stack, more) in groups {
        for version in Version::BOTH {
            let offer = with(Offer::new(stack, &[version], ecdsa.clone()), more);
            let want = nothing_in_common("no_shared_group", 40);
            cases.push(Case::new("target takes group secp521r1 only", offer, want));
        }
    }
    for version in Version::BOTH {
        let offer = Offer::new(Stack::OpenSsl, &[version], ecdsa.clone());
        let offer = with(offer, &["-sigalgs", "ed448"]);
        let want = match version {
            Version::V13 => by_target("protocol_version_mismatch", 70).because(
                "OpenSSL drops TLS 1.3 where it has no signature for it, and says just that",
            ),
            _ => nothing_in_common("no_shared_signature_scheme", 40),
        };
        cases.push(Case::new("target signs with Ed448 only", offer, want));
    }
    let offer = Offer::new(Stack::OpenSsl, &[Version::V13], ecdsa);
    let offer = with(offer, &["-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"]);
    let want = nothing_in_common("no_shared_cipher", 40);
    let case = Case::new(
        "target takes another suite than the one we may offer",
        offer,
        want,
    );
    cases.push(case.tls(json!({"ciphers": ["TLS_AES_256_GCM_SHA384"]})));
    cases
}

fn names(peers: &Peers) -> Vec<Case> {
    let server = peers.zoo.server(Fault::Good);
    let mut cases = Vec::new();
    let stacks = [
        (Stack::OpenSsl, 112),
        (Stack::Nginx, 112),
        (Stack::Python, 112),
        (Stack::Python, 80),
        (Stack::Go, 112),
        (Stack::GnuTls, 112),
        (Stack::Java, 112),
        (Stack::Rustls, 49),
    ];
    for (stack, refusal) in stacks {
        for version in Version::BOTH {
            let offer = || {
                let mut offer = Offer::new(stack, &[version], server.clone());
                let name = format!("only.{DOMAIN}");
                offer.strict = Some(Strict { name, refusal });
                offer
            };
            let sure = |want: Want| {
                if refusal == 112 {
                    want
                } else {
                    want.medium()
                        .because("the stack has an alert of its own for this")
                }
            };
            let want = sure(by_target("sni_unknown", refusal));
            cases.push(Case::new("target does not know the name", offer(), want));
            let case = match stack {
                Stack::OpenSsl | Stack::Java | Stack::GnuTls => {
                    let expect = Expect::Nothing(
                        Some(200),
                        "without a name, this server takes its default certificate",
                    );
                    Case::new("target wants a name, we send none", offer(), expect)
                }
                _ => {
                    let want = sure(by_target("sni_missing", refusal));
                    Case::new("target wants a name, we send none", offer(), want)
                }
            };
            cases.push(case.tls(json!({"sni": "off"})));
        }
    }
    cases
}

fn protocols(peers: &Peers) -> Vec<Case> {
    let server = peers.zoo.server(Fault::Good);
    let mut cases = Vec::new();
    for stack in Stack::SERVERS {
        for version in Version::BOTH {
            let mut offer = Offer::new(stack, &[version], server.clone());
            offer.alpn = Some("http/1.1".to_owned());
            // Python's servers and those without ALPN agree to nothing; the handshake itself is done.
            let silent = || {
                want("no_shared_alpn")
                    .owner("target")
                    .owner("gateway")
                    .because("the target agreed to no protocol; the handshake itself was done")
            };
            let refused = || by_target("no_shared_alpn", 120);
            let expect = match stack {
                Stack::Python => silent(),
                _ => refused(),
            };
            let mut case = Case::new("target has no h2, which gRPC needs", offer, expect);
            case.scheme = "grpcs";
            cases.push(case);
            let offer = Offer::new(stack, &[version], server.clone());
            let expect = match stack {
                // nginx has it always.
                Stack::Nginx => refused(),
                _ => silent(),
            };
            let mut case = Case::new("target has no ALPN, which gRPC needs", offer, expect);
            case.scheme = "grpcs";
            cases.push(case);
        }
    }
    cases
}
