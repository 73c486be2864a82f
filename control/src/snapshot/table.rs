//! A persistent map from text that is cheap in both extremes: a hundred thousand hosts with five paths each, and one
//! host with a hundred thousand paths. Also the list that mostly holds one thing, and the set of ends that a map is
//! probed by. Used by `names`, `routes` and `paths`; knows nothing of what it keeps.

use std::sync::Arc;

/// A persistent hash map. Keys come from the configuration, only questions from clients, so a fast keyed hash will do:
/// at 100,000 keys SipHash was a third of a look-up.
pub(super) type Map<V> = imbl::GenericHashMap<
    Arc<str>,
    V,
    foldhash::fast::RandomState,
    imbl::shared_ptr::DefaultSharedPtr,
>;

/// Up to this many keys are kept in one sorted run: no tree nodes, and all of it in a few cache lines.
const FEW: usize = 32;

/// Text → `V`. Cloning is cheap.
#[derive(Clone)]
pub(super) enum Table<V> {
    /// Sorted by key.
    Few(Vec<(Arc<str>, V)>),
    /// Once grown, a table stays a tree.
    Many(Map<V>),
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

/// A list, never empty, that mostly holds one thing and then needs no allocation and no pointer to follow.
#[derive(Clone)]
pub(super) enum Run<T> {
    One(T),
    Many(Arc<[T]>),
}

impl<T> Run<T> {
    /// `None` if there is nothing.
    pub(super) fn new(mut items: Vec<T>) -> Option<Self> {
        match items.len() {
            0 | 1 => items.pop().map(Self::One),
            _ => Some(Self::Many(items.into())),
        }
    }

    pub(super) fn all(&self) -> &[T] {
        match self {
            Self::One(item) => std::slice::from_ref(item),
            Self::Many(items) => items,
        }
    }
}

/// What is known of a set of prefixes (or suffixes) before any is hashed: each distinct pair of a length and the byte at
/// the open end, longest first, with how many keys have it. A look-up probes at most once for each distinct length, and
/// mostly not even that (`/foo/*` only where a slash is, `*.foo.com` only where a dot is): its cost is bounded by
/// the configuration, never by what a client sends.
#[derive(Clone, Default)]
pub(super) struct Ends(Vec<End>);

/// The byte is `None` only for the empty key.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) length: usize,
    pub(super) byte: Option<u8>,
    keys: usize,
}

impl Ends {
    pub(super) fn add(&mut self, length: usize, byte: Option<u8>) {
        match self.search(length, byte) {
            Ok(at) => self.0[at].keys += 1,
            Err(at) => self.0.insert(
                at,
                End {
                    length,
                    byte,
                    keys: 1,
                },
            ),
        }
    }

    pub(super) fn remove(&mut self, length: usize, byte: Option<u8>) {
        if let Ok(at) = self.search(length, byte) {
            self.0[at].keys -= 1;
            if self.0[at].keys == 0 {
                self.0.remove(at);
            }
        }
    }

    /// Those not longer than `room`, longest first.
    pub(super) fn within(&self, room: usize) -> impl Iterator<Item = &End> {
        let from = self.0.partition_point(|end| end.length > room);
        self.0[from..].iter()
    }

    fn search(&self, length: usize, byte: Option<u8>) -> Result<usize, usize> {
        self.0
            .binary_search_by(|end| length.cmp(&end.length).then(end.byte.cmp(&byte)))
    }
}
