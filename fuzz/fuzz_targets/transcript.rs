//! Bytes of one direction: no panic, bounded lists, and what is whole stays as it is when more bytes follow.

#![no_main]

use edge::handshake::{make, server, transcript};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let seen = transcript::read(bytes);
    assert!(seen.messages.len() <= transcript::MOST_MESSAGES);
    assert!(seen.alerts.len() <= transcript::MOST_ALERTS);
    let half = transcript::read(&bytes[..bytes.len() / 2]);
    if seen.foreign.is_none() && half.foreign.is_none() {
        assert!(seen.messages.starts_with(&half.messages));
        assert!(seen.alerts.starts_with(&half.alerts));
    }
    let _ = server::ServerHello::parse(bytes);
    let _ = server::CertificateRequest::parse_tls12(bytes);
    let _ = server::CertificateRequest::parse_tls13(bytes);
    let _ = server::certificates_tls12(bytes);
    let offer = make::Offer {
        suites: bytes.chunks_exact(2).map(|p| u16::from_be_bytes([p[0], p[1]])).collect(),
        ..make::Offer::default()
    };
    make::client_hello(&offer, &[1; 32], &[2; 32]);
});
