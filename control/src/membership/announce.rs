//! This node's own entry: written under a lease, renewed, rewritten when what it says changes, taken away at the end.
//!
//! A node that crashed and came back finds its own dead entry under its id and takes it over at once: waiting for the lease
//! would keep it out of the cluster. Two living nodes with one id then overwrite each other; each notices, from the second
//! time on says so in its log, and tries again only every [`FIGHT`] until the other is gone.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::entry::Entry;
use super::{LEAVE_WITHIN, Me, Order, Serving};
use crate::snapshot::Snapshot;
use crate::store::{Expect, Lease, Store, StoreError, Written};

/// A node that dies without a word is missed after this long.
const TTL: Duration = Duration::from_secs(5);
/// Three times within [`TTL`], so that one lost renewal does no harm.
const RENEW: Duration = Duration::from_millis(1500);
/// A call that takes longer is tried again: the lease does not wait.
const CALL: Duration = Duration::from_secs(2);
/// Two writes are at least this far apart: under a storm of changes every node reports twice a second.
const GAP: Duration = Duration::from_millis(500);
/// The longest pause before another attempt; the shortest is half of it, so that a cluster's nodes do not come in step.
const RETRY: Duration = Duration::from_secs(1);
/// How often an id that another living node has as well is claimed and complained about.
const FIGHT: Duration = Duration::from_secs(10);

/// What the follower saw happen to our entry.
#[derive(Debug)]
pub(super) enum News {
    /// A process that started at another time wrote it, at this revision.
    Overwritten(u64),
    /// It is not there at this revision.
    Missing(u64),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Announcer {
    store: Arc<Store>,
    me: Me,
    snapshot: Arc<ArcSwap<Snapshot>>,
    applied: watch::Receiver<u64>,
    orders: watch::Receiver<Order>,
    news: mpsc::Receiver<News>,
    left: watch::Sender<bool>,
    lease: Option<Lease>,
    /// What the entry says, and the revision that wrote it.
    written: Option<(Vec<u8>, u64)>,
    /// The last one that was obeyed.
    order: Order,
    write_at: Option<Instant>,
    last_write: Option<Instant>,
    renew_at: Instant,
    /// When another living node last took our entry.
    robbed: Option<Instant>,
    /// The store's absence was reported.
    reported: bool,
}

impl Announcer {
    pub(super) fn new(
        store: Arc<Store>,
        me: Me,
        serving: Serving,
        (orders, news, left): (
            watch::Receiver<Order>,
            mpsc::Receiver<News>,
            watch::Sender<bool>,
        ),
    ) -> Self {
        Self {
            store,
            me,
            applied: serving.status.subscribe(),
            snapshot: serving.snapshot,
            orders,
            news,
            left,
            lease: None,
            written: None,
            order: Order::Stay,
            write_at: Some(Instant::now()),
            last_write: None,
            renew_at: Instant::now() + RENEW,
            robbed: None,
            reported: false,
        }
    }

    /// Runs until the node leaves.
    pub(super) async fn run(mut self) {
        loop {
            let write_at = self.write_at.unwrap_or_else(Instant::now);
            tokio::select! {
                order = next_order(&mut self.orders, self.order) => match order {
                    Some(Order::Leave) => return self.leave().await,
                    Some(order) => {
                        self.order = order;
                        self.write_at = Some(Instant::now());
                    }
                    // Without anybody left to give orders the node is going down without leaving.
                    None => return,
                },
                changed = self.applied.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.due(self.last_write.map_or_else(Instant::now, |last| last + GAP));
                }
                Some(news) = self.news.recv() => self.hear(&news),
                () = sleep_until(write_at), if self.write_at.is_some() => self.write().await,
                () = sleep_until(self.renew_at), if self.lease.is_some() => self.renew().await,
            }
        }
    }

    fn leaving(&self) -> bool {
        self.order != Order::Stay
    }

    /// At the latest then the entry is written, unless it says what it should.
    fn due(&mut self, at: Instant) {
        self.write_at = Some(self.write_at.map_or(at, |earlier| earlier.min(at)));
    }

    fn hear(&mut self, news: &News) {
        let (News::Overwritten(at) | News::Missing(at)) = news;
        // What happened before our last write is mended by it.
        if self.leaving() || self.written.as_ref().is_none_or(|(_, ours)| at <= ours) {
            return;
        }
        self.written = None;
        let now = Instant::now();
        if let News::Missing(_) = news {
            return self.due(now + jitter(GAP));
        }
        let again = self.robbed.is_some_and(|last| now - last < 6 * FIGHT);
        self.robbed = Some(now);
        if again {
            tracing::error!(id = %self.me.id,
                "another living node has this node's id; give each node a --node-id of its own");
        }
        self.write_at = Some(now + if again { FIGHT } else { GAP });
    }

    async fn write(&mut self) {
        self.write_at = None;
        let entry = Entry::of(&self.me, &self.snapshot.load(), self.leaving());
        let Ok(text) = serde_json::to_vec(&entry) else {
            return;
        };
        // Without a lease it may be gone, whatever it said.
        let said = |(old, _): &(Vec<u8>, u64)| *old == text;
        if self.lease.is_some() && self.written.as_ref().is_some_and(said) {
            return;
        }
        let expect = match (&self.written, self.leaving()) {
            // Whoever has taken the entry over stays.
            (Some((_, ours)), true) => Expect::Revision(*ours),
            (None, true) => return,
            (_, false) => Expect::Any,
        };
        let put = self.put(Bytes::copy_from_slice(&text), expect);
        let outcome = match timeout(CALL, put).await {
            Ok(outcome) => outcome,
            Err(_) => Err(StoreError::Unavailable("no answer in time".to_owned())),
        };
        self.last_write = Some(Instant::now());
        match outcome {
            Ok(Written::At(revision)) => {
                self.written = Some((text, revision));
                self.reported = false;
            }
            Ok(Written::Conflict) => self.written = None,
            Err(error) => {
                // Perhaps it is the lease that ran out: the next attempt takes another one.
                self.lease = None;
                self.complain(&error);
                self.due(Instant::now() + jitter(RETRY));
            }
        }
    }

    async fn put(&mut self, text: Bytes, expect: Expect) -> Result<Written, StoreError> {
        let lease = match self.lease.take() {
            Some(lease) => lease,
            None => {
                self.renew_at = Instant::now() + RENEW;
                self.store.lease(TTL).await?
            }
        };
        self.lease
            .insert(lease)
            .put(&self.me.id, text, expect)
            .await
    }

    async fn renew(&mut self) {
        let Some(lease) = &self.lease else { return };
        match timeout(CALL, lease.renew()).await {
            Ok(Ok(true)) => {
                self.renew_at = Instant::now() + RENEW;
                self.reported = false;
            }
            Ok(Ok(false)) => {
                tracing::info!("this node's lease ran out; registering again");
                self.lease = None;
                self.written = None;
                if !self.leaving() {
                    self.due(Instant::now() + jitter(RETRY));
                }
            }
            lost => {
                if let Ok(Err(error)) = lost {
                    self.complain(&error);
                }
                self.renew_at = Instant::now() + jitter(GAP);
            }
        }
    }

    async fn leave(&mut self) {
        let done = async {
            self.order = Order::Leave;
            self.write().await;
            match self.lease.take() {
                Some(lease) => lease.revoke().await,
                None => Ok(()),
            }
        };
        match timeout(LEAVE_WITHIN, done).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "this node's entry stays until its lease runs out")
            }
            Err(_) => tracing::warn!("this node's entry stays until its lease runs out"),
        }
        self.left.send_replace(true);
    }

    fn complain(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.reported, true) {
            tracing::warn!(%error, "this node cannot keep its entry in the store; trying again");
        }
    }
}

/// The next order after `obeyed`; `None` if there will be none.
async fn next_order(orders: &mut watch::Receiver<Order>, obeyed: Order) -> Option<Order> {
    let order = orders.wait_for(|order| *order > obeyed).await;
    order.ok().map(|order| *order)
}

/// Half of `longest` to all of it.
fn jitter(longest: Duration) -> Duration {
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}
