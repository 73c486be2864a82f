//! Session tickets (RFC 8446, 4.6.1; RFC 5077) that never cross a policy. rustls does not verify a resumed client again,
//! so a ticket is bound to what vouched for it: sealed under the process's key ring with the scope as associated data
//! (client CA set, depth, mode, object id and version), and no longer good than the certificates in it. Keys are random
//! here; a cluster installs shared ones with [`TicketKeys::share`]. Used by [`super::server`] alone.

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{Context, SHA256};
use control::object::Ssl;
pub use control::tickets::LIFETIME;
use control::tickets::TicketSecret;
use rustls::server::ProducesTickets;

use super::attempt::Attempt;

/// Larger sessions (long client chains) get no ticket: it would come back in a ClientHello, which is bounded.
const MAX_SESSION: usize = 8 << 10;
const NAME: usize = 16;
const NONCE: usize = 12;
const UNTIL: usize = 8;

/// A secret that seals tickets.
struct TicketKey {
    name: [u8; NAME],
    key: RandomizedNonceKey,
    born: Instant,
}

impl TicketKey {
    /// A key from a shared secret; every node derives the same name from it.
    fn new(secret: &[u8; 32]) -> Result<Self, TicketKeyError> {
        let mut context = Context::new(&SHA256);
        context.update(b"sallyport ticket key name");
        context.update(secret);
        let mut name = [0; NAME];
        name.copy_from_slice(&context.finish().as_ref()[..NAME]);
        let key = RandomizedNonceKey::new(&AES_256_GCM, secret).map_err(|_| TicketKeyError)?;
        Ok(Self {
            name,
            key,
            born: Instant::now(),
        })
    }

    fn random() -> Result<Self, TicketKeyError> {
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| TicketKeyError)?;
        Self::new(&secret)
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKey").finish_non_exhaustive()
    }
}

/// No key could be made: the random source or the cipher failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot make a session ticket key")]
pub struct TicketKeyError;

#[derive(Debug)]
struct Ring {
    /// The first seals, all open.
    keys: Vec<Arc<TicketKey>>,
    /// Installed from outside: not rotated here.
    shared: bool,
}

/// The key ring of the process.
#[derive(Debug)]
pub struct TicketKeys {
    ring: ArcSwap<Ring>,
}

impl TicketKeys {
    /// A ring with one random key, which rotates every [`LIFETIME`].
    ///
    /// # Errors
    /// [`TicketKeyError`].
    pub fn new() -> Result<Self, TicketKeyError> {
        let ring = Ring {
            keys: vec![Arc::new(TicketKey::random()?)],
            shared: false,
        };
        Ok(Self {
            ring: ArcSwap::from_pointee(ring),
        })
    }

    /// Replaces the ring by the cluster's keys, the first of which seals; from then on rotation is the caller's. Without
    /// any the ring has random keys of its own again.
    pub fn share(&self, secrets: &[TicketSecret]) {
        let keys: Vec<_> = secrets
            .iter()
            .filter_map(|secret| TicketKey::new(secret.bytes()).ok())
            .collect();
        if keys.is_empty()
            && let Ok(own) = Self::new()
        {
            self.ring.store(own.ring.load_full());
        } else {
            self.install(keys);
        }
    }

    /// The same with keys; an empty list ends resumption.
    fn install(&self, keys: Vec<TicketKey>) {
        let keys = keys.into_iter().map(Arc::new).collect();
        self.ring.store(Arc::new(Ring { keys, shared: true }));
    }

    /// Drops the keys' random predecessors and starts a new one. Runs by itself when a key is old.
    fn rotate(&self, now: Instant) {
        let Ok(fresh) = TicketKey::random() else {
            return;
        };
        let fresh = Arc::new(fresh);
        self.ring.rcu(|ring| {
            let old = ring.keys.first();
            if ring.shared || old.is_some_and(|k| now.duration_since(k.born) < LIFETIME) {
                return Arc::clone(ring);
            }
            let keep = old.filter(|k| now.duration_since(k.born) < LIFETIME * 2);
            Arc::new(Ring {
                keys: std::iter::once(&fresh).chain(keep).cloned().collect(),
                shared: false,
            })
        });
    }

    fn sealing(&self, now: Instant) -> Option<Arc<TicketKey>> {
        let ring = self.ring.load();
        let key = ring.keys.first()?;
        if ring.shared || now.duration_since(key.born) < LIFETIME {
            return Some(Arc::clone(key));
        }
        self.rotate(now);
        self.ring.load().keys.first().cloned()
    }

    fn opening(&self, name: &[u8], now: Instant) -> Option<Arc<TicketKey>> {
        let ring = self.ring.load();
        let key = ring.keys.iter().find(|k| k.name == name)?;
        (ring.shared || now.duration_since(key.born) < LIFETIME * 2).then(|| Arc::clone(key))
    }

    /// `name | nonce | AES-256-GCM(until | session)`, the scope authenticated along with it.
    fn seal(&self, scope: &[u8; 32], until: i64, session: &[u8]) -> Option<Vec<u8>> {
        if session.len() > MAX_SESSION {
            return None;
        }
        let key = self.sealing(Instant::now())?;
        let mut sealed = Vec::with_capacity(UNTIL + session.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&until.to_be_bytes());
        sealed.extend_from_slice(session);
        let nonce = key
            .key
            .seal_in_place_append_tag(Aad::from(scope), &mut sealed)
            .ok()?;
        let mut ticket = Vec::with_capacity(NAME + NONCE + sealed.len());
        ticket.extend_from_slice(&key.name);
        ticket.extend_from_slice(nonce.as_ref());
        ticket.extend_from_slice(&sealed);
        Some(ticket)
    }

    /// The session and until when it is good, if `ticket` was sealed in this scope.
    fn open(&self, scope: &[u8; 32], ticket: &[u8]) -> Option<(i64, Vec<u8>)> {
        let (name, rest) = ticket.split_at_checked(NAME)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        let key = self.opening(name, Instant::now())?;
        let mut plain = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = key
            .key
            .open_in_place(nonce, Aad::from(scope), &mut plain)
            .ok()?;
        let (until, session) = plain.split_first_chunk::<UNTIL>()?;
        Some((i64::from_be_bytes(*until), session.to_vec()))
    }
}

/// What a ticket is good for: two objects that differ in anything that lets a client in have different scopes.
pub(super) fn scope(ssl: &Ssl) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(b"sallyport ticket scope");
    match ssl.client() {
        Some(client) => {
            context.update(&[1]);
            context.update(client.policy());
        }
        None => context.update(&[0]),
    }
    context.update(ssl.version());
    // Last, because it is the only part without a fixed length.
    context.update(ssl.id().as_bytes());
    let mut scope = [0; 32];
    scope.copy_from_slice(context.finish().as_ref());
    scope
}

/// rustls' view of the ring for one scope.
pub(super) struct Scoped {
    pub(super) keys: Arc<TicketKeys>,
    pub(super) scope: [u8; 32],
}

impl fmt::Debug for Scoped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}

impl ProducesTickets for Scoped {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(LIFETIME.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        // Without an attempt nobody would know until when the client's certificate is good.
        let until = Attempt::current()?.good_until();
        self.keys.seal(&self.scope, until, plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let attempt = Attempt::current()?;
        let (until, session) = self.keys.open(&self.scope, cipher)?;
        if now() > until {
            return None;
        }
        // A ticket issued on resumption is good no longer than the one it came from.
        attempt.limit(until);
        Some(session)
    }
}

/// Unix seconds; a clock before 1970 counts as the end of time, so that nothing is valid.
pub(super) fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(i64::MAX, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_ticket_opens_in_its_own_scope_only() {
        let keys = TicketKeys::new().unwrap();
        let ticket = keys.seal(&[1; 32], 7, b"session").unwrap();
        assert_eq!(keys.open(&[1; 32], &ticket), Some((7, b"session".to_vec())));
        assert_eq!(keys.open(&[2; 32], &ticket), None);
        for at in 0..ticket.len() {
            let mut bent = ticket.clone();
            bent[at] ^= 1;
            assert_eq!(keys.open(&[1; 32], &bent), None, "byte {at}");
            assert_eq!(keys.open(&[1; 32], &ticket[..at]), None);
        }
    }

    #[test]
    fn shared_keys_open_each_others_tickets() {
        let (a, b) = (TicketKeys::new().unwrap(), TicketKeys::new().unwrap());
        let ticket = a.seal(&[1; 32], 7, b"session").unwrap();
        assert_eq!(b.open(&[1; 32], &ticket), None);
        a.install(vec![TicketKey::new(&[9; 32]).unwrap()]);
        b.install(vec![
            TicketKey::new(&[8; 32]).unwrap(),
            TicketKey::new(&[9; 32]).unwrap(),
        ]);
        let ticket = a.seal(&[1; 32], 7, b"session").unwrap();
        assert_eq!(b.open(&[1; 32], &ticket), Some((7, b"session".to_vec())));
    }

    #[test]
    fn a_ring_that_shares_no_more_has_keys_of_its_own() {
        let keys = TicketKeys::new().unwrap();
        keys.install(vec![TicketKey::new(&[9; 32]).unwrap()]);
        let shared = keys.seal(&[1; 32], 7, b"session").unwrap();
        keys.share(&[]);
        assert_eq!(keys.open(&[1; 32], &shared), None);
        let own = keys.seal(&[1; 32], 7, b"session").unwrap();
        assert_eq!(keys.open(&[1; 32], &own), Some((7, b"session".to_vec())));
        assert!(!keys.ring.load().shared, "they rotate");
    }

    #[test]
    fn rotation_keeps_the_previous_key_for_its_life() {
        let keys = TicketKeys::new().unwrap();
        let start = Instant::now();
        let first = keys.sealing(start).unwrap();
        keys.rotate(start);
        assert_eq!(
            keys.sealing(start).unwrap().name,
            first.name,
            "too early to rotate"
        );
        let later = start + LIFETIME + Duration::from_secs(1);
        let second = keys.sealing(later).unwrap();
        assert_ne!(second.name, first.name);
        assert!(keys.opening(&first.name, later).is_some());
        assert!(keys.opening(&first.name, later + LIFETIME).is_none());
    }

    #[test]
    fn a_long_chain_gets_no_ticket() {
        let keys = TicketKeys::new().unwrap();
        assert_eq!(keys.seal(&[1; 32], 7, &vec![0; MAX_SESSION + 1]), None);
    }

    #[tokio::test]
    async fn a_ticket_is_good_no_longer_than_its_certificates() {
        let scoped = Scoped {
            keys: Arc::new(TicketKeys::new().unwrap()),
            scope: [1; 32],
        };
        assert_eq!(scoped.encrypt(b"session"), None, "outside a handshake");
        for (limit, opens) in [(now() + 60, true), (now() - 1, false)] {
            let first = Attempt::new(None);
            first.limit(limit);
            let ticket = first
                .run(async { scoped.encrypt(b"session").unwrap() })
                .await;
            let second = Attempt::new(None);
            let session = second.run(async { scoped.decrypt(&ticket) }).await;
            assert_eq!(session.is_some(), opens);
            if opens {
                assert_eq!(
                    second.good_until(),
                    limit,
                    "nor is one issued on its strength"
                );
            }
        }
    }
}
