//! What has been judged already: a revision and a hash a key, never the values. Tells new and changed values from those
//! that came before, and what a listing no longer holds. Used by `load` and `follow`.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;

use crate::object::Kind;

/// The key of one of our objects.
pub(super) type Id = (Kind, Arc<str>);

/// Values of our kinds that were judged, good or bad.
#[derive(Default)]
pub(super) struct Known {
    values: HashMap<Id, Value>,
    listing: u64,
}

struct Value {
    mod_revision: u64,
    hash: u64,
    /// Number of the last listing that held it.
    listing: u64,
}

/// A value that has to be judged.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) id: Id,
    pub(super) value: Bytes,
    pub(super) mod_revision: u64,
    /// The key was deleted and made again since it was last known: no last good one counts.
    pub(super) recreated: bool,
}

/// The object a key below the prefix names; `None` for what is not ours: other kinds, deeper keys, placeholders.
pub(super) fn object_of(key: &str) -> Option<Id> {
    let (dir, id) = key.split_once('/')?;
    let kind = Kind::from_dir(dir)?;
    (!id.is_empty() && !id.contains('/')).then(|| (kind, id.into()))
}

/// What `apisix init_etcd` writes to mark a directory.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    value == b"init_dir"
}

/// The same for the same bytes within this process.
pub(super) fn hash(value: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Known {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Begins a listing: from now on each value that is met belongs to it.
    pub(super) fn begin_listing(&mut self) {
        self.listing += 1;
    }

    /// A value of the listing: `Some` if it has to be judged. One that has the same revision but other bytes comes from
    /// another history.
    pub(super) fn meet(
        &mut self,
        id: Id,
        value: &Bytes,
        create_revision: u64,
        mod_revision: u64,
    ) -> Option<Fresh> {
        let listing = self.listing;
        let known = self.values.get_mut(&id);
        let recreated = known
            .as_ref()
            .is_some_and(|known| create_revision > known.mod_revision);
        if let Some(known) = known {
            known.listing = listing;
            if known.mod_revision == mod_revision && known.hash == hash(value) {
                return None;
            }
        }
        Some(Fresh {
            id,
            value: value.clone(),
            mod_revision,
            recreated,
        })
    }

    /// Keys that the listing did not hold.
    pub(super) fn missed(&self) -> Vec<Id> {
        let gone = self
            .values
            .iter()
            .filter(|(_, value)| value.listing != self.listing);
        gone.map(|(id, _)| id.clone()).collect()
    }

    /// Remembers a judged value.
    pub(super) fn insert(&mut self, id: Id, mod_revision: u64, hash: u64) {
        self.values.insert(
            id,
            Value {
                mod_revision,
                hash,
                listing: self.listing,
            },
        );
    }

    /// Forgets a deleted key; whether it was known.
    pub(super) fn remove(&mut self, id: &Id) -> bool {
        self.values.remove(id).is_some()
    }

    /// The revision of a key's last judged value.
    pub(super) fn revision_of(&self, id: &Id) -> Option<u64> {
        self.values.get(id).map(|value| value.mod_revision)
    }
}
