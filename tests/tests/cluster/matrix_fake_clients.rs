//! Clients that are no TLS stack: silence, ends and resets at every point, other protocols, bare alerts, hellos of thirty
//! years ago; and those at the wrong door.

use std::net::SocketAddr;
use std::sync::Arc;

use cluster_tests::hello;
use cluster_tests::matrix::fake::{Leaves, client};
use cluster_tests::matrix::run::side_by_side;
use cluster_tests::matrix::table::{Besides, Key, Reply, Row, judge};
use cluster_tests::matrix::want::{Expect, Want, want};
use cluster_tests::matrix::zoo::{Fault, Zoo};
use cluster_tests::node::{Launch, Node};
use cluster_tests::objects::{route, ssl};
use cluster_tests::target::Target;

use super::matrix_northbound::host;

/// One second, so that silence need not be waited for long.
pub(super) fn launch() -> Launch {
    Launch::new()
        .flag("--handshake-timeout", "1s")
        .flag("--tls-probe", "off")
}

/// A plaintext alert of TLS 1.2.
pub(super) const fn alert(level: u8, number: u8) -> [u8; 7] {
    [21, 3, 3, 0, 2, level, number]
}

/// What a fake client sends, how it goes, and what is to be on record.
struct Knock {
    case: String,
    bytes: Vec<u8>,
    leaves: Leaves,
    plain: bool,
    expect: Expect,
}

fn knock(case: &str, bytes: &[u8], leaves: Leaves, expect: impl Into<Expect>) -> Knock {
    Knock {
        case: case.to_owned(),
        bytes: bytes.to_vec(),
        leaves,
        plain: false,
        expect: expect.into(),
    }
}

impl Knock {
    async fn run(self, node: Arc<Node>) -> Row {
        let address: SocketAddr = if self.plain { node.http } else { node.https };
        let (source, answer) = client(address, &self.bytes, self.leaves).await;
        let said = match (hello::alert(&answer), answer.is_empty()) {
            (Some((level, number)), _) => format!("was sent alert {number}, level {level}"),
            (None, true) => "was sent nothing".to_owned(),
            (None, false) => format!("was sent {:?}", first_line(&answer)),
        };
        let status = std::str::from_utf8(&answer)
            .ok()
            .filter(|text| text.starts_with("HTTP/1.1 "))
            .and_then(|text| text.split(' ').nth(1)?.parse().ok());
        Row {
            case: self.case,
            peer: if self.plain {
                "fake, plain port".to_owned()
            } else {
                "fake".to_owned()
            },
            hop: "northbound",
            expect: self.expect,
            key: Key::Source(source),
            said,
            passed: hello::alert(&answer)
                .map(|(level, number)| cluster_tests::matrix::relay::Passed {
                    sent: true,
                    level,
                    number,
                })
                .into_iter()
                .collect(),
            reply: status.map(|status| Reply {
                status,
                code: String::new(),
                reason: String::new(),
            }),
        }
    }
}

fn first_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(40)
        .collect()
}

/// The client's fault, seen at its first bytes.
fn from_client(cause: &'static str) -> Want {
    want(cause).owner("client").phase("client_hello")
}

/// Not TLS at all.
fn foreign_bytes() -> Vec<Knock> {
    let plain_http = || from_client("plaintext_to_tls_port").answer(400, "");
    let proxy = || from_client("proxy_protocol_mismatch").owner("gateway");
    let v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x7f\0\0\x01\x7f\0\0\x01\x30\x39\x24\xe3";
    let sslv2 = [
        0x80, 0x2e, 1, 3, 1, 0, 0x15, 0, 0, 0, 0x10, 0, 0, 4, 0, 0, 5, 0, 0, 10, 1, 0, 0x80, 7, 0,
        0xc0, 3, 0, 0x80, 0, 0, 0x2f, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
    ];
    let waits = Leaves::Waiting;
    vec![
        knock(
            "GET in the clear",
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            waits,
            plain_http(),
        ),
        knock(
            "POST in the clear",
            b"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
            waits,
            plain_http(),
        ),
        knock(
            "HTTP/2 in the clear",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            waits,
            plain_http(),
        ),
        knock(
            "PROXY header, version 1",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n",
            waits,
            proxy(),
        ),
        knock("PROXY header, version 2", v2, waits, proxy()),
        knock(
            "SSL 2.0 hello",
            &sslv2,
            waits,
            from_client("protocol_version_mismatch").sent(70),
        ),
        knock(
            "SSH banner",
            b"SSH-2.0-OpenSSH_9.2\r\n",
            waits,
            from_client("peer_not_tls"),
        ),
        knock(
            "bytes without sense",
            &[0xff; 64],
            waits,
            from_client("peer_not_tls"),
        ),
        knock("zeros", &[0; 64], waits, from_client("peer_not_tls")),
    ]
}

/// Records, but no hello that can be taken.
fn broken_hellos() -> Vec<Knock> {
    let version = || from_client("protocol_version_mismatch").sent(70);
    let unknown = |number| {
        want("unknown")
            .low()
            .sent(number)
            .because("it speaks TLS, badly: no cause says why")
    };
    let waits = Leaves::Waiting;
    vec![
        knock(
            "SSL 3.0 hello",
            &hello::old_version(0x0300, &host("good")),
            waits,
            version(),
        ),
        knock(
            "TLS 1.0 hello by hand",
            &hello::old_version(0x0301, &host("good")),
            waits,
            version(),
        ),
        knock(
            "TLS_FALLBACK_SCSV by hand",
            &hello::fallback(&host("good")),
            waits,
            from_client("fallback_rejected").sent(86),
        ),
        knock(
            "a hello without its fields",
            &[22, 3, 1, 0, 5, 1, 0, 0, 1, 7],
            waits,
            unknown(50),
        ),
        knock(
            "a record of another kind first",
            &[23, 3, 3, 0, 1, 0],
            waits,
            unknown(50).sent(10),
        ),
        knock(
            "a hello of 100 kB",
            &hello::oversized(100_000, 7),
            waits,
            unknown(47),
        ),
        knock(
            "an alert in the place of a hello",
            &alert(2, 40),
            waits,
            want("unknown").low().received(40).owner("client"),
        ),
    ]
}

/// Ends and silence at every point.
fn endings() -> Vec<Knock> {
    let hello = hello::genuine(&host("good"));
    let half = &hello[..hello.len() / 2];
    let closed = || want("peer_closed_during_handshake").medium();
    let reset = || want("peer_reset_during_handshake").medium();
    let silent = || want("handshake_timeout");
    let close_notify = [&hello[..], &alert(1, 0)].concat();
    let fatal_close = [&hello[..], &alert(2, 0)].concat();
    let not_mine = [&hello[..], &alert(2, 42)].concat();
    vec![
        knock(
            "silence",
            b"",
            Leaves::Waiting,
            silent().phase("client_hello"),
        ),
        knock(
            "half a hello, then FIN",
            half,
            Leaves::Closing,
            closed().phase("client_hello"),
        ),
        knock(
            "half a hello, then RST",
            half,
            Leaves::Resetting,
            reset().phase("client_hello"),
        ),
        knock(
            "half a hello, then silence",
            half,
            Leaves::Waiting,
            silent().phase("client_hello"),
        ),
        knock(
            "one byte, then FIN",
            &hello[..1],
            Leaves::Closing,
            closed().phase("client_hello"),
        ),
        knock("a hello, then FIN", &hello, Leaves::Closing, closed()),
        knock("a hello, then RST", &hello, Leaves::Resetting, reset()),
        knock("a hello, then silence", &hello, Leaves::Waiting, silent()),
        knock(
            "a hello, close_notify as a warning, FIN",
            &close_notify,
            Leaves::Closing,
            closed().received(0),
        ),
        knock(
            "a hello, close_notify as fatal",
            &fatal_close,
            Leaves::Closing,
            closed().received(0),
        ),
        knock(
            "a hello, then bad_certificate",
            &not_mine,
            Leaves::Closing,
            want("server_cert_rejected_by_peer")
                .or("server_cert_untrusted_ca")
                .low()
                .received(42)
                .because("our certificate is in order"),
        ),
    ]
}

/// What is wrong at the plain listener.
fn at_the_plain_port() -> Vec<Knock> {
    let mut knocks = vec![
        knock(
            "SSL 3.0 hello to the plain port",
            &hello::old_version(0x0300, &host("good")),
            Leaves::Waiting,
            from_client("tls_to_plaintext_port").sent(70),
        ),
        knock(
            "half a hello to the plain port",
            &hello::genuine(&host("good"))[..40],
            Leaves::Waiting,
            from_client("tls_to_plaintext_port").sent(70),
        ),
    ];
    for one in &mut knocks {
        one.plain = true;
    }
    knocks
}

#[tokio::test]
async fn matrix_fake_clients() {
    let launch = launch();
    let (node, target) = tokio::join!(launch.start(), Target::echo());
    let zoo = Zoo::new();
    node.put("routes/all", &route(&target.node())).await;
    let served = ssl(&host("good"), &zoo.server(Fault::Good).identity);
    node.put("ssls/good", &served).await;
    let node = Arc::new(node);
    let checks = [Leaves::Closing, Leaves::Resetting];
    let mut knocks = checks
        .map(|leaves| {
            let why = "counted as probe_no_data, not listed";
            knock("no byte at all", b"", leaves, Expect::Nothing(None, why))
        })
        .into_iter()
        .collect::<Vec<_>>();
    knocks.extend(foreign_bytes());
    knocks.extend(broken_hellos());
    knocks.extend(endings());
    knocks.extend(at_the_plain_port());
    let jobs = knocks.into_iter().map(|one| one.run(Arc::clone(&node)));
    let rows = side_by_side(jobs.collect()).await;
    judge("Fake clients", &node, &rows, Besides::Nothing).await;
    let labels = [("hop", "northbound"), ("cause", "probe_no_data")];
    let probes = node
        .metrics()
        .await
        .value("tls_handshake_failures_total", &labels);
    assert!((probes - 2.0).abs() < 0.5, "counted probes: {probes}");
}
