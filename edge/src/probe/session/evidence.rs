//! From what was seen of a failed handshake of a probe to [`Evidence`]: the same facts that the data plane gathers of its own
//! failures, for the same rules.

use std::io;
use std::time::Duration;

use control::object::Protocols;
use rustls::crypto::CryptoProvider;
use rustls::{CertificateError, Error, PeerIncompatible, ProtocolVersion};

use super::super::asked::Asked;
use super::super::wire::Passed;
use super::{Session, Variant};
use crate::alert::evidence::{Chain, End, Own, Phase, Refusal, SeenAlert, Shown, Side};
use crate::alert::{Alert, Direction, Evidence, Hop, number};
use crate::handshake::{TLS12, TLS13, Transcript, transcript};

/// A configuration that the library refuses, which validation excludes.
pub(super) fn unusable(error: &Error) -> Session {
    let evidence = Evidence::new(Hop::Southbound, Side::Client)
        .refused(Refusal::Internal, None)
        .because(error.to_string());
    Session {
        failure: Some(Box::new(evidence)),
        ..Session::default()
    }
}

/// Our side of the handshake.
pub(super) fn own(
    asked: &Asked,
    variant: &Variant,
    provider: &CryptoProvider,
    shown: Shown,
) -> Own {
    let Protocols { tls12, tls13 } = variant.protocols;
    let versions = [(tls12, TLS12), (tls13, TLS13)];
    let on = |version: ProtocolVersion| match version {
        ProtocolVersion::TLSv1_3 => tls13,
        _ => tls12,
    };
    let suites = provider.cipher_suites.iter();
    let schemes = provider.signature_verification_algorithms;
    let identity = asked.identity.as_ref().filter(|_| variant.with_identity);
    Own {
        versions: versions
            .iter()
            .filter_map(|(on, version)| on.then_some(*version))
            .collect(),
        suites: suites
            .filter(|suite| on(suite.version().version))
            .map(|suite| u16::from(suite.suite()))
            .collect(),
        groups: provider
            .kx_groups
            .iter()
            .map(|group| u16::from(group.name()))
            .collect(),
        schemes: schemes
            .supported_schemes()
            .into_iter()
            .map(u16::from)
            .collect(),
        alpn: variant
            .alpn
            .iter()
            .map(|protocol| String::from_utf8_lossy(protocol).into_owned())
            .collect(),
        chain: identity.map_or_else(Chain::default, |m| Chain::new(m.chain().into())),
        shown,
        anchors: asked.trust.subjects.clone(),
        platform_roots: asked.trust.platform,
        verify: asked.verify,
        verify_name: Some(asked.verify_name.clone()),
        client_auth: false,
    }
}

/// What was seen.
pub(super) fn of(
    error: &io::Error,
    passed: &Passed,
    session: &Session,
    own: Own,
    elapsed: Duration,
) -> Evidence {
    let received = transcript::read(&passed.received);
    let sent = transcript::read(&passed.sent);
    let tls = tls_error(error);
    let mut evidence = Evidence::new(Hop::Southbound, Side::Client).because(error.to_string());
    evidence.alerts = alerts(&received, tls);
    evidence.end = end(error, tls);
    evidence.phase = phase(&received, session);
    let chain = if session.chain.is_empty() {
        let plain = received.certificates.unwrap_or_default();
        plain.into_iter().map(Into::into).collect()
    } else {
        session.chain.clone()
    };
    evidence.peer_chain = Chain::new(chain.into());
    evidence.request = session.request.clone().or(received.request);
    evidence.foreign = received.foreign;
    evidence.server_hello = received.server_hello;
    evidence.received = received.messages;
    evidence.hello = sent.client_hello;
    evidence.sent = sent.messages;
    evidence.own = own;
    evidence.elapsed = elapsed;
    evidence.bytes = passed.bytes;
    evidence
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Those in the clear, and the one the library met behind encryption or answered with.
fn alerts(received: &Transcript, tls: Option<&Error>) -> Vec<SeenAlert> {
    let seen = |direction, level, alert| SeenAlert {
        direction,
        level,
        alert,
    };
    let mut alerts: Vec<SeenAlert> = received
        .alerts
        .iter()
        .map(|alert| seen(Direction::Received, alert.level, Alert(alert.number)))
        .collect();
    let last = match tls {
        Some(Error::AlertReceived(alert)) => Some(seen(Direction::Received, 2, (*alert).into())),
        Some(error) => number::sent_for(error).map(|alert| seen(Direction::Sent, 2, alert)),
        None => None,
    };
    if let Some(last) = last.filter(|last| alerts.last() != Some(last)) {
        alerts.push(last);
    }
    alerts
}

fn end(error: &io::Error, tls: Option<&Error>) -> End {
    let Some(tls) = tls else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof => End::Closed,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted => End::Reset,
            io::ErrorKind::TimedOut => End::TimedOut,
            _ => End::Other,
        };
    };
    match tls {
        Error::AlertReceived(_) => End::Alerted,
        Error::InvalidCertificate(CertificateError::BadSignature) => {
            End::Refused(Refusal::BadSignature)
        }
        Error::NoApplicationProtocol => End::Refused(Refusal::Alpn),
        Error::PeerIncompatible(reason) => End::Refused(incompatible(reason)),
        Error::General(_) | Error::FailedToGetRandomBytes | Error::EncryptError => {
            End::Refused(Refusal::Internal)
        }
        _ => End::Refused(Refusal::Protocol),
    }
}

const fn incompatible(reason: &PeerIncompatible) -> Refusal {
    match reason {
        PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => Refusal::Version,
        PeerIncompatible::NoCipherSuitesInCommon => Refusal::Cipher,
        PeerIncompatible::NoKxGroupsInCommon => Refusal::Group,
        PeerIncompatible::NoSignatureSchemesInCommon
        | PeerIncompatible::NoCertificateRequestSignatureSchemesInCommon => Refusal::Scheme,
        _ => Refusal::Protocol,
    }
}

/// How far it came.
const fn phase(received: &Transcript, session: &Session) -> Phase {
    if session.suite != 0 {
        return Phase::PostHandshake;
    }
    if received.server_hello.is_none() {
        return Phase::ServerHello;
    }
    match (&session.request, session.chain.is_empty()) {
        (Some(_), _) => Phase::ClientCert,
        (None, false) => Phase::Finished,
        (None, true) => Phase::ServerCert,
    }
}
