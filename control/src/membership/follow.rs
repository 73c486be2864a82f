//! Everybody's entries: listed, watched, published as [`Members`]. A lost watch is answered with another listing, as the
//! entries are few.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::announce::News;
use super::{FORGET_AFTER, Me, Member, MemberState, Members, entry, file};
use crate::store::{Batch, Event, Listing, Store, StoreError, Watch};

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(2);
/// Between two publications: a change of the configuration makes every node of the cluster write its entry, and each
/// publication looks at all of them.
const GATHER: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Debug)]
pub(super) struct Follower {
    store: Arc<Store>,
    /// Our id and when we started.
    me: (String, String),
    news: mpsc::Sender<News>,
    members: BTreeMap<String, Arc<Member>>,
    to: watch::Sender<Arc<[Arc<Member>]>>,
    file: Option<PathBuf>,
    on_disk: Vec<u8>,
}

impl Follower {
    pub(super) fn new(
        store: Arc<Store>,
        me: &Me,
        news: mpsc::Sender<News>,
        (file, known): (Option<PathBuf>, Vec<Member>),
    ) -> (Self, Members) {
        let members: BTreeMap<_, _> = known
            .into_iter()
            .map(|member| (member.id.clone(), Arc::new(member)))
            .collect();
        let (to, published) = watch::channel(members.values().cloned().collect());
        let follower = Self {
            store,
            me: (me.id.clone(), me.started.clone()),
            news,
            on_disk: file::text(members.values()),
            members,
            to,
            file,
        };
        (follower, published)
    }

    /// Runs for ever.
    pub(super) async fn run(mut self) {
        let mut retry = FIRST_RETRY;
        loop {
            let error = match self.open().await {
                Ok(watch) => {
                    retry = FIRST_RETRY;
                    self.follow(watch).await
                }
                Err(error) => error,
            };
            tracing::debug!(%error, "the nodes' entries are listed again");
            tokio::time::sleep(retry.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            retry = (retry * 2).min(LAST_RETRY);
        }
    }

    pub(super) async fn open(&mut self) -> Result<Watch, StoreError> {
        let listing = self.store.list().await?;
        let from = listing.revision + 1;
        self.take_listing(listing);
        self.publish().await;
        self.store.watch(from).await
    }

    async fn follow(&mut self, mut watch: Watch) -> StoreError {
        let mut published = Instant::now();
        loop {
            let missing = self.members.values().filter_map(|m| m.gone_since).min();
            let forget_at = missing.map_or_else(Instant::now, |since| since + FORGET_AFTER);
            tokio::select! {
                batch = watch.next() => {
                    if let Err(error) = self.gather(batch, &mut watch, published + GATHER).await {
                        return error;
                    }
                }
                () = sleep_until(forget_at), if missing.is_some() => self.forget(Instant::now()),
            }
            self.publish().await;
            published = Instant::now();
        }
    }

    /// Takes a batch and what follows it before `until`.
    async fn gather(
        &mut self,
        first: Result<Batch, StoreError>,
        watch: &mut Watch,
        until: Instant,
    ) -> Result<(), StoreError> {
        let mut next = first;
        loop {
            next?.events.into_iter().for_each(|event| self.take(event));
            // Not left to the timeout alone: what is there already comes even when the time is over.
            if Instant::now() >= until {
                return Ok(());
            }
            match timeout_at(until, watch.next()).await {
                Ok(batch) => next = batch,
                Err(_) => return Ok(()),
            }
        }
    }

    fn take_listing(&mut self, listing: Listing) {
        let listed: BTreeMap<_, _> = listing
            .entries
            .into_iter()
            .map(|entry| (entry.key, (entry.value, entry.mod_revision)))
            .collect();
        let known: Vec<_> = self.members.keys().cloned().collect();
        for id in known.iter().filter(|id| !listed.contains_key(*id)) {
            self.vanish(id);
        }
        if !listed.contains_key(&self.me.0) {
            self.tell(News::Missing(listing.revision));
        }
        for (key, (value, revision)) in listed {
            self.put(&key, &value, revision);
        }
    }

    fn take(&mut self, event: Event) {
        match event.value {
            Some(value) => self.put(&event.key, &value, event.mod_revision),
            None => {
                if event.key == self.me.0 {
                    self.tell(News::Missing(event.mod_revision));
                }
                self.vanish(&event.key);
            }
        }
    }

    fn put(&mut self, key: &str, value: &[u8], revision: u64) {
        match entry::read(key, value) {
            Ok(member) => {
                if key == self.me.0 && member.started != self.me.1 {
                    self.tell(News::Overwritten(revision));
                }
                self.members.insert(member.id.clone(), Arc::new(member));
            }
            Err(why) => {
                tracing::warn!(key, revision, %why, "a node's entry cannot be read; passed over");
            }
        }
    }

    /// An entry is not there any more: its node has left, or its lease ran out.
    fn vanish(&mut self, id: &str) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        match member.state() {
            MemberState::Alive => Arc::make_mut(member).gone_since = Some(Instant::now()),
            MemberState::Leaving => drop(self.members.remove(id)),
            MemberState::Gone => {}
        }
    }

    pub(super) fn forget(&mut self, now: Instant) {
        self.members.retain(|_, member| {
            member
                .gone_since
                .is_none_or(|since| now < since + FORGET_AFTER)
        });
    }

    fn tell(&self, news: News) {
        // If the announcer does not keep up it has older news of the same kind to act on.
        let _ = self.news.try_send(news);
    }

    pub(super) async fn publish(&mut self) {
        let members: Arc<[_]> = self.members.values().cloned().collect();
        self.to.send_if_modified(|old| {
            let changed = **old != *members;
            if changed {
                *old = members;
            }
            changed
        });
        let Some(path) = &self.file else { return };
        let text = file::text(self.members.values());
        if text != self.on_disk {
            file::save(path.clone(), text.clone()).await;
            self.on_disk = text;
        }
    }
}
