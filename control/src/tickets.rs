//! The cluster's session ticket keys: one document at `{prefix}-tickets/keys`, sealed by the keyring, that every router
//! follows and any router may extend. What a ticket is, and what it is good for, is the data path's.
//!
//! A key seals from [`SPREAD`] after it was made, so that every router can open with it before any seals (the first one at
//! once), until a newer one does; it opens until it is twice [`LIFETIME`] old. Whoever finds the newest one older than
//! [`LIFETIME`] writes the next one by compare-and-swap, so nobody's death delays it and nobody owns it. Clocks that differ by
//! a minute make a router seal a minute early or late with a key that all have.

mod document;

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::seal::Keyring;
use crate::store::{Expect, Store, StoreError, Written};
use document::Document;

/// How long a key seals, and then how long it still opens: the life of a ticket.
pub const LIFETIME: Duration = Duration::from_secs(6 * 3600);
/// A key's age when it begins to seal.
const SPREAD: Duration = Duration::from_secs(60);
/// A node makes the next key up to this much later than it could, so that mostly a single one tries.
const LATEST: Duration = Duration::from_secs(300);
/// Beyond its time a key is kept for as long as the change of keys may be late, clocks included.
const MARGIN: Duration = Duration::from_secs(600);
/// What the document's prefix adds to the store's.
const BESIDE: &str = "-tickets";
const KEY: &str = "keys";
/// How often the clock is looked at.
const PERIOD: Duration = Duration::from_secs(15);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(2);

/// What a ticket key is made from. Overwritten when it is dropped, and not to be copied.
pub struct TicketSecret([u8; 32]);

impl TicketSecret {
    /// The secret.
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TicketSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketSecret")
    }
}

impl Drop for TicketSecret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Somebody might look: without this the writes could be left out.
        std::hint::black_box(&self.0);
    }
}

/// Keeps the keys of this node those of the cluster: `install` is given all that open, the one that seals first; none when
/// there is nothing to share any more. Runs for ever with an etcd store and a keyring; else it ends at once and every node
/// keeps keys of its own.
pub async fn run(
    store: &Store,
    keyring: Keyring,
    install: impl FnMut(Vec<TicketSecret>) + Send + 'static,
) {
    if !matches!(store, Store::Etcd(_)) {
        return;
    }
    if keyring.is_empty() {
        tracing::info!("without a keyring TLS sessions resume only on the router they began on");
        return;
    }
    let late = LATEST.mul_f64(fastrand::f64());
    let mut shared = Shared::new(store.beside(BESIDE), keyring, late, install);
    let mut retry = FIRST_RETRY;
    loop {
        let revision = shared.revision;
        let Err(error) = shared.follow().await;
        tracing::debug!(%error, "the session ticket keys are listed again");
        // With the store away time goes on.
        shared.install_at(now());
        if shared.revision != revision {
            retry = FIRST_RETRY;
        }
        tokio::time::sleep(retry.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        retry = (retry * 2).min(LAST_RETRY);
    }
}

/// One node's share.
struct Shared<I> {
    store: Store,
    keyring: Keyring,
    late: Duration,
    install: I,
    /// As it is in the store; `None` if there is none, or none that can be read.
    document: Option<Document>,
    /// Of the document; 0 if there is none.
    revision: u64,
    /// Ids of what is installed, in their order.
    installed: Vec<String>,
    /// The revision that was complained about.
    unreadable: u64,
}

impl<I: FnMut(Vec<TicketSecret>)> Shared<I> {
    fn new(store: Store, keyring: Keyring, late: Duration, install: I) -> Self {
        Self {
            store,
            keyring,
            late,
            install,
            document: None,
            revision: 0,
            installed: Vec::new(),
            unreadable: 0,
        }
    }

    /// Runs until the store fails.
    async fn follow(&mut self) -> Result<std::convert::Infallible, StoreError> {
        let listing = self.store.list().await?;
        let found = listing.entries.iter().find(|entry| entry.key == KEY);
        self.take(found.map(|entry| (&entry.value, entry.mod_revision)));
        self.settle(now()).await?;
        let mut watch = self.store.watch(listing.revision + 1).await?;
        loop {
            if let Ok(batch) = tokio::time::timeout(PERIOD, watch.next()).await {
                for event in batch?.events.iter().filter(|event| event.key == KEY) {
                    // Our own write is known already, and perhaps a later one.
                    if event.mod_revision > self.revision {
                        self.take(event.value.as_ref().map(|v| (v, event.mod_revision)));
                    }
                }
            }
            self.settle(now()).await?;
        }
    }

    fn take(&mut self, found: Option<(&Bytes, u64)>) {
        self.revision = found.map_or(0, |(_, revision)| revision);
        self.document = match found.map(|(value, _)| Document::read(value)) {
            None => None,
            Some(Ok(document)) => Some(document),
            Some(Err(why)) => {
                self.complain(&why);
                None
            }
        };
    }

    /// Makes a key if one is due, then installs what there is.
    async fn settle(&mut self, now: u64) -> Result<(), StoreError> {
        if let Some(next) = self.next(now) {
            let expect = match self.revision {
                0 => Expect::Absent,
                revision => Expect::Revision(revision),
            };
            match self.store.put(KEY, next.write(), expect, None).await? {
                Written::At(revision) => {
                    tracing::info!(revision, "made a session ticket key for the cluster");
                    (self.document, self.revision) = (Some(next), revision);
                }
                Written::Conflict => {
                    let theirs = self.store.get(KEY).await?;
                    self.take(theirs.as_ref().map(|e| (&e.value, e.mod_revision)));
                }
            }
        }
        self.install_at(now);
        Ok(())
    }

    /// The document that should take this one's place, if one should.
    fn next(&self, now: u64) -> Option<Document> {
        match &self.document {
            None if self.revision == 0 => Document::default().with_new(&self.keyring, now),
            // What we cannot read is for those who can.
            None => None,
            Some(document) => document
                .is_due(&self.keyring, now, self.late)
                .then(|| document.with_new(&self.keyring, now))?,
        }
    }

    fn install_at(&mut self, now: u64) {
        let (ids, secrets) = self.document.as_ref().map_or_else(Default::default, |d| {
            d.ring(&self.keyring, now).into_iter().unzip()
        });
        let nothing_opens = |d: &Document| !d.is_empty() && !d.opens(&self.keyring);
        if self.document.as_ref().is_some_and(nothing_opens) {
            self.complain("it was sealed with keys that are not in this node's keyring");
        }
        if ids != self.installed {
            self.installed = ids;
            (self.install)(secrets);
        }
    }

    /// Says once of each version what is wrong with it.
    fn complain(&mut self, why: &str) {
        if std::mem::replace(&mut self.unreadable, self.revision) != self.revision {
            tracing::error!(%why, "the cluster's session ticket keys ({{prefix}}{BESIDE}/{KEY}) cannot be used; \
                this node has keys of its own, and sessions resume only here");
        }
    }
}

/// Unix seconds; a clock before 1970 finds every key still to come.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
