//! Synchronising with an embedded store: what is published, what is refused, what a restart brings back.

use std::path::Path;

use bytes::Bytes;

use super::*;
use crate::object::Kind;
use crate::store::{EmbeddedStore, EtcdOptions, EtcdStore, Expect};

const GOOD: &str = r#"{"type":"roundrobin","nodes":{"127.0.0.1:80":1}}"#;
const BAD: &str = r#"{"type":"nonsense","nodes":{"127.0.0.1:80":1}}"#;

struct Node {
    snapshot: Arc<ArcSwap<Snapshot>>,
    status: Arc<Status>,
    task: tokio::task::JoinHandle<()>,
}

impl Node {
    async fn start(data_dir: &Path, store: Arc<Store>) -> Self {
        let (data_dir, keyring) = (data_dir.to_owned(), Keyring::default());
        let options = SyncOptions {
            data_dir,
            keyring,
            store,
            env: Box::new(|_| None),
            on_apply: Box::new(|_| {}),
        };
        let Live {
            snapshot,
            status,
            follower,
            ..
        } = start(options).await;
        Self {
            snapshot,
            status,
            task: tokio::spawn(follower.run()),
        }
    }

    /// Ends it as a clean stop does: what the journal was told is on disk.
    async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    async fn at(&self, revision: u64) -> Arc<Snapshot> {
        assert!(
            self.status
                .wait_applied(revision, Duration::from_secs(10))
                .await,
            "revision {revision} is not applied"
        );
        self.snapshot.load_full()
    }
}

fn embedded(dir: &Path) -> Arc<Store> {
    let sealer = Sealer::for_dir(dir, &Keyring::default()).unwrap();
    Arc::new(Store::Embedded(EmbeddedStore::open(dir, &sealer).unwrap()))
}

/// An etcd that is never there.
async fn away() -> Arc<Store> {
    let options = EtcdOptions {
        endpoints: vec!["127.0.0.1:1".into()],
        prefix: "/apisix".into(),
        ..EtcdOptions::default()
    };
    Arc::new(Store::Etcd(EtcdStore::new(options).await.unwrap()))
}

async fn put(store: &Store, key: &str, value: impl Into<Bytes>) -> u64 {
    match store
        .put(key, value.into(), Expect::Any, None)
        .await
        .unwrap()
    {
        crate::store::Written::At(revision) => revision,
        crate::store::Written::Conflict => panic!("an unconditional write does not conflict"),
    }
}

fn rejected(snapshot: &Snapshot) -> Vec<(String, u64)> {
    snapshot
        .rejections()
        .map(|r| (r.key.clone(), r.revision))
        .collect()
}

#[tokio::test]
async fn an_empty_store_makes_ready_and_events_follow() {
    let dir = tempfile::tempdir().unwrap();
    let store = embedded(dir.path());
    let node = Node::start(dir.path(), store.clone()).await;
    node.at(1).await;
    assert!(node.status.ready() && node.status.store_connected());
    let revision = put(&store, "upstreams/1", GOOD).await;
    assert!(node.at(revision).await.holds(Kind::Upstream, "1"));
    store.delete("upstreams/1", Expect::Any).await.unwrap();
    assert!(!node.at(revision + 1).await.holds(Kind::Upstream, "1"));
    assert_eq!(node.status.applied(), node.snapshot.load().revision());
}

#[tokio::test]
async fn what_is_not_ours_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let store = embedded(dir.path());
    for key in [
        "upstreams/",
        "consumers/jack",
        "services/1/graphql_cost_decorations/2",
        "gen_id",
        "plugins",
    ] {
        put(&store, key, "init_dir").await;
    }
    put(&store, "upstreams/placeholder", "init_dir").await;
    let node = Node::start(dir.path(), store.clone()).await;
    let revision = put(&store, "ssls/", "init_dir").await;
    let snapshot = node.at(revision).await;
    assert!(rejected(&snapshot).is_empty());
    assert_eq!(Kind::ALL.map(|kind| snapshot.count(kind)), [0; 4]);
}

#[tokio::test]
async fn bad_values_are_refused_and_the_last_good_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = embedded(dir.path());
    let node = Node::start(dir.path(), store.clone()).await;
    put(&store, "upstreams/1", GOOD).await;
    for bad in [BAD, "not json at all", ""] {
        let revision = put(&store, "upstreams/1", bad).await;
        let snapshot = node.at(revision).await;
        assert!(snapshot.holds(Kind::Upstream, "1"));
        assert_eq!(rejected(&snapshot), [("upstreams/1".to_owned(), revision)]);
    }
    let revision = put(&store, "upstreams/1", GOOD).await;
    assert!(rejected(&*node.at(revision).await).is_empty());
    let a = put(&store, "upstreams/large", vec![b' '; (1 << 20) + 1]).await;
    let b = put(&store, "upstreams/not an id", GOOD).await;
    let snapshot = node.at(b).await;
    assert_eq!(
        rejected(&snapshot),
        [
            ("upstreams/large".to_owned(), a),
            ("upstreams/not an id".to_owned(), b)
        ]
    );
    assert_eq!(snapshot.count(Kind::Upstream), 1);
}

#[tokio::test]
async fn a_restart_without_the_store_serves_the_last_good_copy() {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = embedded(dir.path());
    let node = Node::start(data.path(), store.clone()).await;
    put(&store, "upstreams/1", GOOD).await;
    put(&store, "upstreams/gone", GOOD).await;
    store.delete("upstreams/gone", Expect::Any).await.unwrap();
    let bad = put(&store, "upstreams/1", BAD).await;
    let never_good = put(&store, "upstreams/2", BAD).await;
    node.at(never_good).await;
    node.stop().await;

    let node = Node::start(data.path(), away().await).await;
    assert!(node.status.ready() && !node.status.store_connected());
    let snapshot = node.snapshot.load_full();
    assert_eq!(snapshot.revision(), never_good);
    assert!(snapshot.holds(Kind::Upstream, "1") && !snapshot.holds(Kind::Upstream, "gone"));
    assert_eq!(
        rejected(&snapshot),
        [
            ("upstreams/1".to_owned(), bad),
            ("upstreams/2".to_owned(), never_good)
        ]
    );
    node.stop().await;

    // The store is back: the last good one survives the listing, what was deleted meanwhile does not.
    put(&store, "upstreams/3", GOOD).await;
    let revision = put(&store, "upstreams/4", GOOD).await;
    let node = Node::start(data.path(), store.clone()).await;
    let snapshot = node.at(revision).await;
    assert_eq!(snapshot.count(Kind::Upstream), 3);
    assert_eq!(rejected(&snapshot).len(), 2);
    node.stop().await;
    store.delete("upstreams/1", Expect::Any).await.unwrap();
    let revision = put(&store, "upstreams/1", BAD).await;
    let node = Node::start(data.path(), store.clone()).await;
    // Deleted and made again: the last good one is not that of the new object.
    assert!(!node.at(revision).await.holds(Kind::Upstream, "1"));
}

#[tokio::test]
async fn versions_are_those_served_across_listings_and_restarts() {
    const ROUTE: &str = r#"{"uri":"/*","upstream_id":"1"}"#;
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = embedded(dir.path());
    let route = put(&store, "routes/1", ROUTE).await;
    put(&store, "upstreams/1", GOOD).await;
    // Before the node starts, so that it is listed, and after, so that it is watched.
    let upstream = put(&store, "upstreams/1", GOOD).await;
    let node = Node::start(data.path(), store.clone()).await;
    node.at(upstream).await;
    put(&store, "routes/1", r#"{"uri":"/*","nonsense":1}"#).await;
    let closed = put(&store, "routes/2", r#"{"uri":"/x","nonsense":1}"#).await;
    let bad = put(&store, "upstreams/1", BAD).await;
    let expected = (Some(route), Some(closed), upstream);
    let versions = |s: &Snapshot| {
        let plan = s.depends_on(s.route_by_id("1").unwrap()).unwrap();
        (s.route_version("1"), s.route_version("2"), plan)
    };
    assert_eq!(versions(&*node.at(bad).await), expected);
    node.stop().await;
    let node = Node::start(data.path(), away().await).await;
    assert_eq!(versions(&node.snapshot.load()), expected);
    node.stop().await;
    let newest = put(&store, "upstreams/2", GOOD).await;
    let node = Node::start(data.path(), store.clone()).await;
    assert_eq!(versions(&*node.at(newest).await), expected);
    store.delete("routes/1", Expect::Any).await.unwrap();
    let again = put(&store, "routes/1", ROUTE).await;
    let snapshot = node.at(again).await;
    assert_eq!(versions(&snapshot), (Some(again), Some(closed), again));
}

#[tokio::test]
async fn an_unreadable_copy_is_set_aside() {
    let (dir, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = data.path().join("last-good.log");
    std::fs::write(&file, "somebody else's file, left here").unwrap();
    let store = embedded(dir.path());
    let revision = put(&store, "upstreams/1", GOOD).await;
    let node = Node::start(data.path(), store.clone()).await;
    node.at(revision).await;
    node.stop().await;
    assert!(data.path().join("last-good.log.unreadable").exists());
    let node = Node::start(data.path(), away().await).await;
    assert!(node.snapshot.load().holds(Kind::Upstream, "1"));
    node.stop().await;
    // A copy cut in the middle of its last batch is the batch before.
    let whole = std::fs::read(&file).unwrap();
    std::fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    let node = Node::start(data.path(), away().await).await;
    assert!(!node.status.ready() && !node.snapshot.load().holds(Kind::Upstream, "1"));
}

#[tokio::test]
async fn a_burst_is_applied_whole_and_a_lone_event_fast() {
    let dir = tempfile::tempdir().unwrap();
    let store = embedded(dir.path());
    let node = Node::start(dir.path(), store.clone()).await;
    node.at(1).await;
    let mut last = 0;
    for i in 0..200 {
        last = put(&store, &format!("upstreams/{i}"), GOOD).await;
    }
    assert_eq!(node.at(last).await.count(Kind::Upstream), 200);
    let mut best = Duration::MAX;
    for _ in 0..10 {
        let revision = put(&store, "upstreams/1", GOOD).await;
        let written = std::time::Instant::now();
        node.at(revision).await;
        best = best.min(written.elapsed());
        // Quiet again before the next one.
        let _ = tokio::time::timeout(Duration::from_millis(25), std::future::pending::<()>()).await;
    }
    assert!(best < Duration::from_millis(20), "{best:?}");
}
