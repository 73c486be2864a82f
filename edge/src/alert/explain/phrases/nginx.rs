//! nginx and OpenResty: the error log, the access log, the pages with status 400.

use super::super::conditions::{certificate, connection, material, negotiation};
use super::{Phrase, hint, says};

/// See the module.
pub(super) const PHRASES: &[Phrase] = &[
    says("ssl do handshake failed", &connection::HANDSHAKE_FAILED),
    hint("while ssl handshaking to upstream").client(),
    hint("while ssl handshaking").server(),
    hint("while reading client request").server(),
    says(
        "upstream ssl certificate verify error",
        &certificate::VERIFY_FAILED,
    )
    .client(),
    says(
        "client ssl certificate verify error",
        &certificate::VERIFY_FAILED,
    )
    .server(),
    says(
        "upstream ssl certificate does not match",
        &certificate::WRONG_NAME,
    )
    .client(),
    says(
        "client sent no required ssl certificate",
        &certificate::NO_CLIENT_CERTIFICATE,
    )
    .server(),
    says(
        "no required ssl certificate was sent",
        &certificate::NO_CLIENT_CERTIFICATE,
    ),
    says(
        "the ssl certificate error",
        &certificate::CLIENT_CERTIFICATE_REFUSED,
    ),
    says(
        "the plain http request was sent to https port",
        &connection::HTTP_TO_TLS,
    ),
    says(
        "peer closed connection in ssl handshake",
        &connection::CLOSED,
    ),
    says(
        "no ssl certificate is defined",
        &material::NO_CERTIFICATE_SET,
    )
    .server(),
    says(
        "handshake rejected while ssl handshaking",
        &negotiation::NO_CERTIFICATE_FOR_NAME,
    )
    .server(),
    says("cannot load certificate", &material::UNREADABLE_FILE),
    says("cannot load certificate key", &material::UNREADABLE_FILE),
    says("misdirected request", &negotiation::NAME_IS_NOT_HOST),
];
