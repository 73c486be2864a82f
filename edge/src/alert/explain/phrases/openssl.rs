//! OpenSSL: the error queue's reasons, verify results, `s_client`'s traces. Python, Ruby, nginx, curl and Node.js print
//! the same texts.

use super::super::conditions::{certificate, connection, material, negotiation};
use super::{Era, Phrase, alert, hint, says};

/// See the module.
pub(super) const PHRASES: &[Phrase] = &[
    hint("sslv3 alert").received().era(Era::Ssl3),
    hint("tlsv1 alert").received().era(Era::Tls1),
    hint("tlsv13 alert").received().era(Era::Tls13),
    hint("ssl tls alert").received(),
    hint("alert read").received(),
    hint("alert read fatal").received().fatal(),
    hint("alert read warning").received().warning(),
    hint("alert write").sent(),
    hint("alert write fatal").sent().fatal(),
    hint("alert write warning").sent().warning(),
    hint("alert length 0002 fatal").fatal(),
    hint("alert length 0002 warning").warning(),
    alert("tlsv1 unsupported extension", 110)
        .received()
        .era(Era::Tls1),
    alert("tlsv1 certificate unobtainable", 111)
        .received()
        .era(Era::Tls1),
    alert("tlsv1 unrecognized name", 112)
        .received()
        .era(Era::Tls1),
    alert("tlsv1 bad certificate status response", 113)
        .received()
        .era(Era::Tls1),
    alert("tlsv1 bad certificate hash value", 114)
        .received()
        .era(Era::Tls1),
    alert("tlsv1 certificate required", 116).received(),
    alert("reason 1000", 0).received(),
    // Functions of OpenSSL that only one end calls.
    hint("ssl connect").client(),
    hint("ssl accept").server(),
    hint("ssl23 get server hello").client(),
    hint("ssl3 get server hello").client(),
    hint("ssl3 get server certificate").client(),
    hint("tls process server hello").client(),
    hint("tls process server certificate").client(),
    hint("tls post process server certificate").client(),
    hint("ssl23 get client hello").server(),
    hint("ssl3 get client hello").server(),
    hint("ssl3 get client certificate").server(),
    hint("tls process client certificate").server(),
    hint("tls early post process client hello").server(),
    hint("tls post process client hello").server(),
    // Reasons.
    says("no shared cipher", &negotiation::NO_SHARED_CIPHER).server(),
    says("no ciphers available", &negotiation::NO_VERSION_ENABLED),
    says("no protocols available", &negotiation::NO_VERSION_ENABLED),
    says("unsupported protocol", &negotiation::NO_SHARED_VERSION).on_tls_line(),
    says("version too low", &negotiation::NO_SHARED_VERSION).on_tls_line(),
    says("unknown protocol", &connection::NOT_TLS).on_tls_line(),
    says("wrong ssl version", &negotiation::NO_SHARED_VERSION),
    says("wrong version number", &connection::NOT_TLS),
    says("packet length too long", &connection::NOT_TLS),
    says("record too small", &connection::NOT_TLS),
    says("http request", &connection::HTTP_TO_TLS)
        .on_tls_line()
        .server(),
    says("https proxy request", &connection::CONNECT_TO_TLS).server(),
    says("unexpected eof while reading", &connection::CLOSED),
    says("ssl error syscall", &connection::CLOSED),
    says(
        "peer did not return a certificate",
        &certificate::NO_CLIENT_CERTIFICATE,
    )
    .server(),
    says(
        "no suitable signature algorithm",
        &negotiation::NO_SHARED_SIGNATURE,
    ),
    says(
        "no shared signature algorithms",
        &negotiation::NO_SHARED_SIGNATURE,
    ),
    says(
        "no common signature algorithms",
        &negotiation::NO_SHARED_SIGNATURE,
    ),
    says("wrong signature type", &negotiation::NO_SHARED_SIGNATURE),
    says("no suitable groups", &negotiation::NO_SHARED_GROUP),
    says("no shared group", &negotiation::NO_SHARED_GROUP),
    says("no suitable key share", &negotiation::NO_SHARED_GROUP),
    says("wrong curve", &negotiation::NO_SHARED_GROUP),
    says("no application protocol", &negotiation::NO_SHARED_ALPN).on_tls_line(),
    says(
        "unsafe legacy renegotiation disabled",
        &negotiation::UNSAFE_RENEGOTIATION,
    )
    .client(),
    says("dh key too small", &negotiation::WEAK_KEY_EXCHANGE),
    says("ee key too small", &certificate::WEAK_CERTIFICATE),
    says("ca key too small", &certificate::WEAK_CERTIFICATE),
    says("ca md too weak", &certificate::WEAK_CERTIFICATE),
    alert("decryption failed or bad record mac", 20).sent(),
    says("no certificate set", &material::NO_CERTIFICATE_SET),
    says("no certificate assigned", &material::NO_CERTIFICATE_SET),
    says("no cipher match", &material::BAD_CIPHER_LIST),
    says("key values mismatch", &material::KEY_MISMATCH),
    says("key type mismatch", &material::KEY_MISMATCH),
    says("no start line", &material::UNREADABLE_FILE),
    says("bad end line", &material::UNREADABLE_FILE),
    says("bad decrypt", &material::UNREADABLE_FILE).on_tls_line(),
    // Verify results.
    says("certificate verify failed", &certificate::VERIFY_FAILED),
    says(
        "certificate verification failed",
        &certificate::VERIFY_FAILED,
    ),
    says(
        "unable to get local issuer certificate",
        &certificate::ISSUER_UNKNOWN,
    ),
    says(
        "unable to verify the first certificate",
        &certificate::LEAF_ALONE,
    ),
    says(
        "unable to get issuer certificate",
        &certificate::ROOT_MISSING,
    ),
    says("self signed certificate", &certificate::SELF_SIGNED),
    says(
        "self signed certificate in certificate chain",
        &certificate::PRIVATE_ROOT,
    ),
    says("certificate has expired", &certificate::EXPIRED),
    says("certificate is not yet valid", &certificate::NOT_YET_VALID),
    says("crl has expired", &certificate::NO_CRL),
    says("unable to get certificate crl", &certificate::NO_CRL),
    says(
        "unsuitable certificate purpose",
        &certificate::WRONG_PURPOSE,
    ),
    says(
        "unsupported certificate purpose",
        &certificate::WRONG_PURPOSE,
    ),
    says("hostname mismatch", &certificate::WRONG_NAME),
    says("ip address mismatch", &certificate::WRONG_NAME),
    says("certificate chain too long", &certificate::CHAIN_TOO_LONG),
    says(
        "path length constraint exceeded",
        &certificate::CHAIN_TOO_LONG,
    ),
    says("invalid ca certificate", &certificate::NOT_A_CA),
    says("certificate signature failure", &certificate::BAD_SIGNATURE),
];
