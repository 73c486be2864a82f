//! From the store to the Snapshot everybody reads: list at R, apply events from R+1, publish, keep a last-good copy.
//!
//! ```text
//! last_good (disk, at start) ─┐
//! load (list at R) ───────────┼► known (new, changed, gone?) ► judge (validate) ► publish (ArcSwap<Snapshot>, Status)
//! follow (events from R+1) ───┘                                        └► last_good (journal)
//! ```
//! Beside the Snapshot, `replaced` keeps for a moment what it no longer has.
//! This file owns the order of these and what happens when the store fails; it never refuses to serve what it has.

mod follow;
mod judge;
mod known;
mod last_good;
mod load;
mod publish;
mod replaced;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

pub use publish::Status;
pub use replaced::{KEPT_FOR, Replaced};

use crate::seal::{Keyring, Sealer};
use crate::snapshot::Snapshot;
use crate::store::{Store, StoreError};
use judge::Judge;
use known::Known;
use last_good::Journal;
use publish::Publisher;

/// Resolves `$env://NAME`; `None` means the variable is not set.
pub type Env = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;
/// Told how long each published change took, from its arrival to its publication.
pub type OnApply = Box<dyn Fn(Duration) + Send + Sync>;

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(2);

/// What synchronising needs.
pub struct SyncOptions {
    /// Where the last-good copy lives; made (mode 0700) if absent.
    pub data_dir: PathBuf,
    /// Opens private keys in objects, and seals the last-good copy.
    pub keyring: Keyring,
    /// Where objects come from.
    pub store: Arc<Store>,
    /// See [`Env`].
    pub env: Env,
    /// See [`OnApply`].
    pub on_apply: OnApply,
}

/// What [`start`] gives.
pub struct Live {
    /// Always the newest Snapshot; wait-free to read.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// How far synchronising has come.
    pub status: Arc<Status>,
    /// Versions of routes that the Snapshot had until a moment ago.
    pub replaced: Arc<Replaced>,
    /// Spawn its [`Follower::run`]; until then only the last-good copy is served.
    pub follower: Follower,
}

/// Serves the last-good copy if there is one, without asking the store. A copy that cannot be read or kept is reported
/// and done without.
pub async fn start(options: SyncOptions) -> Live {
    let judge = Arc::new(Judge {
        keyring: options.keyring.clone(),
        env: options.env,
    });
    let publisher = Publisher::new(options.on_apply);
    let mut known = Known::default();
    let for_files = judge.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let sealer = Sealer::for_dir(&options.data_dir, &options.keyring)?;
        last_good::open(&options.data_dir, &sealer, &for_files)
    });
    let journal = match opened.await.unwrap_or_else(|e| Err(e.to_string())) {
        Ok((journal, loaded)) => {
            if let Some(copy) = loaded {
                tracing::info!(
                    revision = copy.revision,
                    objects = copy.known.len(),
                    "serving the last-good copy"
                );
                known = copy.known;
                publisher.publish(copy.snapshot);
            }
            journal
        }
        Err(why) => {
            tracing::error!(%why, "no last-good copy is read or kept");
            Journal::none()
        }
    };
    let (snapshot, status) = (publisher.snapshot(), publisher.status());
    Live {
        snapshot,
        status,
        replaced: publisher.replaced(),
        follower: Follower {
            store: options.store,
            judge,
            known,
            journal,
            publisher,
        },
    }
}

/// The task that keeps the Snapshot up to date. Dropping it ends it; what is published stays.
pub struct Follower {
    store: Arc<Store>,
    judge: Arc<Judge>,
    known: Known,
    journal: Journal,
    publisher: Publisher,
}

impl Follower {
    /// Runs for ever.
    pub async fn run(self) {
        let replaced = self.publisher.replaced();
        tokio::join!(self.synchronise(), replaced.forget());
    }

    async fn synchronise(mut self) {
        // What a last-good copy does not hold may have been deleted long ago, so the first thing is always a listing.
        let mut must_list = true;
        let mut retry = FIRST_RETRY;
        loop {
            let progress = self.publisher.status().seen();
            let error = self.round(&mut must_list).await;
            if self.publisher.status().seen() != progress {
                retry = FIRST_RETRY;
            }
            match &error {
                StoreError::Compacted(_) | StoreError::WentBack(_) => {
                    tracing::info!(%error, "listing the store again");
                    must_list = true;
                }
                StoreError::Unavailable(_) | StoreError::Disk(_) => {
                    self.publisher.disconnected(&error)
                }
            }
            // Half of it to all of it, so that a cluster's nodes do not come back in step.
            tokio::time::sleep(retry.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            retry = (retry * 2).min(LAST_RETRY);
        }
    }

    /// Lists if it must, then follows until something fails.
    async fn round(&mut self, must_list: &mut bool) -> StoreError {
        if *must_list {
            if let Err(error) = self.load().await {
                self.journal.abort();
                return error;
            }
            *must_list = false;
        }
        match self.store.watch(self.publisher.revision() + 1).await {
            Ok(watch) => {
                self.publisher.connected();
                let error = self.follow(watch).await;
                // Only a change that could not be judged leaves a gap; the listing fills it.
                *must_list = self.publisher.has_gap();
                error
            }
            Err(error) => error,
        }
    }
}
