//! A whole listing: read page by page as it arrives, compared with what is known, published as one Snapshot.

use std::collections::VecDeque;

use crate::snapshot::Change;
use crate::store::StoreError;

use super::Follower;
use super::judge::{Judged, change, judge_all, key_of};
use super::known::{Fresh, Known, is_placeholder, object_of};

/// Pages being judged while further ones arrive: one for each of two cores.
const UNDER_WAY: usize = 2;

impl Follower {
    /// Lists the store and publishes the result. Trusts the listing whatever its revision is. On an error nothing has
    /// been published, and the journal's open entries have to be given up.
    pub(super) async fn load(&mut self) -> Result<(), StoreError> {
        let begun = std::time::Instant::now();
        let (revision, judged) = self.read_listing().await?;
        self.publisher.connected();
        let mut changes = Vec::with_capacity(judged.len());
        for id in self.known.missed() {
            self.journal.gone(key_of(&id));
            self.known.remove(&id);
            changes.push(Change::Remove(id.0, id.1));
        }
        let (read, removed) = (judged.len(), changes.len());
        for Done {
            id,
            mod_revision,
            hash,
            recreated_bad,
            verdict,
        } in judged
        {
            if recreated_bad {
                changes.push(Change::Remove(id.0, id.1.clone()));
            }
            changes.push(change(&id, mod_revision, verdict));
            self.known.insert(id, mod_revision, hash);
        }
        let before = self.publisher.current();
        let applied = tokio::task::spawn_blocking(move || before.apply(revision, changes)).await;
        let snapshot = applied.map_err(|e| {
            // Nothing of it was published, so nothing counts as known.
            self.known = Known::default();
            StoreError::Unavailable(format!("applying the listing failed: {e}"))
        })?;
        self.publisher.publish_listing(snapshot, begun.elapsed());
        self.publisher.close_gap();
        self.journal.commit(revision);
        tracing::info!(
            revision,
            read,
            removed,
            known = self.known.len(),
            ms = begun.elapsed().as_millis() as u64,
            "listed the store"
        );
        Ok(())
    }

    async fn read_listing(&mut self) -> Result<(u64, Vec<Done>), StoreError> {
        let lost = || StoreError::Unavailable("reading the listing was interrupted".to_owned());
        let (mut revision, mut done) = (0, Vec::new());
        let mut under_way = VecDeque::new();
        self.known.begin_listing();
        let mut pages = self.store.pages();
        while let Some(page) = pages.next().await? {
            revision = page.revision;
            let mut fresh = Vec::new();
            for entry in page.entries {
                let Some(id) = object_of(&entry.key).filter(|_| !is_placeholder(&entry.value))
                else {
                    continue;
                };
                fresh.extend(self.known.meet(
                    id,
                    &entry.value,
                    entry.create_revision,
                    entry.mod_revision,
                ));
            }
            if fresh.is_empty() {
                continue;
            }
            let judge = self.judge.clone();
            under_way.push_back(tokio::spawn(async move { judge_all(&judge, fresh).await }));
            if under_way.len() >= UNDER_WAY
                && let Some(oldest) = under_way.pop_front()
            {
                self.finish(oldest.await.ok().flatten().ok_or_else(lost)?, &mut done);
            }
        }
        for page in under_way {
            self.finish(page.await.ok().flatten().ok_or_else(lost)?, &mut done);
        }
        Ok((revision, done))
    }

    /// Hands the values to the journal, so that they need not be held until the listing is complete.
    fn finish(&self, page: Vec<Judged>, done: &mut Vec<Done>) {
        for Judged {
            fresh,
            hash,
            verdict,
        } in page
        {
            let Fresh {
                id,
                value,
                mod_revision,
                recreated,
            } = fresh;
            let recreated_bad = recreated && verdict.is_err();
            if recreated_bad {
                self.journal.gone(key_of(&id));
            }
            self.journal
                .judged(key_of(&id), mod_revision, value, verdict.is_ok());
            done.push(Done {
                id,
                mod_revision,
                hash,
                recreated_bad,
                verdict,
            });
        }
    }
}

/// A judged value without its bytes.
struct Done {
    id: super::known::Id,
    mod_revision: u64,
    hash: u64,
    recreated_bad: bool,
    verdict: Result<crate::object::Object, crate::rejection::Refusal>,
}
