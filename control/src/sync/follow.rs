//! Applying a watch's batches as they come: a lone event at once, a burst at most every 20 ms.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::snapshot::Change;
use crate::store::{Batch, Event, StoreError, Watch};

use super::Follower;
use super::judge::{Judged, change, judge_all, key_of};
use super::known::{Fresh, Id, is_placeholder, object_of};

/// Two publications are at least this far apart, unless nothing came in between.
const BURST: Duration = Duration::from_millis(20);
/// So many events are applied even if more are waiting.
const ENOUGH: usize = 10_000;

/// One event of our kinds.
enum Step {
    Gone(Id),
    /// Judged next, in the order of the steps.
    Value,
}

impl Follower {
    /// Applies batches until the watch ends; says why it did.
    pub(super) async fn follow(&mut self, mut watch: Watch) -> StoreError {
        let mut last = None;
        loop {
            let mut batch = match watch.next().await {
                Ok(batch) => batch,
                Err(error) => return error,
            };
            let begun = Instant::now();
            // A deadline in the past still takes what is already waiting.
            let due = last.map_or(begun, |last: Instant| last + BURST);
            let mut end = None;
            while end.is_none() && batch.events.len() < ENOUGH {
                match timeout_at(due, watch.next()).await {
                    Ok(Ok(more)) => {
                        batch.revision = batch.revision.max(more.revision);
                        batch.events.extend(more.events);
                    }
                    Ok(Err(error)) => end = Some(error),
                    Err(_) => break,
                }
            }
            if !self.apply(batch, begun).await {
                return StoreError::Unavailable("judging changes was interrupted".to_owned());
            }
            last = Some(Instant::now());
            if let Some(error) = end {
                return error;
            }
        }
    }

    /// Publishes one batch; `false` if it could not be judged.
    async fn apply(&mut self, batch: Batch, begun: Instant) -> bool {
        self.publisher.saw(batch.revision);
        let mut steps = Vec::new();
        let mut fresh = Vec::new();
        for event in batch.events {
            let Some(id) = object_of(&event.key) else {
                continue;
            };
            if self
                .known
                .revision_of(&id)
                .is_some_and(|known| known >= event.mod_revision)
            {
                continue;
            }
            self.sort(id, event, &mut steps, &mut fresh);
        }
        let Some(judged) = judge_all(&self.judge, fresh).await else {
            self.publisher.open_gap();
            return false;
        };
        let changes = self.settle(steps, judged);
        let current = self.publisher.current();
        if changes.is_empty() {
            // Somebody else's keys: only the revision moves.
            if batch.revision > current.revision() {
                self.publisher
                    .publish(current.apply(batch.revision, changes));
            }
            return true;
        }
        let (snapshot, replaced) = current.apply_in_order(batch.revision, changes);
        self.publisher
            .publish_changes(snapshot, replaced, begun.elapsed());
        self.journal.commit(batch.revision);
        true
    }

    /// Brings steps and verdicts together, and tells the journal.
    fn settle(&mut self, steps: Vec<Step>, judged: Vec<Judged>) -> Vec<Change> {
        let mut judged = judged.into_iter();
        let mut changes = Vec::with_capacity(steps.len());
        for step in steps {
            match step {
                Step::Gone(id) => {
                    if self.known.remove(&id) {
                        self.journal.gone(key_of(&id));
                    }
                    changes.push(Change::Remove(id.0, id.1));
                }
                Step::Value => {
                    let Some(Judged {
                        fresh,
                        hash,
                        verdict,
                    }) = judged.next()
                    else {
                        continue;
                    };
                    self.journal.judged(
                        key_of(&fresh.id),
                        fresh.mod_revision,
                        fresh.value,
                        verdict.is_ok(),
                    );
                    changes.push(change(&fresh.id, fresh.mod_revision, verdict));
                    self.known.insert(fresh.id, fresh.mod_revision, hash);
                }
            }
        }
        changes
    }

    fn sort(&self, id: Id, event: Event, steps: &mut Vec<Step>, fresh: &mut Vec<Fresh>) {
        match event.value {
            None => steps.push(Step::Gone(id)),
            // A placeholder in an object's place serves nothing, as a deletion.
            Some(value) if is_placeholder(&value) => steps.push(Step::Gone(id)),
            Some(value) => {
                steps.push(Step::Value);
                fresh.push(Fresh {
                    id,
                    value,
                    mod_revision: event.mod_revision,
                    recreated: false,
                });
            }
        }
    }
}
