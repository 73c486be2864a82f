//! From what ended a handshake to [`Evidence`]: what passed, who raised which alert, how far it came, how it ended. Facts
//! only; what they mean is found in [`crate::alert`]. Costs nothing until a handshake fails.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use rustls::{
    AlertDescription, CertificateError, Error, PeerIncompatible, PeerMisbehaved, ServerConnection,
};
use rustls_pki_types::CertificateDer;

use super::attempt::Attempt;
use super::tap::Seen;
use super::verify::CertFault;
use crate::alert::evidence::{Chain, End, Phase, Refusal, SeenAlert, Side};
use crate::alert::{Alert, Direction, Evidence, Hop, number};
use crate::handshake::transcript::{self, Transcript};
use crate::handshake::{Foreign, Message, TLS13, server};

/// HandshakeType of a TLS 1.2 client's last message before its signature and Finished (RFC 5246, 7.4).
const CLIENT_KEY_EXCHANGE: u8 = 16;

/// What is known when a handshake failed.
pub(super) struct Ended<'a> {
    pub(super) side: Side,
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

/// Which leg `side` is on where TLS runs over TCP: clients are served, targets are called.
const fn hop(side: Side) -> Hop {
    match side {
        Side::Server => Hop::Northbound,
        Side::Client => Hop::Southbound,
    }
}

/// A failure of ours, not the peer's.
pub(super) fn internal(side: Side, error: impl Into<String>) -> Box<Evidence> {
    let evidence = Evidence::new(hop(side), side).refused(Refusal::Internal, None);
    Box::new(evidence.because(error))
}

/// What `attempt` and the wire say of a handshake, whatever became of it.
pub(super) fn passed(side: Side, seen: &Seen, attempt: &Attempt) -> Box<Evidence> {
    let mut evidence = Box::new(Evidence::new(hop(side), side));
    let received = transcript::read(&seen.received);
    let sent = transcript::read(&seen.sent);
    let judged = attempt.verdict.get();
    evidence.peer_chain = match judged {
        Some(verdict) => Chain::new(Arc::clone(&verdict.chain)),
        None => Chain::new(in_the_clear(&received)),
    };
    evidence.request = attempt.request().cloned();
    evidence.own.shown = attempt.shown();
    evidence.alerts.clone_from(&seen.alerts);
    evidence.bytes = seen.total;
    let (client, server) = match side {
        Side::Server => (&received, &sent),
        Side::Client => (&sent, &received),
    };
    evidence.hello.clone_from(&client.client_hello);
    evidence.server_hello.clone_from(&server.server_hello);
    if side == Side::Client {
        evidence.foreign = received.foreign.clone().or_else(|| odd(&seen.received));
    }
    evidence.received = received.messages;
    evidence.sent = sent.messages;
    evidence
}

/// Bytes that are no TLS record and too few to say what else they are.
fn odd(bytes: &[u8]) -> Option<Foreign> {
    bytes.first().filter(|first| !matches!(first, 20..=24))?;
    let mut begin = [0; 4];
    let length = bytes.len().min(begin.len());
    begin[..length].copy_from_slice(&bytes[..length]);
    Some(Foreign::Other(begin, u8::try_from(length).unwrap_or(4)))
}

/// The chain that a peer showed before rustls could judge it, which TLS 1.2 does not encrypt.
fn in_the_clear(received: &Transcript) -> Arc<[CertificateDer<'static>]> {
    let shown = received.certificates.iter().flatten();
    shown
        .take(server::MOST_CERTIFICATES)
        .map(|der| CertificateDer::from(der.clone()))
        .collect()
}

/// The record of a handshake that `ended`; the caller adds our own policy.
pub(super) fn evidence(ended: &Ended<'_>) -> Box<Evidence> {
    let Ended {
        side,
        error,
        seen,
        attempt,
    } = *ended;
    let mut evidence = passed(side, seen, attempt);
    match find_tls(error) {
        Some(tls) => {
            evidence.end = end_of_tls(tls, side, attempt);
            evidence.error = tls.to_string();
            note_hidden(&mut evidence, tls);
        }
        None => {
            evidence.end = end_of_io(error);
            evidence.error = error.to_string();
        }
    }
    if let End::Refused(Refusal::Certificate(fault)) = &evidence.end {
        evidence.error = fault.to_string();
    }
    evidence.phase = phase(&evidence, attempt);
    evidence
}

/// A refusal that arrives on the first read after a TLS 1.3 handshake: the target judges our certificate only then
/// (RFC 8446, 4.4.2.4). `None` if `error` is none.
pub(super) fn late(error: &io::Error, seen: &Seen, attempt: &Attempt) -> Option<Box<Evidence>> {
    let tls @ Error::AlertReceived(description) = find_tls(error)? else {
        return None;
    };
    let alert = Alert::from(*description);
    if matches!(alert, Alert::CLOSE_NOTIFY | Alert::USER_CANCELED) {
        return None;
    }
    let mut evidence = passed(Side::Client, seen, attempt);
    evidence.end = End::Alerted;
    evidence.error = tls.to_string();
    note_hidden(&mut evidence, tls);
    evidence.phase = if evidence.request.is_some() || is_about_certificates(alert) {
        Phase::ClientCert
    } else {
        Phase::PostHandshake
    };
    Some(evidence)
}

/// A handshake that went well and is refused all the same, with a close_notify: rustls can send no other alert any more.
pub(super) fn after_all(
    session: &ServerConnection,
    seen: &Seen,
    attempt: &Attempt,
    refusal: Refusal,
) -> Box<Evidence> {
    let mut evidence = passed(Side::Server, seen, attempt);
    if let Some(chain) = session.peer_certificates() {
        evidence.peer_chain = Chain::new(chain.into());
    }
    evidence.error = match &refusal {
        Refusal::Certificate(fault) => format!("resumed session: {fault}"),
        _ => "no client certificate".to_owned(),
    };
    evidence.end = End::Refused(refusal);
    evidence.phase = Phase::ClientCert;
    evidence.alerts.push(SeenAlert {
        direction: Direction::Sent,
        level: WARNING,
        alert: Alert::CLOSE_NOTIFY,
    });
    evidence
}

/// Whether the target of a [`late`] refusal has read nothing of what was sent to it: one of TLS 1.3 that does not like our
/// certificate never comes to that. One of TLS 1.2 was done with the handshake before we were (RFC 5246, 7.3), and an alert
/// about something else may follow a request that it acted on.
pub(super) fn is_unread(evidence: &Evidence) -> bool {
    let hello = evidence.server_hello.as_ref();
    let alert = evidence.decisive_alert().map(|seen| seen.alert);
    hello.is_some_and(|hello| hello.version == TLS13)
        && alert
            .is_some_and(|alert| alert == Alert::HANDSHAKE_FAILURE || is_about_certificates(alert))
}

/// Adds the alert that `error` stands for if it was encrypted and so not seen on the wire.
fn note_hidden(evidence: &mut Evidence, error: &Error) {
    let (direction, alert) = match error {
        Error::AlertReceived(alert) => (Direction::Received, Some(Alert::from(*alert))),
        sent => (Direction::Sent, number::sent_for(sent)),
    };
    let Some(alert) = alert else { return };
    let seen = evidence
        .alerts
        .iter()
        .any(|a| a.direction == direction && a.level == FATAL);
    if !seen {
        evidence.alerts.push(SeenAlert {
            direction,
            level: FATAL,
            alert,
        });
    }
}

/// AlertLevel (RFC 5246, 7.2).
const WARNING: u8 = 1;
const FATAL: u8 = 2;

fn end_of_io(error: &io::Error) -> End {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => End::Closed,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::ConnectionAborted => End::Reset,
        io::ErrorKind::TimedOut => End::TimedOut,
        _ => End::Other,
    }
}

fn end_of_tls(error: &Error, side: Side, attempt: &Attempt) -> End {
    End::Refused(match error {
        Error::AlertReceived(_) => return End::Alerted,
        Error::InvalidCertificate(reason) => certificate(reason, attempt),
        Error::NoCertificatesPresented if side == Side::Server => Refusal::NoClientCertificate,
        Error::NoApplicationProtocol => Refusal::Alpn,
        Error::PeerIncompatible(reason) => incompatible(reason),
        // A server that answers with a suite or a signature that was not offered has none of those that were.
        Error::PeerMisbehaved(PeerMisbehaved::SelectedUnofferedCipherSuite) => Refusal::Cipher,
        Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme) => {
            Refusal::Scheme
        }
        Error::General(_)
        | Error::EncryptError
        | Error::FailedToGetCurrentTime
        | Error::FailedToGetRandomBytes
        | Error::HandshakeNotComplete
        | Error::InconsistentKeys(_)
        | Error::BadMaxFragmentSize
        | Error::Other(_) => Refusal::Internal,
        _ => Refusal::Protocol,
    })
}

/// A certificate that our verifier refused, or a signature that its key did not make.
fn certificate(reason: &CertificateError, attempt: &Attempt) -> Refusal {
    match reason {
        // The faults that are not the verifier's.
        CertificateError::BadSignature => return Refusal::BadSignature,
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            return Refusal::Scheme;
        }
        _ => {}
    }
    let fault = attempt.verdict.get().and_then(|v| v.fault.clone());
    Refusal::Certificate(fault.unwrap_or_else(|| CertFault::Malformed(reason.to_string())))
}

const fn incompatible(error: &PeerIncompatible) -> Refusal {
    match error {
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::SupportedVersionsExtensionRequired
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => Refusal::Version,
        PeerIncompatible::NoCipherSuitesInCommon => Refusal::Cipher,
        PeerIncompatible::NoKxGroupsInCommon | PeerIncompatible::NamedGroupsExtensionRequired => {
            Refusal::Group
        }
        PeerIncompatible::NoSignatureSchemesInCommon
        | PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon
        | PeerIncompatible::SignatureAlgorithmsExtensionRequired => Refusal::Scheme,
        _ => Refusal::Protocol,
    }
}

/// The step that did not succeed.
fn phase(evidence: &Evidence, attempt: &Attempt) -> Phase {
    let server = evidence.side == Side::Server;
    match &evidence.end {
        End::Refused(Refusal::Certificate(_) | Refusal::BadSignature | Refusal::Scheme)
            if !server =>
        {
            Phase::ServerCert
        }
        End::Refused(
            Refusal::Certificate(_) | Refusal::BadSignature | Refusal::NoClientCertificate,
        ) => Phase::ClientCert,
        End::Refused(
            Refusal::Version | Refusal::Cipher | Refusal::Group | Refusal::Alpn | Refusal::Scheme,
        ) => {
            if server {
                Phase::ClientHello
            } else {
                Phase::ServerHello
            }
        }
        _ if server => of_client(evidence, attempt),
        _ => of_target(evidence, attempt),
    }
}

/// How far a client came.
fn of_client(evidence: &Evidence, attempt: &Attempt) -> Phase {
    if evidence.server_hello.is_none() {
        return Phase::ClientHello;
    }
    if let (End::Alerted, Some(seen)) = (&evidence.end, evidence.decisive_alert()) {
        if is_about_certificates(seen.alert) {
            return Phase::ServerCert;
        }
        // In the light of a ServerHello that it cannot use.
        if matches!(
            seen.alert,
            Alert::PROTOCOL_VERSION | Alert::ILLEGAL_PARAMETER | Alert::UNSUPPORTED_EXTENSION
        ) {
            return Phase::ServerHello;
        }
    }
    let went_on = |m: &Message| m.kind == CLIENT_KEY_EXCHANGE;
    if attempt.verdict.get().is_some() || evidence.received.iter().any(went_on) {
        Phase::Finished
    } else {
        Phase::ServerCert
    }
}

/// How far we came with a target.
fn of_target(evidence: &Evidence, attempt: &Attempt) -> Phase {
    if evidence.foreign.is_some() {
        Phase::ServerHello
    } else if evidence.server_hello.is_none() {
        Phase::ClientHello
    } else if attempt.verdict.get().is_none() {
        Phase::ServerCert
    } else if evidence.request.is_some() {
        Phase::ClientCert
    } else {
        Phase::Finished
    }
}

/// Alerts that speak of the certificate of the one who gets them.
fn is_about_certificates(alert: Alert) -> bool {
    use AlertDescription as A;
    matches!(
        A::from(alert.0),
        A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::UnknownCA
            | A::AccessDenied
            | A::DecryptError
            | A::CertificateRequired
    )
}
