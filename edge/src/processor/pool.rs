//! Idle HTTP/1.1 connections of one thread, never shared between identities, names or trust settings. Last in, first
//! out: the rest can age and go. [`PoolKey`] is the whole of what must be equal.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use control::object::KeepalivePool;
use tokio::time::Instant;

use super::dial::Unproven;
use super::h2::Lines;
use crate::hop::TargetTls;
use crate::http1::client::Connection;
use crate::metrics::ConnectionGuard;

/// How often idle connections are looked through.
const SWEEP: Duration = Duration::from_secs(5);
/// How long a key that no upstream holds any more keeps its connections.
const UNUSED: Duration = Duration::from_secs(60);
/// Shelves beyond those in use that a thread keeps.
const SHELVES: usize = 1024;

/// What two requests must have in common to use one connection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct PoolKey {
    /// Node, as configured.
    pub(super) host: Arc<str>,
    /// Its port.
    pub(super) port: u16,
    /// HTTP/2.
    pub(super) h2: bool,
    /// `None` in the clear.
    pub(super) tls: Option<TlsKey>,
}

/// The TLS part of a [`PoolKey`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TlsKey {
    /// Name verified.
    pub(super) verify_name: String,
    /// Whether it was sent.
    pub(super) sni: bool,
    /// Whether it is verified.
    pub(super) verify: bool,
    /// [`control::object::UpstreamTls::policy`].
    pub(super) policy: [u8; 32],
    /// The certificate shown.
    pub(super) identity: Option<[u8; 32]>,
}

/// What is known of a connection from its dialling on.
pub(super) struct Facts {
    /// Address connected to.
    pub(super) address: IpAddr,
    /// TLS facts.
    pub(super) tls: Option<Arc<TargetTls>>,
    /// There until the target's first answer to TLS.
    pub(super) unproven: RefCell<Option<Box<Unproven>>>,
    /// Counts the connection as open.
    pub(super) _open: ConnectionGuard,
}

/// A connection with its facts.
pub(super) struct Leg {
    pub(super) connection: Box<Connection>,
    pub(super) facts: Rc<Facts>,
}

/// All idle connections of a thread.
#[derive(Default)]
pub(super) struct Pool {
    shelves: RefCell<HashMap<PoolKey, Rc<Shelf>>>,
    /// So many shelves are made before those nobody holds are cleared away.
    bound: Cell<usize>,
    swept: Cell<bool>,
}

/// The connections under one key: idle ones of HTTP/1.1, open ones of HTTP/2.
#[derive(Default)]
pub(super) struct Shelf {
    /// HTTP/2.
    pub(super) lines: Lines,
    idle: RefCell<Vec<Idle>>,
    idle_timeout: Cell<Duration>,
    used: Cell<Option<Instant>>,
}

struct Idle {
    leg: Leg,
    since: Instant,
}

impl Pool {
    /// The shelf of a key; callers keep it as long as they use the key.
    pub(super) fn shelf(self: &Rc<Self>, key: &PoolKey) -> Rc<Shelf> {
        if let Some(shelf) = self.shelves.borrow().get(key) {
            return shelf.clone();
        }
        if !self.swept.replace(true) {
            tokio::task::spawn_local(sweep(Rc::downgrade(self)));
        }
        let mut shelves = self.shelves.borrow_mut();
        if shelves.len() >= self.bound.get().max(SHELVES) {
            // Keys can hold a name of the client's choice (its Host): idle connections must not grow with those.
            shelves.retain(|_, shelf| Rc::strong_count(shelf) > 1);
            self.bound.set(shelves.len() * 2);
        }
        shelves.entry(key.clone()).or_default().clone()
    }

    /// Closes what is old, dead or no longer wanted.
    fn tidy(&self) {
        let now = Instant::now();
        self.shelves.borrow_mut().retain(|_, shelf| {
            // Nobody else holds the shelf and it was not used lately: its upstream changed or went.
            let used = shelf
                .used
                .get()
                .is_some_and(|at| now.duration_since(at) < UNUSED);
            if Rc::strong_count(shelf) == 1 && !used {
                return false;
            }
            let limit = shelf.idle_timeout.get();
            let keep = |idle: &mut Idle| {
                (limit.is_zero() || now.duration_since(idle.since) < limit)
                    && idle.leg.connection.is_quiet()
            };
            shelf.idle.borrow_mut().retain_mut(keep);
            shelf.lines.tidy(limit);
            true
        });
    }
}

async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(pool) = pool.upgrade() else { return };
        pool.tidy();
    }
}

impl Shelf {
    /// The last connection put here that is still good.
    pub(super) fn take(&self) -> Option<Leg> {
        loop {
            let mut idle = self.idle.borrow_mut().pop()?;
            let limit = self.idle_timeout.get();
            let fresh = limit.is_zero() || idle.since.elapsed() < limit;
            if fresh && idle.leg.connection.is_quiet() {
                return Some(idle.leg);
            }
        }
    }

    /// Notes how long connections may be idle, and that the key is in use.
    pub(super) fn use_with(&self, bounds: KeepalivePool) {
        self.idle_timeout.set(bounds.idle_timeout);
        self.used.set(Some(Instant::now()));
    }

    /// Keeps a connection that has ended an exchange well, within the upstream's bounds.
    pub(super) fn put(&self, leg: Leg, bounds: KeepalivePool) {
        self.idle_timeout.set(bounds.idle_timeout);
        let mut idle = self.idle.borrow_mut();
        if leg.connection.requests() < bounds.requests && idle.len() < bounds.size as usize {
            let since = Instant::now();
            self.used.set(Some(since));
            idle.push(Idle { leg, since });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_that_clients_make_up_do_not_grow_the_pool() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let pool = Rc::<Pool>::default();
                let key = |n: usize| PoolKey {
                    host: "127.0.0.1".into(),
                    port: 443,
                    h2: false,
                    tls: Some(TlsKey {
                        verify_name: format!("{n}.example"),
                        sni: true,
                        verify: true,
                        policy: [0; 32],
                        identity: None,
                    }),
                };
                let held = pool.shelf(&key(0));
                for n in 1..10 * SHELVES {
                    pool.shelf(&key(n));
                    assert!(pool.shelves.borrow().len() <= SHELVES);
                }
                assert!(Rc::ptr_eq(&held, &pool.shelf(&key(0))));
            })
            .await;
    }
}
