//! What a router thinks of a processor, from what it hears of it: silence on its connections, and answers that say "not
//! me". Pure but for the clock it is given.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use crate::hop::quic::lane::NotTaken;

/// Between two looks at what was heard.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Looks without a sound until a lane is suspect: 600 ms, more than two keep-alives of 250 ms, less than the second in
/// which a dead processor must be out of use. Looks are counted, not time: a router that stood still itself has not
/// looked, and suspects nobody.
const SILENT_LOOKS: u8 = 3;
/// Looks without a sound until what waits for an answer is sent elsewhere, if there is anybody: 1 s. Later than the above,
/// since what was only slow is then done twice.
const LOST_LOOKS: u8 = 5;
/// A processor that drains has `--drain-timeout` (30 s by default) to end; after that it is asked again.
const DRAINING_REST: Duration = Duration::from_secs(30);
/// Time for a processor with too much to do to get some of it done.
const OVERLOADED_REST: Duration = Duration::from_secs(1);
/// For what is newer than its configuration others are preferred while a processor catches up with the store, which takes
/// far less than this.
const BEHIND_REST: Duration = Duration::from_secs(1);
/// Then one request tries it, which costs that one a second, and the rest is twice as long, up to this: it may be cut off
/// from the store for hours. One that says that it has caught up ends its rest.
const LONGEST_BEHIND_REST: Duration = Duration::from_secs(30);

/// How willing and able a processor is, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Nothing speaks against it.
    Ready,
    /// Its configuration was behind lately.
    Behind,
    /// It had too much to do lately.
    Overloaded,
    /// Nothing is heard of it. After the overloaded ones: these at least answer.
    Silent,
    /// It refuses new requests until it ends.
    Draining,
}

/// Whether a lane is alive.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    heard: Cell<u64>,
    silent: Cell<u8>,
}

impl Pulse {
    /// A look: `heard` grows on a live lane.
    pub(super) fn look(&self, heard: u64) {
        let silent = if self.heard.replace(heard) == heard {
            self.silent.get().saturating_add(1)
        } else {
            0
        };
        self.silent.set(silent);
    }

    pub(super) const fn is_silent(&self) -> bool {
        self.silent.get() >= SILENT_LOOKS
    }

    pub(super) const fn is_lost(&self) -> bool {
        self.silent.get() >= LOST_LOOKS
    }
}

/// What a processor said last of itself, for as long as it counts.
#[derive(Debug, Default)]
pub(super) struct Rest {
    said: Cell<Option<(Standing, Instant)>>,
    behind: Cell<Option<Behind>>,
}

/// What needs more than revision `at` goes elsewhere until `until`.
#[derive(Clone, Copy, Debug)]
struct Behind {
    at: u64,
    until: Instant,
    rest: Duration,
}

impl Rest {
    /// It did not take a request.
    pub(super) fn note(&self, reason: &NotTaken, now: Instant) {
        let (standing, rest) = match reason {
            NotTaken::Draining => (Standing::Draining, DRAINING_REST),
            NotTaken::Overloaded => (Standing::Overloaded, OVERLOADED_REST),
            NotTaken::Behind(at) => return self.is_behind_at(*at, now),
            NotTaken::Ahead(_) | NotTaken::Unsent(_) => return,
        };
        if self.said(now).is_none_or(|known| standing >= known) {
            self.said.set(Some((standing, now + rest)));
        }
    }

    fn is_behind_at(&self, at: u64, now: Instant) {
        let known = self.behind.get().filter(|known| at <= known.at);
        if known.is_none_or(|known| now >= known.until) {
            let rest = known.map_or(BEHIND_REST, |known| known.rest);
            let until = now + rest;
            self.behind.set(Some(Behind { at, until, rest }));
        }
    }

    /// It is asked for what needs revision `needs`: if its rest is over, by this request alone.
    pub(super) fn ask(&self, needs: impl FnOnce() -> u64, now: Instant) {
        if let Some(known) = self.behind.get().filter(|known| now >= known.until)
            && known.at < needs()
        {
            let rest = (known.rest * 2).min(LONGEST_BEHIND_REST);
            let until = now + rest;
            self.behind.set(Some(Behind {
                until,
                rest,
                ..known
            }));
        }
    }

    /// It has revision `applied`.
    pub(super) fn has(&self, applied: u64) {
        let behind = self.behind.get().filter(|known| applied <= known.at);
        self.behind.set(behind);
    }

    /// Whether it said that it was behind, and nothing since shows that it has caught up.
    pub(super) fn is_behind(&self) -> bool {
        self.behind.get().is_some()
    }

    /// A new connection was accepted: whatever was said before was said by a process that has ended, or no longer holds.
    pub(super) fn clear(&self) {
        self.said.set(None);
        self.behind.set(None);
    }

    fn said(&self, now: Instant) -> Option<Standing> {
        let counts = self.said.get().filter(|(_, until)| now < *until);
        counts.map(|(standing, _)| standing)
    }

    /// For a request that needs a revision.
    pub(super) fn standing(&self, needs: impl FnOnce() -> u64, now: Instant) -> Standing {
        let behind = || {
            let known = self.behind.get()?;
            (now < known.until && known.at < needs()).then_some(Standing::Behind)
        };
        self.said(now).or_else(behind).unwrap_or(Standing::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_looks_without_a_sound() {
        let pulse = Pulse::default();
        pulse.look(5);
        for silent in [false, false, true, true] {
            pulse.look(5);
            assert_eq!(pulse.is_silent(), silent);
        }
        pulse.look(6);
        assert!(!pulse.is_silent());
    }

    #[tokio::test(start_paused = true)]
    async fn rests_end() {
        let rest = Rest::default();
        let now = Instant::now();
        for (reason, expected, seconds) in [
            (NotTaken::Behind(3), Standing::Behind, 1),
            (NotTaken::Overloaded, Standing::Overloaded, 1),
            (NotTaken::Draining, Standing::Draining, 30),
        ] {
            rest.note(&reason, now);
            let end = now + Duration::from_secs(seconds);
            assert_eq!(
                rest.standing(|| 4, end - Duration::from_millis(1)),
                expected
            );
            assert_eq!(rest.standing(|| 4, end), Standing::Ready);
        }
        rest.note(&NotTaken::Overloaded, now);
        assert_eq!(
            rest.standing(|| 4, now),
            Standing::Draining,
            "the worse one counts"
        );
        rest.clear();
        rest.note(&NotTaken::Unsent(String::new()), now);
        rest.note(&NotTaken::Ahead(3), now);
        assert_eq!(rest.standing(|| 4, now), Standing::Ready);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_behind_is_tried_less_and_less() {
        let rest = Rest::default();
        let mut now = Instant::now();
        rest.note(&NotTaken::Behind(3), now);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(rest.standing(|| 3, now), Standing::Ready, "what it has");
            let end = now + Duration::from_secs(seconds);
            let before = end - Duration::from_millis(1);
            rest.ask(|| 4, before);
            assert_eq!(rest.standing(|| 4, before), Standing::Behind);
            rest.ask(|| 3, end);
            assert_eq!(rest.standing(|| 4, end), Standing::Ready);
            rest.ask(|| 4, end);
            assert_eq!(rest.standing(|| 4, end), Standing::Behind, "one tries");
            rest.note(&NotTaken::Behind(3), end);
            now = end;
        }
        rest.note(&NotTaken::Behind(5), now);
        let soon = now + Duration::from_secs(1);
        assert_eq!(rest.standing(|| 6, soon), Standing::Ready, "it moves");
        rest.has(5);
        assert!(rest.is_behind());
        rest.has(6);
        assert!(!rest.is_behind());
    }
}
