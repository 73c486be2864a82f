//! Keeps the seats of a processor taken: opens lanes in the background, again when one ends, and anew when the
//! certificates change.

use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, interval, sleep, timeout};

use super::Line;
use super::peer::Peer;
use crate::hop::quic::lane::LaneError;

/// The first pause after a failure: a processor that restarts is back soon.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest: one that is back is found within it, and one that is gone costs half a handshake a second.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// For the name's resolution: a lost packet costs one second. Opening a lane is bounded, and counted, by the lane.
const RESOLVE_WITHIN: Duration = Duration::from_secs(3);
/// With other certificates all lanes of all routers are made anew: within this time at random, as handshakes take from what
/// requests get.
const RENEW_OVER: Duration = Duration::from_secs(2);
/// How long lanes of an old certificate set serve when no new ones can be opened: what the new set no longer trusts must
/// not live on by being refused.
const RENEW_WITHIN: Duration = Duration::from_secs(10);

/// How often the processors' certificates are looked at again: they expire, and a processor that was given another one
/// shows it on new connections only.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Pauses that double, each shortened by up to a half at random: routers must not return in step.
#[derive(Default)]
struct Backoff(u32);

impl Backoff {
    fn next(&mut self) -> Duration {
        let full = FIRST_PAUSE
            .saturating_mul(1 << self.0.min(10))
            .min(LONGEST_PAUSE);
        self.0 = self.0.saturating_add(1);
        full.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

/// Keeps one seat. Ends with the peer, which aborts it.
pub(super) async fn keep<L: Line>(
    peer: Weak<Peer<L>>,
    seat: usize,
    ends: L::Ends,
    opened: Rc<Notify>,
) {
    let mut generation = L::generation(&ends);
    let mut backoff = Backoff::default();
    let mut renewing = None;
    loop {
        let Some(address) = peer.upgrade().map(|p| p.address.clone()) else {
            return;
        };
        generation.borrow_and_update();
        match open::<L>(&address, &ends).await {
            Ok(lane) => {
                let Some(ended) = peer.upgrade().map(|p| {
                    p.seat(seat, lane);
                    p.ended(seat)
                }) else {
                    return;
                };
                opened.notify_waiters();
                let since = Instant::now();
                let renewed = until_over(&peer, seat, &ends, &ended, &mut generation).await;
                renewing = renewed.then(Instant::now);
                // One that ends at once, refused by the other end, must not be opened without a pause.
                if renewed || since.elapsed() >= LONGEST_PAUSE {
                    backoff = Backoff::default();
                }
                sleep(if renewed {
                    RENEW_OVER.mul_f64(fastrand::f64())
                } else {
                    backoff.next()
                })
                .await;
            }
            Err(error) => {
                let Some(peer) = peer.upgrade() else {
                    return;
                };
                peer.complain(&error);
                if renewing.is_some_and(|at: Instant| at.elapsed() >= RENEW_WITHIN) {
                    peer.vacate(seat);
                }
                // Not over the pause: the peer ends with the remote.
                drop(peer);
                sleep(backoff.next()).await;
            }
        }
    }
}

/// Until the lane in `seat` has ended (false) or must be opened anew (true).
async fn until_over<L: Line>(
    peer: &Weak<Peer<L>>,
    seat: usize,
    ends: &L::Ends,
    ended: &Notify,
    generation: &mut watch::Receiver<u64>,
) -> bool {
    let mut look = interval(LOOK_AGAIN);
    loop {
        tokio::select! {
            () = ended.notified() => {
                // A permit may be left over from the lane before.
                if !peer.upgrade().is_some_and(|p| p.is_seated(seat)) {
                    return false;
                }
            }
            Ok(()) = generation.changed() => return true,
            _ = look.tick() => {
                if peer.upgrade().is_some_and(|p| !p.is_trusted(seat, ends)) {
                    return true;
                }
            }
        }
    }
}

/// Connects to the first address that answers.
async fn open<L: Line>(address: &str, ends: &L::Ends) -> Result<L, LaneError> {
    let late = |_| {
        LaneError(format!(
            "name resolution: no answer within {RESOLVE_WITHIN:?}"
        ))
    };
    let found: Vec<SocketAddr> = timeout(RESOLVE_WITHIN, lookup_host(address))
        .await
        .map_err(late)?
        .map_err(|e| LaneError(format!("name resolution: {e}")))?
        .collect();
    let mut last = LaneError("the name has no address".to_owned());
    for to in found {
        match L::open(to, ends).await {
            Ok(lane) => return Ok(lane),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::failures::Failures;
    use crate::hop::identity::Role;
    use crate::hop::identity::tests::{identity, new_ca};
    use crate::hop::quic::lane::Lane;
    use crate::hop::remote::Shared;
    use crate::metrics::Metrics;

    #[tokio::test(start_paused = true)]
    async fn one_that_says_nothing_is_counted() {
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let metrics = Metrics::new();
        let shared = Shared {
            members: watch::channel(Arc::from([])).1,
            identity: Arc::new(identity(&new_ca(), &[Role::Router])),
            failures: Failures::new("n", Arc::clone(&metrics)),
            metrics,
        };
        let address = silent.local_addr().unwrap().to_string();
        assert!(open::<Lane>(&address, &shared).await.is_err());
        let counted = shared.metrics.encode();
        let failed = counted
            .lines()
            .find(|line| line.contains("handshake_failures_total{"));
        assert!(
            failed.is_some_and(|l| l.contains("handshake_timeout")),
            "{counted}"
        );
    }

    #[test]
    fn pauses_grow_to_their_bound() {
        let mut backoff = Backoff::default();
        let mut full = FIRST_PAUSE;
        for _ in 0..100 {
            let pause = backoff.next();
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
            full = (full * 2).min(LONGEST_PAUSE);
        }
    }
}
