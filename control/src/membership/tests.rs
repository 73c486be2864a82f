//! One node beside an embedded store: what its entry says, and what becomes of other entries. What needs leases that run
//! out is tested with a real etcd.

use super::*;
use crate::seal::{Keyring, Sealer};
use crate::store::{EmbeddedStore, Expect, Written};
use crate::sync::{self, SyncOptions};

const SOON: Duration = Duration::from_secs(10);

struct Node {
    store: Arc<Store>,
    snapshot: Arc<ArcSwap<Snapshot>>,
    members: Members,
    presence: Presence,
    _dir: tempfile::TempDir,
}

impl Node {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keyring = Keyring::default();
        let sealer = Sealer::for_dir(dir.path(), &keyring).unwrap();
        let store = Arc::new(Store::Embedded(
            EmbeddedStore::open(dir.path(), &sealer).unwrap(),
        ));
        let live = sync::start(SyncOptions {
            data_dir: dir.path().to_owned(),
            keyring,
            store: store.clone(),
            env: Box::new(|_| None),
            on_apply: Box::new(|_| {}),
        })
        .await;
        let serving = Serving {
            snapshot: live.snapshot.clone(),
            status: live.status.clone(),
            data_dir: dir.path().to_owned(),
        };
        tokio::spawn(live.follower.run());
        let joined = join(&store, me("a"), serving).await;
        tokio::spawn(joined.registrar.run());
        Self {
            store,
            snapshot: live.snapshot,
            members: joined.members,
            presence: joined.presence,
            _dir: dir,
        }
    }

    /// The members once they are as asked for.
    async fn wait(&self, what: &str, holds: impl Fn(&[Arc<Member>]) -> bool) -> Vec<Arc<Member>> {
        let mut members = self.members.clone();
        let found = tokio::time::timeout(SOON, members.wait_for(|members| holds(members))).await;
        found
            .unwrap_or_else(|_| panic!("{what}: {:?}", self.members.borrow()))
            .unwrap()
            .to_vec()
    }

    async fn put_entry(&self, id: &str, value: String) {
        let entries = self.store.beside(BESIDE);
        let put = entries.put(id, value.into(), Expect::Any, None);
        assert!(matches!(put.await.unwrap(), Written::At(_)));
    }
}

fn me(id: &str) -> Me {
    Me {
        id: id.to_owned(),
        roles: vec!["router".to_owned(), "processor".to_owned()],
        version: "1.2.3".to_owned(),
        addresses: [("hop".to_owned(), "h:9444".to_owned())].into(),
        started: "2030-01-01T00:00:00.5Z".to_owned(),
    }
}

fn member<'a>(members: &'a [Arc<Member>], id: &str) -> Option<&'a Arc<Member>> {
    members.iter().find(|member| member.id == id)
}

#[tokio::test]
async fn a_node_reports_what_it_applied_and_refused_until_it_leaves() {
    let node = Node::start().await;
    let members = node
        .wait("it is there", |m| {
            member(m, "a").is_some_and(|a| a.applied_revision == 1)
        })
        .await;
    let entry = &members[0];
    assert_eq!(
        (entry.version.as_str(), &*entry.addresses["hop"]),
        ("1.2.3", "h:9444")
    );
    let bad = node
        .store
        .put("upstreams/1", "{}".into(), Expect::Any, None);
    let Written::At(revision) = bad.await.unwrap() else {
        panic!("a conflict")
    };
    let members = node
        .wait("the refusal is reported", |m| {
            m[0].applied_revision == revision
        })
        .await;
    assert_eq!(members[0].rejected_total, 1);
    assert_eq!(
        (
            members[0].rejected[0].key.as_str(),
            members[0].rejected[0].revision
        ),
        ("upstreams/1", revision)
    );
    assert!(
        node.snapshot
            .load()
            .rejections()
            .eq(members[0].rejected.iter())
    );
    node.presence.drain();
    node.wait("it is leaving", |m| m[0].state() == MemberState::Leaving)
        .await;
    assert!(node.presence.leave().await && node.presence.leave().await);
    node.wait("it has left", <[_]>::is_empty).await;
}

#[tokio::test]
async fn others_come_leave_and_run_out() {
    let node = Node::start().await;
    let entries = node.store.beside(BESIDE);
    for id in ["b", "c"] {
        node.put_entry(id, format!(r#"{{"id":"{id}","roles":["processor"]}}"#))
            .await;
    }
    node.put_entry("broken", "{".to_owned()).await;
    node.wait("all are there", |m| m.len() == 3).await;
    node.put_entry("b", r#"{"id":"b","leaving":true}"#.to_owned())
        .await;
    entries.delete("b", Expect::Any).await.unwrap();
    entries.delete("c", Expect::Any).await.unwrap();
    let members = node
        .wait("one has left, one has run out", |m| {
            member(m, "b").is_none()
                && member(m, "c").is_some_and(|c| c.state() == MemberState::Gone)
        })
        .await;
    assert_eq!(
        member(&members, "c").unwrap().roles,
        ["processor"],
        "it can still be asked"
    );
    node.put_entry("c", r#"{"id":"c"}"#.to_owned()).await;
    node.wait("it is back", |m| {
        member(m, "c").is_some_and(|c| c.state() == MemberState::Alive)
    })
    .await;
}

#[tokio::test]
async fn what_ran_out_is_forgotten_in_the_end() {
    let store = Arc::new(Store::Memory(crate::store::MemoryStore::default()));
    let (news, _kept) = mpsc::channel(NEWS);
    let known = Member {
        id: "b".to_owned(),
        ..Member::default()
    };
    let (mut follower, members) = Follower::new(store, &me("a"), news, (None, vec![known]));
    let state = |m: &Members| m.borrow().first().map(|b| b.state());
    assert_eq!(
        state(&members),
        Some(MemberState::Alive),
        "nobody has said otherwise"
    );
    drop(follower.open().await.unwrap());
    assert_eq!(state(&members), Some(MemberState::Gone));
    let since = members.borrow()[0].gone_since.unwrap();
    follower.forget(since + FORGET_AFTER - Duration::from_millis(1));
    follower.publish().await;
    assert_eq!(state(&members), Some(MemberState::Gone));
    follower.forget(since + FORGET_AFTER);
    follower.publish().await;
    assert_eq!(state(&members), None);
}

#[tokio::test]
async fn many_changes_are_few_publications() {
    let store = Arc::new(Store::Memory(crate::store::MemoryStore::default()));
    let (news, _kept) = mpsc::channel(NEWS);
    let known = (None, Vec::new());
    let (follower, mut members) = Follower::new(store.clone(), &me("a"), news, known);
    tokio::spawn(follower.run());
    let published = tokio::spawn(async move {
        let mut times = 0;
        while members.borrow_and_update().len() < 200 {
            members.changed().await.unwrap();
            times += 1;
        }
        times
    });
    for n in 0..200 {
        let (id, entry) = (n.to_string(), format!(r#"{{"id":"{n}"}}"#));
        let put = store.put(&id, entry.into(), Expect::Any, None);
        put.await.unwrap();
        for _ in 0..9 {
            tokio::task::yield_now().await;
        }
    }
    assert!(published.await.unwrap() < 100);
}

#[tokio::test]
async fn an_entry_that_somebody_deletes_or_overwrites_is_put_back() {
    let node = Node::start().await;
    let ours = |m: &[Arc<Member>]| {
        m.first()
            .is_some_and(|a| a.started == me("a").started && a.state() == MemberState::Alive)
    };
    node.wait("it is there", ours).await;
    let entries = node.store.beside(BESIDE);
    entries.delete("a", Expect::Any).await.unwrap();
    node.wait("it is gone", |m| m[0].state() == MemberState::Gone)
        .await;
    node.wait("it is back", ours).await;
    node.put_entry("a", r#"{"id":"a","started":"before"}"#.to_owned())
        .await;
    node.wait("another took it", |m| m[0].started == "before")
        .await;
    node.wait("it is taken back", ours).await;
}

#[tokio::test]
async fn the_last_known_set_is_kept_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sub").join(file::NAME);
    assert!(file::load(Some(path.clone())).await.is_empty());
    let member = Member {
        id: "b".to_owned(),
        roles: vec!["processor".to_owned()],
        addresses: [("hop".to_owned(), "h:1".to_owned())].into(),
        ..Member::default()
    };
    let reporting = Member {
        applied_revision: 7,
        ..member.clone()
    };
    let text = file::text([&Arc::new(reporting)].into_iter());
    assert_eq!(
        text,
        file::text([&Arc::new(member.clone())].into_iter()),
        "not with every revision"
    );
    file::save(path.clone(), text).await;
    assert_eq!(file::load(Some(path.clone())).await, [member]);
    std::fs::write(&path, "no JSON").unwrap();
    assert!(file::load(Some(path)).await.is_empty());
}
