//! Flights of OpenSSL 3.0's `s_client` and `s_server`, taken off the wire between them by a relay; and bytes of chance.
//! `flights/NAME.client.hex` and `.server.hex` are all that each side sent. Options beyond `-servername www.example.com` and
//! a P-256 certificate for it, with a client certificate where NAME says so:
//! - `tls12_*`, `no_shared_cipher`: `-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256`; `_client_certificate` and `_unknown_ca`
//!   also `-alpn h2`; the server of `no_shared_cipher` has only AES256;
//! - `tls10_*`: `-tls1 -cipher ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0`;
//! - `tls13_retry`: `-groups X25519:P-256` against `-groups P-256`.

mod foreign;

use proptest::prelude::*;

use super::*;

macro_rules! flight {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("tests/flights/", $name, ".client.hex")),
            include_str!(concat!("tests/flights/", $name, ".server.hex")),
        )
    };
}
const FLIGHTS: [(&str, &str, &str); 7] = [
    flight!("tls12_client_certificate"),
    flight!("tls12_unknown_ca"),
    flight!("tls12_no_client_certificate"),
    flight!("tls13_retry"),
    flight!("tls13_client_certificate_missing"),
    flight!("no_shared_cipher"),
    flight!("tls10_client_certificate"),
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// What client and server of a flight sent.
fn wire(name: &str) -> (Vec<u8>, Vec<u8>) {
    let (_, client, server) = FLIGHTS.iter().find(|flight| flight.0 == name).unwrap();
    (bytes(client), bytes(server))
}

fn both(name: &str) -> (Transcript, Transcript) {
    let (client, server) = wire(name);
    (read(&client), read(&server))
}

fn kinds(transcript: &Transcript) -> Vec<u8> {
    transcript.messages.iter().map(|m| m.kind).collect()
}

/// Number, level and place of the alerts.
fn alerts(transcript: &Transcript) -> Vec<(u8, u8, u8)> {
    let alerts = transcript.alerts.iter();
    alerts.map(|a| (a.number, a.level, a.after)).collect()
}

#[test]
fn a_whole_handshake_of_tls12_with_a_client_certificate() {
    let (client, server) = both("tls12_client_certificate");
    assert_eq!(kinds(&client), [1, 11, 16, 15]);
    assert_eq!(kinds(&server), [2, 11, 12, 13, 14, 4]);
    for side in [&client, &server] {
        assert!(side.change_cipher && side.encrypted && !side.truncated && !side.broken);
        assert_eq!((alerts(side).len(), &side.foreign), (0, &None));
    }
    let hello = client.client_hello.unwrap();
    assert_eq!(hello.sni.as_deref(), Some("www.example.com"));
    assert_eq!(hello.cipher_suites, [0xc02b, 0x00ff]);
    let chosen = server.server_hello.unwrap();
    assert_eq!((chosen.version, chosen.cipher_suite), (0x0303, 0xc02b));
    assert!(chosen.ticket && chosen.secure_renegotiation && !chosen.retry);
    assert_eq!(chosen.group, None);
    let request = server.request.unwrap();
    assert!(request.schemes.contains(&0x0403));
    assert_eq!(
        (request.authorities.len(), request.total_authorities),
        (1, 1)
    );
    assert!(
        request.authorities[0]
            .windows(7)
            .any(|part| part == b"Wire CA")
    );
    let chain = server.certificates.unwrap();
    assert!(chain.len() == 2 && chain[0][0] == 0x30);
    assert!(chain[0].windows(15).any(|part| part == b"www.example.com"));
    assert_eq!(client.certificates.unwrap().len(), 1);
}

#[test]
fn certificate_refusals_of_tls12_are_in_the_clear() {
    let (client, server) = both("tls12_unknown_ca");
    assert_eq!(kinds(&client), [1]);
    assert_eq!(alerts(&client), [(48, 2, 1)]);
    assert!(!client.encrypted && !server.encrypted);
    assert_eq!(
        server.server_hello.unwrap().alpn.as_deref(),
        Some(&b"h2"[..])
    );
    assert_eq!(server.certificates.unwrap().len(), 1);
    assert_eq!(server.request, None);

    let (client, server) = both("tls12_no_client_certificate");
    assert_eq!(client.certificates, Some(Vec::new()));
    assert_eq!(alerts(&server), [(40, 2, 5)]);
}

#[test]
fn both_hellos_of_a_retry_are_read() {
    let (client, server) = both("tls13_retry");
    assert_eq!(kinds(&client), [1, 1]);
    assert_eq!(client.client_hello.unwrap().key_shares, Some(vec![23]));
    assert_eq!(kinds(&server), [2, 2]);
    let chosen = server.server_hello.unwrap();
    assert_eq!((chosen.version, chosen.group), (0x0304, Some(23)));
    assert!(!chosen.retry);
    assert!(client.encrypted && server.encrypted && client.change_cipher);
    assert_eq!(server.certificates, None);

    let (_, bytes) = wire("tls13_retry");
    let first = records(&bytes).next().unwrap();
    let retry = read(&bytes[..5 + first.length]).server_hello.unwrap();
    assert!(retry.retry);
    assert_eq!(retry.group, Some(23));
}

#[test]
fn alerts_of_tls13_are_hidden_after_the_hellos() {
    let (client, server) = both("tls13_client_certificate_missing");
    assert_eq!((kinds(&client), kinds(&server)), (vec![1], vec![2]));
    assert!(server.alerts.is_empty() && server.encrypted);
    let (_, bytes) = wire("tls13_client_certificate_missing");
    let last = records(&bytes).last().unwrap();
    assert_eq!((last.kind, last.length, last.whole()), (23, 19, true));
}

#[test]
fn an_alert_may_be_all_the_server_says() {
    let (client, server) = both("no_shared_cipher");
    assert_eq!(kinds(&client), [1]);
    assert_eq!(alerts(&server), [(40, 2, 0)]);
    assert_eq!(server.record_version, Some(0x0303));
}

#[test]
fn the_certificate_request_of_tls10_has_no_schemes() {
    let (client, server) = both("tls10_client_certificate");
    assert_eq!(server.server_hello.unwrap().version, 0x0301);
    let request = server.request.unwrap();
    assert_eq!((request.schemes.len(), request.authorities.len()), (0, 1));
    assert_eq!(client.certificates.unwrap().len(), 1);
    assert!(client.alerts.is_empty(), "the close_notify is encrypted");
}

#[test]
fn warnings_before_the_server_hello_are_kept_in_order() {
    let (_, server) = wire("tls12_unknown_ca");
    let mut wire = vec![21, 3, 3, 0, 2, 1, 112];
    wire.extend_from_slice(&server);
    wire.extend_from_slice(&[21, 3, 3, 0, 2, 1, 0]);
    let server = read(&wire);
    let sent = u8::try_from(kinds(&server).len()).unwrap();
    assert_eq!(alerts(&server), [(112, 1, 0), (0, 1, sent)]);
}

#[test]
fn what_is_no_record_ends_the_reading() {
    let (client, _) = wire("no_shared_cipher");
    let seen = read(&[&client, &b"HTTP/1.1 400 Bad Request\r\n"[..]].concat());
    assert!(seen.broken && !seen.truncated);
    assert_eq!(kinds(&seen), [1]);
    let oversized = read(&[22, 3, 3, 0xff, 0xff, 1]);
    assert!(oversized.broken && oversized.messages.is_empty());
}

#[test]
fn lists_are_bounded() {
    let alert = [21, 3, 3, 0, 2, 1, 90];
    assert_eq!(read(&alert.repeat(1000)).alerts.len(), MOST_ALERTS);
    let empty_message = [22, 3, 3, 0, 4, 14, 0, 0, 0];
    let seen = read(&[empty_message.repeat(1000), alert.to_vec()].concat());
    assert_eq!(seen.messages.len(), MOST_MESSAGES);
    assert_eq!(seen.alerts[0].after, u8::MAX);
}

/// The same records' content of type 22, in records of `size` bytes.
fn resplit(wire: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records(wire) {
        let size = if record.kind == 22 {
            size
        } else {
            record.length.max(1)
        };
        for piece in record.content.chunks(size) {
            out.extend_from_slice(&[record.kind, 3, 3]);
            out.extend_from_slice(&u16::try_from(piece.len()).unwrap().to_be_bytes());
            out.extend_from_slice(piece);
        }
    }
    out
}

proptest! {
    #[test]
    fn nothing_makes_the_reader_panic(wire in prop::collection::vec(any::<u8>(), 0..2000)) {
        read(&wire);
        read(&[&[22, 3, 3, 1, 0][..], &wire].concat());
        for kind in [1, 2, 11, 13] {
            let length = u16::try_from(wire.len()).unwrap().to_be_bytes();
            let message = [&[kind, 0][..], &length, &wire].concat();
            let _ = ServerHello::parse(&message);
            let _ = CertificateRequest::parse_tls12(&message);
            let _ = CertificateRequest::parse_tls13(&message);
            let _ = certificates_tls12(&message);
        }
    }

    #[test]
    fn damage_makes_no_panic(which in 0..FLIGHTS.len(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
        for hex in [FLIGHTS[which].1, FLIGHTS[which].2] {
            let mut wire = bytes(hex);
            let at = at.index(wire.len());
            wire[at] = with;
            read(&wire);
        }
    }

    #[test]
    fn a_prefix_says_the_beginning_of_the_whole(which in 0..FLIGHTS.len(), cut in any::<prop::sample::Index>()) {
        for hex in [FLIGHTS[which].1, FLIGHTS[which].2] {
            let wire = bytes(hex);
            let whole = read(&wire);
            let part = read(&wire[..cut.index(wire.len())]);
            prop_assert_eq!(&part.foreign, &None);
            prop_assert!(whole.messages.starts_with(&part.messages));
            prop_assert!(whole.alerts.starts_with(&part.alerts));
            prop_assert!(whole.encrypted || !part.encrypted);
            prop_assert!(!part.broken);
        }
    }

    /// Before ChangeCipherSpec records are no more than envelopes.
    #[test]
    fn messages_cross_the_borders_of_records(size in 1usize..300) {
        let (_, wire) = wire("tls12_unknown_ca");
        let split = read(&resplit(&wire, size));
        prop_assert_eq!(split, read(&wire));
    }
}
