//! Captures of real handshakes, what has to be read out of them, and what damage does.

mod formats;

use proptest::prelude::*;

use super::*;

const HELLOS: &[u8] = include_bytes!("../../tests/captures/hellos.pcap");
const SERVER_CERTIFICATES: &[u8] = include_bytes!("../../tests/captures/server_certificates.pcap");
const CLIENT_CERTIFICATES: &[u8] = include_bytes!("../../tests/captures/client_certificates.pcap");
const TLS13: &[u8] = include_bytes!("../../tests/captures/tls13.pcap");
const TLS13_CLIENT_CERTIFICATES: &[u8] =
    include_bytes!("../../tests/captures/tls13_client_certificates.pcap");
const ANY_INTERFACE: &[u8] = include_bytes!("../../tests/captures/any_interface.pcap");
const NOT_TLS: &[u8] = include_bytes!("../../tests/captures/not_tls.pcap");
const ENDS: &[u8] = include_bytes!("../../tests/captures/ends.pcap");

const ALL: [&[u8]; 8] = [
    HELLOS,
    SERVER_CERTIFICATES,
    CLIENT_CERTIFICATES,
    TLS13,
    TLS13_CLIENT_CERTIFICATES,
    ANY_INTERFACE,
    NOT_TLS,
    ENDS,
];

fn report(bytes: &[u8]) -> Report {
    read(bytes).expect("a capture")
}

/// Outcome and confidence, and the deciding alert with its sender.
type Row = (
    &'static str,
    Option<&'static str>,
    Option<(&'static str, u8)>,
);

fn rows(report: &Report) -> Vec<Row> {
    let of = |one: &Conversation| {
        let alert = one.alert.map(|(by, alert)| (by.as_str(), alert.number));
        let confidence = one.verdict().map(|verdict| verdict.confidence.as_str());
        (one.outcome_text(), confidence, alert)
    };
    report.conversations.iter().map(of).collect()
}

const OK: Row = ("ok", None, None);

const fn failed(
    cause: &'static str,
    confidence: &'static str,
    sender: &'static str,
    alert: u8,
) -> Row {
    (cause, Some(confidence), Some((sender, alert)))
}

const fn wordless(cause: &'static str, confidence: &'static str) -> Row {
    (cause, Some(confidence), None)
}

/// The finding of this cause.
fn finding<'a>(report: &'a Report, cause: &str) -> &'a Finding {
    let found = report.findings.iter().find(|f| f.cause.as_str() == cause);
    found.unwrap_or_else(|| panic!("no finding {cause}"))
}

#[test]
fn refused_hellos() {
    let report = report(HELLOS);
    assert_eq!(
        rows(&report),
        [
            OK,
            failed("no_shared_cipher", "high", "server", 40),
            failed("protocol_version_mismatch", "certain", "server", 70),
            failed("protocol_version_mismatch", "certain", "server", 70),
            // A server says handshake_failure where no group is shared, too.
            failed("no_shared_cipher", "medium", "server", 40),
            failed("no_shared_alpn", "certain", "server", 120),
            failed("sni_unknown", "certain", "server", 112),
        ]
    );
    assert_eq!(report.exit(), Exit::Failing);
    let cipher = finding(&report, "no_shared_cipher");
    for part in [
        "The client offers TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,",
        "this server agreed on TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, which this one does not offer.",
    ] {
        assert!(cipher.detail.contains(part), "{}", cipher.detail);
    }
    let versions: Vec<_> = report.findings.iter().map(|f| f.detail.as_str()).collect();
    assert!(
        versions
            .iter()
            .any(|d| d.ends_with("The client offers TLSv1.1 at most."))
    );
    assert!(
        versions
            .iter()
            .any(|d| d.ends_with("The client offers TLSv1.3."))
    );
    let unknown = finding(&report, "sni_unknown");
    assert_eq!(
        (unknown.owner, unknown.conversations[..].len()),
        (Party::Server, 1)
    );
    assert!(unknown.detail.contains("elsewhere.example.com"));
}

#[test]
fn server_certificates_that_clients_did_not_take() {
    let report = report(SERVER_CERTIFICATES);
    assert_eq!(
        rows(&report),
        [
            failed("server_cert_expired", "certain", "client", 45),
            OK,
            failed("server_cert_hostname_mismatch", "high", "client", 42),
            failed("server_cert_untrusted_ca", "high", "client", 48),
            failed("server_cert_chain_incomplete", "high", "client", 48),
        ]
    );
    let says = |cause, part: &str| {
        let found = finding(&report, cause);
        assert!(found.detail.contains(part), "{}", found.detail);
        found.owner
    };
    assert_eq!(
        says("server_cert_expired", "expired at 2023-01-01T00:00:00Z"),
        Party::Server
    );
    let name = "asked for shop.example.com; the server's certificate is for www.example.com";
    assert_eq!(says("server_cert_hostname_mismatch", name), Party::Server);
    let missing = "not the certificate of its issuer \"CN=Example Issuing CA\"";
    assert_eq!(says("server_cert_chain_incomplete", missing), Party::Server);
    let untrusted = "does not trust \"CN=Example Root CA\"";
    assert_eq!(says("server_cert_untrusted_ca", untrusted), Party::Client);
    // Who does not verify does not notice; it is told all the same.
    let warning = report.findings.last().unwrap();
    assert_eq!(
        (warning.severity, &warning.conversations[..]),
        (Severity::Warning, &[2][..])
    );
}

#[test]
fn client_certificates_that_the_server_did_not_take() {
    let report = report(CLIENT_CERTIFICATES);
    assert_eq!(
        rows(&report),
        [
            OK,
            failed("client_cert_missing", "high", "server", 40),
            failed("client_cert_untrusted_ca", "high", "server", 48),
        ]
    );
    let missing = finding(&report, "client_cert_missing");
    assert!(
        missing
            .detail
            .ends_with("It names the CAs CN=Example Root CA.")
    );
    let untrusted = finding(&report, "client_cert_untrusted_ca");
    assert!(
        untrusted
            .detail
            .contains("does not trust \"CN=Other Root CA\"")
    );
}

#[test]
fn what_tls13_hides_is_told_by_lengths_and_order() {
    assert_eq!(
        rows(&report(TLS13)),
        [
            OK,
            // OpenSSL's client says this much in the clear. Of the chain nothing is to be seen.
            failed("server_cert_untrusted_ca", "low", "client", 48),
            // Go's client does not.
            wordless("server_cert_rejected_by_peer", "medium"),
        ]
    );
    let report = report(TLS13_CLIENT_CERTIFICATES);
    assert_eq!(
        rows(&report),
        [
            OK,
            wordless("client_cert_missing", "high"),
            wordless("client_cert_rejected_by_peer", "medium"),
        ]
    );
    for one in &report.conversations[1..] {
        assert_eq!(one.ended_by, Some(Party::Server));
    }
    let said = &finding(&report, "client_cert_missing").detail;
    assert!(said.contains("a capture of TLSv1.3 cannot show"), "{said}");
}

#[test]
fn what_is_not_tls() {
    let report = report(NOT_TLS);
    assert_eq!(
        rows(&report),
        [
            wordless("plaintext_to_tls_port", "certain"),
            wordless("proxy_protocol_mismatch", "certain"),
            wordless("peer_not_tls", "certain"),
            wordless("peer_not_tls", "certain"),
            wordless("tcp_connect_failed", "certain"),
        ]
    );
    assert_eq!(report.counts.no_data, 1);
}

#[test]
fn ends_without_a_reason() {
    let report = report(ENDS);
    assert_eq!(
        rows(&report),
        [
            failed("peer_closed_during_handshake", "medium", "server", 0),
            wordless("peer_closed_during_handshake", "medium"),
            wordless("peer_reset_during_handshake", "medium"),
            wordless("handshake_timeout", "medium"),
        ]
    );
    let silent = &finding(&report, "handshake_timeout").detail;
    assert_eq!(silent, "The server said nothing at all.");
    assert!(
        report
            .conversations
            .iter()
            .all(|one| one.ended_by == Some(Party::Server))
    );
}

#[test]
fn the_cooked_link_layer_of_all_interfaces() {
    let expected = [failed("server_cert_untrusted_ca", "high", "client", 48)];
    assert_eq!(rows(&report(ANY_INTERFACE)), expected);
}

#[test]
fn json_has_what_the_table_has() {
    let json = report(SERVER_CERTIFICATES).json();
    let first = &json["conversations"][0];
    assert_eq!(first["outcome"], "failed");
    assert_eq!(first["cause"], "server_cert_expired");
    assert_eq!(first["alert"]["name"], "certificate_expired");
    assert_eq!(first["alert"]["sender"], "client");
    assert_eq!(first["phase"], "server_cert");
    assert_eq!(first["version"], "TLSv1.2");
    assert_eq!(
        first["cipher_suite"],
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"
    );
    assert_eq!(json["findings"][0]["owner"], "server");
    assert_eq!(json["exit"], 2);
    assert!(!json.to_string().contains("BEGIN"));
}

#[test]
fn a_file_without_handshakes_says_so() {
    assert_eq!(report(&NOT_TLS[..24]).exit(), Exit::Nothing);
    assert!(matches!(read(&b""[..]), Err(CaptureError::NotACapture)));
    assert!(matches!(
        read(&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..]),
        Err(CaptureError::NotACapture)
    ));
    assert!(matches!(
        read(&b"\x1f\x8b\x08\0"[..]),
        Err(CaptureError::Compressed("gunzip"))
    ));
}

#[test]
fn what_comes_before_the_damage_is_read() {
    let whole = report(HELLOS);
    let cut = report(&HELLOS[..HELLOS.len() - 30]);
    assert_eq!(cut.notes, ["the file ends within a packet"]);
    assert_eq!(rows(&cut)[..6], rows(&whole)[..6]);
    let mut damaged = HELLOS.to_vec();
    damaged.extend_from_slice(&[0xff; 16]);
    let damaged = report(&damaged);
    assert_eq!(damaged.notes, ["the file is damaged: a packet is too long"]);
    assert_eq!(rows(&damaged), rows(&whole));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), magic in 0..3_usize) {
        let heads: [&[u8]; 3] = [&HELLOS[..24], &[0x0a, 0x0d, 0x0d, 0x0a], b""];
        let _ = read(&[heads[magic], &bytes].concat()[..]);
    }

    #[test]
    fn damage_makes_no_panic(which in 0..ALL.len(), at in any::<prop::sample::Index>(), with in prop::collection::vec(any::<u8>(), 1..5)) {
        let mut bytes = ALL[which].to_vec();
        let at = at.index(bytes.len());
        for (byte, with) in bytes[at..].iter_mut().zip(with) {
            *byte = with;
        }
        let _ = read(&bytes[..]);
        let _ = read(&bytes[..at]);
    }

    /// A capture that ends early says less, and nothing else.
    #[test]
    fn a_prefix_contradicts_nothing(which in 0..ALL.len(), at in any::<prop::sample::Index>()) {
        let bytes = ALL[which];
        let part = read(&bytes[..24 + at.index(bytes.len() - 24)]).unwrap();
        let whole = report(bytes);
        prop_assert!(part.counts.packets <= whole.counts.packets);
        for one in part.conversations.iter().filter(|one| one.alert.is_some()) {
            let same = whole.conversations.iter().find(|other| other.client == one.client);
            prop_assert_eq!(one.alert, same.and_then(|same| same.alert));
        }
    }
}
