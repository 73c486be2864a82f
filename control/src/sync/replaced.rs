//! Versions of routes that were replaced a moment ago, for whoever still asks by them: a router matches a request in its
//! own Snapshot, and by the time that the request arrives its processor has often published the next one. While a route
//! changes every few milliseconds the two may never have published the same version of it, since each puts together what
//! arrives within one publication; so every version is kept that the store had, not only those that were published.
//! Owns how long and how many; what is kept of each is [`Excerpt`]'s. In the line: filled by `follow` before the Snapshot
//! without the version is published, read by the hop's processors when versions disagree, and only then.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use crate::snapshot::{Excerpt, Snapshot};

/// How long a replaced version is given out: some publications and a node's late turn on a busy machine are in it, but a
/// router that is cut off from the store must not go on with a route that lets in whom the present one keeps out. 2 s.
pub const KEPT_FOR: Duration = Duration::from_secs(2);
/// Versions at most, the oldest of which are dropped first: what 5,000 changes a second leave behind, which is more than
/// an etcd takes. 10,000.
const MOST: usize = 10_000;

/// See the module.
#[derive(Default)]
pub struct Replaced {
    /// Oldest first.
    kept: RwLock<VecDeque<(Instant, Excerpt)>>,
}

impl Replaced {
    /// The version of route `id` that store revision `version` wrote, with what it referred to when it was replaced, if
    /// that was less than [`KEPT_FOR`] ago. A deleted route counts as replaced: whoever asks has not heard of the deletion
    /// yet, and to be served a moment later than the deletion is no more than to have come a moment earlier.
    pub fn route(&self, id: &str, version: u64) -> Option<Snapshot> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let asked = |(since, excerpt): &&(Instant, Excerpt)| {
            excerpt.is_of(id, version) && since.elapsed() < KEPT_FOR
        };
        let found = kept.iter().rev().find(asked)?.1.clone();
        drop(kept);
        Some(found.snapshot())
    }

    /// These were replaced now.
    pub(super) fn add(&self, excerpts: Vec<Excerpt>) {
        if excerpts.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.extend(excerpts.into_iter().map(|excerpt| (now, excerpt)));
        let too_many = kept.len().saturating_sub(MOST);
        kept.drain(..too_many);
    }

    /// Nothing of before is given out any more.
    pub(super) fn clear(&self) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.clear();
    }

    /// Drops what is no longer given out, so that it takes no memory; runs for ever.
    pub(super) async fn forget(&self) {
        loop {
            tokio::time::sleep(KEPT_FOR).await;
            let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
            let old = kept.partition_point(|(since, _)| since.elapsed() >= KEPT_FOR);
            kept.drain(..old);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::object::{self, Kind, ReadContext};
    use crate::seal::Keyring;
    use crate::snapshot::Change;

    /// Route `id` as store revision `at` wrote it.
    fn route(id: &str, at: u64) -> Change {
        let keyring = Keyring::default();
        let context = ReadContext {
            keyring: &keyring,
            env: &|_| None,
        };
        let text = br#"{"uri": "/", "upstream": {"nodes": {"127.0.0.1:80": 1}}}"#;
        let object = object::read(Kind::Route, id, text, &context).unwrap();
        Change::Set(Kind::Route, Arc::from(id), object, at)
    }

    /// Versions `from..to` of route 1, which `to` replaced last.
    fn versions(from: u64, to: u64) -> Vec<Excerpt> {
        let changes = (from..=to).map(|at| route("1", at)).collect();
        Snapshot::default().apply_in_order(to, changes).1
    }

    #[tokio::test(start_paused = true)]
    async fn a_version_is_given_out_for_a_while() {
        let replaced = Arc::new(Replaced::default());
        let forgetting = Arc::clone(&replaced);
        tokio::spawn(async move { forgetting.forget().await });
        replaced.add(versions(1, 3));
        let view = replaced.route("1", 2).unwrap();
        assert_eq!((view.revision(), view.route_version("1")), (2, Some(2)));
        assert!(replaced.route("1", 1).is_some());
        assert!(replaced.route("1", 3).is_none(), "nobody replaced it yet");
        assert!(replaced.route("2", 2).is_none(), "another route");
        tokio::time::sleep(KEPT_FOR / 2).await;
        replaced.add(versions(3, 4));
        tokio::time::sleep(KEPT_FOR / 2).await;
        assert!(replaced.route("1", 2).is_none(), "its time is over");
        assert!(replaced.route("1", 3).is_some(), "this one came later");
        tokio::time::sleep(KEPT_FOR).await;
        tokio::time::sleep(KEPT_FOR).await;
        assert_eq!(replaced.kept.read().unwrap().len(), 0, "nor held");
    }

    #[tokio::test(start_paused = true)]
    async fn a_number_is_kept_and_a_listing_ends_all() {
        let replaced = Replaced::default();
        let most = MOST as u64;
        replaced.add(versions(1, 3));
        replaced.add(versions(3, most + 2));
        assert_eq!(replaced.kept.read().unwrap().len(), MOST);
        assert!(replaced.route("1", 1).is_none(), "the oldest went first");
        assert!(replaced.route("1", 2).is_some());
        assert!(replaced.route("1", most + 1).is_some());
        replaced.clear();
        assert!(replaced.route("1", 2).is_none());
    }
}
