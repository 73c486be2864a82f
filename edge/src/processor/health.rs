//! Which targets are fit: counters that probes and live exchanges move, read on the request path as one atomic.
//! Semantics of lua-resty-healthcheck: so many failures of one kind in a row make a target unhealthy, so many successes
//! healthy again; a success forgets failures and the other way round.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use control::object::{ActiveCheck, PassiveCheck};
use dashmap::DashMap;

/// What one probe or exchange showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    /// A status.
    Status(u16),
    /// Connected (TCP probe).
    Connected,
    /// No connection, or it broke.
    Broken,
    /// Not in time.
    TimedOut,
}

/// How signs are judged; a bound of 0 never decides.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    healthy: &'a [u16],
    unhealthy: &'a [u16],
    successes: u32,
    http_failures: u32,
    tcp_failures: u32,
    timeouts: u32,
}

impl<'a> From<&'a ActiveCheck> for Judge<'a> {
    fn from(check: &'a ActiveCheck) -> Self {
        Self {
            healthy: &check.healthy_statuses,
            unhealthy: &check.unhealthy_statuses,
            successes: check.successes,
            http_failures: check.http_failures,
            tcp_failures: check.tcp_failures,
            timeouts: check.timeouts,
        }
    }
}

impl<'a> From<&'a PassiveCheck> for Judge<'a> {
    fn from(check: &'a PassiveCheck) -> Self {
        Self {
            healthy: &check.healthy_statuses,
            unhealthy: &check.unhealthy_statuses,
            successes: check.successes,
            http_failures: check.http_failures,
            tcp_failures: check.tcp_failures,
            timeouts: check.timeouts,
        }
    }
}

/// One target of one upstream. Starts healthy.
#[derive(Debug, Default)]
pub(super) struct TargetHealth {
    unfit: AtomicBool,
    successes: AtomicU32,
    http_failures: AtomicU32,
    tcp_failures: AtomicU32,
    timeouts: AtomicU32,
}

impl TargetHealth {
    pub(super) fn is_healthy(&self) -> bool {
        !self.unfit.load(Ordering::Relaxed)
    }

    /// Takes a sign into account; `Some` is the new state if this changed it.
    pub(super) fn note(&self, sign: Sign, judge: Judge<'_>) -> Option<bool> {
        let (counter, bound, good) = match sign {
            Sign::Status(s) if judge.healthy.contains(&s) => {
                (&self.successes, judge.successes, true)
            }
            Sign::Status(s) if judge.unhealthy.contains(&s) => {
                (&self.http_failures, judge.http_failures, false)
            }
            Sign::Status(_) => return None,
            Sign::Connected => (&self.successes, judge.successes, true),
            Sign::Broken => (&self.tcp_failures, judge.tcp_failures, false),
            Sign::TimedOut => (&self.timeouts, judge.timeouts, false),
        };
        if bound == 0 {
            return None;
        }
        if good {
            self.forget_failures();
        } else {
            self.forget(&self.successes);
        }
        if good == self.is_healthy() {
            return None;
        }
        if counter.fetch_add(1, Ordering::Relaxed) + 1 < bound {
            return None;
        }
        self.forget_failures();
        self.forget(&self.successes);
        (self.unfit.swap(!good, Ordering::Relaxed) == good).then_some(good)
    }

    fn forget_failures(&self) {
        for counter in [&self.http_failures, &self.tcp_failures, &self.timeouts] {
            self.forget(counter);
        }
    }

    /// Reading first keeps the line shared between threads as long as all goes well.
    #[allow(clippy::unused_self, reason = "reads as one of the target's verbs")]
    fn forget(&self, counter: &AtomicU32) {
        if counter.load(Ordering::Relaxed) != 0 {
            counter.store(0, Ordering::Relaxed);
        }
    }
}

/// Health of every target that is checked, for all threads.
#[derive(Default)]
pub(super) struct Health {
    targets: DashMap<(Arc<str>, Arc<str>), Arc<TargetHealth>>,
}

impl Health {
    /// The state of `target` in `upstream`; balancers keep it.
    pub(super) fn of(&self, upstream: &Arc<str>, target: &Arc<str>) -> Arc<TargetHealth> {
        self.targets
            .entry((upstream.clone(), target.clone()))
            .or_default()
            .clone()
    }

    /// `target` is not checked any more.
    pub(super) fn forget(&self, upstream: &Arc<str>, target: &Arc<str>) {
        self.targets.remove(&(upstream.clone(), target.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUDGE: Judge<'_> = Judge {
        healthy: &[200],
        unhealthy: &[500],
        successes: 2,
        http_failures: 3,
        tcp_failures: 2,
        timeouts: 0,
    };

    #[test]
    fn failures_in_a_row_then_successes_in_a_row() {
        let target = TargetHealth::default();
        let failed = Sign::Status(500);
        for sign in [
            failed,
            failed,
            Sign::Status(200),
            failed,
            failed,
            Sign::Status(404),
        ] {
            assert_eq!(target.note(sign, JUDGE), None);
        }
        assert_eq!(target.note(failed, JUDGE), Some(false));
        assert!(!target.is_healthy());
        for sign in [failed, Sign::Status(200), Sign::Broken] {
            assert_eq!(target.note(sign, JUDGE), None);
        }
        assert_eq!(target.note(Sign::Status(200), JUDGE), None);
        assert_eq!(target.note(Sign::Connected, JUDGE), Some(true));
        assert!(target.is_healthy());
    }

    #[test]
    fn kinds_count_apart_and_zero_never_decides() {
        let target = TargetHealth::default();
        for sign in [
            Sign::Status(500),
            Sign::Broken,
            Sign::Status(500),
            Sign::TimedOut,
            Sign::TimedOut,
            Sign::TimedOut,
        ] {
            assert_eq!(target.note(sign, JUDGE), None);
        }
        assert_eq!(target.note(Sign::Broken, JUDGE), Some(false));
    }
}
