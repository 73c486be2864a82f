//! A whole cluster on loopback: etcd, a hop CA made by `sallyport pki`, routers, processors and one control node, each a
//! process with a data directory of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::etcd::Etcd;
use crate::http1::Message;
use crate::node::{Launch, Node, binary};
use crate::process::{Said, run};
use crate::wait::{eventually, same};

/// Deadline for nodes to find each other; leases, back-off and a shared machine are in it.
pub const TOGETHER: Duration = Duration::from_secs(30);

/// Label of the hop between router and processor in metrics.
pub const INTERNAL: (&str, &str) = ("hop", "internal");

/// Runs a command of the program to its end.
pub async fn sallyport(args: &[&str]) -> Said {
    run(&binary().display().to_string(), args).await
}

/// A hop CA with its key, in a directory of its own.
#[derive(Clone)]
pub struct HopPki {
    dir: Arc<TempDir>,
}

impl HopPki {
    /// A new CA.
    pub async fn init() -> Self {
        let dir = Arc::new(tempfile::tempdir().expect("temp dir"));
        let pki = Self { dir };
        let said = sallyport(&["pki", "init", "--dir", &pki.ca().display().to_string()]).await;
        assert_eq!(said.code, 0, "pki init: {}", said.text());
        pki
    }

    /// Its directory: `ca.crt`, `ca.key`.
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("ca")
    }

    /// The CA's certificate, PEM.
    pub fn certificate(&self) -> String {
        std::fs::read_to_string(self.ca().join("ca.crt")).expect("pki init wrote it")
    }

    /// A node's directory: `ca.crt`, `node.crt`, `node.key`; made once.
    pub async fn node(&self, role: &str, name: &str) -> PathBuf {
        let out = self.dir.path().join(name);
        if out.exists() {
            return out;
        }
        let text = |path: &Path| path.display().to_string();
        let (ca, out_text) = (text(&self.ca()), text(&out));
        let args = [
            "pki", "node", "--dir", &ca, "--role", role, "--name", name, "--out", &out_text,
        ];
        let said = sallyport(&args).await;
        assert_eq!(said.code, 0, "pki node {name}: {}", said.text());
        out
    }
}

/// How a cluster is to be made.
#[derive(Clone)]
pub struct Plan {
    /// `--store`.
    store: String,
    routers: usize,
    processors: usize,
    keyring: bool,
    flags: Vec<(String, String)>,
}

impl Plan {
    /// So many routers (`r1`, …) and processors (`p1`, …) and one control node (`c1`) on this store.
    pub fn new(store: &str, routers: usize, processors: usize) -> Self {
        Self {
            store: store.to_owned(),
            routers,
            processors,
            keyring: true,
            flags: Vec::new(),
        }
    }

    /// A flag that all nodes get.
    #[must_use]
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        self.flags.push((name.to_owned(), value.to_owned()));
        self
    }

    /// No node has a keyring.
    #[must_use]
    pub fn without_keyring(mut self) -> Self {
        self.keyring = false;
        self
    }

    /// Starts all nodes side by side and waits until they have met.
    pub async fn start(self) -> Cluster {
        let dir = tempfile::tempdir().expect("temp dir");
        let keyring = self.keyring.then(|| dir.path().join("keyring"));
        if let Some(path) = &keyring {
            std::fs::write(path, "a keyring of the tests, 32 bytes or more\n").expect("temp dir");
        }
        let ground = Ground {
            store: self.store,
            pki: HopPki::init().await,
            keyring,
            flags: self.flags,
            _dir: dir,
        };
        let control = tokio::spawn(start(ground.launch("control", "c1").await));
        let (mut routers, mut processors) = (Vec::new(), Vec::new());
        for number in 1..=self.processors {
            let launch = ground.launch("processor", &format!("p{number}")).await;
            processors.push(tokio::spawn(start(launch)));
        }
        for number in 1..=self.routers {
            let launch = ground.launch("router", &format!("r{number}")).await;
            routers.push(tokio::spawn(start(launch)));
        }
        let mut cluster = Cluster {
            control: control.await.expect("control starts"),
            routers: Vec::new(),
            processors: Vec::new(),
            ground,
        };
        for router in routers {
            cluster.routers.push(router.await.expect("a router starts"));
        }
        for processor in processors {
            cluster
                .processors
                .push(processor.await.expect("a processor starts"));
        }
        cluster.met().await;
        cluster
    }
}

async fn start(launch: Launch) -> Node {
    launch.start().await
}

/// What all nodes of a cluster have in common.
pub struct Ground {
    /// `--store`.
    pub store: String,
    /// The hop CA.
    pub pki: HopPki,
    keyring: Option<PathBuf>,
    flags: Vec<(String, String)>,
    _dir: TempDir,
}

impl Ground {
    /// How a node of this cluster is started.
    pub async fn launch(&self, role: &str, id: &str) -> Launch {
        let launch = Launch::new()
            .store(&self.store)
            .flag("--role", role)
            .flag("--node-id", id)
            // Thousands of lines of a load would hide what a node has to say.
            .flag("--access-log", "off");
        let launch = self
            .flags
            .iter()
            .fold(launch, |launch, (name, value)| launch.flag(name, value));
        let launch = match &self.keyring {
            Some(path) => launch.flag("--keyring-file", &path.display().to_string()),
            None => launch,
        };
        if role == "control" {
            return launch;
        }
        let tls = self.pki.node(role, id).await;
        let launch = launch.flag("--hop-tls", &tls.display().to_string());
        match role {
            "processor" => launch.flag("--hop", "127.0.0.1:0"),
            _ => launch,
        }
    }
}

/// A running cluster.
pub struct Cluster {
    /// Routers.
    pub routers: Vec<Node>,
    /// Processors.
    pub processors: Vec<Node>,
    /// The node with the Admin API.
    pub control: Node,
    /// What they have in common.
    pub ground: Ground,
}

impl Cluster {
    /// A cluster with an etcd of its own.
    pub async fn start(routers: usize, processors: usize) -> (Etcd, Self) {
        let etcd = Etcd::start().await;
        let cluster = Plan::new(&etcd.store(), routers, processors).start().await;
        (etcd, cluster)
    }

    /// All data-plane nodes.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.routers.iter().chain(&self.processors)
    }

    /// Waits until every node is a member and every router has a connection to as many processors as there are.
    pub async fn met(&self) {
        let wanted = self.nodes().count() + 1;
        eventually("all nodes are members", TOGETHER, || async {
            let nodes = self.control.view("nodes").await;
            let alive = list(&nodes).iter().filter(|node| node["state"] == "alive");
            same(alive.count(), &wanted).map_err(|error| format!("{error}: {nodes}"))
        })
        .await;
        if self.routers.is_empty() || self.processors.is_empty() {
            return;
        }
        for (nodes, peers) in [
            (&self.routers, self.processors.len()),
            (&self.processors, self.routers.len()),
        ] {
            for node in nodes {
                connected(node, peers).await;
            }
        }
    }

    /// An entry of `GET /v1/nodes`; null if there is none.
    pub async fn member(&self, id: &str) -> Value {
        let nodes = self.control.view("nodes").await;
        let found = list(&nodes).iter().find(|node| node["id"] == id);
        found.cloned().unwrap_or(Value::Null)
    }

    /// Writes an object with the Admin API and waits until every router and processor serves it.
    pub async fn put(&self, path: &str, object: &Value) {
        let revision = self.write(path, object).await;
        self.applied(revision).await;
    }

    /// Writes an object with the Admin API and gives its revision.
    pub async fn write(&self, path: &str, object: &Value) -> f64 {
        let reply = self.control.admin("PUT", path, &object.to_string()).await;
        assert!(
            matches!(reply.status(), 200 | 201),
            "PUT {path}: {} {}",
            reply.status(),
            reply.text()
        );
        let stored = self.control.admin("GET", path, "").await;
        revision(&stored)
    }

    /// Waits until every router and processor serves this revision.
    pub async fn applied(&self, revision: f64) {
        for node in self.nodes() {
            node.applied_revision(revision).await;
        }
    }
}

/// The revision of a stored object.
fn revision(stored: &Message) -> f64 {
    stored.json()["modifiedIndex"]
        .as_f64()
        .unwrap_or_else(|| panic!("no modifiedIndex: {}", stored.text()))
}

/// `list` of a view.
pub fn list(view: &Value) -> &[Value] {
    view["list"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// Waits until a node has finished at least so many handshakes of the hop and has a connection open.
pub async fn connected(node: &Node, handshakes: usize) {
    eventually("the hop is connected", TOGETHER, || async {
        let metrics = node.metrics().await;
        let done = metrics.value("tls_handshakes_total", &[INTERNAL, ("result", "ok")]);
        let open = metrics.value("connections", &[INTERNAL]);
        if done >= handshakes as f64 && open >= 1.0 {
            Ok(())
        } else {
            Err(format!(
                "{done} handshakes, {open} connections open: {}",
                node.process.tail()
            ))
        }
    })
    .await;
}

/// Waits until a node has served so many more requests on this hop than it has now.
pub async fn gets_work(node: &Node, hop: &str, more: usize) {
    let count = || async {
        node.metrics()
            .await
            .value("http_requests_total", &[("hop", hop)])
    };
    let wanted = count().await + more as f64;
    eventually("the node gets work", TOGETHER, || async {
        let served = count().await;
        if served >= wanted {
            Ok(())
        } else {
            Err(format!(
                "{served} of {wanted} requests: {}",
                node.process.tail()
            ))
        }
    })
    .await;
}
