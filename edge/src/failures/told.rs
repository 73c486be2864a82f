//! Whether a line is to be written about something that may happen all the time: the first one at once, then one a minute
//! for what goes on, and never more than a few a second for all of it. Knows nothing of failures.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How often the same thing is told of.
const REPEAT: Duration = Duration::from_secs(60);
/// What was told of lately, when, and how often it has happened since.
#[derive(Debug)]
pub(super) struct Told<K> {
    lately: BTreeMap<K, (Instant, u64)>,
    /// Lines a second.
    most: usize,
    /// The running second and its lines.
    second: Option<(Instant, usize)>,
}

impl<K: Ord> Told<K> {
    /// At most so many lines a second.
    pub(super) const fn new(most: usize) -> Self {
        Self {
            lately: BTreeMap::new(),
            most,
            second: None,
        }
    }

    /// Things told of within [`REPEAT`]: no more can be, so this bound hides nothing.
    pub(super) const fn room(&self) -> usize {
        self.most * REPEAT.as_secs() as usize
    }

    /// If there is to be a line about it: how many there were of it since the last one.
    pub(super) fn tell(&mut self, what: K, now: Instant) -> Option<u64> {
        if let Some((at, since)) = self.lately.get_mut(&what)
            && now.duration_since(*at) < REPEAT
        {
            *since += 1;
            return None;
        }
        if !self.may(now) {
            return None;
        }
        if self.lately.len() >= self.room() {
            self.lately
                .retain(|_, (at, _)| now.duration_since(*at) < REPEAT);
        }
        let before = self.lately.insert(what, (now, 0));
        Some(before.map_or(0, |(_, since)| since))
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> usize {
        self.lately.len()
    }

    /// Takes one of this second's lines.
    fn may(&mut self, now: Instant) -> bool {
        let lines = match self.second {
            Some((began, lines)) if now.duration_since(began) < Duration::from_secs(1) => {
                self.second = Some((began, lines + 1));
                lines
            }
            _ => {
                self.second = Some((now, 1));
                0
            }
        };
        lines < self.most
    }
}
