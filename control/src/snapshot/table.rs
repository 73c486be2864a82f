//! A persistent map from text that is cheap in both extremes: a hundred thousand hosts with five paths each, and one
//! host with a hundred thousand paths. Also the set of key lengths that such a map is probed by. Used by `routes` and
//! `paths`; knows nothing of routes.

use std::sync::Arc;

/// Up to this many keys are kept in one sorted run: no tree nodes, and all of it in a few cache lines.
const FEW: usize = 32;

/// Text → `V`. Cloning is cheap.
#[derive(Clone)]
pub(super) enum Table<V> {
    /// Sorted by key.
    Few(Vec<(Arc<str>, V)>),
    /// Once grown, a table stays a tree.
    Many(imbl::HashMap<Arc<str>, V>),
}

impl<V> Default for Table<V> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<V: Clone> Table<V> {
    pub(super) fn get(&self, key: &str) -> Option<&V> {
        match self {
            Self::Few(run) => run
                .iter()
                .find(|(k, _)| **k == *key)
                .map(|(_, value)| value),
            Self::Many(tree) => tree.get(key),
        }
    }

    pub(super) fn insert(&mut self, key: &str, value: V) {
        if let Self::Few(run) = self
            && run.len() == FEW
        {
            *self = Self::Many(run.drain(..).collect());
        }
        match self {
            Self::Few(run) => match run.binary_search_by(|(k, _)| (**k).cmp(key)) {
                Ok(at) => run[at].1 = value,
                Err(at) => run.insert(at, (key.into(), value)),
            },
            Self::Many(tree) => {
                tree.insert(key.into(), value);
            }
        }
    }

    pub(super) fn remove(&mut self, key: &str) {
        match self {
            Self::Few(run) => {
                if let Ok(at) = run.binary_search_by(|(k, _)| (**k).cmp(key)) {
                    run.remove(at);
                }
            }
            Self::Many(tree) => {
                tree.remove(key);
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Few(run) => run.is_empty(),
            Self::Many(tree) => tree.is_empty(),
        }
    }
}

/// The distinct lengths of a set of keys, longest first, each with how many keys have it. A look-up by prefix or suffix
/// probes each length once, so its cost is bounded by the configuration, never by what a client sends.
#[derive(Clone, Default)]
pub(super) struct Lengths(Vec<(usize, usize)>);

impl Lengths {
    pub(super) fn add(&mut self, length: usize) {
        match self.search(length) {
            Ok(at) => self.0[at].1 += 1,
            Err(at) => self.0.insert(at, (length, 1)),
        }
    }

    pub(super) fn remove(&mut self, length: usize) {
        if let Ok(at) = self.search(length) {
            self.0[at].1 -= 1;
            if self.0[at].1 == 0 {
                self.0.remove(at);
            }
        }
    }

    /// The lengths that fit into `room`, longest first.
    pub(super) fn within(&self, room: usize) -> impl Iterator<Item = usize> {
        let from = self.0.partition_point(|(length, _)| *length > room);
        self.0[from..].iter().map(|(length, _)| *length)
    }

    fn search(&self, length: usize) -> Result<usize, usize> {
        self.0.binary_search_by(|(l, _)| length.cmp(l))
    }
}
