//! Gateways: Apigee's faults, APISIX's error log, Envoy's answers.

use super::super::conditions::{certificate, connection, material, negotiation};
use super::{Phrase, hint, says};

/// Fault codes of Apigee, which Sallyport has too.
pub(super) const APIGEE: &[Phrase] = &[
    says(
        "flow ssl handshake failed",
        &material::TARGET_HANDSHAKE_FAILED,
    )
    .client(),
    says("flow unexpected eof at target", &connection::EOF_AT_TARGET).client(),
    says("http unexpected eof at target", &connection::EOF_AT_TARGET).client(),
    says("flow no active targets", &material::NO_TARGET_LEFT).client(),
    says("flow service unavailable", &material::TARGET_UNREACHABLE).client(),
];

/// APISIX's error log.
pub(super) const APISIX: &[Phrase] = &[
    says(
        "failed to match any ssl certificate by sni",
        &negotiation::NO_CERTIFICATE_FOR_NAME,
    )
    .server(),
    says(
        "failed to find any ssl certificate by sni",
        &negotiation::NO_CERTIFICATE_FOR_NAME,
    )
    .server(),
    says("failed to find sni", &negotiation::NO_NAME_SENT).server(),
    says(
        "client certificate was not present",
        &certificate::NO_CLIENT_CERTIFICATE,
    )
    .server(),
    says(
        "client certificate verification is not passed",
        &certificate::VERIFY_FAILED,
    )
    .server(),
    says(
        "client certificate verified with sni",
        &negotiation::NAME_IS_NOT_HOST,
    )
    .server(),
    says(
        "sni in client hello mismatch hostname of ssl session",
        &negotiation::NAME_IS_NOT_HOST,
    )
    .server(),
];

/// Envoy's answers and logs. The rest of its texts are BoringSSL's, which are OpenSSL's.
pub(super) const ENVOY: &[Phrase] = &[
    says(
        "upstream connect error or disconnect reset before headers",
        &connection::HANDSHAKE_FAILED,
    )
    .on_tls_line()
    .client(),
    hint("upstream transport failure reason").client(),
    hint("downstream transport failure reason").server(),
    hint("transport failure reason"),
];
