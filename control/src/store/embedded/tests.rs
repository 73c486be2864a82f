//! The embedded store against a model, against torn files, and its leases and watches.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::seal::Keyring;
use crate::store::Event;

fn open(dir: &Path) -> EmbeddedStore {
    EmbeddedStore::open(dir, &Sealer::for_dir(dir, &Keyring::default()).unwrap()).unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

async fn put(store: &EmbeddedStore, key: &str, value: &str) -> u64 {
    match store
        .put(
            key,
            Bytes::copy_from_slice(value.as_bytes()),
            Expect::Any,
            None,
        )
        .await
        .unwrap()
    {
        Written::At(revision) => revision,
        Written::Conflict => panic!("an unconditional write does not conflict"),
    }
}

fn pairs(listing: &Listing) -> Vec<(String, String)> {
    let text = |e: &Entry| (e.key.clone(), String::from_utf8(e.value.to_vec()).unwrap());
    listing.entries.iter().map(text).collect()
}

#[test]
fn a_file_cut_anywhere_opens_as_it_was_after_some_write() {
    let dir = tempfile::tempdir().unwrap();
    let mut histories = vec![(0, Vec::new())];
    let path = dir.path().join(FILE);
    let store = open(dir.path());
    for i in 0..6 {
        run(async {
            if i == 4 {
                store.delete("k1", Expect::Any).await.unwrap();
            } else {
                put(&store, &format!("k{}", i % 3), &format!("v{i}")).await;
            }
            let listing = store.list().await.unwrap();
            histories.push((std::fs::metadata(&path).unwrap().len(), pairs(&listing)));
        });
    }
    drop(store);
    let whole = std::fs::read(&path).unwrap();
    assert!(!whole.windows(2).any(|w| w == b"v3"), "values are sealed");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let header = {
        let fresh = tempfile::tempdir().unwrap();
        drop(open(fresh.path()));
        std::fs::metadata(fresh.path().join(FILE)).unwrap().len()
    };
    for cut in header..=whole.len() as u64 {
        std::fs::write(&path, &whole[..cut as usize]).unwrap();
        let (_, expected) = histories.iter().rev().find(|(len, _)| *len <= cut).unwrap();
        assert_eq!(
            &pairs(&run(open(dir.path()).list()).unwrap()),
            expected,
            "cut at {cut}"
        );
    }
}

#[test]
fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path());
    let sealer = Sealer::for_dir(dir.path(), &Keyring::default()).unwrap();
    let error = EmbeddedStore::open(dir.path(), &sealer).unwrap_err();
    assert!(error.to_string().contains("in use"), "{error}");
}

#[test]
fn watches_replay_and_follow() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let store = open(dir.path());
        let first = put(&store, "a", "1").await;
        put(&store, "b", "2").await;
        let mut watch = store.watch(first + 1).await.unwrap();
        assert_eq!(watch.next().await.unwrap().events[0].key, "b");
        store.delete("a", Expect::Any).await.unwrap();
        let batch = watch.next().await.unwrap();
        let gone = Event {
            key: "a".into(),
            value: None,
            create_revision: 0,
            mod_revision: first + 2,
        };
        assert_eq!((batch.revision, batch.events), (first + 2, vec![gone]));
        assert_eq!(
            store.watch(first + 9).await.unwrap_err(),
            StoreError::WentBack(first + 2)
        );
    });
    // The history is in the file as long as it has not been rewritten.
    let store = open(dir.path());
    run(async {
        assert_eq!(
            store
                .watch(2)
                .await
                .unwrap()
                .next()
                .await
                .unwrap()
                .events
                .len(),
            3
        );
        assert_eq!(store.watch(1).await.unwrap_err(), StoreError::Compacted(2));
    });
}

#[test]
fn leases_end_also_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    run(async {
        let store = open(dir.path());
        let soon = Some(Duration::from_millis(60));
        store
            .put(
                "late",
                Bytes::from_static(b"x"),
                Expect::Any,
                Some(Duration::from_secs(3600)),
            )
            .await
            .unwrap();
        store
            .put("kept", Bytes::from_static(b"x"), Expect::Any, soon)
            .await
            .unwrap();
        put(&store, "kept", "without a lease").await;
        store
            .put("soon", Bytes::from_static(b"x"), Expect::Any, soon)
            .await
            .unwrap();
    });
    run(async {
        let store = open(dir.path());
        let revision = store.list().await.unwrap().revision;
        if store.get("soon").await.unwrap().is_some() {
            let mut watch = store.watch(revision + 1).await.unwrap();
            let batch = tokio::time::timeout(Duration::from_secs(10), watch.next())
                .await
                .unwrap()
                .unwrap();
            assert_eq!(
                (batch.events[0].key.as_str(), &batch.events[0].value),
                ("soon", &None)
            );
        }
        assert!(store.get("soon").await.unwrap().is_none());
        assert!(
            store.get("late").await.unwrap().is_some()
                && store.get("kept").await.unwrap().is_some()
        );
    });
}

#[test]
fn garbage_is_rewritten_away_and_the_history_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let big = "x".repeat(1 << 20);
    run(async {
        let store = open(dir.path());
        put(&store, "kept", "for ever").await;
        for _ in 0..12 {
            put(&store, "big", &big).await;
        }
    });
    assert!(std::fs::metadata(dir.path().join(FILE)).unwrap().len() < 7 << 20);
    run(async {
        let store = open(dir.path());
        let listing = store.list().await.unwrap();
        assert_eq!((listing.revision, listing.entries.len()), (14, 2));
        assert_eq!(
            (
                listing.entries[1].create_revision,
                listing.entries[1].mod_revision
            ),
            (2, 2)
        );
        assert!(matches!(
            store.watch(2).await.unwrap_err(),
            StoreError::Compacted(_)
        ));
    });
}

#[derive(Clone, Debug)]
enum Op {
    Put(u8, u8, Guard),
    Delete(u8, Guard),
    Reopen,
}

#[derive(Clone, Copy, Debug)]
enum Guard {
    Any,
    Absent,
    Current,
    Stale,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let guard = prop_oneof![
        Just(Guard::Any),
        Just(Guard::Absent),
        Just(Guard::Current),
        Just(Guard::Stale)
    ];
    let op = prop_oneof![
        6 => (0..4u8, any::<u8>(), guard.clone()).prop_map(|(k, v, g)| Op::Put(k, v, g)),
        3 => (0..4u8, guard).prop_map(|(k, g)| Op::Delete(k, g)),
        1 => Just(Op::Reopen),
    ];
    prop::collection::vec(op, 1..30)
}

/// Key to value, create revision, mod revision.
type Model = BTreeMap<String, (Vec<u8>, u64, u64)>;

fn expectation(model: &Model, key: &str, guard: Guard) -> (Expect, bool) {
    let current = model.get(key).map(|(_, _, revision)| *revision);
    match guard {
        Guard::Any => (Expect::Any, true),
        Guard::Absent => (Expect::Absent, current.is_none()),
        Guard::Current => (
            Expect::Revision(current.unwrap_or(77_777)),
            current.is_some(),
        ),
        Guard::Stale => (Expect::Revision(99_999), false),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn the_store_behaves_as_a_map_with_revisions(ops in ops()) {
        let dir = tempfile::tempdir().unwrap();
        run(async {
            let mut store = open(dir.path());
            let (mut model, mut revision, mut events) = (Model::new(), 1, Vec::new());
            for op in ops {
                match op {
                    Op::Reopen => {
                        drop(store);
                        store = open(dir.path());
                    }
                    Op::Put(key, value, guard) => {
                        let key = format!("k{key}");
                        let (expect, holds) = expectation(&model, &key, guard);
                        let written = store.put(&key, Bytes::from(vec![value]), expect, None).await.unwrap();
                        if holds {
                            revision += 1;
                            let create = model.get(&key).map_or(revision, |m| m.1);
                            model.insert(key.clone(), (vec![value], create, revision));
                            events.push((key, Some(vec![value]), revision));
                        }
                        assert_eq!(written, if holds { Written::At(revision) } else { Written::Conflict });
                    }
                    Op::Delete(key, guard) => {
                        let key = format!("k{key}");
                        let (expect, holds) = expectation(&model, &key, guard);
                        let holds = holds && model.remove(&key).is_some();
                        let written = store.delete(&key, expect).await.unwrap();
                        if holds {
                            revision += 1;
                            events.push((key, None, revision));
                        }
                        assert_eq!(written, if holds { Written::At(revision) } else { Written::Conflict });
                    }
                }
            }
            let listing = store.list().await.unwrap();
            assert_eq!(listing.revision, revision);
            let listed: Model = listing.entries.into_iter()
                .map(|e| (e.key, (e.value.to_vec(), e.create_revision, e.mod_revision))).collect();
            assert_eq!(&listed, &model);
            if !events.is_empty() {
                let replayed = store.watch(2).await.unwrap().next().await.unwrap();
                let replayed: Vec<_> = replayed.events.into_iter()
                    .map(|e| (e.key, e.value.map(|v| v.to_vec()), e.mod_revision)).collect();
                assert_eq!(replayed, events);
            }
        });
    }
}
