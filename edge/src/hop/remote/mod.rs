//! The router's side of the hop: which processors there are, which of them are alive, which one gets a request, and what
//! is done when it does not take it.
//!
//! One [`Remote`] a thread, nothing in it is locked: `peer` is one processor with its lanes, `keep` opens them,
//! `standing` judges, `choose` picks, `tries` says what follows a refusal, `size` tells bulk from the rest.

mod choose;
mod keep;
mod line;
mod peer;
mod size;
mod standing;
mod tries;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use control::membership::{Member, MemberState, Members};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, timeout_at};

pub use self::line::Line;
use self::peer::{Entry, Peer};
use self::size::Sizes;
use self::standing::{LOOK_EVERY, Standing};
use self::tries::{Next, Tries};
use super::identity::{HopIdentity, Role};
use super::quic::lane::{Lane, Outcome};
use super::{Request, Response, Unserved};
use crate::alert::Hop;
use crate::failures::Failures;
use crate::metrics::{ByRoute, Metrics};

/// How long a request waits for a first lane while there are processors and none is connected: a router just started, or
/// the only processor restarting. And how long after its start a router may not have heard of any.
const FIRST_LANE_WITHIN: Duration = Duration::from_secs(2);
/// The listener's name in a member's addresses.
const LISTENER: &str = "hop";

/// What all threads' remotes share.
#[derive(Clone)]
pub struct Shared {
    /// The nodes of the cluster.
    pub members: Members,
    /// Our certificate and whom we trust.
    pub identity: Arc<HopIdentity>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Where failed handshakes go.
    pub failures: Arc<Failures>,
}

/// One thread's view of the processors.
pub struct Remote<L: Line = Lane> {
    ends: L::Ends,
    metrics: Arc<Metrics>,
    requests: ByRoute,
    sizes: Rc<Sizes>,
    peers: RefCell<Rc<[Rc<Peer<L>>]>>,
    /// Those that left and still have requests.
    leaving: RefCell<Vec<Rc<Peer<L>>>>,
    /// A lane was opened, or the processors are others.
    opened: Rc<Notify>,
    number: Cell<u64>,
    began: Instant,
    /// End with this.
    tasks: RefCell<JoinSet<()>>,
}

impl Remote {
    /// Starts to follow the members; must be called in a `LocalSet`.
    pub fn start(shared: Shared) -> Rc<Self> {
        let (members, metrics) = (shared.members.clone(), Arc::clone(&shared.metrics));
        Self::with(members, metrics, shared)
    }
}

impl<L: Line> Remote<L> {
    fn with(members: Members, metrics: Arc<Metrics>, ends: L::Ends) -> Rc<Self> {
        let remote = Rc::new(Self {
            ends,
            requests: ByRoute::new(Arc::clone(&metrics), Hop::Internal),
            metrics,
            sizes: Rc::default(),
            peers: RefCell::new(Rc::from([])),
            leaving: RefCell::default(),
            opened: Rc::default(),
            number: Cell::default(),
            began: Instant::now(),
            tasks: RefCell::default(),
        });
        remote.reconcile(&members.borrow());
        let mut tasks = remote.tasks.borrow_mut();
        tasks.spawn_local(follow(Rc::downgrade(&remote), members));
        tasks.spawn_local(look(Rc::downgrade(&remote)));
        drop(tasks);
        remote
    }

    /// Hands over a request to one of the processors.
    ///
    /// # Errors
    /// [`Unserved`].
    pub async fn call(&self, request: Request) -> Result<Response, Unserved> {
        let counters = self.requests.of(Some(request.route.id()));
        let started = request.started;
        let result = self.hand_over(request).await;
        let status = match &result {
            Ok(response) => response.head.status,
            Err(Unserved::Failed(failure)) => failure.fault.code.status(),
            // Not answered yet: it comes again, or ends at the router.
            Err(Unserved::Rematch(..)) => return result,
        };
        counters.observe(status.as_u16(), started.elapsed());
        result
    }

    async fn hand_over(&self, mut request: Request) -> Result<Response, Unserved> {
        let (route, method) = (Arc::clone(request.route.id()), request.head.method.clone());
        let bulk = size::is_bulk(&request) || self.sizes.is_large(&route);
        let mut tries = Tries::new(&request);
        let mut patience = None;
        loop {
            let needed = OnceCell::new();
            let needs = || *needed.get_or_init(|| needs(&request));
            let Some((peer, lane)) = self.pick(bulk, &tries, &needs) else {
                let until = *patience.get_or_insert_with(|| Instant::now() + FIRST_LANE_WITHIN);
                if self.may_come(&tries) && self.wait_for_a_lane(until).await {
                    continue;
                }
                return Err(tries.exhausted(&self.nobody()));
            };
            let shows = peer.rest.is_behind().then(&needs);
            let outcome = lane.call(request).await;
            match (&outcome, shows) {
                (Outcome::NotTaken(reason, _), _) => peer.rest.note(reason, Instant::now()),
                (Outcome::Answered(_), Some(needed)) => peer.rest.has(needed),
                _ => {}
            }
            if matches!(outcome, Outcome::NotTaken(..) | Outcome::Lost(..)) {
                peer.sweep();
            }
            match tries.judge(peer.number, &peer.label, outcome) {
                Next::Again(back, reason) => {
                    self.metrics.hop_retry(reason);
                    request = *back;
                }
                Next::Over(result) => {
                    return result.map(|response| self.sizes.watch(&route, &method, response));
                }
            }
        }
    }

    /// The next processor for a request that needs a revision, and the lane to it: one that was not asked, else one that
    /// was not reached.
    fn pick(
        &self,
        bulk: bool,
        tries: &Tries,
        needs: &dyn Fn() -> u64,
    ) -> Option<(Rc<Peer<L>>, Rc<L>)> {
        let peers = Rc::clone(&self.peers.borrow());
        let now = Instant::now();
        let best = |may: &dyn Fn(u64) -> bool| {
            let standing =
                |p: &Rc<Peer<L>>| may(p.number).then(|| p.standing(needs, now)).flatten();
            choose::choose(&peers, standing, |p| p.busy())
        };
        let index = best(&|n| tries.is_new(n)).or_else(|| best(&|n| tries.may_ask(n)))?;
        let peer = &peers[index];
        peer.rest.ask(needs, now);
        peer.lane(bulk).map(|lane| (Rc::clone(peer), lane))
    }

    /// Whether a processor that may be asked has no lane yet, or none is known because this router has just started.
    fn may_come(&self, tries: &Tries) -> bool {
        let peers = self.peers.borrow();
        let waits = |p: &Rc<Peer<L>>| !p.is_open() && tries.may_ask(p.number);
        let starts = peers.is_empty() && self.began.elapsed() < FIRST_LANE_WITHIN;
        starts || peers.iter().any(waits)
    }

    /// Whether one was opened, or the processors changed, before `until`.
    async fn wait_for_a_lane(&self, until: Instant) -> bool {
        timeout_at(until, self.opened.notified()).await.is_ok()
    }

    /// Who could not be asked, for the log.
    fn nobody(&self) -> String {
        let peers = self.peers.borrow();
        if peers.is_empty() {
            return "no processor is known".to_owned();
        }
        let all: Vec<&str> = peers.iter().map(|p| p.label.as_str()).collect();
        format!("no processor is connected: {}", all.join(", "))
    }

    /// Takes over who is there. One that moved is another one. One that is not there any more has left, unless its entry
    /// had run out: then it may be cut off from the store and well, which its lanes tell.
    fn reconcile(&self, members: &[Arc<Member>]) {
        let before = Rc::clone(&self.peers.borrow());
        let known: HashMap<_, _> = before
            .iter()
            .map(|p| ((p.id.as_str(), p.address.as_str()), p))
            .collect();
        let mut after = Vec::with_capacity(before.len());
        for (member, id, address) in members.iter().filter_map(|m| processor(m)) {
            let peer = known.get(&(id, address)).map_or_else(
                || {
                    let number = self.number.replace(self.number.get() + 1);
                    Peer::start(number, id, address, &self.ends, &self.opened)
                },
                |peer| Rc::clone(peer),
            );
            peer.rest.has(member.applied_revision);
            peer.entry.set(match member.state() {
                MemberState::Gone => Entry::Out,
                MemberState::Alive | MemberState::Leaving => Entry::There,
            });
            after.push(peer);
        }
        let listed: HashSet<&str> = members.iter().map(|m| m.id.as_str()).collect();
        for peer in before.iter().filter(|p| !listed.contains(p.id.as_str())) {
            if peer.entry.get() != Entry::There && peer.is_open() {
                peer.entry.set(Entry::Forgotten);
                after.push(Rc::clone(peer));
            }
        }
        self.take_over(&before, after);
    }

    /// Gives those that are not among `after` nothing new.
    fn take_over(&self, before: &[Rc<Peer<L>>], after: Vec<Rc<Peer<L>>>) {
        let stay: HashSet<u64> = after.iter().map(|p| p.number).collect();
        for gone in before.iter().filter(|p| !stay.contains(&p.number)) {
            gone.leave();
            self.leaving.borrow_mut().push(Rc::clone(gone));
        }
        *self.peers.borrow_mut() = after.into();
        self.opened.notify_waiters();
    }

    fn look(&self) {
        let (peers, now) = (Rc::clone(&self.peers.borrow()), Instant::now());
        peers.iter().for_each(|peer| peer.look());
        let is_gone = |p: &Rc<Peer<L>>| p.entry.get() == Entry::Forgotten && !p.is_open();
        if peers.iter().any(is_gone) {
            let stay = peers.iter().filter(|p| !is_gone(p)).cloned();
            self.take_over(&peers, stay.collect());
        }
        // With nobody else to take it over, a request is better off waiting.
        let is_well = |p: &Rc<Peer<L>>| {
            let standing = p.standing(|| 0, now);
            standing.is_some_and(|standing| standing < Standing::Silent)
        };
        let well: Vec<u64> = peers
            .iter()
            .filter(|p| is_well(p))
            .map(|p| p.number)
            .take(2)
            .collect();
        for peer in peers.iter() {
            if well.iter().any(|number| *number != peer.number) {
                peer.give_back();
            }
        }
        let mut leaving = self.leaving.borrow_mut();
        leaving.iter().for_each(|peer| peer.sweep());
        leaving.retain(|peer| !peer.is_done());
    }
}

/// The revision a processor must have to serve the request; 0 if no revision helps.
fn needs(request: &Request) -> u64 {
    let needs = request.snapshot.depends_on(&request.route);
    needs.unwrap_or_default()
}

/// A member that takes requests, its id and its address.
fn processor(member: &Member) -> Option<(&Member, &str, &str)> {
    let role = Role::Processor.as_str();
    let address = member.addresses.get(LISTENER)?;
    let takes = member.roles.iter().any(|r| r == role);
    // One whose entry ran out may be well and only cut off from the store: its lanes tell.
    let stays = member.state() != MemberState::Leaving;
    (takes && stays).then_some((member, &member.id, address))
}

/// Follows the members; when nobody tells of them any more, the last known ones stay.
async fn follow<L: Line>(remote: Weak<Remote<L>>, mut members: Members) {
    while members.changed().await.is_ok() {
        let Some(remote) = remote.upgrade() else {
            return;
        };
        let now = Arc::clone(&members.borrow_and_update());
        remote.reconcile(&now);
    }
}

/// Looks at all lanes again and again.
async fn look<L: Line>(remote: Weak<Remote<L>>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(remote) = remote.upgrade() else {
            return;
        };
        remote.look();
    }
}

#[cfg(test)]
#[allow(clippy::large_futures, reason = "a whole scenario runs once")]
mod tests;
