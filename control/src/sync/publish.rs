//! Publication: the Snapshot everybody reads and the figures about it. Owns no decision about what is published.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::OnApply;
use super::replaced::Replaced;
use crate::snapshot::{Excerpt, Snapshot};
use crate::store::StoreError;

/// How far synchronising has come; read by metrics, `/status` and whoever waits for a revision.
#[derive(Debug)]
pub struct Status {
    connected: AtomicBool,
    ready: AtomicBool,
    seen: AtomicU64,
    applied: watch::Sender<u64>,
}

impl Status {
    /// Whether the store is listed or followed without an error since.
    pub fn store_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Whether a whole Snapshot, an empty one too, came from the store or from the last-good copy.
    pub fn ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// The newest store revision heard of.
    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// The revision of the published Snapshot.
    pub fn applied(&self) -> u64 {
        *self.applied.borrow()
    }

    /// Follows the applied revision; changes after the Snapshot is published.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// Waits until `revision` is applied, at most for `within`; whether it is.
    pub async fn wait_applied(&self, revision: u64, within: Duration) -> bool {
        let mut applied = self.applied.subscribe();
        let wait = applied.wait_for(|applied| *applied >= revision);
        tokio::time::timeout(within, wait)
            .await
            .is_ok_and(|r| r.is_ok())
    }
}

/// The writing end.
pub(super) struct Publisher {
    snapshot: Arc<ArcSwap<Snapshot>>,
    status: Arc<Status>,
    replaced: Arc<Replaced>,
    on_apply: OnApply,
    gap: bool,
    /// The loss of the store was reported.
    reported: bool,
}

impl Publisher {
    pub(super) fn new(on_apply: OnApply) -> Self {
        let status = Status {
            connected: AtomicBool::new(false),
            ready: AtomicBool::new(false),
            seen: AtomicU64::new(0),
            applied: watch::Sender::new(0),
        };
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        Self {
            snapshot,
            status: Arc::new(status),
            replaced: Arc::default(),
            on_apply,
            gap: false,
            reported: false,
        }
    }

    pub(super) fn snapshot(&self) -> Arc<ArcSwap<Snapshot>> {
        self.snapshot.clone()
    }

    pub(super) fn status(&self) -> Arc<Status> {
        self.status.clone()
    }

    pub(super) fn replaced(&self) -> Arc<Replaced> {
        self.replaced.clone()
    }

    pub(super) fn current(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    pub(super) fn revision(&self) -> u64 {
        self.snapshot.load().revision()
    }

    pub(super) fn publish(&self, snapshot: Snapshot) {
        let revision = snapshot.revision();
        self.snapshot.store(Arc::new(snapshot));
        // Also downwards: a store that went back is followed.
        self.status.seen.store(revision, Ordering::Relaxed);
        self.status.ready.store(true, Ordering::Release);
        self.status.applied.send_replace(revision);
    }

    /// Publishes what began to arrive `took` ago as changes, which replaced these versions of routes.
    pub(super) fn publish_changes(
        &self,
        snapshot: Snapshot,
        replaced: Vec<Excerpt>,
        took: Duration,
    ) {
        // Before the Snapshot: whoever does not find a version in that must find it here.
        self.replaced.add(replaced);
        self.publish(snapshot);
        (self.on_apply)(took);
    }

    /// Publishes what began to arrive `took` ago as a listing, which says neither in what order things changed nor, of a
    /// store that went back, that a revision still means what it meant.
    pub(super) fn publish_listing(&self, snapshot: Snapshot, took: Duration) {
        self.publish(snapshot);
        self.replaced.clear();
        (self.on_apply)(took);
    }

    pub(super) fn saw(&self, revision: u64) {
        self.status.seen.fetch_max(revision, Ordering::Relaxed);
    }

    /// The store answers; said once per change.
    pub(super) fn connected(&mut self) {
        self.reported = false;
        if !self.status.connected.swap(true, Ordering::Relaxed) {
            tracing::info!("connected to the store");
        }
    }

    /// The store does not answer; said once until it does again.
    pub(super) fn disconnected(&mut self, error: &StoreError) {
        self.status.connected.store(false, Ordering::Relaxed);
        if !std::mem::replace(&mut self.reported, true) {
            tracing::warn!(%error, "the store is away; serving what is there and trying again");
        } else {
            tracing::debug!(%error, "the store is still away");
        }
    }

    /// Changes were taken from the watch but not applied.
    pub(super) fn open_gap(&mut self) {
        self.gap = true;
    }

    pub(super) fn close_gap(&mut self) {
        self.gap = false;
    }

    pub(super) fn has_gap(&self) -> bool {
        self.gap
    }
}
