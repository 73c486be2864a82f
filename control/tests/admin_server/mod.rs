//! An Admin API on a free port over an embedded store, and a client that sends exactly the bytes it is given.

use std::sync::Arc;

use arc_swap::ArcSwap;
use control::admin::{self, AdminKeys, AdminState, Secret, StoreStatus};
use control::membership::Member;
use control::object::{self, Kind, ReadContext};
use control::rejection::Rejection;
use control::seal::{Keyring, Sealer};
use control::snapshot::{Change, Snapshot};
use control::store::{EmbeddedStore, Expect, Store};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One running server; clones share it.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) store: Arc<Store>,
    /// What the data plane serves; nobody follows the store here.
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    address: std::net::SocketAddr,
    _dir: Arc<tempfile::TempDir>,
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Lower case.
    pub(crate) head: String,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with_keyring("").await
    }

    pub(crate) async fn with_keyring(keys: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let keyring = Keyring::parse(keys).unwrap();
        let sealer = Sealer::for_dir(dir.path(), &keyring).unwrap();
        let store = Arc::new(Store::Embedded(
            EmbeddedStore::open(dir.path(), &sealer).unwrap(),
        ));
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
        let state = AdminState {
            store: Arc::clone(&store),
            prefix: "/apisix".to_owned(),
            keys: AdminKeys {
                admin: Secret::new("admin-key-of-the-test"),
                viewer: Some(Secret::new("viewer-key-of-the-test")),
            },
            keyring,
            snapshot: Arc::clone(&snapshot),
            status: Arc::new(|| StoreStatus {
                connected: true,
                seen: 3,
            }),
            members: tokio::sync::watch::channel(nodes()).1,
            certificates: Arc::new(control::certificate::inventory::NodeCertificates::default),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(admin::serve(
            listener,
            admin::router(state),
            std::future::pending(),
        ));
        Self {
            store,
            snapshot,
            address,
            _dir: Arc::new(dir),
        }
    }

    /// Has the data plane serve an SSL object, as if it had come from the store.
    pub(crate) fn serve(&self, id: &str, object: &Value) {
        let keyring = Keyring::default();
        let context = ReadContext {
            keyring: &keyring,
            env: &|_| None,
        };
        let read = object::read(Kind::Ssl, id, object.to_string().as_bytes(), &context).unwrap();
        let old = self.snapshot.load_full();
        let revision = old.revision() + 1;
        let change = Change::Set(Kind::Ssl, id.into(), read, revision);
        self.snapshot
            .store(Arc::new(old.apply(revision, vec![change])));
    }

    /// A request with the admin's key.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<&str>) -> Reply {
        self.raw(
            method,
            path,
            &["X-API-KEY: admin-key-of-the-test"],
            body.unwrap_or_default().as_bytes(),
        )
        .await
    }

    /// PUT of an object.
    pub(crate) async fn put(&self, key: &str, object: &Value) -> Reply {
        self.send(
            "PUT",
            &format!("/apisix/admin/{key}"),
            Some(&object.to_string()),
        )
        .await
    }

    /// A request with these headers.
    pub(crate) async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &[u8],
    ) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n");
        for header in headers.iter().filter(|h| !h.is_empty()) {
            head.push_str(&format!("{header}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        stream
            .write_all(&[head.as_bytes(), body].concat())
            .await
            .unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let end = bytes
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .expect("a whole head");
        let head = String::from_utf8(bytes[..end].to_vec())
            .unwrap()
            .to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Reply {
            status,
            head,
            body: bytes[end + 4..].to_vec(),
        }
    }

    /// Makes an object look as if it had been created long ago.
    pub(crate) async fn backdate(&self, key: &str) {
        let entry = self.store.get(key).await.unwrap().unwrap();
        let mut value: Value = serde_json::from_slice(&entry.value).unwrap();
        value["create_time"] = json!(5);
        value["update_time"] = json!(5);
        self.store
            .put(key, value.to_string().into(), Expect::Any, None)
            .await
            .unwrap();
    }
}

/// One that is up to date, one that is behind and has refused more than it lists.
fn nodes() -> Arc<[Arc<Member>]> {
    let behind = Member {
        id: "b".to_owned(),
        roles: vec!["processor".to_owned()],
        version: "1.2".to_owned(),
        addresses: [("hop".to_owned(), "b:9444".to_owned())].into(),
        started: "2030-01-01T00:00:00Z".to_owned(),
        applied_revision: 1,
        rejected: vec![Rejection {
            key: "ssls/1".to_owned(),
            revision: 1,
            field: "cert".to_owned(),
            reason: "no".to_owned(),
        }],
        rejected_total: 7,
        leaving: true,
        gone_since: None,
    };
    let ahead = Member {
        id: "a".to_owned(),
        applied_revision: 9,
        ..Member::default()
    };
    [Arc::new(ahead), Arc::new(behind)].into()
}

/// A self-signed certificate and its key, as PEM.
pub(crate) fn certificate(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}
