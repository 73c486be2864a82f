//! Which target gets a request: health, priorities, what was tried already, then the upstream's algorithm. State is
//! one thread's; it is rebuilt when the upstream object changes, and targets that stay keep what is known of them.

mod choose;
mod ring;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use control::object::{Balance, Node, Upstream};

use self::choose::RoundRobin;
use self::ring::Ring;
use super::health::TargetHealth;
use super::pool::{PoolKey, Shelf};
use super::shared::Shared;

/// `host:port`, a target's name in logs, metrics and health.
pub(super) fn target_name(node: &Node) -> Arc<str> {
    if node.host.contains(':') {
        return format!("[{}]:{}", node.host, node.port).into();
    }
    format!("{}:{}", node.host, node.port).into()
}

/// The fixed hash that places keys on a ring.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    ring::hash(bytes)
}

/// Time in which old latencies lose most of their say.
const EWMA_DECAY: Duration = Duration::from_secs(10);
/// Objects that are gone are looked for once in so many rebuilds.
const CLEAN_EVERY: u32 = 64;

/// The upstreams this thread has used.
pub(super) struct Endpoints {
    shared: Arc<Shared>,
    states: RefCell<HashMap<Arc<str>, Rc<Endpoint>>>,
    built: Cell<u32>,
}

/// One upstream's balancing state.
pub(super) struct Endpoint {
    /// Which object this was built from: the address stays taken as long as the `Weak` lives.
    object: Weak<Upstream>,
    pub(super) targets: Vec<Rc<Target>>,
    /// Indices into `targets`, highest priority first.
    groups: Vec<Group>,
    /// Every weight is 0.
    weightless: bool,
}

struct Group {
    members: Vec<usize>,
    chooser: Chooser,
}

enum Chooser {
    RoundRobin(RefCell<RoundRobin>),
    Chash(Ring),
    LeastConn,
    Ewma,
}

/// One node with what this thread knows of it.
pub(super) struct Target {
    pub(super) node: Node,
    /// `host:port`.
    pub(super) name: Arc<str>,
    pub(super) health: Option<Arc<TargetHealth>>,
    in_flight: Cell<u32>,
    latency: Cell<Latency>,
    /// The shelf used last: most targets have but one.
    pub(super) shelf: RefCell<Option<(PoolKey, Rc<Shelf>)>>,
}

#[derive(Clone, Copy, Default)]
struct Latency {
    seconds: f64,
    at: Option<Instant>,
}

impl Endpoints {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            states: RefCell::default(),
            built: Cell::new(0),
        }
    }

    /// The state of `upstream`, built or rebuilt if it must be.
    pub(super) fn of(&self, upstream: &Arc<Upstream>) -> Rc<Endpoint> {
        let known = self.states.borrow().get(upstream.key()).cloned();
        if let Some(state) = known
            .as_ref()
            .filter(|s| Weak::as_ptr(&s.object) == Arc::as_ptr(upstream))
        {
            return state.clone();
        }
        let state = Rc::new(Endpoint::build(upstream, &self.shared, known.as_deref()));
        let mut states = self.states.borrow_mut();
        states.insert(upstream.key().clone(), state.clone());
        self.built.set(self.built.get().wrapping_add(1));
        if self.built.get().is_multiple_of(CLEAN_EVERY) {
            states.retain(|_, state| state.object.strong_count() > 0);
        }
        state
    }
}

impl Endpoint {
    fn build(upstream: &Arc<Upstream>, shared: &Shared, before: Option<&Self>) -> Self {
        let checked = upstream.checks().is_some();
        let target = |node: &Node| {
            let name = target_name(node);
            let health = checked.then(|| shared.health.of(upstream.key(), &name));
            let old = before.and_then(|b| b.targets.iter().find(|t| t.name == name));
            match old {
                Some(old) if old.node == *node && same(old.health.as_ref(), health.as_ref()) => {
                    old.clone()
                }
                _ => Rc::new(Target {
                    node: node.clone(),
                    name,
                    health,
                    in_flight: Cell::new(0),
                    latency: Cell::new(old.map_or_else(Latency::default, |o| o.latency.get())),
                    shelf: RefCell::default(),
                }),
            }
        };
        let targets: Vec<_> = upstream.nodes().iter().map(target).collect();
        let groups = group(&targets, upstream.balance());
        let weightless = targets.iter().all(|t| t.node.weight == 0);
        Self {
            object: Arc::downgrade(upstream),
            targets,
            groups,
            weightless,
        }
    }

    /// The target for a request, not among `tried` (indices). `key` is what `chash` hashes. `None`: no more to try.
    pub(super) fn pick(&self, tried: &[usize], key: &dyn Fn() -> u64) -> Option<usize> {
        if self.targets.len() == 1 {
            return tried.is_empty().then_some(0);
        }
        let weighs = |target: &Target| self.weightless || target.node.weight > 0;
        // A node that gets nothing anyway is no reason to spare the others.
        let anyone = self.targets.iter().all(|t| !t.is_healthy() || !weighs(t));
        let usable = |i: usize| {
            let target = &self.targets[i];
            (anyone || target.is_healthy()) && weighs(target) && !tried.contains(&i)
        };
        self.groups.iter().find_map(|group| match &group.chooser {
            Chooser::RoundRobin(state) => state.borrow_mut().next(&group.members, usable),
            Chooser::Chash(ring) => ring.find(key(), usable),
            Chooser::LeastConn => choose::least(
                &group.members,
                usable,
                |i| self.targets[i].load_per_weight(),
                fastrand::usize(..group.members.len()),
            ),
            Chooser::Ewma => {
                choose::two(&group.members, usable, |i| self.targets[i].expected_wait())
            }
        })
    }
}

/// Whether two are one and the same: a target whose checks went and came back is judged by new ones.
fn same(old: Option<&Arc<TargetHealth>>, new: Option<&Arc<TargetHealth>>) -> bool {
    match (old, new) {
        (Some(old), Some(new)) => Arc::ptr_eq(old, new),
        (None, None) => true,
        _ => false,
    }
}

fn group(targets: &[Rc<Target>], balance: &Balance) -> Vec<Group> {
    let mut priorities: Vec<i32> = targets.iter().map(|t| t.node.priority).collect();
    priorities.sort_unstable_by(|a, b| b.cmp(a));
    priorities.dedup();
    let of = |priority: i32| {
        let members: Vec<usize> = (0..targets.len())
            .filter(|i| targets[*i].node.priority == priority)
            .collect();
        // Weight 0 counts only where every weight is 0: then all are equal.
        let weightless = targets.iter().all(|t| t.node.weight == 0);
        let weights = members.iter().map(|i| {
            (
                *i,
                if weightless {
                    1
                } else {
                    targets[*i].node.weight
                },
            )
        });
        let chooser = match balance {
            Balance::RoundRobin => Chooser::RoundRobin(RefCell::new(RoundRobin::new(weights))),
            Balance::Chash(_) => {
                Chooser::Chash(Ring::new(weights.map(|(i, w)| (i, &*targets[i].name, w))))
            }
            Balance::LeastConn => Chooser::LeastConn,
            Balance::Ewma => Chooser::Ewma,
        };
        Group { members, chooser }
    };
    priorities.into_iter().map(of).collect()
}

impl Target {
    fn is_healthy(&self) -> bool {
        self.health.as_ref().is_none_or(|h| h.is_healthy())
    }

    fn load_per_weight(&self) -> f64 {
        f64::from(self.in_flight.get() + 1) / f64::from(self.node.weight.max(1))
    }

    /// Peak EWMA: the latency to expect times the requests in front.
    fn expected_wait(&self) -> f64 {
        let latency = self.latency.get();
        let age = latency.at.map_or(Duration::ZERO, |at| at.elapsed());
        latency.seconds * decay(age) * f64::from(self.in_flight.get() + 1)
    }

    /// An answer's head came after `took`. A peak counts at once, a better time little by little.
    pub(super) fn note_latency(&self, took: Duration) {
        let (now, seen) = (Instant::now(), took.as_secs_f64());
        let old = self.latency.get();
        let weight = decay(old.at.map_or(Duration::MAX, |at| now.duration_since(at)));
        let seconds = if seen > old.seconds {
            seen
        } else {
            old.seconds * weight + seen * (1.0 - weight)
        };
        self.latency.set(Latency {
            seconds,
            at: Some(now),
        });
    }

    /// Counts a request as in flight until the guard goes.
    pub(super) fn enter(self: &Rc<Self>) -> InFlight {
        self.in_flight.set(self.in_flight.get() + 1);
        InFlight(self.clone())
    }
}

fn decay(age: Duration) -> f64 {
    (-age.as_secs_f64() / EWMA_DECAY.as_secs_f64()).exp()
}

/// A request in flight.
pub(super) struct InFlight(Rc<Target>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0
            .in_flight
            .set(self.0.in_flight.get().saturating_sub(1));
    }
}
