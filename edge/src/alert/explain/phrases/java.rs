//! Java: JSSE's exceptions and debug output, and those of HTTP clients on it.

use super::super::conditions::{certificate, connection, material, negotiation};
use super::{Phrase, Source, alert, hint, says};

const fn received_fatal_alert() -> Phrase {
    let mut phrase = hint("received fatal alert").received().fatal();
    phrase.hint.source = Some(Source::JavaOrRustls);
    phrase
}

/// See the module.
pub(super) const PHRASES: &[Phrase] = &[
    received_fatal_alert(),
    alert("received close notify during handshake", 0).received(),
    hint("received alert").received(),
    hint("couldn t kickstart handshaking").sent(),
    hint("fatal alert").fatal(),
    hint("alert level fatal").fatal(),
    hint("alert level warning").warning(),
    says("pkix path building failed", &certificate::ISSUER_UNKNOWN),
    says(
        "unable to find valid certification path to requested target",
        &certificate::ISSUER_UNKNOWN,
    ),
    says(
        "path does not chain with any of the trust anchors",
        &certificate::ISSUER_UNKNOWN,
    ),
    says("no trusted certificate found", &certificate::ISSUER_UNKNOWN),
    says("pkix path validation failed", &certificate::VERIFY_FAILED),
    says("validity check failed", &certificate::OUT_OF_DATE),
    says("certificate expired exception", &certificate::EXPIRED),
    says(
        "certificate not yet valid exception",
        &certificate::NOT_YET_VALID,
    ),
    says("certificate revoked exception", &certificate::REVOKED),
    says("certificate has been revoked", &certificate::REVOKED),
    says(
        "no subject alternative dns name matching",
        &certificate::WRONG_NAME,
    ),
    says(
        "no subject alternative names matching ip address",
        &certificate::WRONG_NAME,
    ),
    says(
        "no subject alternative names present",
        &certificate::WRONG_NAME,
    ),
    says("no name matching", &certificate::WRONG_NAME),
    says(
        "doesn t match any of the subject alternative names",
        &certificate::WRONG_NAME,
    )
    .client(),
    says(
        "hostname in certificate didn t match",
        &certificate::WRONG_NAME,
    )
    .client(),
    says(
        "extended key usage does not permit use for tls",
        &certificate::WRONG_PURPOSE,
    ),
    says(
        "extended key usage does not permit use for tls server authentication",
        &certificate::WRONG_PURPOSE,
    )
    .client(),
    says(
        "extended key usage does not permit use for tls client authentication",
        &certificate::WRONG_PURPOSE,
    )
    .server(),
    says(
        "algorithm constraints check failed",
        &certificate::WEAK_CERTIFICATE,
    ),
    says(
        "certificates do not conform to algorithm constraints",
        &certificate::WEAK_CERTIFICATE,
    ),
    says("null cert chain", &certificate::NO_CLIENT_CERTIFICATE).server(),
    says(
        "empty client certificate chain",
        &certificate::NO_CLIENT_CERTIFICATE,
    )
    .server(),
    says("ssl peer unverified exception", &certificate::VERIFY_FAILED),
    says("remote host terminated the handshake", &connection::CLOSED),
    says(
        "remote host closed connection during handshake",
        &connection::CLOSED,
    ),
    says("ssl peer shut down incorrectly", &connection::CLOSED),
    says(
        "unsupported or unrecognized ssl message",
        &connection::NOT_TLS,
    ),
    says(
        "unrecognized ssl message plaintext connection",
        &connection::NOT_TLS,
    ),
    says("no appropriate protocol", &negotiation::NO_VERSION_ENABLED),
    says("no negotiable cipher suite", &negotiation::NO_SHARED_CIPHER),
    says("no cipher suites in common", &negotiation::NO_SHARED_CIPHER),
    says(
        "the server selected protocol version",
        &negotiation::NO_SHARED_VERSION,
    )
    .client(),
    says(
        "that protocol version is not enabled",
        &negotiation::NO_SHARED_VERSION,
    ),
    says("client requested protocol", &negotiation::NO_SHARED_VERSION).server(),
    says(
        "no available authentication scheme",
        &material::NO_CERTIFICATE_SET,
    )
    .server(),
    says(
        "trust anchors parameter must be non empty",
        &material::NO_TRUST_STORE,
    ),
    says("keystore was tampered with", &material::UNREADABLE_FILE),
    says(
        "keystore password was incorrect",
        &material::UNREADABLE_FILE,
    ),
    says("ssl handshake exception", &connection::HANDSHAKE_FAILED),
];
