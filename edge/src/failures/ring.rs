//! The newest failures, bounded in number and bytes. Fair: where something has to go, it is the oldest of what there is most
//! of, so that a flood of one cause at one hop pushes out itself and not the one failure that matters.

use std::collections::{BTreeMap, VecDeque};

use super::{Filter, Found};
use crate::alert::{Cause, Record, Verdict};

/// Records kept.
pub(super) const MOST_RECORDS: usize = 1000;
/// Bytes of them all. A usual record has 3 to 8 KiB.
pub(super) const MOST_BYTES: usize = 16 << 20;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// By hop and first cause, each in the order of their ids.
    groups: BTreeMap<(u8, Cause), VecDeque<Held>>,
    count: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    record: Record,
    weight: usize,
}

impl Ring {
    pub(super) fn keep(&mut self, record: Record) {
        let weight = record.weight();
        let group = (record.hop() as u8, record.cause());
        self.groups
            .entry(group)
            .or_default()
            .push_back(Held { record, weight });
        self.count += 1;
        self.bytes += weight;
        while self.count > MOST_RECORDS {
            self.evict(VecDeque::len);
        }
        while self.bytes > MOST_BYTES && self.count > 1 {
            self.evict(|group| group.iter().map(|held| held.weight).sum());
        }
    }

    /// Drops the oldest record of the group that has most.
    fn evict(&mut self, size: impl Fn(&VecDeque<Held>) -> usize) {
        let largest = self.groups.iter().max_by_key(|(_, group)| size(group));
        let Some(key) = largest.map(|(key, _)| *key) else {
            return;
        };
        let Some(group) = self.groups.get_mut(&key) else {
            return;
        };
        if let Some(gone) = group.pop_front() {
            self.count -= 1;
            self.bytes -= gone.weight;
        }
        if group.is_empty() {
            self.groups.remove(&key);
        }
    }

    /// The verdict that the record had.
    pub(super) fn revise(&mut self, id: u64, verdict: Verdict, note: &str) -> Option<Verdict> {
        let mut all = self.groups.values_mut().flatten();
        let held = all.find(|held| held.record.id == id)?;
        let was = held.record.verdict;
        held.record.revise(verdict, note.to_owned());
        let weight = held.record.weight();
        self.bytes = self.bytes - held.weight + weight;
        held.weight = weight;
        Some(was)
    }

    pub(super) fn query(&self, filter: &Filter) -> Found {
        let all = self.groups.values().flatten().map(|held| &held.record);
        let mut fitting: Vec<&Record> = all.filter(|record| filter.takes(record)).collect();
        fitting.sort_unstable_by_key(|record| std::cmp::Reverse(record.id));
        Found {
            total: fitting.len(),
            list: fitting.into_iter().take(filter.limit).cloned().collect(),
        }
    }

    #[cfg(test)]
    pub(super) const fn size(&self) -> (usize, usize) {
        (self.count, self.bytes)
    }
}
