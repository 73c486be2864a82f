//! The embedded store: one node, one sealed file that survives kill -9, the same semantics as etcd (one revision
//! counter, compare-and-swap, leases, watches with replay). Owns the file's records, the calls and the lease clock;
//! what is stored is in `state`, framing and durability in `log`. Values are held in memory.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::log::{Fields, Log, Record};
use super::memory::MemoryStore;
use super::state::{Commit, Item, State};
use super::{Entry, Expect, Listing, Pages, StoreError, Watch, Written};
use crate::seal::Sealer;

const FILE: &str = "store.log";
const LABEL: &[u8] = b"sallyport embedded store";
/// As etcd's default request limit, in bytes.
const MAX_VALUE: usize = 1536 << 10;
const COMMIT: u8 = 1;
const BASE: u8 = 2;
const REVISION: u8 = 3;

/// A single node's store. Dropping it releases the directory.
#[derive(Debug)]
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    clock: Option<std::thread::JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Held for the whole of a write, the fsync included; always taken before `state`.
    log: Mutex<Log>,
    /// Held for moments only.
    state: Mutex<State>,
    /// Wakes the lease clock: an earlier deadline, or the end.
    wake: Condvar,
    closing: Mutex<bool>,
    /// By suffix.
    beside: Mutex<HashMap<String, MemoryStore>>,
}

impl EmbeddedStore {
    /// Opens or creates the store in directory `dir` (file mode 0600, directory 0700); values are sealed with `sealer`.
    ///
    /// # Errors
    /// [`StoreError::Disk`] naming the file, also when another process has it open.
    pub fn open(dir: &Path, sealer: &Sealer) -> Result<Self, StoreError> {
        let mut state = State::default();
        let log = Log::open(&dir.join(FILE), LABEL, sealer, &mut |place, record| {
            replay(&mut state, record, place.bytes())
                .ok_or_else(|| "a record of another version".to_owned())
        })
        .map_err(StoreError::Disk)?;
        let shared = Arc::new(Shared {
            log: Mutex::new(log),
            state: Mutex::new(state),
            wake: Condvar::new(),
            closing: Mutex::new(false),
            beside: Mutex::default(),
        });
        let of_clock = shared.clone();
        let clock = std::thread::Builder::new()
            .name("store-leases".to_owned())
            .spawn(move || of_clock.run_leases())
            .map_err(|e| StoreError::Disk(format!("no thread for leases: {e}")))?;
        Ok(Self {
            shared,
            clock: Some(clock),
        })
    }

    pub(super) fn beside(&self, suffix: &str) -> MemoryStore {
        let mut beside = lock(&self.shared.beside);
        beside.entry(suffix.to_owned()).or_default().clone()
    }

    #[allow(clippy::unused_async)] // the two stores have the same calls
    pub(super) async fn list(&self) -> Result<Listing, StoreError> {
        let state = lock(&self.shared.state);
        Ok(Listing {
            revision: state.revision(),
            entries: state.entries(),
        })
    }

    pub(super) fn pages(&self) -> Pages {
        let (to, pages) = tokio::sync::mpsc::channel(1);
        let state = lock(&self.shared.state);
        // The channel is new and empty.
        let _ = to.try_send(Ok(Listing {
            revision: state.revision(),
            entries: state.entries(),
        }));
        Pages { pages }
    }

    #[allow(clippy::unused_async)]
    pub(super) async fn watch(&self, from: u64) -> Result<Watch, StoreError> {
        lock(&self.shared.state).watch(from)
    }

    #[allow(clippy::unused_async)]
    pub(super) async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        Ok(lock(&self.shared.state).get(key))
    }

    pub(super) async fn put(
        &self,
        key: &str,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<Written, StoreError> {
        if value.len() > MAX_VALUE {
            return Err(StoreError::Disk(format!(
                "the value has {} bytes, at most {MAX_VALUE} are taken",
                value.len()
            )));
        }
        let deadline = ttl.map_or(0, |ttl| {
            now_ms().saturating_add(ttl.as_millis().try_into().unwrap_or(u64::MAX))
        });
        self.write(key.to_owned(), expect, Some((value, deadline)))
            .await
    }

    pub(super) async fn delete(&self, key: &str, expect: Expect) -> Result<Written, StoreError> {
        self.write(key.to_owned(), expect, None).await
    }

    async fn write(
        &self,
        key: String,
        expect: Expect,
        value: Option<(Bytes, u64)>,
    ) -> Result<Written, StoreError> {
        let shared = self.shared.clone();
        let leased = value.as_ref().is_some_and(|(_, deadline)| *deadline != 0);
        let written = tokio::task::spawn_blocking(move || {
            let mut log = lock(&shared.log);
            let commit = lock(&shared.state).prepare(key, expect, value);
            let written = commit.map_or(Ok(Written::Conflict), |commit| {
                shared.commit(&mut log, commit)
            })?;
            drop(log);
            if leased {
                // The clock may be about to wait on what it saw before: the lock orders this after its wait began.
                drop(lock(&shared.closing));
                shared.wake.notify_all();
            }
            Ok(written)
        });
        written
            .await
            .unwrap_or_else(|e| Err(StoreError::Disk(format!("the write did not finish: {e}"))))
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        *lock(&self.shared.closing) = true;
        self.shared.wake.notify_all();
        if let Some(clock) = self.clock.take() {
            let _ = clock.join();
        }
    }
}

impl Shared {
    /// Durable first, visible afterwards.
    fn commit(&self, log: &mut Log, commit: Commit) -> Result<Written, StoreError> {
        let revision = commit.revision;
        let places = log.append(&[encode(&commit)]).map_err(StoreError::Disk)?;
        log.sync().map_err(StoreError::Disk)?;
        let bytes = places.iter().map(|p| p.bytes()).sum();
        let mut state = lock(&self.state);
        state.apply(commit, bytes);
        if log.wants_rewrite(state.live_bytes()) {
            let (revision, items) = (state.revision(), state.items());
            drop(state);
            // The write itself is safe; a rewrite that fails is tried again at the next one.
            if let Err(why) = rewrite(log, revision, &items) {
                tracing::warn!(%why, "the embedded store's file could not be rewritten");
            }
        }
        Ok(Written::At(revision))
    }

    fn run_leases(&self) {
        let mut closing = lock(&self.closing);
        while !*closing {
            let next = lock(&self.state).next_deadline();
            let wait = next.map(|at| Duration::from_millis(at.saturating_sub(now_ms())));
            if wait != Some(Duration::ZERO) {
                // Wall clocks jump, so a long wait is cut into pieces.
                let wait = wait.unwrap_or(Duration::MAX).min(Duration::from_secs(10));
                closing = self
                    .wake
                    .wait_timeout(closing, wait)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
                continue;
            }
            drop(closing);
            let mut log = lock(&self.log);
            let expired = lock(&self.state).expired(now_ms());
            if let Some(Err(error)) = expired.map(|commit| self.commit(&mut log, commit)) {
                tracing::warn!(%error, "expired keys could not be deleted");
                std::thread::sleep(Duration::from_secs(1));
            }
            drop(log);
            closing = lock(&self.closing);
        }
    }
}

fn rewrite(log: &mut Log, revision: u64, items: &[(String, Item)]) -> Result<(), String> {
    let mut new = log.rewrite()?;
    new.append(&Record::new(REVISION).number(revision).done())?;
    for (key, item) in items {
        let record = Record::new(BASE).bytes(key.as_bytes()).bytes(&item.value);
        let record = record
            .number(item.create_revision)
            .number(item.mod_revision)
            .number(item.deadline);
        new.append(&record.done())?;
    }
    log.replace(new)
}

fn encode(commit: &Commit) -> Vec<u8> {
    let mut record = Record::new(COMMIT)
        .number(commit.revision)
        .number(commit.changes.len() as u64);
    for (key, value) in &commit.changes {
        record = record.bytes(key.as_bytes());
        record = match value {
            Some((value, deadline)) => record.number(1).bytes(value).number(*deadline),
            None => record.number(0),
        };
    }
    record.done()
}

fn replay(state: &mut State, record: &[u8], size: u64) -> Option<()> {
    let mut fields = Fields(record);
    match fields.tag()? {
        COMMIT => {
            let (revision, count) = (fields.number()?, fields.number()?);
            let mut changes = Vec::new();
            for _ in 0..count {
                let key = fields.text()?.to_owned();
                let value = match fields.number()? {
                    0 => None,
                    _ => Some((Bytes::copy_from_slice(fields.bytes()?), fields.number()?)),
                };
                changes.push((key, value));
            }
            state.apply(Commit { revision, changes }, size);
        }
        BASE => {
            let key = fields.text()?.to_owned();
            let value = Bytes::copy_from_slice(fields.bytes()?);
            let (create_revision, mod_revision, deadline) =
                (fields.number()?, fields.number()?, fields.number()?);
            state.restore(
                key,
                Item {
                    value,
                    create_revision,
                    mod_revision,
                    deadline,
                    size,
                },
            );
        }
        REVISION => state.start_at(fields.number()?),
        _ => return None,
    }
    Some(())
}

/// What is behind the locks is changed in one step after everything that can fail, so a panic elsewhere leaves it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis().try_into().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
