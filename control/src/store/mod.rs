//! Where objects live: etcd for clusters, embedded (one node, one file) so that the first command needs nothing.
//! Both speak the same semantics: one revision counter, compare-and-swap, leases, watches that replay from a revision.
//! What lies beside the prefix (`{prefix}-nodes/`) is another [`Store`], see [`Store::beside`].
//! In the line: `sync` lists and watches; `admin` reads and writes. Keys here are below the prefix (`ssls/1`).

mod disk;
mod embedded;
mod etcd;
mod lease;
pub(crate) mod log;
mod memory;
mod state;

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

pub(crate) use disk::{make_private_dir, sync_dir, write_private};
pub use embedded::EmbeddedStore;
pub use etcd::{EtcdOptions, EtcdStore};
pub use lease::Lease;
pub use memory::MemoryStore;

/// One stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Below the prefix: `ssls/1`.
    pub key: String,
    /// The bytes as written.
    pub value: Bytes,
    /// Revision that created the key.
    pub create_revision: u64,
    /// Revision of the last write.
    pub mod_revision: u64,
}

/// Everything under the prefix at one revision.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The store's revision of this listing; watch from the next one.
    pub revision: u64,
    /// In key order.
    pub entries: Vec<Entry>,
}

/// A listing under way, page by page, so that it can be read while it arrives. Dropping it ends it.
#[derive(Debug)]
pub struct Pages {
    pub(crate) pages: mpsc::Receiver<Result<Listing, StoreError>>,
}

impl Pages {
    /// The next page; all pages have the same revision, and at least one comes. `Ok(None)` is the end.
    ///
    /// # Errors
    /// [`StoreError`]; what came before is then incomplete.
    pub async fn next(&mut self) -> Result<Option<Listing>, StoreError> {
        self.pages.recv().await.transpose()
    }
}

/// One change. `value` is `None` for a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Below the prefix.
    pub key: String,
    /// New value, or `None` if the key is gone.
    pub value: Option<Bytes>,
    /// Revision that created the key; 0 for a deletion.
    pub create_revision: u64,
    /// Revision of this change.
    pub mod_revision: u64,
}

/// All changes up to and including `revision`; never splits one revision. May be empty (progress).
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Everything up to here has been delivered.
    pub revision: u64,
    /// In revision order.
    pub events: Vec<Event>,
}

/// A running watch. Dropping it ends it.
#[derive(Debug)]
pub struct Watch {
    pub(crate) batches: mpsc::Receiver<Result<Batch, StoreError>>,
}

impl Watch {
    /// The next batch; an error ends the watch. `Ok(None)` never happens: a closed stream is `StoreError::Unavailable`.
    ///
    /// # Errors
    /// [`StoreError::Compacted`] means: list again. Anything else: watch again from the last revision + 1.
    pub async fn next(&mut self) -> Result<Batch, StoreError> {
        self.batches
            .recv()
            .await
            .unwrap_or_else(|| Err(StoreError::Unavailable("the watch ended".to_owned())))
    }
}

/// What went wrong with the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Not reachable, no answer in time, or refused the credentials; the text says which.
    #[error("store unavailable: {0}")]
    Unavailable(String),
    /// The asked-for revision has been compacted away.
    #[error("the revision has been compacted, the oldest kept is {0}")]
    Compacted(u64),
    /// The store's revision is behind one it already gave us: it was restored or replaced.
    #[error("the store went back to revision {0}")]
    WentBack(u64),
    /// Local disk trouble of the embedded store.
    #[error("embedded store: {0}")]
    Disk(String),
}

/// What must hold for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Anything.
    Any,
    /// The key does not exist.
    Absent,
    /// The key's mod revision is this.
    Revision(u64),
}

/// Outcome of a conditional write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Done at this revision.
    At(u64),
    /// The expectation did not hold; nothing was written.
    Conflict,
}

/// One of the stores.
#[derive(Debug)]
pub enum Store {
    /// A cluster's.
    Etcd(EtcdStore),
    /// One node's.
    Embedded(EmbeddedStore),
    /// Beside one node's.
    Memory(MemoryStore),
}

impl Store {
    /// The store of the keys below `{prefix}{suffix}/` (`-nodes`), over the same connection; beside an embedded store it
    /// is in memory, the same one for all who ask.
    #[must_use]
    pub fn beside(&self, suffix: &str) -> Self {
        match self {
            Self::Etcd(s) => Self::Etcd(s.beside(suffix)),
            Self::Embedded(s) => Self::Memory(s.beside(suffix)),
            // Only ever made beside another one: there is no further prefix.
            Self::Memory(s) => Self::Memory(s.clone()),
        }
    }

    /// A lease for keys of this store, which has to be renewed within `ttl` (whole seconds are what etcd knows).
    ///
    /// # Errors
    /// [`StoreError`]; the embedded store has them beside its prefix only.
    pub async fn lease(&self, ttl: Duration) -> Result<Lease, StoreError> {
        match self {
            Self::Etcd(s) => s.lease(ttl).await.map(lease::Of::Etcd).map(Lease),
            Self::Memory(s) => Ok(Lease(lease::Of::Memory(s.lease()))),
            Self::Embedded(_) => Err(StoreError::Disk(
                "leases are for what lies beside the prefix".to_owned(),
            )),
        }
    }

    /// Everything under the prefix, consistent at one revision.
    ///
    /// # Errors
    /// [`StoreError`]; never waits longer than a few seconds.
    pub async fn list(&self) -> Result<Listing, StoreError> {
        match self {
            Self::Etcd(s) => s.list().await,
            Self::Embedded(s) => s.list().await,
            Self::Memory(s) => Ok(s.list()),
        }
    }

    /// Everything under the prefix, consistent at one revision, a page at a time: what [`Self::list`] returns at once.
    pub fn pages(&self) -> Pages {
        match self {
            Self::Etcd(s) => s.pages(),
            Self::Embedded(s) => s.pages(),
            Self::Memory(s) => s.pages(),
        }
    }

    /// Changes from revision `from` on (inclusive), history included.
    ///
    /// # Errors
    /// [`StoreError`] if the watch cannot be opened; later errors come through [`Watch::next`].
    pub async fn watch(&self, from: u64) -> Result<Watch, StoreError> {
        match self {
            Self::Etcd(s) => s.watch(from).await,
            Self::Embedded(s) => s.watch(from).await,
            Self::Memory(s) => s.watch(from),
        }
    }

    /// One key.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        match self {
            Self::Etcd(s) => s.get(key).await,
            Self::Embedded(s) => s.get(key).await,
            Self::Memory(s) => Ok(s.get(key)),
        }
    }

    /// Writes `key` if `expect` holds. With `ttl` the key is deleted that long after (a lease).
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<Written, StoreError> {
        match self {
            Self::Etcd(s) => s.put(key, value, expect, ttl).await,
            Self::Embedded(s) => s.put(key, value, expect, ttl).await,
            Self::Memory(s) => Ok(s.put(key, value, expect, ttl)),
        }
    }

    /// Deletes `key` if `expect` holds; deleting what is not there is a [`Written::Conflict`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, key: &str, expect: Expect) -> Result<Written, StoreError> {
        match self {
            Self::Etcd(s) => s.delete(key, expect).await,
            Self::Embedded(s) => s.delete(key, expect).await,
            Self::Memory(s) => Ok(s.delete(key, expect)),
        }
    }
}
