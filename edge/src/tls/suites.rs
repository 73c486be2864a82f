//! Versions and cipher suites: what a policy leaves of what we have, and their registered names.

use control::object::Protocols;
use rustls::crypto::CryptoProvider;
use rustls::{CipherSuite, ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion};

/// `all` with the suites of `wanted`, in its order; with all if that is empty.
pub(crate) fn provider(all: &CryptoProvider, wanted: &[CipherSuite]) -> CryptoProvider {
    let mut provider = all.clone();
    if !wanted.is_empty() {
        provider.cipher_suites = wanted
            .iter()
            .filter_map(|w| all.cipher_suites.iter().find(|s| s.suite() == *w).copied())
            .collect();
    }
    provider
}

/// The versions asked for that a suite is left for.
pub(crate) fn versions(
    wanted: Protocols,
    suites: &[SupportedCipherSuite],
) -> Vec<&'static SupportedProtocolVersion> {
    let usable =
        |v: &SupportedProtocolVersion| suites.iter().any(|s| s.version().version == v.version);
    [
        (wanted.tls13, &rustls::version::TLS13),
        (wanted.tls12, &rustls::version::TLS12),
    ]
    .into_iter()
    .filter_map(|(on, version)| (on && usable(version)).then_some(version))
    .collect()
}

/// The same as flags.
pub(super) fn served(versions: &[&SupportedProtocolVersion]) -> Protocols {
    let has = |wanted| versions.iter().any(|v| v.version == wanted);
    Protocols {
        tls12: has(ProtocolVersion::TLSv1_2),
        tls13: has(ProtocolVersion::TLSv1_3),
    }
}

/// `TLSv1.3`, `TLSv1.2`.
pub(super) const fn version_name(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "unknown",
    }
}

/// The IANA name: rustls writes those of TLS 1.3 its own way.
pub(super) fn name(suite: Option<SupportedCipherSuite>) -> &'static str {
    match suite.map(|s| s.suite()) {
        Some(CipherSuite::TLS13_AES_256_GCM_SHA384) => "TLS_AES_256_GCM_SHA384",
        Some(CipherSuite::TLS13_AES_128_GCM_SHA256) => "TLS_AES_128_GCM_SHA256",
        Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256) => "TLS_CHACHA20_POLY1305_SHA256",
        Some(other) => other.as_str().unwrap_or("unknown"),
        None => "unknown",
    }
}

/// The name of ours that is written like `text`, `unknown` if there is none.
pub fn cipher_name(text: &str) -> &'static str {
    rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES
        .iter()
        .map(|suite| name(Some(*suite)))
        .find(|name| *name == text)
        .unwrap_or("unknown")
}
