//! Sallyport's own words: fault codes, cause ids, labels of metrics and records.

use super::super::conditions::{certificate, connection, material, negotiation};
use super::{Phrase, Subject, hint, says};
use crate::alert::Cause;

const fn cause(words: &'static str, cause: Cause) -> Phrase {
    let mut phrase = hint(words);
    phrase.subject = Some(Subject::Cause(cause));
    phrase
}

const fn id(words: &'static str, of: Cause) -> Phrase {
    cause(words, of).as_identifier()
}

/// See the module.
pub(super) const PHRASES: &[Phrase] = &[
    says("ssl handshake failed", &material::TARGET_HANDSHAKE_FAILED)
        .as_identifier()
        .client(),
    says("unexpected eof at target", &connection::EOF_AT_TARGET).client(),
    says("target unreachable", &material::TARGET_UNREACHABLE)
        .as_identifier()
        .client(),
    says("no active targets", &material::NO_TARGET_LEFT)
        .as_identifier()
        .client(),
    says("config missing material", &material::NO_MATERIAL).as_identifier(),
    says("route rejected", &material::ROUTE_REJECTED).as_identifier(),
    says("no processor", &material::NO_PROCESSOR).as_identifier(),
    says(
        "client certificate required",
        &certificate::NO_CLIENT_CERTIFICATE,
    )
    .as_identifier(),
    says("misdirected request", &negotiation::NAME_IS_NOT_HOST).as_identifier(),
    hint("direction received").received(),
    hint("direction sent").sent(),
    hint("hop northbound").server(),
    hint("hop southbound").client(),
    hint("level fatal").fatal(),
    hint("level warning").warning(),
    id("protocol version mismatch", Cause::ProtocolVersionMismatch),
    id("no shared cipher", Cause::NoSharedCipher),
    id("no shared group", Cause::NoSharedGroup),
    id("no shared signature scheme", Cause::NoSharedSignatureScheme),
    id("no shared alpn", Cause::NoSharedAlpn),
    id("sni missing", Cause::SniMissing),
    id("sni unknown", Cause::SniUnknown),
    id("sni host mismatch", Cause::SniHostMismatch),
    id("client cert missing", Cause::ClientCertMissing),
    id("client cert expired", Cause::ClientCertExpired),
    id("client cert not yet valid", Cause::ClientCertNotYetValid),
    id("client cert untrusted ca", Cause::ClientCertUntrustedCa),
    id(
        "client cert chain incomplete",
        Cause::ClientCertChainIncomplete,
    ),
    id("client cert wrong purpose", Cause::ClientCertWrongPurpose),
    id("client cert revoked", Cause::ClientCertRevoked),
    id(
        "client cert rejected by peer",
        Cause::ClientCertRejectedByPeer,
    ),
    id("server cert expired", Cause::ServerCertExpired),
    id("server cert not yet valid", Cause::ServerCertNotYetValid),
    id("server cert untrusted ca", Cause::ServerCertUntrustedCa),
    id("server cert self signed", Cause::ServerCertSelfSigned),
    id(
        "server cert chain incomplete",
        Cause::ServerCertChainIncomplete,
    ),
    id(
        "server cert chain disordered",
        Cause::ServerCertChainDisordered,
    ),
    id(
        "server cert hostname mismatch",
        Cause::ServerCertHostnameMismatch,
    ),
    id("server cert wrong purpose", Cause::ServerCertWrongPurpose),
    id("server cert revoked", Cause::ServerCertRevoked),
    id(
        "server cert rejected by peer",
        Cause::ServerCertRejectedByPeer,
    ),
    id("key cert mismatch", Cause::KeyCertMismatch),
    id("plaintext to tls port", Cause::PlaintextToTlsPort),
    id("tls to plaintext port", Cause::TlsToPlaintextPort),
    id("proxy protocol mismatch", Cause::ProxyProtocolMismatch),
    id("peer not tls", Cause::PeerNotTls),
    id(
        "peer closed during handshake",
        Cause::PeerClosedDuringHandshake,
    ),
    id(
        "peer reset during handshake",
        Cause::PeerResetDuringHandshake,
    ),
    id("handshake timeout", Cause::HandshakeTimeout),
    id("tcp connect failed", Cause::TcpConnectFailed),
    id("fallback rejected", Cause::FallbackRejected),
    id("probe no data", Cause::ProbeNoData),
    // As identifiers these two are an alert and a fault code as well.
    cause(
        "cause config missing material",
        Cause::ConfigMissingMaterial,
    ),
    cause(
        "reason config missing material",
        Cause::ConfigMissingMaterial,
    ),
    cause("cause internal error", Cause::InternalError),
    cause("reason internal error", Cause::InternalError),
    cause("cause unknown", Cause::Unknown),
    cause("reason unknown", Cause::Unknown),
];
