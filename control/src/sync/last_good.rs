//! The last-good copy on disk: a sealed journal of judged values, so that a node restarted while the store is away serves
//! what it served before. Owns the journal's records and its writing thread; framing and durability are `store::log`'s.
//!
//! A key has its last good value and, if a newer one was refused, that one as well: reading it again closes what it
//! closed. Entries count once a `COMMIT` follows them, so a listing or a batch is in the copy whole or not at all.

mod index;

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::judge::{Judge, MAX_VALUE, change};
use super::known::{Known, hash, object_of};
use crate::seal::Sealer;
use crate::snapshot::{Change, Snapshot};
use crate::store::log::{Fields, Log, Place, Record};
use index::{Index, Places};

const FILE: &str = "last-good.log";
const LABEL: &[u8] = b"sallyport last good";
const GOOD: u8 = 1;
const BAD: u8 = 2;
const GONE: u8 = 3;
const COMMIT: u8 = 4;
const ABORT: u8 = 5;
/// After the first unsynced entry, once it is quiet for a tenth of this.
const SYNC_WITHIN: Duration = Duration::from_secs(1);
/// Entries written in one go.
const GROUP: usize = 1024;
/// Failed attempts, a second apart, after which the copy is given up.
const ATTEMPTS: u32 = 30;

/// What the copy held.
pub(super) struct Copy {
    pub(super) revision: u64,
    pub(super) snapshot: Snapshot,
    pub(super) known: Known,
}

enum Note {
    Judged {
        key: String,
        revision: u64,
        value: Bytes,
        good: bool,
    },
    Gone(String),
    Commit(u64),
    Abort,
}

/// The writing end. It never waits for the disk: serving must not depend on it. Dropping it writes what is left.
pub(super) struct Journal {
    to: Option<mpsc::Sender<Note>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Journal {
    /// Keeps nothing.
    pub(super) fn none() -> Self {
        Self {
            to: None,
            thread: None,
        }
    }

    pub(super) fn judged(&self, key: String, revision: u64, value: Bytes, good: bool) {
        self.send(Note::Judged {
            key,
            revision,
            value,
            good,
        });
    }

    pub(super) fn gone(&self, key: String) {
        self.send(Note::Gone(key));
    }

    /// Everything since the last commit belongs to `revision`.
    pub(super) fn commit(&self, revision: u64) {
        self.send(Note::Commit(revision));
    }

    /// Everything since the last commit does not count.
    pub(super) fn abort(&self) {
        self.send(Note::Abort);
    }

    fn send(&self, note: Note) {
        if let Some(to) = &self.to {
            // The thread has gone only if it gave up, which it reported.
            let _ = to.send(note);
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.to = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Opens the copy in `dir` and reads what it holds. One that cannot be read is reported, set aside and begun anew.
pub(super) fn open(
    dir: &Path,
    sealer: &Sealer,
    judge: &Judge,
) -> Result<(Journal, Option<Copy>), String> {
    let path = dir.join(FILE);
    let (mut log, mut index) = match read(&path, sealer) {
        Ok(read) => read,
        Err(why) if why.contains("in use") => return Err(why),
        Err(why) => {
            tracing::error!(%why, "the last-good copy cannot be read; it is set aside and begun anew");
            let aside = dir.join(format!("{FILE}.unreadable"));
            std::fs::rename(&path, &aside).map_err(|e| format!("{}: {e}", path.display()))?;
            read(&path, sealer)?
        }
    };
    let mut copy = None;
    if let Some(revision) = index.revision {
        copy = Some(load(&log, &index, revision, judge)?);
    }
    if !index.open.is_empty() {
        // The process died in the middle of a batch; what comes next must not commit its first half.
        log.append(&[Record::new(ABORT).done()])?;
        index.open.clear();
    }
    let (to, from) = mpsc::channel();
    let writer = Writer {
        log,
        index,
        dirty: None,
    };
    let thread = std::thread::Builder::new()
        .name("last-good".to_owned())
        .spawn(move || writer.run(&from));
    let thread = thread.map_err(|e| format!("no thread for the last-good copy: {e}"))?;
    Ok((
        Journal {
            to: Some(to),
            thread: Some(thread),
        },
        copy,
    ))
}

fn read(path: &Path, sealer: &Sealer) -> Result<(Log, Index), String> {
    let mut index = Index::default();
    let log = Log::open(path, LABEL, sealer, &mut |place, record| {
        index
            .take(record, place)
            .ok_or_else(|| "a record of another version".to_owned())
    })?;
    Ok((log, index))
}

/// Judges the copy's values again, on two threads.
fn load(log: &Log, index: &Index, revision: u64, judge: &Judge) -> Result<Copy, String> {
    let keys: Vec<_> = index.keys.iter().collect();
    let half = keys.len().div_ceil(2).max(1);
    let halves = std::thread::scope(|scope| {
        let tasks: Vec<_> = keys
            .chunks(half)
            .map(|part| scope.spawn(move || load_part(log, part, judge)))
            .collect();
        tasks
            .into_iter()
            .map(|t| {
                t.join()
                    .unwrap_or_else(|_| Err("a thread failed".to_owned()))
            })
            .collect::<Vec<_>>()
    });
    let mut known = Known::default();
    // What was refused needs to find its last good one in place.
    let (mut sets, mut refusals) = (Vec::new(), Vec::new());
    for part in halves {
        for (change, value) in part? {
            let id = match &change {
                Change::Set(kind, id, ..)
                | Change::Remove(kind, id)
                | Change::Refuse(kind, id, ..) => (*kind, id.clone()),
            };
            if let Change::Set(..) = change {
                sets.push(change);
            } else {
                refusals.push(change);
            }
            if known.revision_of(&id).is_none_or(|known| known < value.0) {
                known.insert(id, value.0, value.1);
            }
        }
    }
    sets.extend(refusals);
    Ok(Copy {
        revision,
        snapshot: Snapshot::default().apply(revision, sets),
        known,
    })
}

/// Changes, each with the revision and the hash of its value.
type Loaded = Vec<(Change, (u64, u64))>;

fn load_part(log: &Log, keys: &[(&String, &Places)], judge: &Judge) -> Result<Loaded, String> {
    let mut loaded = Vec::with_capacity(keys.len());
    for (key, places) in keys {
        let Some(id) = object_of(key) else { continue };
        for place in [places.good, places.bad].into_iter().flatten() {
            let record = log.read(place)?;
            let mut fields = Fields(&record);
            fields.tag();
            fields.bytes();
            let (Some(revision), Some(value)) = (fields.number(), fields.bytes()) else {
                return Err("a record of another version".to_owned());
            };
            loaded.push((
                change(&id, revision, judge.read(&id, value)),
                (revision, hash(value)),
            ));
        }
    }
    Ok(loaded)
}

struct Writer {
    log: Log,
    index: Index,
    /// Since when something is not synced.
    dirty: Option<Instant>,
}

impl Writer {
    fn run(mut self, from: &mpsc::Receiver<Note>) {
        loop {
            let wait = if self.dirty.is_some() {
                SYNC_WITHIN / 10
            } else {
                Duration::MAX
            };
            let (mut group, ended) = match from.recv_timeout(wait.min(Duration::from_secs(3600))) {
                Ok(note) => (vec![note], false),
                Err(mpsc::RecvTimeoutError::Timeout) => (Vec::new(), false),
                Err(mpsc::RecvTimeoutError::Disconnected) => (Vec::new(), true),
            };
            let quiet = group.is_empty();
            group.extend(from.try_iter().take(GROUP));
            let records: Vec<_> = group.into_iter().map(encode).collect();
            let due = self
                .dirty
                .is_some_and(|since| quiet || since.elapsed() >= SYNC_WITHIN - SYNC_WITHIN / 10);
            for attempt in 1.. {
                let Err(why) = self.write(&records, due || ended) else {
                    break;
                };
                tracing::error!(%why, "the last-good copy could not be written");
                if attempt >= ATTEMPTS || ended {
                    tracing::error!(
                        "the last-good copy is given up; after a restart it is as old as it is now"
                    );
                    return;
                }
                std::thread::sleep(Duration::from_secs(1));
            }
            if ended {
                return;
            }
        }
    }

    fn write(&mut self, records: &[Vec<u8>], sync: bool) -> Result<(), String> {
        if !records.is_empty() {
            let places = self.log.append(records)?;
            for (record, place) in records.iter().zip(places) {
                self.index.take(record, place);
            }
            self.dirty.get_or_insert_with(Instant::now);
        }
        if sync && self.dirty.is_some() {
            self.log.sync()?;
            self.dirty = None;
            if self.index.open.is_empty()
                && self.log.wants_rewrite(self.index.live)
                && let Err(why) = self.rewrite()
            {
                // The journal itself is whole; it is tried again after the next change.
                tracing::warn!(%why, "the last-good copy could not be rewritten");
            }
        }
        Ok(())
    }

    fn rewrite(&mut self) -> Result<(), String> {
        let mut new = self.log.rewrite()?;
        let mut copy =
            |place: Option<Place>| place.map(|p| new.append(&self.log.read(p)?)).transpose();
        let mut keys = HashMap::with_capacity(self.index.keys.len());
        let mut live = 0;
        for (key, old) in &self.index.keys {
            let places = Places {
                good: copy(old.good)?,
                bad: copy(old.bad)?,
            };
            live += places.bytes();
            keys.insert(key.clone(), places);
        }
        if let Some(revision) = self.index.revision {
            new.append(&Record::new(COMMIT).number(revision).done())?;
        }
        self.log.replace(new)?;
        (self.index.keys, self.index.live) = (keys, live);
        Ok(())
    }
}

fn encode(note: Note) -> Vec<u8> {
    match note {
        Note::Judged {
            key,
            revision,
            value,
            good,
        } => {
            // Of a value that is too large to be read, as much as shows that it is.
            let value = &value[..value.len().min(MAX_VALUE + 1)];
            let tag = if good { GOOD } else { BAD };
            Record::new(tag)
                .bytes(key.as_bytes())
                .number(revision)
                .bytes(value)
                .done()
        }
        Note::Gone(key) => Record::new(GONE).bytes(key.as_bytes()).done(),
        Note::Commit(revision) => Record::new(COMMIT).number(revision).done(),
        Note::Abort => Record::new(ABORT).done(),
    }
}
