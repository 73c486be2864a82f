//! What lies beside the embedded store's prefix: in memory, for as long as the process lives. Nobody else could read it, and
//! what a node says of itself is over when the node is. The same semantics as the other stores; `state` has the data.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::state::State;
use super::{Entry, Expect, Listing, Pages, StoreError, Watch, Written};

/// One prefix; clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
}

/// Keys that go when they are told to; with the process they go anyway.
#[derive(Debug)]
pub(super) struct Lease {
    store: MemoryStore,
    keys: Mutex<Vec<String>>,
}

impl MemoryStore {
    pub(super) fn list(&self) -> Listing {
        let state = lock(&self.state);
        Listing {
            revision: state.revision(),
            entries: state.entries(),
        }
    }

    pub(super) fn pages(&self) -> Pages {
        let (to, pages) = tokio::sync::mpsc::channel(1);
        // The channel is new and empty.
        let _ = to.try_send(Ok(self.list()));
        Pages { pages }
    }

    pub(super) fn watch(&self, from: u64) -> Result<Watch, StoreError> {
        lock(&self.state).watch(from)
    }

    pub(super) fn get(&self, key: &str) -> Option<Entry> {
        lock(&self.state).get(key)
    }

    pub(super) fn put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Written {
        let deadline = ttl.map_or(0, |ttl| now_ms().saturating_add(millis(ttl)));
        let written = self.write(key, expect, Some((value, deadline)));
        if let (Some(ttl), Written::At(_)) = (ttl, written) {
            let store = self.clone();
            tokio::spawn(async move {
                // A millisecond more: deadlines are cut to whole ones.
                tokio::time::sleep(ttl + Duration::from_millis(1)).await;
                let mut state = lock(&store.state);
                if let Some(commit) = state.expired(now_ms()) {
                    state.apply(commit, 0);
                }
            });
        }
        written
    }

    pub(super) fn delete(&self, key: &str, expect: Expect) -> Written {
        self.write(key, expect, None)
    }

    pub(super) fn lease(&self) -> Lease {
        Lease {
            store: self.clone(),
            keys: Mutex::default(),
        }
    }

    fn write(&self, key: &str, expect: Expect, value: Option<(Bytes, u64)>) -> Written {
        let mut state = lock(&self.state);
        let Some(commit) = state.prepare(key.to_owned(), expect, value) else {
            return Written::Conflict;
        };
        let revision = commit.revision;
        state.apply(commit, 0);
        Written::At(revision)
    }
}

impl Lease {
    pub(super) fn put(&self, key: &str, value: Bytes, expect: Expect) -> Written {
        let written = self.store.put(key, value, expect, None);
        let mut keys = lock(&self.keys);
        if matches!(written, Written::At(_)) && !keys.iter().any(|known| known == key) {
            keys.push(key.to_owned());
        }
        written
    }

    pub(super) fn revoke(&self) {
        for key in lock(&self.keys).drain(..) {
            self.store.delete(&key, Expect::Any);
        }
    }
}

/// The state is changed in one step that cannot fail, so a panic elsewhere leaves it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Event;

    #[tokio::test]
    async fn a_time_to_live_and_a_revoked_lease_delete() {
        let store = MemoryStore::default();
        let mut watch = store.watch(2).unwrap();
        let lease = store.lease();
        for (key, ttl) in [("short", Some(Duration::from_millis(5))), ("long", None)] {
            assert!(matches!(
                store.put(key, Bytes::new(), Expect::Absent, ttl),
                Written::At(_)
            ));
        }
        assert!(matches!(
            lease.put("leased", Bytes::new(), Expect::Any),
            Written::At(_)
        ));
        let mut gone = Vec::new();
        while gone.len() < 2 {
            let batch = watch.next().await.unwrap();
            let deleted = batch
                .events
                .into_iter()
                .filter(|event: &Event| event.value.is_none());
            gone.extend(deleted.map(|event| event.key));
            if gone == ["short"] {
                lease.revoke();
            }
        }
        assert_eq!(gone, ["short", "leased"]);
        assert!(store.get("long").is_some() && store.list().entries.len() == 1);
    }
}
