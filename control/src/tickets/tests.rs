//! Nodes that share a document in memory, over simulated time.

use std::sync::{Arc, Mutex};

use super::*;
use crate::store::MemoryStore;

const START: u64 = 1_900_000_000;
const HOUR: u64 = 3600;

fn store() -> Store {
    Store::Memory(MemoryStore::default())
}

async fn get(store: &Store) -> crate::store::Entry {
    store.get(KEY).await.unwrap().unwrap()
}

async fn put(store: &Store, text: &str) {
    let text = Bytes::copy_from_slice(text.as_bytes());
    store.put(KEY, text, Expect::Any, None).await.unwrap();
}

/// What is installed; the first seals.
type Ring = Arc<Mutex<Vec<[u8; 32]>>>;

struct Node {
    shared: Shared<Box<dyn FnMut(Vec<TicketSecret>)>>,
    ring: Ring,
    /// How far its clock is ahead, in seconds.
    ahead: i64,
}

impl Node {
    fn new(store: &Store, keys: &str, ahead: i64) -> Self {
        let ring = Ring::default();
        let installed = ring.clone();
        let install = move |secrets: Vec<TicketSecret>| {
            *installed.lock().unwrap() = secrets.iter().map(|s| *s.bytes()).collect();
        };
        let store = store.beside(BESIDE);
        let keyring = Keyring::parse(keys).unwrap();
        let shared = Shared::new(store, keyring, Duration::ZERO, Box::new(install) as Box<_>);
        Self {
            shared,
            ring,
            ahead,
        }
    }

    /// What a watch would bring, and the clock.
    async fn at(&mut self, now: u64) {
        self.hear().await;
        self.act(now).await;
    }

    async fn hear(&mut self) {
        let found = self.shared.store.get(KEY).await.unwrap();
        self.shared
            .take(found.as_ref().map(|e| (&e.value, e.mod_revision)));
    }

    async fn act(&mut self, now: u64) {
        let now = now.saturating_add_signed(self.ahead);
        self.shared.settle(now).await.unwrap();
    }

    fn len(&self) -> usize {
        self.ring.lock().unwrap().len()
    }

    fn seals(&self) -> Option<[u8; 32]> {
        self.ring.lock().unwrap().first().copied()
    }

    fn opens(&self, key: [u8; 32]) -> bool {
        self.ring.lock().unwrap().contains(&key)
    }
}

const RING: &str = "the keyring of the whole cluster";

#[tokio::test]
async fn any_node_opens_what_any_other_seals_at_all_times() {
    let store = store();
    // A node may be a minute ahead, another a minute behind.
    let mut nodes = [
        Node::new(&store, RING, 0),
        Node::new(&store, RING, 60),
        Node::new(&store, RING, -60),
    ];
    let mut sealed = Vec::new();
    for now in (START..START + 40 * HOUR).step_by(20) {
        for node in &mut nodes {
            node.at(now).await;
        }
        // All have heard of what each did; their clocks have not moved.
        for node in &mut nodes {
            node.at(now).await;
        }
        for node in &nodes {
            let key = node.seals().unwrap();
            assert!(
                nodes.iter().all(|other| other.opens(key)),
                "at {}",
                now - START
            );
            if sealed.last().is_none_or(|(_, last)| *last != key) {
                sealed.push((now, key));
            }
        }
        // A ticket's whole life, but for the minutes by which clocks differ.
        for (at, key) in sealed.iter().filter(|(at, _)| now - at < 6 * HOUR - 300) {
            assert!(nodes.iter().all(|node| node.opens(*key)), "of {at}");
        }
    }
    let mut distinct: Vec<_> = sealed.iter().map(|(_, key)| *key).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), 7, "one each six hours");
    assert!(nodes[0].len() <= 3, "old ones go");
}

#[tokio::test]
async fn a_new_key_opens_before_it_seals() {
    let store = store();
    let (mut a, mut b) = (Node::new(&store, RING, 0), Node::new(&store, RING, 0));
    a.at(START).await;
    let first = a.seals().unwrap();
    b.at(START + 1).await;
    assert_eq!(b.seals(), Some(first), "the very first one at once");
    let due = START + 6 * HOUR;
    a.at(due - 1).await;
    assert_eq!(a.len(), 1);
    a.at(due).await;
    assert_eq!((a.len(), a.seals()), (2, Some(first)));
    b.at(due + 59).await;
    assert_eq!(b.seals(), Some(first));
    // Also with the store away.
    b.shared.install_at(due + 60);
    assert_ne!(b.seals(), Some(first));
    assert!(b.opens(first));
    b.shared.install_at(START + 30 * HOUR);
    assert_eq!(b.seals(), None, "nothing is sealed with a key for ever");
}

#[tokio::test]
async fn of_two_that_make_a_key_at_once_one_does() {
    let store = store();
    let (mut a, mut b) = (Node::new(&store, RING, 0), Node::new(&store, RING, 0));
    for now in [START, START + 7 * HOUR] {
        // Both have seen the same, and both find a key to be due.
        a.hear().await;
        b.hear().await;
        assert!(a.shared.next(now).is_some() && b.shared.next(now).is_some());
        a.act(now).await;
        b.act(now).await;
        assert_eq!(a.shared.revision, b.shared.revision);
        let ring = |node: &Node| node.ring.lock().unwrap().clone();
        assert_eq!(ring(&a), ring(&b));
    }
    assert_eq!(a.len(), 2);
}

#[tokio::test]
async fn what_another_keyring_sealed_is_left_alone() {
    let store = store();
    let mut a = Node::new(&store, RING, 0);
    a.at(START).await;
    let theirs = get(&store).await;
    let mut other = Node::new(&store, "the keyring of some other cluster", 0);
    other.at(START).await;
    other.at(START + 12 * HOUR).await;
    assert_eq!((other.seals(), get(&store).await), (None, theirs));
    assert_eq!(other.shared.unreadable, other.shared.revision);
    // Keyrings are rotated node by node: what the first key seals any key opens.
    let both = format!("the next keyring of the cluster\n{RING}");
    let mut b = Node::new(&store, &both, 0);
    b.at(START + 6 * HOUR).await;
    assert_eq!(b.len(), 2);
    a.at(START + 6 * HOUR).await;
    assert_eq!(a.len(), 1, "it goes on with what it can open");
    a.at(START + 13 * HOUR).await;
    assert_eq!(a.shared.revision, b.shared.revision, "and makes none");
    for broken in ["", "{", r#"{"keys":[{"id":"x"}]}"#] {
        put(&store, broken).await;
        b.at(START + 13 * HOUR).await;
        assert_eq!(
            (b.seals(), &*get(&store).await.value),
            (None, broken.as_bytes())
        );
    }
}

#[tokio::test]
async fn a_keyring_that_opens_nothing_is_followed_by_keys_of_its_own_in_the_end() {
    let store = store();
    Node::new(&store, RING, 0).at(START).await;
    let mut b = Node::new(&store, "the keyring that took its place", 0);
    b.at(START + 12 * HOUR).await;
    assert_eq!(b.seals(), None, "somebody may still need them");
    b.at(START + 13 * HOUR).await;
    assert_eq!(b.len(), 1, "no ticket does any more");
    // One that nobody opens and that is never old must not stop the change of keys.
    let text = String::from_utf8(get(&store).await.value.to_vec()).unwrap();
    let forged = r#",{"id":"x","made":18446744073709551615,"key":"x"}]}"#;
    put(&store, &text.replace("]}", forged)).await;
    let first = b.seals();
    b.at(START + 20 * HOUR).await;
    b.at(START + 20 * HOUR + 60).await;
    assert!(b.seals().is_some() && b.seals() != first);
}

#[tokio::test]
async fn a_key_cannot_be_given_another_age_and_no_secret_is_shown() {
    let store = store();
    let mut a = Node::new(&store, RING, 0);
    a.at(START).await;
    let text = String::from_utf8(get(&store).await.value.to_vec()).unwrap();
    let younger = text.replace(&START.to_string(), &(START + 1).to_string());
    put(&store, &younger).await;
    a.at(START).await;
    assert_eq!(a.seals(), None);
    let shown = format!("{:?}", TicketSecret([7; 32]));
    assert!(!shown.contains('7'));
}
