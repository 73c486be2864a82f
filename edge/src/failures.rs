//! Where failed handshakes go: counters, one line in the log (limited), and a bounded ring that can be read. One per process;
//! threads of the data plane call it for every failure, so it does nothing that grows and renders no text that nobody
//! reads. Judges nothing: causes and texts are `alert`'s.

mod filter;
mod line;
mod ring;
mod told;

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

pub use filter::{BadFilter, Filter};

use crate::alert::evidence::Side;
use crate::alert::finding::Context;
use crate::alert::{Cause, Failure, Record, Verdict};
use crate::metrics::Metrics;
use ring::Ring;
use told::Told;

/// Names a record until it leaves the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u64);

/// Lines a second in the log for each hop, by its number; ten together.
const LINES_PER_SECOND: [usize; 3] = [5, 2, 3];

/// What counts as the same failure again: who (an address, with the port where we called it; else the target) and why.
type Same = (Option<IpAddr>, u16, Option<String>, Cause);

/// See the module.
pub struct Failures {
    node: Arc<str>,
    metrics: Arc<Metrics>,
    last: AtomicU64,
    ring: Mutex<Ring>,
    /// One for each hop: strangers at the front door do not silence the targets' failures.
    told: [Mutex<Told<Same>>; 3],
}

/// What the ring has for a filter.
#[derive(Debug)]
pub struct Found {
    /// How many records there are.
    pub total: usize,
    /// The newest of them, newest first, at most the filter's limit.
    pub list: Vec<Record>,
}

impl Failures {
    /// With an empty ring.
    pub fn new(node: &str, metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self {
            node: node.into(),
            metrics,
            last: AtomicU64::new(0),
            ring: Mutex::default(),
            told: LINES_PER_SECOND.map(|lines| Mutex::new(Told::new(lines))),
        })
    }

    /// The node's id.
    pub fn node(&self) -> &str {
        &self.node
    }

    /// Counts it, tells of it and keeps it. Cheap enough for a thread of the data plane under a flood.
    pub fn note(&self, context: Context, failure: Failure) -> RecordId {
        let (hop, cause) = (failure.evidence.hop, failure.cause());
        self.metrics.handshake_failed(hop, cause, failure.alert());
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        // Port scans and load balancers' checks: nothing to look at.
        if cause == Cause::ProbeNoData {
            return RecordId(id);
        }
        let record = Record::new(id, SystemTime::now(), context, failure);
        let told = lock(&self.told[hop as usize]).tell(same(&record), Instant::now());
        // The line takes a copy: certificates that are read for it do not stay with what is kept.
        let line = told.map(|suppressed| (record.clone(), suppressed));
        lock(&self.ring).keep(record);
        match line {
            Some((record, suppressed)) => line::write(&self.node, &record, suppressed),
            None => self.metrics.failure_line_suppressed(),
        }
        RecordId(id)
    }

    /// Takes a probe's verdict for the record's; `note` says in a sentence what the probe saw. False if the record has
    /// left the ring. The counter of the first cause stays as it is.
    pub fn revise(&self, id: RecordId, verdict: Verdict, note: &str) -> bool {
        let was = lock(&self.ring).revise(id.0, verdict, note);
        let Some(was) = was else { return false };
        // A cause that was confirmed was not corrected.
        if was.cause != verdict.cause {
            self.metrics.diagnosis_revised(was.cause, verdict.cause);
        }
        true
    }

    /// What is in the ring.
    pub fn query(&self, filter: &Filter) -> Found {
        lock(&self.ring).query(filter)
    }
}

fn same(record: &Record) -> Same {
    let peer = record.context.peer;
    let port = match record.evidence.side {
        Side::Client => peer.map_or(0, |peer| peer.port()),
        // Another one each time.
        Side::Server => 0,
    };
    let target = match peer {
        Some(_) => None,
        None => record.context.target.clone(),
    };
    (peer.map(|peer| peer.ip()), port, target, record.cause())
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
