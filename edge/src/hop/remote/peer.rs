//! One processor as one thread of a router sees it: its lanes, whether they are alive, and which of them a request takes.
//! Lanes are opened by [`super::keep`].

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Line;
use super::keep::keep;
use super::standing::{Pulse, Rest, Standing};
use crate::hop::quic::lane::LaneError;

/// Lanes for ordinary requests, a thread and processor. Measured: one connection serves 293 000 requests a second, four
/// 396 000; and each may land on another thread of the processor.
const ORDINARY: usize = 3;
/// Lanes for bulk: one keeps large bodies out of the others' way.
const BULK: usize = 1;
/// All of them.
const LANES: usize = ORDINARY + BULK;

/// See the module.
pub(super) struct Peer<L> {
    /// Unlike any other's on this thread.
    pub(super) number: u64,
    /// Node id.
    pub(super) id: String,
    /// `host:port`.
    pub(super) address: String,
    /// What a log calls it.
    pub(super) label: String,
    /// What it said of itself.
    pub(super) rest: Rest,
    /// What the store says of it.
    pub(super) entry: Cell<Entry>,
    /// The ordinary ones first.
    seats: [Seat<L>; LANES],
    /// Lanes that finish what they have.
    retired: RefCell<Vec<Rc<L>>>,
    /// Ties between lanes go round.
    turn: Cell<usize>,
    reached: Cell<bool>,
    /// That it cannot be reached was said.
    complained: Cell<bool>,
    /// Open the lanes; end with the peer.
    tasks: RefCell<JoinSet<()>>,
}

/// What the store says of a processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is there.
    #[default]
    There,
    /// It ran out.
    Out,
    /// It ran out and is forgotten. The processor is cut off from the store as long as it has a lane, and gone after that.
    Forgotten,
}

/// Where one lane is, or will be.
struct Seat<L> {
    open: RefCell<Option<Open<L>>>,
    /// The lane has ended.
    ended: Rc<Notify>,
}

struct Open<L> {
    lane: Rc<L>,
    pulse: Pulse,
}

impl<L: Line> Peer<L> {
    /// A processor whose lanes are being opened; `opened` is told of each.
    pub(super) fn start(
        number: u64,
        id: &str,
        address: &str,
        ends: &L::Ends,
        opened: &Rc<Notify>,
    ) -> Rc<Self> {
        let peer = Rc::new(Self {
            number,
            id: id.to_owned(),
            address: address.to_owned(),
            label: format!("{id} ({address})"),
            rest: Rest::default(),
            entry: Cell::default(),
            seats: [(); LANES].map(|()| Seat {
                open: RefCell::default(),
                ended: Rc::default(),
            }),
            retired: RefCell::default(),
            turn: Cell::default(),
            reached: Cell::default(),
            complained: Cell::default(),
            tasks: RefCell::default(),
        });
        for seat in 0..LANES {
            let weak: Weak<Self> = Rc::downgrade(&peer);
            let task = keep(weak, seat, ends.clone(), Rc::clone(opened));
            peer.tasks.borrow_mut().spawn_local(task);
        }
        peer
    }

    /// Puts a new lane into its seat; the one that was there finishes what it has.
    pub(super) fn seat(&self, seat: usize, lane: L) {
        self.vacate(seat);
        let pulse = Pulse::default();
        pulse.look(lane.heard());
        *self.seats[seat].open.borrow_mut() = Some(Open {
            lane: Rc::new(lane),
            pulse,
        });
        self.rest.clear();
        self.complained.set(false);
        if !self.reached.replace(true) {
            tracing::info!(processor = %self.id, address = %self.address, "connected to a processor");
        }
    }

    /// A lane could not be opened: one line for a processor that was not reached at all.
    pub(super) fn complain(&self, error: &LaneError) {
        if !self.reached.get() && !self.complained.replace(true) {
            tracing::warn!(processor = %self.id, address = %self.address, %error, "no connection to a processor");
        }
    }

    /// Gives the seat's lane no new requests.
    pub(super) fn vacate(&self, seat: usize) {
        let before = self.seats[seat].open.borrow_mut().take();
        if let Some(before) = before.filter(|open| open.lane.in_flight() > 0) {
            self.retired.borrow_mut().push(before.lane);
        }
    }

    /// Whether the seat has a lane that has not ended.
    pub(super) fn is_seated(&self, seat: usize) -> bool {
        let open = self.seats[seat].open.borrow();
        open.as_ref().is_some_and(|open| !open.lane.has_ended())
    }

    /// Whether the seat's lane, if there is one, leads to a processor that would be accepted now.
    pub(super) fn is_trusted(&self, seat: usize, ends: &L::Ends) -> bool {
        let open = self.seats[seat].open.borrow();
        open.as_ref().is_none_or(|open| open.lane.is_trusted(ends))
    }

    /// Told when the seat's lane ends.
    pub(super) fn ended(&self, seat: usize) -> Rc<Notify> {
        Rc::clone(&self.seats[seat].ended)
    }

    /// Drops lanes that have ended, and retired ones that are done.
    pub(super) fn sweep(&self) {
        for (number, seat) in self.seats.iter().enumerate() {
            if seat.open.borrow().is_some() && !self.is_seated(number) {
                seat.open.borrow_mut().take();
                seat.ended.notify_one();
            }
        }
        self.retired
            .borrow_mut()
            .retain(|lane| lane.in_flight() > 0 && !lane.has_ended());
        if !self.is_open() && self.reached.replace(false) {
            tracing::warn!(processor = %self.id, address = %self.address, "lost a processor");
        }
    }

    /// A look at every lane: see [`Pulse`].
    pub(super) fn look(&self) {
        self.sweep();
        for seat in &self.seats {
            if let Some(open) = &*seat.open.borrow() {
                open.pulse.look(open.lane.heard());
            }
        }
    }

    /// What waits on lanes that are lost, and can be sent again, comes back.
    pub(super) fn give_back(&self) {
        for seat in &self.seats {
            if let Some(open) = &*seat.open.borrow()
                && open.pulse.is_lost()
            {
                open.lane.give_back();
            }
        }
    }

    /// It has left: no lane gets a new request, none is opened.
    pub(super) fn leave(&self) {
        self.tasks.borrow_mut().abort_all();
        (0..LANES).for_each(|seat| self.vacate(seat));
    }

    /// After [`Self::leave`]: nothing is on its lanes any more.
    pub(super) fn is_done(&self) -> bool {
        self.retired.borrow().is_empty()
    }

    /// Whether a request can be sent to it.
    pub(super) fn is_open(&self) -> bool {
        (0..LANES).any(|seat| self.is_seated(seat))
    }

    /// What a request that needs a revision is to think of it; `None` without a lane.
    pub(super) fn standing(&self, needs: impl FnOnce() -> u64, now: Instant) -> Option<Standing> {
        let mut silent = None;
        for seat in &self.seats {
            let open = seat.open.borrow();
            if let Some(open) = open.as_ref().filter(|open| !open.lane.has_ended()) {
                silent = Some(silent.unwrap_or(true) && open.pulse.is_silent());
            }
        }
        silent.map(|silent| {
            let said = self.rest.standing(needs, now);
            if silent {
                said.max(Standing::Silent)
            } else {
                said
            }
        })
    }

    /// Requests of this thread that it has.
    pub(super) fn busy(&self) -> usize {
        let on = |seat: &Seat<L>| {
            seat.open
                .borrow()
                .as_ref()
                .map_or(0, |o| o.lane.in_flight())
        };
        self.seats.iter().map(on).sum()
    }

    /// The lane for a request: one that is heard before one that is not, one of its class before another, then the one
    /// with the least to do.
    pub(super) fn lane(&self, bulk: bool) -> Option<Rc<L>> {
        let turn = self.turn.replace(self.turn.get().wrapping_add(1));
        let mut best: Option<((bool, bool, usize), Rc<L>)> = None;
        for n in 0..LANES {
            let number = (turn.wrapping_add(n)) % LANES;
            let open = self.seats[number].open.borrow();
            let Some(open) = open.as_ref().filter(|open| !open.lane.has_ended()) else {
                continue;
            };
            let other_class = bulk != (number >= ORDINARY);
            let rank = (open.pulse.is_silent(), other_class, open.lane.in_flight());
            if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                best = Some((rank, Rc::clone(&open.lane)));
            }
        }
        best.map(|(_, lane)| lane)
    }
}
