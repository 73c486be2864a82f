//! Which of the journal's records count, and how many bytes they are. Knows no file: `last_good` feeds it what it reads at
//! the start and what it writes afterwards, so both agree.

use std::collections::HashMap;

use super::{ABORT, BAD, COMMIT, GONE, GOOD};
use crate::store::log::{Fields, Place};

/// A key's records.
#[derive(Clone, Copy, Default)]
pub(super) struct Places {
    pub(super) good: Option<Place>,
    pub(super) bad: Option<Place>,
}

/// Where the records that count are.
#[derive(Default)]
pub(super) struct Index {
    pub(super) keys: HashMap<String, Places>,
    pub(super) revision: Option<u64>,
    pub(super) live: u64,
    /// Entries without their commit yet.
    pub(super) open: Vec<(u8, String, Place)>,
}

impl Index {
    /// Takes the next record; `None` if it is of a version we do not know.
    pub(super) fn take(&mut self, record: &[u8], place: Place) -> Option<()> {
        let mut fields = Fields(record);
        match fields.tag()? {
            tag @ (GOOD | BAD | GONE) => self.open.push((tag, fields.text()?.to_owned(), place)),
            COMMIT => {
                self.revision = Some(fields.number()?);
                for (tag, key, place) in std::mem::take(&mut self.open) {
                    self.settle(tag, key, place);
                }
            }
            ABORT => self.open.clear(),
            _ => return None,
        }
        Some(())
    }

    fn settle(&mut self, tag: u8, key: String, place: Place) {
        let old = self.keys.get(&key).copied().unwrap_or_default();
        let new = match tag {
            GOOD => Places {
                good: Some(place),
                bad: None,
            },
            BAD => Places {
                good: old.good,
                bad: Some(place),
            },
            _ => Places::default(),
        };
        self.live = self.live + new.bytes() - old.bytes();
        if tag == GONE {
            self.keys.remove(&key);
        } else {
            self.keys.insert(key, new);
        }
    }
}

impl Places {
    pub(super) fn bytes(self) -> u64 {
        self.good.map_or(0, Place::bytes) + self.bad.map_or(0, Place::bytes)
    }
}
