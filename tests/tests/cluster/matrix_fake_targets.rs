//! Targets that are no TLS stack: silence, ends and resets at every point, banners, other protocols, bare alerts, hellos of
//! thirty years ago.

use std::sync::Arc;

use cluster_tests::etcd::free_port;
use cluster_tests::matrix::fake::{Behaviour, FakeServer};
use cluster_tests::matrix::run::side_by_side;
use cluster_tests::matrix::rustls_peer::RustlsServer;
use cluster_tests::matrix::server::Offer;
use cluster_tests::matrix::table::{Besides, Key, Row, judge};
use cluster_tests::matrix::want::{Expect, Want, want};
use cluster_tests::matrix::zoo::{Fault, Zoo};
use cluster_tests::matrix::{Stack, Version};
use cluster_tests::node::Node;

use super::matrix_fake_clients::{alert, launch};
use super::matrix_northbound::host;
use super::matrix_southbound::{Ask, ask};

/// A fake target and what is to be on record.
struct Bait {
    case: String,
    behaviour: Option<Behaviour>,
    expect: Expect,
}

fn bait(case: impl Into<String>, behaviour: Behaviour, expect: impl Into<Expect>) -> Bait {
    Bait {
        case: case.into(),
        behaviour: Some(behaviour),
        expect: expect.into(),
    }
}

impl Bait {
    async fn run(self, id: String, node: Arc<Node>, root: String) -> (Row, Option<FakeServer>) {
        let server = match self.behaviour {
            Some(behaviour) => Some(FakeServer::start(behaviour).await),
            None => None,
        };
        let port = server.as_ref().map_or_else(free_port, FakeServer::port);
        let asked = Ask {
            id: &id,
            port,
            tls: &serde_json::json!({}),
            host: &host("good"),
            scheme: "https",
            root: &root,
        };
        let reply = ask(&node, &asked).await;
        let row = Row {
            case: self.case,
            peer: "fake".to_owned(),
            hop: "southbound",
            expect: self.expect,
            key: Key::Route(id),
            said: String::new(),
            passed: Vec::new(),
            reply: Some(reply),
        };
        (row, server)
    }
}

/// The target's own doing.
fn of_target(cause: &'static str) -> Want {
    want(cause).owner("target").owner("gateway")
}

/// The ServerHello of a server that knows TLS 1.1 and nothing later.
const ANCIENT: &[u8] = &[
    22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
    8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 0, 0xc0, 0x13, 0,
];

fn words() -> Vec<Bait> {
    let foreign = || of_target("peer_not_tls").sent(50).sent(10).or_no_alert();
    let greets = Behaviour::Greets;
    let answers = Behaviour::Answers;
    vec![
        bait(
            "SSH banner",
            greets(b"SSH-2.0-OpenSSH_9.2p1\r\n"),
            foreign(),
        ),
        bait(
            "SMTP banner",
            greets(b"220 mail.example ESMTP ready\r\n"),
            foreign(),
        ),
        bait("FTP banner", greets(b"220 (vsFTPd 3.0.3)\r\n"), foreign()),
        bait(
            "MySQL greeting",
            greets(b"\x4a\0\0\0\x0a8.0.36\0\x08\0\0\0abcdefgh\0\xff\xf7\x08\x02\0"),
            foreign(),
        ),
        bait(
            "HTTP 400 to our hello",
            answers(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            foreign(),
        ),
        bait(
            "HTML to our hello",
            answers(b"<html><body>no</body></html>\n"),
            foreign(),
        ),
        bait("zeros to our hello", answers(&[0; 32]), foreign()),
    ]
}

fn silences() -> Vec<Bait> {
    let closed = || of_target("peer_closed_during_handshake").medium();
    vec![
        bait("FIN after our hello", Behaviour::Closes, closed()),
        bait(
            "RST after our hello",
            Behaviour::Resets,
            of_target("peer_reset_during_handshake").medium(),
        ),
        bait(
            "silence after our hello",
            Behaviour::Silent,
            of_target("handshake_timeout")
                .medium()
                .answer(504, "GatewayTimeout"),
        ),
        bait(
            "close_notify as a warning, FIN",
            Behaviour::Answers(const { &alert(1, 0) }),
            closed().received(0),
        ),
        bait(
            "close_notify as fatal",
            Behaviour::Answers(const { &alert(2, 0) }),
            closed().received(0),
        ),
        bait(
            "unrecognized_name as a warning, FIN",
            Behaviour::Answers(const { &alert(1, 112) }),
            of_target("sni_unknown").high().received(112),
        ),
        Bait {
            case: "nobody listens".to_owned(),
            behaviour: None,
            expect: of_target("tcp_connect_failed")
                .phase("tcp_connect")
                .answer(502, "TargetUnreachable")
                .into(),
        },
        bait(
            "a ServerHello of TLS 1.1",
            Behaviour::Answers(ANCIENT),
            of_target("protocol_version_mismatch").sent(70),
        ),
    ]
}

/// Every alert as the first thing a target says.
fn bare_alerts() -> Vec<Bait> {
    let one = |cause| of_target(cause).medium();
    let sure = of_target;
    let unknown = || of_target("unknown").low();
    let cases = [
        (10, "unexpected_message", unknown()),
        (20, "bad_record_mac", unknown()),
        (22, "record_overflow", unknown()),
        (
            40,
            "handshake_failure",
            one("no_shared_cipher").or("no_shared_group"),
        ),
        (47, "illegal_parameter", unknown()),
        (49, "access_denied", one("sni_unknown")),
        (50, "decode_error", unknown()),
        (70, "protocol_version", sure("protocol_version_mismatch")),
        (71, "insufficient_security", one("no_shared_cipher")),
        (80, "internal_error", one("sni_unknown")),
        (86, "inappropriate_fallback", sure("fallback_rejected")),
        (
            90,
            "user_canceled",
            one("peer_closed_during_handshake").or("unknown").low(),
        ),
        (109, "missing_extension", unknown()),
        (110, "unsupported_extension", unknown()),
        (112, "unrecognized_name", sure("sni_unknown")),
        (115, "unknown_psk_identity", unknown()),
        (117, "general_error", unknown()),
        (120, "no_application_protocol", sure("no_shared_alpn")),
    ];
    let bare = |(number, name, want): (u8, &str, Want)| {
        // Fixed bytes for the length of the test program.
        let bytes: &'static [u8] = Box::leak(Box::new(alert(2, number)));
        let expect = want.received(number);
        bait(
            format!("{name} to our hello"),
            Behaviour::Answers(bytes),
            expect,
        )
    };
    cases.into_iter().map(bare).collect()
}

#[tokio::test]
async fn matrix_fake_targets() {
    let zoo = Zoo::new();
    let node = Arc::new(launch().start().await);
    let mut offer = Offer::new(Stack::Rustls, &Version::BOTH, zoo.server(Fault::Good));
    let modern = RustlsServer::start(&offer).await;
    offer.versions = vec![Version::V12];
    let older = RustlsServer::start(&offer).await;
    let mut baits = words();
    baits.extend(silences());
    baits.extend(bare_alerts());
    let goes_on = "the warning is passed over, as the RFC has it, and the handshake succeeds";
    baits.push(bait(
        "unrecognized_name as a warning, then the handshake",
        Behaviour::AnswersAndGoesOn(const { &alert(1, 112) }, older.port()),
        Expect::Nothing(Some(200), goes_on),
    ));
    for (server, version) in [(&modern, "1.3"), (&older, "1.2")] {
        for count in [20, 200] {
            baits.push(bait(
                format!("FIN after {count} bytes of a TLS {version} flight"),
                Behaviour::ClosesAfter(count, server.port()),
                of_target("peer_closed_during_handshake").medium(),
            ));
            baits.push(bait(
                format!("RST after {count} bytes of a TLS {version} flight"),
                Behaviour::ResetsAfter(count, server.port()),
                of_target("peer_reset_during_handshake").medium(),
            ));
        }
    }
    let jobs = baits.into_iter().enumerate().map(|(number, bait)| {
        bait.run(
            format!("bait-{number}"),
            Arc::clone(&node),
            zoo.root().to_owned(),
        )
    });
    let done = side_by_side(jobs.collect()).await;
    let (rows, fakes): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    judge("Fake targets", &node, &rows, Besides::Nothing).await;
    drop(fakes);
}
