//! The document of ticket keys and what it means at a given time. Pure but for the random source.

use std::time::Duration;

use aws_lc_rs::rand;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{LIFETIME, MARGIN, SPREAD, TicketSecret};
use crate::seal::Keyring;

/// A document that names more keys is not ours: there are two or three.
const MAX_KEYS: usize = 16;

/// See the module. Holds nothing that is not sealed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Document {
    keys: Vec<Key>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Key {
    id: String,
    /// Unix seconds.
    made: u64,
    /// The secret, sealed for this id and time.
    key: String,
}

impl Document {
    pub(super) fn read(value: &[u8]) -> Result<Self, String> {
        let mut document: Self = serde_json::from_slice(value).map_err(|e| e.to_string())?;
        if document.keys.len() > MAX_KEYS {
            return Err(format!("it has more than {MAX_KEYS} keys"));
        }
        // Oldest first; the id decides between keys of one second, for all nodes alike.
        document
            .keys
            .sort_by(|a, b| (a.made, &a.id).cmp(&(b.made, &b.id)));
        Ok(document)
    }

    pub(super) fn write(&self) -> Bytes {
        // Text and numbers only: this cannot fail.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether any key opens.
    pub(super) fn opens(&self, keyring: &Keyring) -> bool {
        self.keys.iter().any(|key| key.open(keyring).is_some())
    }

    /// Whether it is time for the next key. A newest key that does not open is looked after by those whose keyring it is
    /// of, unless none of them can have done so for longer than a key is of use.
    pub(super) fn is_due(&self, keyring: &Keyring, now: u64, late: Duration) -> bool {
        let mut of_use =
            self.keys.iter().rev().filter(|key| {
                key.age(now) < LIFETIME * 2 + MARGIN && key.is_credible(keyring, now)
            });
        of_use.next().is_none_or(|newest| {
            newest.age(now) >= LIFETIME + late && newest.open(keyring).is_some()
        })
    }

    /// With a new key, and without those that no ticket needs any more. `None` without randomness.
    pub(super) fn with_new(&self, keyring: &Keyring, now: u64) -> Option<Self> {
        let mut keys = self.keys.clone();
        keys.retain(|key| key.age(now) < LIFETIME * 2 && key.is_credible(keyring, now));
        keys.push(Key::new(keyring, now)?);
        Some(Self { keys })
    }

    /// What opens at `now`, with its id: first the key that seals.
    pub(super) fn ring(&self, keyring: &Keyring, now: u64) -> Vec<(String, TicketSecret)> {
        let live = self
            .keys
            .iter()
            .filter(|key| key.age(now) < LIFETIME * 2 + MARGIN);
        let opened = live.filter_map(|key| Some((key, key.open(keyring)?)));
        let mut ring: Vec<_> = opened.collect();
        // The newest that everybody has; if none is old enough, the oldest is the first there ever was.
        let seals = ring
            .iter()
            .rposition(|(key, _)| key.age(now) >= SPREAD)
            .unwrap_or(0);
        if let Some(until) = ring.get_mut(..=seals) {
            until.rotate_right(1);
        }
        ring.into_iter()
            .map(|(key, secret)| (key.id.clone(), secret))
            .collect()
    }
}

impl Key {
    fn new(keyring: &Keyring, made: u64) -> Option<Self> {
        let (mut id, mut secret) = ([0; 8], TicketSecret([0; 32]));
        rand::fill(&mut id).ok()?;
        rand::fill(&mut secret.0).ok()?;
        let id = format!("{:016x}", u64::from_be_bytes(id));
        let key = keyring.seal_for(&label(&id, made), secret.bytes())?;
        Some(Self { id, made, key })
    }

    /// None below: a clock ahead of ours made it just now.
    fn age(&self, now: u64) -> Duration {
        Duration::from_secs(now.saturating_sub(self.made))
    }

    /// Whether its time can be what it says: one of the future that does not open would never be old.
    fn is_credible(&self, keyring: &Keyring, now: u64) -> bool {
        self.made <= now.saturating_add(MARGIN.as_secs()) || self.open(keyring).is_some()
    }

    fn open(&self, keyring: &Keyring) -> Option<TicketSecret> {
        let mut clear = keyring.open_for(&label(&self.id, self.made), &self.key)?;
        let secret = clear.as_slice().try_into().ok().map(TicketSecret);
        clear.fill(0);
        std::hint::black_box(&clear);
        secret
    }
}

/// Bound to its place: an old key cannot be passed off as a new one.
fn label(id: &str, made: u64) -> String {
    format!("session ticket key {id} made {made}")
}
