//! What the embedded store holds in memory: keys and values, the recent history, the watchers. Pure but for the
//! channels to the watchers: no file, no clock. Owned by `embedded`, which makes commits durable before they come here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::{Batch, Entry, Event, Expect, StoreError, Watch};

/// Revisions kept for watches that start in the past.
const HISTORY_REVISIONS: usize = 10_000;
/// Bytes of values kept for them.
const HISTORY_BYTES: usize = 32 << 20;
/// Batches a watcher may lag behind before it has to come again.
const WATCH_QUEUE: usize = 1024;

/// All changes of one revision.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) revision: u64,
    /// Key, and value with deadline (milliseconds since 1970, 0 for none); `None` deletes.
    pub(super) changes: Vec<(String, Option<(Bytes, u64)>)>,
}

/// One stored value.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) value: Bytes,
    pub(super) create_revision: u64,
    pub(super) mod_revision: u64,
    /// Milliseconds since 1970, 0 for none.
    pub(super) deadline: u64,
    /// Bytes its record takes in the file.
    pub(super) size: u64,
}

impl Item {
    fn entry(&self, key: &str) -> Entry {
        Entry {
            key: key.to_owned(),
            value: self.value.clone(),
            create_revision: self.create_revision,
            mod_revision: self.mod_revision,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct State {
    revision: u64,
    /// The oldest revision a watch can start from.
    oldest: u64,
    items: BTreeMap<String, Item>,
    leases: BTreeSet<(u64, String)>,
    live_bytes: u64,
    history: VecDeque<Batch>,
    history_bytes: usize,
    watchers: Vec<mpsc::Sender<Result<Batch, StoreError>>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            revision: 1,
            oldest: 2,
            items: BTreeMap::new(),
            leases: BTreeSet::new(),
            live_bytes: 0,
            history: VecDeque::new(),
            history_bytes: 0,
            watchers: Vec::new(),
        }
    }
}

impl State {
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn live_bytes(&self) -> u64 {
        self.live_bytes
    }

    pub(super) fn get(&self, key: &str) -> Option<Entry> {
        self.items.get(key).map(|item| item.entry(key))
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.items
            .iter()
            .map(|(key, item)| item.entry(key))
            .collect()
    }

    pub(super) fn items(&self) -> Vec<(String, Item)> {
        self.items
            .iter()
            .map(|(key, item)| (key.clone(), item.clone()))
            .collect()
    }

    /// The commit that does what is asked, `None` if `expect` does not hold or there is nothing to delete.
    pub(super) fn prepare(
        &self,
        key: String,
        expect: Expect,
        value: Option<(Bytes, u64)>,
    ) -> Option<Commit> {
        let present = self.items.get(&key).map(|item| item.mod_revision);
        let holds = match expect {
            Expect::Any => true,
            Expect::Absent => present.is_none(),
            Expect::Revision(revision) => present == Some(revision),
        };
        let deletes_nothing = value.is_none() && present.is_none();
        (holds && !deletes_nothing).then(|| Commit {
            revision: self.revision + 1,
            changes: vec![(key, value)],
        })
    }

    /// The deletion of everything whose deadline is not after `now`, if there is anything.
    pub(super) fn expired(&self, now: u64) -> Option<Commit> {
        let due = self
            .leases
            .iter()
            .take_while(|(deadline, _)| *deadline <= now);
        let changes: Vec<_> = due.map(|(_, key)| (key.clone(), None)).collect();
        (!changes.is_empty()).then_some(Commit {
            revision: self.revision + 1,
            changes,
        })
    }

    pub(super) fn next_deadline(&self) -> Option<u64> {
        self.leases.first().map(|(deadline, _)| *deadline)
    }

    /// Takes a durable commit whose record has `size` bytes, and tells the watchers.
    pub(super) fn apply(&mut self, commit: Commit, size: u64) {
        self.revision = commit.revision;
        let mut events = Vec::with_capacity(commit.changes.len());
        for (key, value) in commit.changes {
            let before = self.remove(&key);
            let mut event = Event {
                key,
                value: None,
                create_revision: 0,
                mod_revision: commit.revision,
            };
            if let Some((value, deadline)) = value {
                event.create_revision = before.map_or(commit.revision, |item| item.create_revision);
                event.value = Some(value.clone());
                let (create_revision, mod_revision) = (event.create_revision, commit.revision);
                self.insert(
                    event.key.clone(),
                    Item {
                        value,
                        create_revision,
                        mod_revision,
                        deadline,
                        size,
                    },
                );
            }
            events.push(event);
        }
        let batch = Batch {
            revision: commit.revision,
            events,
        };
        // A watcher that does not keep up loses its stream and comes again from where it was.
        self.watchers
            .retain(|to| to.try_send(Ok(batch.clone())).is_ok());
        self.remember(batch);
    }

    /// Takes an item as it was; only before the first commit.
    pub(super) fn restore(&mut self, key: String, item: Item) {
        self.remove(&key);
        self.insert(key, item);
    }

    /// The file begins at `revision`: what was before has been compacted away.
    pub(super) fn start_at(&mut self, revision: u64) {
        self.revision = revision;
        self.oldest = revision + 1;
    }

    pub(super) fn watch(&mut self, from: u64) -> Result<Watch, StoreError> {
        if from < self.oldest {
            return Err(StoreError::Compacted(self.oldest));
        }
        if from > self.revision + 1 {
            return Err(StoreError::WentBack(self.revision));
        }
        let (to, batches) = mpsc::channel(WATCH_QUEUE);
        let past = self.history.iter().filter(|batch| batch.revision >= from);
        let events: Vec<_> = past
            .flat_map(|batch| batch.events.iter().cloned())
            .collect();
        if !events.is_empty() {
            // The channel is new and empty.
            let _ = to.try_send(Ok(Batch {
                revision: self.revision,
                events,
            }));
        }
        self.watchers.retain(|to| !to.is_closed());
        self.watchers.push(to);
        Ok(Watch { batches })
    }

    fn insert(&mut self, key: String, item: Item) {
        if item.deadline != 0 {
            self.leases.insert((item.deadline, key.clone()));
        }
        self.live_bytes += item.size;
        self.items.insert(key, item);
    }

    fn remove(&mut self, key: &str) -> Option<Item> {
        let item = self.items.remove(key)?;
        if item.deadline != 0 {
            self.leases.remove(&(item.deadline, key.to_owned()));
        }
        self.live_bytes -= item.size;
        Some(item)
    }

    fn remember(&mut self, batch: Batch) {
        self.history_bytes += weight(&batch);
        self.history.push_back(batch);
        while self.history.len() > HISTORY_REVISIONS || self.history_bytes > HISTORY_BYTES {
            let Some(forgotten) = self.history.pop_front() else {
                break;
            };
            self.history_bytes -= weight(&forgotten);
            self.oldest = forgotten.revision + 1;
        }
    }
}

fn weight(batch: &Batch) -> usize {
    batch
        .events
        .iter()
        .map(|e| e.key.len() + e.value.as_ref().map_or(0, Bytes::len))
        .sum()
}
