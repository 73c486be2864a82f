//! The nodes of the cluster: each keeps an entry of its own under a lease at `{prefix}-nodes/{node-id}`, and follows
//! everybody's. What nodes do with each other is theirs.
//!
//! ```text
//! Snapshot, Status ► announce ► {prefix}-nodes/{id} (lease) ► follow ► Members ► members.json
//! ```
//! An entry that vanishes without having said that it leaves has run out: its node died, or could not reach the store. Nobody
//! can tell which, so it stays in the list for [`FORGET_AFTER`], marked; whoever talks to it finds out. With the store away
//! the last known set stays as it is, and a node that starts then reads it from its data directory.

mod announce;
mod entry;
mod file;
mod follow;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::rejection::Rejection;
use crate::snapshot::Snapshot;
use crate::store::Store;
use crate::sync::Status;
use announce::Announcer;
use follow::Follower;

/// How long a member whose entry ran out is kept: long enough for all entries of a cluster to come back after their store
/// did, too short for a dead node to be asked much longer than it is missed.
pub const FORGET_AFTER: Duration = Duration::from_secs(30);
/// Leaving may take so long; the lease does the rest.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);
/// What the entries' prefix adds to the store's.
const BESIDE: &str = "-nodes";
/// News of our own entry that wait to be looked at; more of them say nothing new.
const NEWS: usize = 4;

/// The nodes that are known, by id: the last known ones while the store is away.
pub type Members = watch::Receiver<Arc<[Arc<Member>]>>;

/// One node's entry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Member {
    /// `--node-id`.
    pub id: String,
    /// `router`, `processor`, `control`.
    pub roles: Vec<String>,
    /// Release.
    pub version: String,
    /// Listener (`hop`, `metrics`, ...) to `host:port`.
    pub addresses: BTreeMap<String, String>,
    /// RFC 3339.
    pub started: String,
    /// Revision of the Snapshot it serves.
    pub applied_revision: u64,
    /// What it refused; the first ones, if there are very many.
    pub rejected: Vec<Rejection>,
    /// How many it refused.
    pub rejected_total: usize,
    /// It drains and takes no new requests.
    pub leaving: bool,
    /// Since when its entry is missing without it having said that it leaves.
    pub gone_since: Option<Instant>,
}

/// What is known of a member's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberState {
    /// Its entry is there (or was, when the store was last heard of).
    Alive,
    /// It drains.
    Leaving,
    /// Its entry ran out.
    Gone,
}

impl MemberState {
    /// As views show it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Leaving => "leaving",
            Self::Gone => "gone",
        }
    }
}

impl Member {
    /// Whether it can be asked.
    pub const fn state(&self) -> MemberState {
        if self.gone_since.is_some() {
            MemberState::Gone
        } else if self.leaving {
            MemberState::Leaving
        } else {
            MemberState::Alive
        }
    }
}

/// What a node says of itself once and for all.
#[derive(Clone, Debug)]
pub struct Me {
    /// `--node-id`; two living nodes with one id take turns in overwriting each other's entry and log it as an error.
    pub id: String,
    /// `router`, `processor`, `control`.
    pub roles: Vec<String>,
    /// Release.
    pub version: String,
    /// Listener (`hop`, `metrics`, ...) to `host:port`, as others reach it.
    pub addresses: BTreeMap<String, String>,
    /// RFC 3339, as fine as the clock is: it tells this process from the one that had the id before.
    pub started: String,
}

/// What a node reports of, and where it keeps what it learns.
#[derive(Debug)]
pub struct Serving {
    /// Gives the applied revision and what was refused.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Tells when that changed.
    pub status: Arc<Status>,
    /// For `members.json`.
    pub data_dir: PathBuf,
}

/// What [`join`] gives.
#[derive(Debug)]
pub struct Membership {
    /// Everybody, this node included once it is registered.
    pub members: Members,
    /// How to leave.
    pub presence: Presence,
    /// Spawn its [`Registrar::run`]; until then `members` is the last known set from disk.
    pub registrar: Registrar,
}

/// Prepares to take part in the cluster of `store` (the objects' store: entries lie beside it).
pub async fn join(store: &Store, me: Me, serving: Serving) -> Membership {
    let file = match store {
        Store::Etcd(_) => Some(serving.data_dir.join(file::NAME)),
        // Nobody else is there to be found again.
        Store::Embedded(_) | Store::Memory(_) => None,
    };
    let known = file::load(file.clone()).await;
    let (orders, given) = watch::channel(Order::Stay);
    let (news, own_news) = mpsc::channel(NEWS);
    let (left, has_left) = watch::channel(false);
    let beside = Arc::new(store.beside(BESIDE));
    let (follower, members) = Follower::new(beside.clone(), &me, news, (file, known));
    let announcer = Announcer::new(beside, me, serving, (given, own_news, left));
    Membership {
        members,
        presence: Presence {
            orders: Arc::new(orders),
            has_left,
        },
        registrar: Registrar {
            announcer,
            follower,
        },
    }
}

/// What the node is to do about its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum Order {
    Stay,
    Drain,
    Leave,
}

/// Ends a node's presence; clones do the same.
#[derive(Clone, Debug)]
pub struct Presence {
    orders: Arc<watch::Sender<Order>>,
    has_left: watch::Receiver<bool>,
}

impl Presence {
    /// Tells everybody to send nothing new; the entry stays until [`Self::leave`]. Does not wait.
    pub fn drain(&self) {
        self.orders.send_if_modified(|order| {
            let earlier = *order < Order::Drain;
            if earlier {
                *order = Order::Drain;
            }
            earlier
        });
    }

    /// Says that the node leaves, if it has not, and takes its entry away. At most 2 s; whether it was done.
    pub async fn leave(&self) -> bool {
        self.orders.send_replace(Order::Leave);
        let mut left = self.has_left.clone();
        let done = tokio::time::timeout(LEAVE_WITHIN, left.wait_for(|left| *left)).await;
        matches!(done, Ok(Ok(_)))
    }
}

/// The task that keeps the node's entry and follows everybody's. Dropping it ends it; the entry then runs out.
#[derive(Debug)]
pub struct Registrar {
    announcer: Announcer,
    follower: Follower,
}

impl Registrar {
    /// Runs for ever; after [`Presence::leave`] it only follows.
    pub async fn run(self) {
        tokio::join!(self.announcer.run(), self.follower.run());
    }
}

#[cfg(test)]
mod tests;
