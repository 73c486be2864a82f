//! What was seen of a failed handshake of the hop. QUIC carries TLS alerts as error codes (RFC 9001 section 4.8), with a
//! reason in words that is not encrypted away from us; our own verifier's finding is at hand too.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use quinn::ConnectionError;

use crate::alert::evidence::{End, Own, Phase, Refusal, SeenAlert, Side};
use crate::alert::{Alert, CertFault, Direction, Evidence, Hop};
use crate::hop::identity::Judged;

/// Malformed requests of other nodes told of in one second: they may be many.
const LINES_PER_SECOND: u64 = 10;
/// Bytes of a peer's reason that are kept.
const MOST_REASON: usize = 256;

/// A handshake that could not begin.
pub(super) fn of_setup(side: Side, error: &dyn fmt::Display) -> Box<Evidence> {
    let evidence = Evidence::new(Hop::Internal, side).refused(Refusal::Internal, None);
    Box::new(evidence.because(error.to_string()))
}

/// A handshake that was not done in time.
pub(super) fn timed_out(side: Side, own: Own) -> Box<Evidence> {
    let mut evidence = Evidence::new(Hop::Internal, side).because("not finished in time");
    evidence.end = End::TimedOut;
    evidence.own = own;
    Box::new(evidence)
}

/// A handshake that ended with `error`, as `side` saw it.
pub(super) fn of_connection(
    error: &ConnectionError,
    side: Side,
    judged: &Judged,
    own: Own,
) -> Box<Evidence> {
    let mut evidence = Evidence::new(Hop::Internal, side);
    evidence.peer_chain = judged.chain();
    evidence.own = own;
    evidence.error = words(error);
    let (alert, direction) = match error {
        ConnectionError::TransportError(e) => (alert(e.code.into()), Direction::Sent),
        ConnectionError::ConnectionClosed(close) => {
            (alert(close.error_code.into()), Direction::Received)
        }
        _ => (None, Direction::Received),
    };
    evidence.alerts.extend(alert.map(|alert| SeenAlert {
        direction,
        level: 2,
        alert,
    }));
    evidence.end = match (error, alert) {
        (ConnectionError::TransportError(_), Some(alert)) => {
            End::Refused(refusal(alert, judged, &evidence.error))
        }
        (ConnectionError::TransportError(_), None) => End::Refused(Refusal::Protocol),
        (ConnectionError::ConnectionClosed(_), Some(_)) => End::Alerted,
        (ConnectionError::ConnectionClosed(_) | ConnectionError::ApplicationClosed(_), _) => {
            End::Closed
        }
        (ConnectionError::TimedOut, _) => End::TimedOut,
        (ConnectionError::VersionMismatch, _) => End::Refused(Refusal::Version),
        (ConnectionError::Reset, _) => End::Reset,
        (ConnectionError::LocallyClosed | ConnectionError::CidsExhausted, _) => {
            End::Refused(Refusal::Internal)
        }
    };
    if let End::Refused(Refusal::Certificate(fault)) = &evidence.end {
        evidence.error = fault.to_string();
    }
    evidence.phase = phase(&evidence);
    Box::new(evidence)
}

/// What is wrong, with the peer's own words if it gave any.
fn words(error: &ConnectionError) -> String {
    let ConnectionError::ConnectionClosed(close) = error else {
        return error.to_string();
    };
    let reason = &close.reason[..close.reason.len().min(MOST_REASON)];
    match String::from_utf8_lossy(reason).trim() {
        "" => error.to_string(),
        reason => format!("the peer closed: {}", reason.escape_debug()),
    }
}

fn alert(code: u64) -> Option<Alert> {
    let number = u8::try_from(code.checked_sub(0x100)?).ok()?;
    Some(Alert(number))
}

/// What we refused with `alert`.
fn refusal(alert: Alert, judged: &Judged, error: &str) -> Refusal {
    if let Some(fault) = judged.fault() {
        return Refusal::Certificate(fault);
    }
    match alert {
        Alert::CERTIFICATE_REQUIRED => Refusal::NoClientCertificate,
        Alert::NO_APPLICATION_PROTOCOL => Refusal::Alpn,
        Alert::PROTOCOL_VERSION => Refusal::Version,
        // The hop CAs of two clusters have one name: the wrong one is found by its signature.
        Alert::UNKNOWN_CA | Alert::DECRYPT_ERROR => Refusal::Certificate(CertFault::UntrustedCa),
        Alert::UNSUPPORTED_CERTIFICATE => Refusal::Certificate(CertFault::WrongPurpose),
        Alert::CERTIFICATE_REVOKED => Refusal::Certificate(CertFault::Revoked),
        Alert::BAD_CERTIFICATE => Refusal::Certificate(CertFault::Malformed(error.to_owned())),
        _ => Refusal::Protocol,
    }
}

/// The step that did not succeed.
fn phase(evidence: &Evidence) -> Phase {
    let server = evidence.side == Side::Server;
    let (ours, theirs) = if server {
        (Phase::ServerCert, Phase::ClientCert)
    } else {
        (Phase::ClientCert, Phase::ServerCert)
    };
    match (&evidence.end, evidence.decisive_alert()) {
        (End::Refused(Refusal::Certificate(_) | Refusal::NoClientCertificate), _) => theirs,
        (End::Alerted, Some(seen)) if seen.alert != Alert::NO_APPLICATION_PROTOCOL => ours,
        (End::Closed | End::Reset | End::TimedOut, _) if !evidence.peer_chain.is_empty() => {
            Phase::Finished
        }
        _ => Phase::ClientHello,
    }
}

/// Whether another line may be written in this second.
pub(super) fn may_tell() -> bool {
    static TOLD: AtomicU64 = AtomicU64::new(0);
    let second = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |now| now.as_secs());
    let told = TOLD.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |told| {
        let (of, lines) = (told >> 8, told & 0xff);
        let lines = if of == second { lines } else { 0 };
        (lines < LINES_PER_SECOND).then_some(second << 8 | (lines + 1))
    });
    told.is_ok()
}
