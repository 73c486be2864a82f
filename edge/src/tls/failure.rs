//! From what ended a handshake to a [`TlsFailure`]. A cause is named only where our own facts make it certain: our
//! verifier's fault, what the peer offered, an alert whose number has one meaning. The rest is `unknown` until the
//! classification issue.

use std::error::Error as StdError;
use std::io;

use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use super::attempt::Attempt;
use super::tap::Seen;
use crate::alert::{Alert, Cause, Direction, TlsFailure, number};

/// What is known when a handshake failed.
pub(super) struct End<'a> {
    pub(super) error: &'a io::Error,
    pub(super) seen: &'a Seen,
    pub(super) attempt: &'a Attempt,
}

/// The rustls error in `error`. `io::Error::source` skips what it wraps, hence `get_ref`.
pub(super) fn find_tls<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref() {
            return Some(tls);
        }
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// A failure of ours, not the peer's.
pub(super) fn internal(detail: impl Into<String>) -> TlsFailure {
    TlsFailure {
        cause: Cause::InternalError,
        alert: None,
        detail: detail.into(),
    }
}

/// The connection ended without a TLS error.
fn without_tls_error(end: &End<'_>) -> TlsFailure {
    let cause = match end.error.kind() {
        _ if !speaks_tls(end.seen) => Cause::PeerNotTls,
        io::ErrorKind::UnexpectedEof => Cause::PeerClosedDuringHandshake,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionAborted => Cause::PeerResetDuringHandshake,
        _ => Cause::Unknown,
    };
    // Warnings that rustls swallowed are the last word of a peer that then closed.
    let alert = end.seen.received.map(|a| (a.alert, Direction::Received));
    TlsFailure {
        cause,
        alert,
        detail: end.error.to_string(),
    }
}

const fn speaks_tls(seen: &Seen) -> bool {
    matches!(seen.first_byte, None | Some(20..=23))
}

/// Why a client's handshake failed. `ciphers` says whether its suites and ours have one in common.
pub(super) fn northbound(end: &End<'_>, ciphers: bool) -> TlsFailure {
    let Some(error) = find_tls(end.error) else {
        return without_tls_error(end);
    };
    if let Some(failure) = of_certificate(end, error, super::verify::CertFault::client_cause) {
        return failure;
    }
    let cause = match error {
        Error::AlertReceived(AlertDescription::ProtocolVersion) => Cause::ProtocolVersionMismatch,
        Error::NoCertificatesPresented => Cause::ClientCertMissing,
        Error::NoApplicationProtocol => Cause::NoSharedAlpn,
        Error::PeerIncompatible(e) => incompatible(e, ciphers),
        _ => Cause::Unknown,
    };
    TlsFailure {
        cause,
        alert: alert_of(error),
        detail: error.to_string(),
    }
}

/// Why a handshake with a target failed. `sni` is whether we sent a name.
pub(super) fn southbound(end: &End<'_>, sni: bool, shown: bool) -> TlsFailure {
    let Some(error) = find_tls(end.error) else {
        return without_tls_error(end);
    };
    if let Some(failure) = of_certificate(end, error, super::verify::CertFault::server_cause) {
        return failure;
    }
    let cause = match error {
        Error::AlertReceived(alert) => received((*alert).into(), sni, shown),
        Error::PeerIncompatible(e) => incompatible(e, true),
        _ if !speaks_tls(end.seen) => Cause::PeerNotTls,
        Error::NoApplicationProtocol => Cause::NoSharedAlpn,
        _ => Cause::Unknown,
    };
    TlsFailure {
        cause,
        alert: alert_of(error),
        detail: error.to_string(),
    }
}

/// A refusal that arrives on the first read after a TLS 1.3 handshake: the target judges our certificate only then.
pub(super) fn late(error: &io::Error, sni: bool, shown: bool) -> Option<TlsFailure> {
    let Some(tls @ Error::AlertReceived(alert)) = find_tls(error) else {
        return None;
    };
    if *alert == AlertDescription::CloseNotify {
        return None;
    }
    let cause = received((*alert).into(), sni, shown);
    Some(TlsFailure {
        cause,
        alert: alert_of(tls),
        detail: tls.to_string(),
    })
}

/// The cause of an alert from a target, where its number leaves no doubt.
const fn received(alert: Alert, sni: bool, shown: bool) -> Cause {
    match alert {
        Alert::PROTOCOL_VERSION => Cause::ProtocolVersionMismatch,
        Alert::INAPPROPRIATE_FALLBACK => Cause::FallbackRejected,
        Alert::NO_APPLICATION_PROTOCOL => Cause::NoSharedAlpn,
        Alert::UNRECOGNIZED_NAME if sni => Cause::SniUnknown,
        Alert::UNRECOGNIZED_NAME => Cause::SniMissing,
        Alert::CERTIFICATE_REQUIRED if shown => Cause::ClientCertRejectedByPeer,
        Alert::CERTIFICATE_REQUIRED => Cause::ClientCertMissing,
        _ => Cause::Unknown,
    }
}

/// A certificate that we refused, or a signature that its key did not make.
fn of_certificate(
    end: &End<'_>,
    error: &Error,
    cause: fn(&super::verify::CertFault) -> Cause,
) -> Option<TlsFailure> {
    let Error::InvalidCertificate(reason) = error else {
        return None;
    };
    let alert = alert_of(error);
    // The one fault that is not the verifier's: the key did not sign the handshake.
    let verdict = end.attempt.verdict.get();
    if let Some(fault) = verdict
        .and_then(|v| v.fault.as_ref())
        .filter(|_| *reason != CertificateError::BadSignature)
    {
        return Some(TlsFailure {
            cause: cause(fault),
            alert,
            detail: fault.to_string(),
        });
    }
    let cause = match reason {
        CertificateError::BadSignature => Cause::KeyCertMismatch,
        _ => Cause::Unknown,
    };
    Some(TlsFailure {
        cause,
        alert,
        detail: error.to_string(),
    })
}

const fn incompatible(error: &PeerIncompatible, ciphers: bool) -> Cause {
    match error {
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => Cause::ProtocolVersionMismatch,
        PeerIncompatible::NoCipherSuitesInCommon => Cause::NoSharedCipher,
        PeerIncompatible::NoKxGroupsInCommon | PeerIncompatible::NamedGroupsExtensionRequired => {
            // rustls says so too when only suites without such a group are offered.
            if ciphers {
                Cause::NoSharedGroup
            } else {
                Cause::NoSharedCipher
            }
        }
        PeerIncompatible::NoSignatureSchemesInCommon
        | PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired => Cause::NoSharedSignatureScheme,
        _ => Cause::Unknown,
    }
}

fn alert_of(error: &Error) -> Option<(Alert, Direction)> {
    match error {
        Error::AlertReceived(alert) => Some(((*alert).into(), Direction::Received)),
        sent => number::sent_for(sent).map(|alert| (alert, Direction::Sent)),
    }
}
