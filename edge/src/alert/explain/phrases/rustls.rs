//! rustls and tokio-rustls: errors as they print themselves, and the names of their variants.

use super::super::conditions::{certificate, connection, material, negotiation};
use super::{Phrase, alert, hint, says};

/// See the module.
pub(super) const PHRASES: &[Phrase] = &[
    says("invalid peer certificate", &certificate::VERIFY_FAILED),
    says("unknown issuer", &certificate::ISSUER_UNKNOWN),
    says("invalid peer certificate expired", &certificate::EXPIRED),
    says("invalid certificate expired", &certificate::EXPIRED),
    says(
        "invalid peer certificate certificate expired",
        &certificate::EXPIRED,
    ),
    says("not valid yet", &certificate::NOT_YET_VALID).on_tls_line(),
    says("certificate not valid yet", &certificate::NOT_YET_VALID),
    says("not valid for name", &certificate::WRONG_NAME),
    says("certificate not valid for name", &certificate::WRONG_NAME),
    says("ca used as end entity", &certificate::CA_AS_LEAF),
    says("invalid purpose", &certificate::WRONG_PURPOSE).on_tls_line(),
    says(
        "certificate does not allow extended key usage",
        &certificate::WRONG_PURPOSE,
    ),
    says(
        "invalid peer certificate bad signature",
        &certificate::BAD_SIGNATURE,
    ),
    says(
        "invalid peer certificate bad encoding",
        &certificate::UNREADABLE_CERTIFICATE,
    ),
    says(
        "unsupported cert version",
        &certificate::UNREADABLE_CERTIFICATE,
    ),
    says("invalid peer certificate revoked", &certificate::REVOKED),
    says("unknown revocation status", &certificate::NO_CRL),
    says("expired revocation list", &certificate::NO_CRL),
    says(
        "peer sent no certificates",
        &certificate::NO_CLIENT_CERTIFICATE,
    ),
    says(
        "no certificates presented",
        &certificate::NO_CLIENT_CERTIFICATE,
    ),
    says("received corrupt message of type", &connection::NOT_TLS),
    says("invalid content type", &connection::NOT_TLS).on_tls_line(),
    says("invalid content type", &connection::NOT_TLS).as_identifier(),
    says("peer sent excess record size", &connection::NOT_TLS),
    says("tls handshake eof", &connection::CLOSED),
    says(
        "peer closed connection without sending tls close notify",
        &connection::CLOSED_WITHOUT_NOTIFY,
    ),
    says("no kx groups in common", &negotiation::NO_SHARED_GROUP),
    says(
        "no key exchange groups in common",
        &negotiation::NO_SHARED_GROUP,
    ),
    says(
        "named groups extension required",
        &negotiation::NO_SHARED_GROUP,
    ),
    says(
        "no signature schemes in common",
        &negotiation::NO_SHARED_SIGNATURE,
    ),
    says(
        "no certificate request signature schemes in common",
        &negotiation::NO_SHARED_SIGNATURE,
    ),
    says(
        "signature algorithms extension required",
        &negotiation::NO_SHARED_VERSION,
    )
    .server(),
    says(
        "supported versions extension required",
        &negotiation::NO_SHARED_VERSION,
    ),
    says("tls12 not offered", &negotiation::NO_SHARED_VERSION).server(),
    says(
        "tls12 not offered or enabled",
        &negotiation::NO_SHARED_VERSION,
    )
    .server(),
    says(
        "server does not support tls12 or13",
        &negotiation::NO_SHARED_VERSION,
    )
    .client(),
    says(
        "server tls version is disabled by our config",
        &negotiation::NO_SHARED_VERSION,
    )
    .client(),
    says(
        "peer doesn t support any known protocol",
        &negotiation::NO_SHARED_ALPN,
    ),
    says("peer is incompatible", &connection::HANDSHAKE_FAILED),
    alert("peer misbehaved", 47).sent(),
    says(
        "no server certificate chain resolved",
        &negotiation::NO_CERTIFICATE_FOR_NAME,
    )
    .server(),
    says("inconsistent keys", &material::KEY_MISMATCH),
    says("keys may not be consistent", &material::KEY_MISMATCH),
    alert("cannot decrypt peer s message", 20).sent(),
    // The end of the page that the close_notify error points to.
    hint("index html unexpected eof"),
];
