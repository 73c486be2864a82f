//! Go: crypto/tls, crypto/x509, net/http, gRPC.

use super::super::conditions::{certificate, connection, material, negotiation};
use super::{Phrase, alert, hint, says};

/// See the module.
pub(super) const PHRASES: &[Phrase] = &[
    hint("remote error tls").received(),
    hint("local error tls").sent(),
    hint("http tls handshake error from").server(),
    hint("get https").client(),
    hint("post https").client(),
    hint("put https").client(),
    hint("dial tcp").client(),
    hint("transport authentication handshake failed").client(),
    says(
        "tls failed to verify certificate",
        &certificate::VERIFY_FAILED,
    ),
    says(
        "tls failed to verify client certificate",
        &certificate::VERIFY_FAILED,
    )
    .server(),
    says(
        "certificate signed by unknown authority",
        &certificate::ISSUER_UNKNOWN,
    ),
    says("certificate is not trusted", &certificate::ISSUER_UNKNOWN),
    says("x509 certificate is valid for", &certificate::WRONG_NAME),
    says(
        "x509 certificate is not valid for any names",
        &certificate::WRONG_NAME,
    ),
    says(
        "x509 cannot validate certificate for",
        &certificate::WRONG_NAME,
    ),
    says(
        "certificate relies on legacy common name field",
        &certificate::NO_SAN,
    ),
    says(
        "certificate has expired or is not yet valid",
        &certificate::OUT_OF_DATE,
    ),
    says(
        "certificate specifies an incompatible key usage",
        &certificate::WRONG_PURPOSE,
    ),
    says(
        "too many intermediates for path length constraint",
        &certificate::CHAIN_TOO_LONG,
    ),
    says(
        "parent certificate cannot sign this kind of certificate",
        &certificate::NOT_A_CA,
    ),
    says(
        "cannot verify signature insecure algorithm",
        &certificate::WEAK_CERTIFICATE,
    ),
    says("crypto rsa verification error", &certificate::BAD_SIGNATURE),
    says("ecdsa verification failure", &certificate::BAD_SIGNATURE),
    says(
        "tls invalid signature by the client certificate",
        &certificate::BAD_SIGNATURE,
    )
    .server(),
    says(
        "tls invalid signature by the server certificate",
        &certificate::BAD_SIGNATURE,
    )
    .client(),
    says(
        "tls client didn t provide a certificate",
        &certificate::NO_CLIENT_CERTIFICATE,
    )
    .server(),
    says(
        "first record does not look like a tls handshake",
        &connection::NOT_TLS,
    ),
    says("tls oversized record received", &connection::NOT_TLS),
    says(
        "tls unsupported sslv2 handshake received",
        &connection::NOT_TLS,
    )
    .server(),
    says(
        "server gave http response to https client",
        &connection::TLS_TO_HTTP,
    )
    .client(),
    says(
        "client sent an http request to an https server",
        &connection::HTTP_TO_TLS,
    )
    .server(),
    says("tls handshake timeout", &connection::TIMEOUT).client(),
    says("i o timeout", &connection::TIMEOUT).on_tls_line(),
    says(
        "tls client offered only unsupported versions",
        &negotiation::NO_SHARED_VERSION,
    )
    .server(),
    says(
        "tls server selected unsupported protocol version",
        &negotiation::NO_SHARED_VERSION,
    )
    .client(),
    says(
        "tls no supported versions satisfy",
        &negotiation::NO_VERSION_ENABLED,
    ),
    says(
        "tls no cipher suite supported by both client and server",
        &negotiation::NO_SHARED_CIPHER,
    )
    .server(),
    says(
        "tls server chose an unconfigured cipher suite",
        &negotiation::NO_SHARED_CIPHER,
    )
    .client(),
    says(
        "tls no elliptic curve supported by both client and server",
        &negotiation::NO_SHARED_GROUP,
    )
    .server(),
    says(
        "tls no key exchanges supported by both client and server",
        &negotiation::NO_SHARED_GROUP,
    )
    .server(),
    says(
        "tls peer doesn t support any of the certificate s signature algorithms",
        &negotiation::NO_SHARED_SIGNATURE,
    ),
    says(
        "tls client requested unsupported application protocols",
        &negotiation::NO_SHARED_ALPN,
    )
    .server(),
    says(
        "server selected unadvertised alpn protocol",
        &negotiation::NO_SHARED_ALPN,
    )
    .client(),
    says(
        "tls no certificates configured",
        &material::NO_CERTIFICATE_SET,
    )
    .server(),
    says(
        "tls private key does not match public key",
        &material::KEY_MISMATCH,
    ),
    says(
        "tls private key type does not match public key type",
        &material::KEY_MISMATCH,
    ),
    says(
        "tls failed to find any pem data",
        &material::UNREADABLE_FILE,
    ),
    says(
        "tls failed to find certificate pem data",
        &material::UNREADABLE_FILE,
    ),
    alert("tls received unexpected handshake message", 10).sent(),
];
