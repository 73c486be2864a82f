//! What a failed handshake of the hop means. QUIC carries TLS alerts as error codes (RFC 9001 section 4.8).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quinn::ConnectionError;
use rustls::Side;

use crate::alert::{Alert, Cause, Direction, TlsFailure};

/// How often the same failure of the same peer is told of: a router that is refused tries again all the time.
const REPEAT: Duration = Duration::from_secs(60);
/// Failures told of within [`REPEAT`]: the nodes of a cluster, while strangers do not fill the log.
const MOST_TOLD: usize = 64;
/// Failures of other nodes told of in one second: they may be many.
const LINES_PER_SECOND: u64 = 10;

/// A handshake that could not begin.
pub(super) fn of_setup(detail: String) -> TlsFailure {
    TlsFailure {
        cause: Cause::InternalError,
        alert: None,
        detail,
    }
}

/// A handshake that ended with `error`, as `side` saw it.
pub(super) fn of_connection(error: &ConnectionError, side: Side) -> TlsFailure {
    let alert = match error {
        ConnectionError::TransportError(e) => alert(e.code.into()).map(|a| (a, Direction::Sent)),
        ConnectionError::ConnectionClosed(close) => {
            alert(close.error_code.into()).map(|a| (a, Direction::Received))
        }
        _ => None,
    };
    let cause = match (error, alert) {
        (_, Some((alert, direction))) => cause(alert, direction, side),
        (ConnectionError::TimedOut, _) => Cause::HandshakeTimeout,
        (ConnectionError::VersionMismatch, _) => Cause::ProtocolVersionMismatch,
        (ConnectionError::Reset, _) => Cause::PeerResetDuringHandshake,
        (ConnectionError::ApplicationClosed(_) | ConnectionError::ConnectionClosed(_), _) => {
            Cause::PeerClosedDuringHandshake
        }
        (ConnectionError::LocallyClosed | ConnectionError::CidsExhausted, _) => {
            Cause::InternalError
        }
        (ConnectionError::TransportError(_), _) => Cause::Unknown,
    };
    TlsFailure {
        cause,
        alert,
        detail: error.to_string(),
    }
}

fn alert(code: u64) -> Option<Alert> {
    let number = u8::try_from(code.checked_sub(0x100)?).ok()?;
    Some(Alert(number))
}

/// The side that raises an alert about a certificate speaks of the other side's.
fn cause(alert: Alert, direction: Direction, side: Side) -> Cause {
    let servers = (side == Side::Client) == (direction == Direction::Sent);
    match (alert, servers) {
        (Alert::CERTIFICATE_REQUIRED, _) => Cause::ClientCertMissing,
        (Alert::NO_APPLICATION_PROTOCOL, _) => Cause::NoSharedAlpn,
        (Alert::PROTOCOL_VERSION, _) => Cause::ProtocolVersionMismatch,
        // The hop CAs of two clusters have one name: the wrong one is found by its signature.
        (Alert::UNKNOWN_CA | Alert::DECRYPT_ERROR, true) => Cause::ServerCertUntrustedCa,
        (Alert::UNKNOWN_CA | Alert::DECRYPT_ERROR, false) => Cause::ClientCertUntrustedCa,
        (Alert::CERTIFICATE_EXPIRED, true) => Cause::ServerCertExpired,
        (Alert::CERTIFICATE_EXPIRED, false) => Cause::ClientCertExpired,
        (Alert::CERTIFICATE_REVOKED, true) => Cause::ServerCertRevoked,
        (Alert::CERTIFICATE_REVOKED, false) => Cause::ClientCertRevoked,
        // The role is a matter of purpose, whichever of the two a verifier says it with.
        (Alert::UNSUPPORTED_CERTIFICATE | Alert::ACCESS_DENIED, true) => {
            Cause::ServerCertWrongPurpose
        }
        (Alert::UNSUPPORTED_CERTIFICATE | Alert::ACCESS_DENIED, false) => {
            Cause::ClientCertWrongPurpose
        }
        (Alert::BAD_CERTIFICATE, true) => Cause::ServerCertRejectedByPeer,
        (Alert::BAD_CERTIFICATE, false) => Cause::ClientCertRejectedByPeer,
        _ => Cause::Unknown,
    }
}

/// One line in the log for what goes on failing in one way with one peer; all failures are counted in the metrics.
pub(super) fn report(peer: SocketAddr, role: Side, failed: &TlsFailure) {
    static TOLD: Mutex<Told> = Mutex::new(Told(BTreeMap::new()));
    let port = match role {
        Side::Client => peer.port(),
        // Another one each time.
        Side::Server => 0,
    };
    let what = (peer.ip(), port, failed.cause);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(since) = told.tell(what, Instant::now()) else {
        return;
    };
    drop(told);
    let alert = failed.alert.map_or("none", |(alert, _)| alert.name());
    let role = match role {
        Side::Client => "client",
        Side::Server => "server",
    };
    tracing::warn!(
        %peer, role, cause = failed.cause.as_str(), alert, detail = %failed.detail, not_logged = since,
        "a handshake between nodes failed"
    );
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

/// Who failed, and how.
type What = (IpAddr, u16, Cause);

/// What was told of lately, when, and how often it has happened since.
struct Told(BTreeMap<What, (Instant, u64)>);

impl Told {
    /// If there is to be a line about it: how many there were of it since the last one.
    fn tell(&mut self, what: What, now: Instant) -> Option<u64> {
        let mut since = 0;
        if let Some((at, more)) = self.0.get_mut(&what) {
            if now.duration_since(*at) < REPEAT {
                *more += 1;
                return None;
            }
            since = *more;
        } else if self.0.len() >= MOST_TOLD {
            self.0.retain(|_, (at, _)| now.duration_since(*at) < REPEAT);
            if self.0.len() >= MOST_TOLD {
                return None;
            }
        }
        self.0.insert(what, (now, 0));
        Some(since)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn peer(n: u32) -> What {
        (Ipv4Addr::from(n).into(), 0, Cause::ClientCertUntrustedCa)
    }

    #[test]
    fn what_goes_on_is_told_of_once_a_minute() {
        let mut told = Told(BTreeMap::new());
        let start = Instant::now();
        let tell =
            |told: &mut Told, what, seconds| told.tell(what, start + Duration::from_secs(seconds));
        assert_eq!(tell(&mut told, peer(1), 0), Some(0));
        assert_eq!(tell(&mut told, peer(1), 1), None);
        assert_eq!(tell(&mut told, peer(1), 59), None);
        let another = (peer(1).0, 0, Cause::ClientCertExpired);
        assert_eq!(tell(&mut told, another, 59), Some(0), "another thing");
        assert_eq!(tell(&mut told, peer(1), 60), Some(2));
        assert_eq!(tell(&mut told, peer(1), 61), None);
    }

    #[test]
    fn many_peers_are_neither_remembered_nor_told_of_without_bound() {
        let mut told = Told(BTreeMap::new());
        let start = Instant::now();
        let lines = (0..10_000).filter(|n| told.tell(peer(*n), start).is_some());
        assert_eq!(lines.count(), MOST_TOLD);
        assert_eq!(told.0.len(), MOST_TOLD);
        assert_eq!(told.tell(peer(20_000), start + REPEAT), Some(0));
        assert_eq!(told.0.len(), 1);
    }
}
