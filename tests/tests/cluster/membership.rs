//! Nodes' entries in a real etcd: leases that run out, a node that leaves, one that comes back under its id, an etcd that is
//! restarted and compacted, and one that asks for a password. Drives the `control` crate itself: what is tested is the store.

use std::sync::Arc;
use std::time::Duration;

use control::membership::{self, Me, Member, MemberState, Members, Presence, Serving};
use control::seal::Keyring;
use control::store::{EtcdOptions, EtcdStore, Store};
use control::sync::{self, SyncOptions};
use tokio::task::JoinHandle;

use cluster_tests::etcd::Etcd;
use cluster_tests::wait::{SOON, eventually};

/// A lease of 5 s, and etcd's own pace.
const RUN_OUT: Duration = Duration::from_secs(20);

struct Node {
    members: Members,
    presence: Presence,
    tasks: [JoinHandle<()>; 2],
    dir: tempfile::TempDir,
}

impl Node {
    async fn start(etcd: &Etcd, id: &str, started: &str, user: Option<(&str, &str)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::start_in(dir, etcd, (id, started), user).await
    }

    async fn start_in(
        dir: tempfile::TempDir,
        etcd: &Etcd,
        (id, started): (&str, &str),
        user: Option<(&str, &str)>,
    ) -> Self {
        let address = etcd.store();
        let (endpoint, prefix) = address
            .strip_prefix("etcd://")
            .and_then(|a| a.split_once('/'))
            .unwrap();
        let options = EtcdOptions {
            endpoints: vec![endpoint.to_owned()],
            prefix: format!("/{prefix}"),
            user: user.map(|(name, password)| (name.to_owned(), password.to_owned())),
            ..EtcdOptions::default()
        };
        let store = Arc::new(Store::Etcd(EtcdStore::new(options).await.unwrap()));
        let live = sync::start(SyncOptions {
            data_dir: dir.path().to_owned(),
            keyring: Keyring::default(),
            store: store.clone(),
            env: Box::new(|_| None),
            on_apply: Box::new(|_| {}),
        })
        .await;
        let me = Me {
            id: id.to_owned(),
            roles: vec!["processor".to_owned()],
            version: "1".to_owned(),
            addresses: [("hop".to_owned(), format!("{id}:9444"))].into(),
            started: started.to_owned(),
        };
        let serving = Serving {
            snapshot: live.snapshot,
            status: live.status,
            data_dir: dir.path().to_owned(),
        };
        let joined = membership::join(&store, me, serving).await;
        Self {
            members: joined.members,
            presence: joined.presence,
            tasks: [
                tokio::spawn(live.follower.run()),
                tokio::spawn(joined.registrar.run()),
            ],
            dir,
        }
    }

    async fn wait(&self, what: &str, holds: impl Fn(&[Arc<Member>]) -> bool) {
        let mut members = self.members.clone();
        let found = tokio::time::timeout(RUN_OUT, members.wait_for(|m| holds(m))).await;
        assert!(found.is_ok(), "{what}: {:?}", self.members.borrow());
    }

    /// As a crash: nothing is said, nothing renewed.
    async fn crash(self) -> tempfile::TempDir {
        for task in self.tasks {
            task.abort();
            let _ = task.await;
        }
        self.dir
    }
}

/// Whether these nodes, and no others, are there and have the state.
fn are(members: &[Arc<Member>], expected: &[(&str, MemberState)]) -> bool {
    members
        .iter()
        .map(|m| (m.id.as_str(), m.state()))
        .eq(expected.iter().copied())
}

use MemberState::{Alive, Gone};

#[tokio::test]
async fn an_entry_runs_out_with_its_node_and_goes_with_one_that_leaves() {
    let etcd = Etcd::start().await;
    let a = Node::start(&etcd, "a", "1", None).await;
    let b = Node::start(&etcd, "b", "1", None).await;
    let c = Node::start(&etcd, "c", "1", None).await;
    for node in [&a, &b, &c] {
        node.wait("all are there", |m| {
            are(m, &[("a", Alive), ("b", Alive), ("c", Alive)])
        })
        .await;
    }
    assert!(c.presence.leave().await);
    a.wait("c has left", |m| are(m, &[("a", Alive), ("b", Alive)]))
        .await;
    let said = etcd
        .ctl(&["get", "--prefix", "/apisix-nodes/", "--keys-only"])
        .await;
    assert_eq!(
        said.stdout.split_whitespace().collect::<Vec<_>>(),
        ["/apisix-nodes/a", "/apisix-nodes/b"]
    );
    b.crash().await;
    a.wait("b has run out, and can still be asked", |m| {
        are(m, &[("a", Alive), ("b", Gone)])
    })
    .await;
    let said = etcd.ctl(&["lease", "list"]).await;
    assert!(
        said.stdout.contains("found 1 lease"),
        "a's is renewed, the others are gone: {}",
        said.stdout
    );
}

#[tokio::test]
async fn a_node_that_comes_back_takes_its_entry_over() {
    let etcd = Etcd::start().await;
    let a = Node::start(&etcd, "a", "1", None).await;
    let before = Node::start(&etcd, "b", "1", None).await;
    a.wait("both are there", |m| are(m, &[("a", Alive), ("b", Alive)]))
        .await;
    before.crash().await;
    let b = Node::start(&etcd, "b", "2", None).await;
    a.wait("the new b is there", |m| {
        m.iter().any(|m| m.started == "2" && m.state() == Alive)
    })
    .await;
    eventually("the crashed one's lease runs out", RUN_OUT, || async {
        let said = etcd.ctl(&["lease", "list"]).await;
        if said.stdout.contains("found 2 lease") {
            Ok(())
        } else {
            Err(said.stdout)
        }
    })
    .await;
    assert!(are(&a.members.borrow(), &[("a", Alive), ("b", Alive)]));
    assert!(b.presence.leave().await);
    a.wait("it leaves as any other", |m| are(m, &[("a", Alive)]))
        .await;
}

#[tokio::test]
async fn the_known_set_outlives_etcd_a_compaction_and_a_restart() {
    let mut etcd = Etcd::start().await;
    let a = Node::start(&etcd, "a", "1", None).await;
    let b = Node::start(&etcd, "b", "1", None).await;
    let both = |m: &[Arc<Member>]| are(m, &[("a", Alive), ("b", Alive)]);
    a.wait("both are there", both).await;
    etcd.kill().await;
    let dir = a.crash().await;
    let a = Node::start_in(dir, &etcd, ("a", "2"), None).await;
    assert!(both(&a.members.borrow()), "read from disk");
    etcd.start_again().await;
    for n in 0..20 {
        etcd.put("/elsewhere", &n.to_string()).await;
    }
    etcd.compact().await;
    a.wait("the restarted one has registered", |m| {
        both(m) && m[0].started == "2"
    })
    .await;
    etcd.put(
        "/apisix-nodes/z",
        r#"{"id":"z","roles":["processor"],"from_the_future":true}"#,
    )
    .await;
    for node in [&a, &b] {
        node.wait("both follow again", |m| {
            are(m, &[("a", Alive), ("b", Alive), ("z", Alive)])
        })
        .await;
    }
    etcd.start_empty().await;
    let back = || async {
        let said = etcd
            .ctl(&["get", "--prefix", "/apisix-nodes/", "--keys-only"])
            .await;
        let keys: Vec<_> = said.stdout.split_whitespace().collect();
        if keys == ["/apisix-nodes/a", "/apisix-nodes/b"] {
            Ok(())
        } else {
            Err(said.stdout)
        }
    };
    eventually("both register in an empty etcd", RUN_OUT, back).await;
    a.wait("the third is missed", |m| {
        are(m, &[("a", Alive), ("b", Alive), ("z", Gone)])
    })
    .await;
}

#[tokio::test]
async fn with_a_password_as_without() {
    let mut etcd = Etcd::start().await;
    etcd.demand_password("correct horse").await;
    let user = Some(("root", "correct horse"));
    let a = Node::start(&etcd, "a", "1", user).await;
    a.wait("it is there", |m| are(m, &[("a", Alive)])).await;
    // A restart forgets all tokens: reads, renewals and writes need new ones.
    etcd.kill().await;
    etcd.start_again().await;
    etcd.delete("/apisix-nodes/a").await;
    eventually("it is back", SOON, || async {
        let said = etcd
            .ctl(&["get", "/apisix-nodes/a", "--print-value-only"])
            .await;
        if said.stdout.contains("\"started\":\"1\"") {
            Ok(())
        } else {
            Err(said.stdout)
        }
    })
    .await;
    assert!(a.presence.leave().await);
}
