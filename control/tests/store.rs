//! The etcd store and synchronising with it, against real etcds: what a cluster's nodes meet in a bad week.
//! Needs `etcd` and `etcdctl` (3.4 or later) in the path.

// Helpers of tests panic as tests do; a scenario reads best in one piece.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::too_many_lines,
    missing_docs
)]

#[path = "store/etcd.rs"]
mod etcd;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use control::object::Kind;
use control::seal::Keyring;
use control::snapshot::Snapshot;
use control::store::{EtcdOptions, EtcdStore, Expect, Store, StoreError, Written};
use control::sync::{self, Status, SyncOptions};
use control::tickets;
use etcd::Etcd;

const GOOD: &str = r#"{"type":"roundrobin","nodes":{"127.0.0.1:80":1}}"#;
const BAD: &str = r#"{"type":"nonsense","nodes":{"127.0.0.1:80":1}}"#;
const LONG: Duration = Duration::from_secs(30);

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
        let live = sync::start(options).await;
        Self {
            snapshot: live.snapshot,
            status: live.status,
            task: tokio::spawn(live.follower.run()),
        }
    }

    async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    async fn at(&self, revision: u64) -> Arc<Snapshot> {
        assert!(
            self.status.wait_applied(revision, LONG).await,
            "revision {revision} is not applied"
        );
        self.snapshot.load_full()
    }
}

/// Polls until `holds` does.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds().await {
        assert!(Instant::now() < deadline, "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn store_at(endpoint: String) -> Arc<Store> {
    store_with(EtcdOptions {
        endpoints: vec![endpoint],
        prefix: "/apisix".into(),
        ..EtcdOptions::default()
    })
    .await
}

async fn store_with(options: EtcdOptions) -> Arc<Store> {
    Arc::new(Store::Etcd(EtcdStore::new(options).await.unwrap()))
}

async fn put(store: &Store, key: &str, value: &str) -> u64 {
    let mut revision = 0;
    let value = Bytes::copy_from_slice(value.as_bytes());
    until("put", async || {
        match store.put(key, value.clone(), Expect::Any, None).await {
            Ok(Written::At(at)) => {
                revision = at;
                true
            }
            _ => false,
        }
    })
    .await;
    revision
}

#[tokio::test]
async fn lists_swaps_watches_and_leases() {
    let etcd = Etcd::start(&[]);
    let store = store_at(etcd.endpoint()).await;
    etcd.ctl(&["put", "/apisix-nodes/n1", "not below the prefix"]);
    etcd.ctl(&["put", "/apisix", "nor this"]);
    let first = put(&store, "ssls/1", "one").await;
    let value = Bytes::from_static(b"two");
    assert_eq!(
        store
            .put("ssls/1", value.clone(), Expect::Absent, None)
            .await
            .unwrap(),
        Written::Conflict
    );
    assert_eq!(
        store
            .put("ssls/1", value.clone(), Expect::Revision(first + 7), None)
            .await
            .unwrap(),
        Written::Conflict
    );
    let mut watch = store.watch(first).await.unwrap();
    assert_eq!(
        store
            .put("ssls/1", value, Expect::Revision(first), None)
            .await
            .unwrap(),
        Written::At(first + 1)
    );
    let entry = store.get("ssls/1").await.unwrap().unwrap();
    assert_eq!(
        (&entry.value[..], entry.create_revision, entry.mod_revision),
        (&b"two"[..], first, first + 1)
    );
    assert_eq!(
        store.delete("ssls/none", Expect::Any).await.unwrap(),
        Written::Conflict
    );
    let ttl = Some(Duration::from_secs(1));
    store
        .put("ssls/leased", Bytes::from_static(b"x"), Expect::Absent, ttl)
        .await
        .unwrap();
    let listing = store.list().await.unwrap();
    assert_eq!(
        listing
            .entries
            .iter()
            .map(|e| e.key.as_str())
            .collect::<Vec<_>>(),
        ["ssls/1", "ssls/leased"]
    );
    until("the lease ends", async || {
        store.get("ssls/leased").await.unwrap().is_none()
    })
    .await;
    let mut seen = Vec::new();
    while seen.len() < 4 {
        let batch = tokio::time::timeout(LONG, watch.next())
            .await
            .unwrap()
            .unwrap();
        seen.extend(
            batch
                .events
                .into_iter()
                .map(|e| (e.key, e.value.map(|v| v.to_vec()))),
        );
    }
    let text =
        |key: &str, value: Option<&str>| (key.to_owned(), value.map(|v| v.as_bytes().to_vec()));
    let expected = [
        ("ssls/1", Some("one")),
        ("ssls/1", Some("two")),
        ("ssls/leased", Some("x")),
        ("ssls/leased", None),
    ];
    assert_eq!(seen, expected.map(|(k, v)| text(k, v)));
}

#[tokio::test]
async fn long_listings_come_in_pages_of_one_revision() {
    let etcd = Etcd::start(&[]);
    let store = store_at(etcd.endpoint()).await;
    let mut script = String::new();
    for batch in 0..25 {
        let puts = (0..100).map(|i| {
            format!(
                "put /apisix/upstreams/{} {}\n",
                batch * 100 + i,
                "x".repeat(300)
            )
        });
        script.push_str(&format!("\n{}\n\n", puts.collect::<String>()));
        etcd.txn(&std::mem::take(&mut script));
    }
    let mut pages = store.pages();
    let first = pages.next().await.unwrap().unwrap();
    assert_eq!(first.entries.len(), 1000);
    put(&store, "upstreams/9999", "later").await;
    let mut count = first.entries.len();
    while let Some(page) = pages.next().await.unwrap() {
        assert_eq!(page.revision, first.revision);
        count += page.entries.len();
    }
    assert_eq!(count, 2500);
    // One revision is in one batch, however many events it has.
    let mut watch = store.watch(first.revision).await.unwrap();
    let batch = tokio::time::timeout(LONG, watch.next())
        .await
        .unwrap()
        .unwrap();
    let whole = batch
        .events
        .iter()
        .filter(|e| e.mod_revision == first.revision);
    assert_eq!(whole.count(), 100);
}

#[tokio::test]
async fn compaction_is_noticed_and_reconciled() {
    let mut etcd = Etcd::start(&[]);
    let data = tempfile::tempdir().unwrap();
    let store = store_at(etcd.endpoint()).await;
    put(&store, "upstreams/kept", GOOD).await;
    put(&store, "upstreams/gone", GOOD).await;
    let bad = put(&store, "upstreams/kept", BAD).await;
    let node = Node::start(data.path(), store.clone()).await;
    node.at(bad).await;
    // It never had a good one in this node's sight.
    assert!(!node.snapshot.load().holds(Kind::Upstream, "kept"));
    let revision = put(&store, "upstreams/kept", GOOD).await;
    node.at(revision).await;
    node.stop().await;
    store.delete("upstreams/gone", Expect::Any).await.unwrap();
    let last = put(&store, "upstreams/kept", BAD).await;
    etcd.ctl(&["compact", &last.to_string()]);
    assert!(matches!(watch_error(&store, 2).await, StoreError::Compacted(at) if at == last));
    // A node that comes back finds its place compacted away.
    let node = Node::start(data.path(), store.clone()).await;
    let snapshot = node.at(last).await;
    assert!(snapshot.holds(Kind::Upstream, "kept") && !snapshot.holds(Kind::Upstream, "gone"));
    assert_eq!(snapshot.rejections().count(), 1);
    // And so does one that was cut off while it ran.
    etcd.kill();
    until("the loss is seen", async || !node.status.store_connected()).await;
    etcd.run_again();
    let other = store_at(etcd.endpoint()).await;
    let last = put(&other, "upstreams/new", GOOD).await;
    assert!(node.at(last).await.holds(Kind::Upstream, "new"));
}

async fn watch_error(store: &Store, from: u64) -> StoreError {
    match store.watch(from).await {
        Err(error) => error,
        Ok(mut watch) => loop {
            if let Err(error) = tokio::time::timeout(LONG, watch.next()).await.unwrap() {
                return error;
            }
        },
    }
}

#[tokio::test]
async fn nothing_is_lost_across_restarts_and_the_last_good_copy_bridges_them() {
    let mut etcd = Etcd::start(&[]);
    let data = tempfile::tempdir().unwrap();
    let store = store_at(etcd.endpoint()).await;
    let node = Node::start(data.path(), store.clone()).await;
    let mut last = 0;
    for round in 0..3 {
        last = put(&store, &format!("upstreams/{round}"), GOOD).await;
        etcd.kill();
        etcd.run_again();
        put(&store, &format!("upstreams/{round}-again"), GOOD).await;
        last = last.max(put(&store, &format!("upstreams/{round}-more"), GOOD).await);
    }
    assert_eq!(node.at(last).await.count(Kind::Upstream), 9);
    assert!(node.status.store_connected());
    node.stop().await;
    etcd.kill();
    let node = Node::start(data.path(), store).await;
    assert!(node.status.ready());
    assert_eq!(node.snapshot.load().count(Kind::Upstream), 9);
}

#[tokio::test]
async fn a_stopped_etcd_hangs_nothing() {
    let etcd = Etcd::start(&[]);
    let data = tempfile::tempdir().unwrap();
    let store = store_at(etcd.endpoint()).await;
    let node = Node::start(data.path(), store.clone()).await;
    let revision = put(&store, "upstreams/1", GOOD).await;
    node.at(revision).await;
    etcd.signal("-STOP");
    let begun = Instant::now();
    let error = store.get("upstreams/1").await.unwrap_err();
    assert!(
        begun.elapsed() < Duration::from_secs(7),
        "{:?}",
        begun.elapsed()
    );
    assert!(error.to_string().contains(&etcd.endpoint()), "{error}");
    until("the loss is seen", async || !node.status.store_connected()).await;
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    assert!(node.snapshot.load().holds(Kind::Upstream, "1"));
    etcd.signal("-CONT");
    let revision = put(&store, "upstreams/2", GOOD).await;
    assert!(node.at(revision).await.holds(Kind::Upstream, "2"));
}

#[tokio::test]
async fn a_store_restored_to_an_older_state_is_followed() {
    let mut etcd = Etcd::start(&[]);
    let data = tempfile::tempdir().unwrap();
    let store = store_at(etcd.endpoint()).await;
    let node = Node::start(data.path(), store.clone()).await;
    put(&store, "upstreams/old", GOOD).await;
    let backup = data.path().join("backup");
    etcd.ctl(&["snapshot", "save", backup.to_str().unwrap()]);
    for i in 0..20 {
        put(&store, &format!("upstreams/{i}"), GOOD).await;
    }
    let last = store.delete("upstreams/old", Expect::Any).await.unwrap();
    let Written::At(last) = last else {
        panic!("deleted")
    };
    assert_eq!(node.at(last).await.count(Kind::Upstream), 20);
    etcd.kill();
    etcd.restore(&backup);
    etcd.run_again();
    until("the older state is served", async || {
        let snapshot = node.snapshot.load();
        snapshot.count(Kind::Upstream) == 1
            && snapshot.holds(Kind::Upstream, "old")
            && snapshot.revision() < last
    })
    .await;
    let revision = put(&store, "upstreams/new", GOOD).await;
    until("the new history goes on", async || {
        node.snapshot.load().revision() >= revision
    })
    .await;
    assert!(node.snapshot.load().holds(Kind::Upstream, "new"));
}

#[tokio::test]
async fn users_sign_in_and_again_when_the_token_ends() {
    let etcd = Etcd::start(&["--auth-token-ttl", "2"]);
    for command in [
        "user add root:secret-of-root",
        "user grant-role root root",
        "auth enable",
    ] {
        etcd.ctl(&command.split(' ').collect::<Vec<_>>());
    }
    let with = |password: &str| EtcdOptions {
        endpoints: vec![etcd.endpoint()],
        prefix: "/apisix".into(),
        user: Some(("root".into(), password.into())),
        ..EtcdOptions::default()
    };
    let error = store_with(with("wrong-secret"))
        .await
        .list()
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("authentication failed")
            && !error.to_string().contains("secret"),
        "{error}"
    );
    let error = store_at(etcd.endpoint()).await.list().await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    let data = tempfile::tempdir().unwrap();
    let store = store_with(with("secret-of-root")).await;
    let node = Node::start(data.path(), store.clone()).await;
    let revision = put(&store, "upstreams/1", GOOD).await;
    node.at(revision).await;
    // Past the token's life, and with a watch that has to be opened anew.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(store.get("upstreams/1").await.unwrap().is_some());
    let mut watch = store.watch(revision).await.unwrap();
    assert_eq!(watch.next().await.unwrap().events[0].key, "upstreams/1");
    // A lease that is renewed past the token's life, and its keys.
    let beside = store.beside("-nodes");
    let lease = beside.lease(Duration::from_secs(5)).await.unwrap();
    for round in ["1", "2", "3"] {
        lease.put("a", round.into(), Expect::Any).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert!(lease.renew().await.unwrap(), "round {round}");
    }
    assert_eq!(&*beside.get("a").await.unwrap().unwrap().value, b"3");
    lease.revoke().await.unwrap();
    assert!(beside.list().await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn what_lies_beside_is_apart_and_goes_with_its_lease() {
    let etcd = Etcd::start(&[]);
    let store = store_at(etcd.endpoint()).await;
    let beside = store.beside("-nodes");
    let from = put(&store, "upstreams/1", GOOD).await;
    let mut seen = store.watch(from + 1).await.unwrap();
    let lease = beside.lease(Duration::from_secs(5)).await.unwrap();
    for key in ["a", "b"] {
        let put = lease.put(key, "x".into(), Expect::Absent).await.unwrap();
        assert!(matches!(put, Written::At(_)));
    }
    let again = lease.put("a", "x".into(), Expect::Absent).await.unwrap();
    assert_eq!(again, Written::Conflict);
    assert!(lease.renew().await.unwrap());
    let keys = async |store: &Store| -> Vec<String> {
        let listing = store.list().await.unwrap();
        listing.entries.into_iter().map(|e| e.key).collect()
    };
    assert_eq!(keys(&beside).await, ["a", "b"]);
    assert_eq!(keys(&store).await, ["upstreams/1"]);
    etcd.ctl(&["get", "/apisix-nodes/a"]);
    // Under another lease a key outlives its first.
    let other = beside.lease(Duration::from_secs(2)).await.unwrap();
    other.put("b", "y".into(), Expect::Any).await.unwrap();
    lease.revoke().await.unwrap();
    assert_eq!(keys(&beside).await, ["b"]);
    until("the other runs out", async || {
        keys(&beside).await.is_empty()
    })
    .await;
    assert!(!other.renew().await.unwrap());
    assert!(other.put("b", "y".into(), Expect::Any).await.is_err());
    put(&store, "upstreams/2", GOOD).await;
    let batch = seen.next().await.unwrap();
    assert_eq!(batch.events.len(), 1, "a watch sees its own prefix alone");
    assert_eq!(batch.events[0].key, "upstreams/2");
}

#[tokio::test]
async fn ticket_keys_are_the_same_on_every_router() {
    let etcd = Etcd::start(&[]);
    let keyring = Keyring::parse("the keyring of the whole cluster").unwrap();
    let mut rings = Vec::new();
    for _ in 0..3 {
        let (to, ring) = tokio::sync::watch::channel(Vec::new());
        let (store, keyring) = (store_at(etcd.endpoint()).await, keyring.clone());
        tokio::spawn(async move {
            let install = move |secrets: Vec<tickets::TicketSecret>| {
                to.send_replace(secrets.iter().map(|s| *s.bytes()).collect());
            };
            tickets::run(&store, keyring, install).await;
        });
        rings.push(ring);
    }
    let agreed = async |not: &[[u8; 32]]| {
        let mut found = Vec::new();
        until("all have one and the same key", async || {
            found = rings[0].borrow().clone();
            found.len() == 1 && found != not && rings.iter().all(|ring| *ring.borrow() == found)
        })
        .await;
        found
    };
    let first = agreed(&[]).await;
    let store = store_at(etcd.endpoint()).await.beside("-tickets");
    let document = store.get("keys").await.unwrap().unwrap().value;
    assert!(!document.windows(32).any(|window| window == first[0]));
    // Deleted: there is another one.
    store.delete("keys", Expect::Any).await.unwrap();
    agreed(&first).await;
}

#[tokio::test]
async fn tls_with_client_certificates() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let pki = tempfile::tempdir().unwrap();
    let (ca, client) = etcd::make_pki(pki.path());
    let etcd = Etcd::start_tls(pki.path());
    let options = EtcdOptions {
        endpoints: vec![etcd.endpoint()],
        tls: true,
        prefix: "/apisix".into(),
        ca_pem: Some(ca.clone()),
        identity_pem: Some(client),
        user: None,
    };
    let store = store_with(options.clone()).await;
    let revision = put(&store, "upstreams/1", GOOD).await;
    assert_eq!(store.list().await.unwrap().revision, revision);
    let nobody = store_with(EtcdOptions {
        identity_pem: None,
        ..options.clone()
    })
    .await;
    assert!(matches!(
        nobody.list().await.unwrap_err(),
        StoreError::Unavailable(_)
    ));
    let strangers = store_with(EtcdOptions {
        ca_pem: None,
        ..options.clone()
    })
    .await;
    let error = strangers.list().await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let broken = EtcdOptions {
        identity_pem: Some((b"no".to_vec(), b"pem".to_vec())),
        ..options
    };
    assert!(EtcdStore::new(broken).await.is_err());
}

#[tokio::test]
async fn an_etcd_that_comes_late_is_found() {
    let mut etcd = Etcd::start(&[]);
    // Listening comes before the first member is written down; a kill in between would leave a cluster of none.
    put(&*store_at(etcd.endpoint()).await, "upstreams/0", GOOD).await;
    etcd.kill();
    let data = tempfile::tempdir().unwrap();
    let store = store_at(etcd.endpoint()).await;
    let node = Node::start(data.path(), store.clone()).await;
    let error = store.list().await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(!node.status.ready());
    etcd.run_again();
    if !node.status.wait_applied(1, LONG).await {
        panic!("not ready: {:?}", store.list().await);
    }
    let revision = put(&store, "upstreams/1", GOOD).await;
    let begun = Instant::now();
    node.at(revision).await;
    assert!(
        begun.elapsed() < Duration::from_millis(100),
        "{:?}",
        begun.elapsed()
    );
}
