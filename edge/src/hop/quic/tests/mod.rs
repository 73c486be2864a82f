//! The hop over real sockets: a router's lane, a processor with its configuration from a store, scripted targets.

mod bodies;
mod configuration;
mod connections;
mod endings;
mod local;
mod pki;
mod strangers;
mod turmoil;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use control::seal::{Keyring, Sealer};
use control::snapshot::Snapshot;
use control::store::{EmbeddedStore, Expect, Store, Written};
use control::sync::{self, Live, Replaced, Status, SyncOptions};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, LocalSet, spawn_local};

use self::pki::Pki;
use super::greeting::Greeting;
use super::lane::{Lane, LaneError, NotTaken, Outcome};
use super::serve::{self, Trust};
use super::work::Node;
use crate::alert::evidence::Own;
use crate::body::{Body, BodyError};
use crate::drain::Drain;
use crate::failures::Failures;
use crate::hop::{Request, Response};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::processor::{self, Processor};
use crate::tls::ClientTls;

/// Runs a test the way a data-plane thread runs.
async fn on_a_thread<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), LocalSet::new().run_until(test))
        .await
        .expect("the test's deadline")
}

/// Waits for something that must come about.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < limit, "{what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A store, followed twice: by the router and by the processor, which can be held up.
struct Cluster {
    store: Arc<Store>,
    router: Followed,
    processor: Followed,
    _dirs: [TempDir; 3],
}

struct Followed {
    snapshot: Arc<ArcSwap<Snapshot>>,
    status: Arc<Status>,
    replaced: Arc<Replaced>,
    gate: Rc<Gate>,
}

/// What a processor serves by.
type Applied = (Arc<ArcSwap<Snapshot>>, Arc<Status>, Arc<Replaced>);

impl Followed {
    fn applied(&self) -> Applied {
        let snapshot = self.snapshot.clone();
        (snapshot, self.status.clone(), self.replaced.clone())
    }
}

/// Lets a task go on or not.
#[derive(Default)]
struct Gate {
    closed: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Gate {
    fn set_open(&self, open: bool) {
        self.closed.set(!open);
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }
}

async fn follow(store: &Arc<Store>, dir: &Path, open: bool) -> Followed {
    let Live {
        snapshot,
        status,
        replaced,
        follower,
    } = sync::start(SyncOptions {
        data_dir: dir.to_owned(),
        keyring: Keyring::default(),
        store: store.clone(),
        env: Box::new(|_| None),
        on_apply: Box::new(|_| {}),
    })
    .await;
    let gate = Rc::new(Gate::default());
    gate.set_open(open);
    let held = gate.clone();
    spawn_local(async move {
        let mut run = pin!(follower.run());
        poll_fn(|cx| {
            if held.closed.get() {
                held.waiting.replace(Some(cx.waker().clone()));
                return Poll::<()>::Pending;
            }
            run.as_mut().poll(cx)
        })
        .await;
    });
    Followed {
        snapshot,
        status,
        replaced,
        gate,
    }
}

impl Cluster {
    /// `open`: whether the processor follows from the start.
    async fn start(open: bool) -> Self {
        let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let sealer = Sealer::for_dir(dirs[0].path(), &Keyring::default()).unwrap();
        let store = EmbeddedStore::open(dirs[0].path(), &sealer).unwrap();
        let store = Arc::new(Store::Embedded(store));
        Self {
            router: follow(&store, dirs[1].path(), true).await,
            processor: follow(&store, dirs[2].path(), open).await,
            store,
            _dirs: dirs,
        }
    }

    /// Writes an object and waits until the router has it.
    async fn put(&self, key: &str, value: Value) -> u64 {
        let value = Bytes::from(value.to_string());
        let written = self.store.put(key, value, Expect::Any, None).await.unwrap();
        let Written::At(revision) = written else {
            panic!("a conflict");
        };
        let wait = self
            .router
            .status
            .wait_applied(revision, Duration::from_secs(20));
        assert!(wait.await);
        revision
    }
}

/// The processor's side of a running hop.
struct Server {
    address: SocketAddr,
    drain: Drain,
    metrics: Arc<Metrics>,
    generation: watch::Sender<u64>,
    trusting: Rc<Cell<bool>>,
    at_work: Rc<Cell<usize>>,
    task: JoinHandle<()>,
}

fn serve_with(cluster: &Cluster, tls: rustls::ServerConfig) -> Server {
    let socket = serve::bind(([127, 0, 0, 1], 0).into(), 1)
        .unwrap()
        .remove(0);
    let address = socket.local_addr().unwrap();
    let follower = &cluster.processor;
    let (node, trust, hands) = parts(follower.applied(), tls);
    let task = spawn_local(serve::run_with(socket, node, trust));
    Server {
        address,
        drain: hands.0,
        metrics: hands.1,
        generation: hands.2,
        trusting: hands.3,
        at_work: hands.4,
        task,
    }
}

type Hands = (
    Drain,
    Arc<Metrics>,
    watch::Sender<u64>,
    Rc<Cell<bool>>,
    Rc<Cell<usize>>,
);

/// What serving needs, and what a test holds on to.
fn parts(
    (snapshot, status, replaced): Applied,
    tls: rustls::ServerConfig,
) -> (Rc<Node>, Rc<Trust>, Hands) {
    let (drain, metrics) = (Drain::new(), Metrics::new());
    let shared = processor::Shared::new(
        Arc::new(ClientTls::new()),
        metrics.clone(),
        Failures::new("n", metrics.clone()),
        &Limits::default(),
        (true, false),
        Handle::current(),
    );
    let node = Node {
        snapshot,
        status,
        replaced,
        metrics: metrics.clone(),
        drain: drain.clone(),
        failures: Failures::new("n", metrics.clone()),
        processor: Rc::new(Processor::new(Arc::new(shared))),
        at_work: Rc::default(),
    };
    let (tls, generation) = (Arc::new(tls), watch::Sender::new(0));
    let trusting = Rc::new(Cell::new(true));
    let each = tls.clone();
    let trust = Trust {
        server: Box::new(move || tls.clone()),
        noting: Box::new(move |_| Ok(each.as_ref().clone())),
        own: Box::new(Own::default),
        still_good: Box::new({
            let trusting = trusting.clone();
            move |chain| trusting.get() && !chain.is_empty()
        }),
        generation: generation.subscribe(),
    };
    let at_work = Rc::clone(&node.at_work);
    let hands = (drain, metrics, generation, trusting, at_work);
    (Rc::new(node), Rc::new(trust), hands)
}

/// A processor on a thread of its own, which ends without a word when the sender is used or dropped.
fn serve_apart(cluster: &Cluster, tls: rustls::ServerConfig) -> (SocketAddr, oneshot::Sender<()>) {
    let socket = serve::bind(([127, 0, 0, 1], 0).into(), 1)
        .unwrap()
        .remove(0);
    let address = socket.local_addr().unwrap();
    let (kill, killed) = oneshot::channel();
    let follower = &cluster.processor;
    let applied = follower.applied();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        LocalSet::new().block_on(&runtime, async {
            let (node, trust, _) = parts(applied, tls);
            tokio::select! {
                () = serve::run_with(socket, node, trust) => {}
                _ = killed => {}
            }
        });
    });
    (address, kill)
}

/// A lane with a given TLS configuration.
async fn open_lane(
    to: SocketAddr,
    tls: &rustls::ClientConfig,
    metrics: &Arc<Metrics>,
) -> Result<Lane, LaneError> {
    let greeting = Greeting::new(to, Arc::default(), Own::default());
    let failures = Failures::new("n", metrics.clone());
    Lane::connect(greeting, tls, metrics, &failures).await
}

/// Everything: route 1 leads to a target.
struct Bench {
    cluster: Cluster,
    server: Server,
    lane: Rc<Lane>,
    metrics: Arc<Metrics>,
}

impl Bench {
    async fn to(target: &Target) -> Self {
        let cluster = Cluster::start(true).await;
        cluster.put("routes/1", route(target.port)).await;
        Self::over(cluster).await
    }

    async fn over(cluster: Cluster) -> Self {
        let pki = Pki::new();
        let server = serve_with(&cluster, pki.server());
        let metrics = Metrics::new();
        let lane = open_lane(server.address, &pki.client(), &metrics)
            .await
            .unwrap();
        Self {
            cluster,
            server,
            lane: Rc::new(lane),
            metrics,
        }
    }

    fn request(&self, method: &str, body: Body) -> Request {
        let snapshot = self.cluster.router.snapshot.load_full();
        let head = http::Request::builder()
            .method(method)
            .uri("/a?b=c")
            .header("host", "client.example")
            .header("x-twice", "1")
            .header("x-twice", "2");
        Request {
            route: snapshot.route_by_id("1").unwrap().clone(),
            snapshot,
            head: head.body(()).unwrap().into_parts().0,
            body,
            client: ([127, 0, 0, 1], 1234).into(),
            path: "/a".into(),
            upgrade: None,
            expects_continue: false,
            started: Instant::now(),
        }
    }

    async fn ask(&self, method: &str, body: Body) -> Response {
        answered(self.lane.call(self.request(method, body)).await)
    }
}

fn route(port: u16) -> Value {
    json!({"uri": "/*", "enable_websocket": true, "upstream": {
        "type": "roundrobin", "nodes": {format!("127.0.0.1:{port}"): 1}, "retries": 0}})
}

fn answered(outcome: Outcome) -> Response {
    match outcome {
        Outcome::Answered(response) => response,
        other => panic!("{}", told(&other)),
    }
}

/// An outcome in words.
fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answered(response) => format!("answered {}", response.head.status.as_u16()),
        Outcome::Failed(failure) => format!("failed {}", failure.fault),
        Outcome::NotTaken(why, _) => format!("not taken: {why:?}"),
        Outcome::Lost(why, request) => format!("lost: {why}, {}", request.is_some()),
    }
}

async fn text(body: Body) -> String {
    let bytes = body.collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.into()).unwrap()
}

/// A target that serves each connection as told.
struct Target {
    port: u16,
    connections: Rc<Cell<usize>>,
}

impl Target {
    async fn start<F: Future<Output = ()> + 'static>(
        script: impl Fn(TcpStream) -> F + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Rc::new(Cell::new(0));
        let count = connections.clone();
        spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.set(count.get() + 1);
                spawn_local(script(stream));
            }
        });
        Self { port, connections }
    }

    /// Says `text` to each request's head, having noted it; bodies are not read.
    async fn saying(text: &'static str) -> (Self, Rc<RefCell<Vec<String>>>) {
        let heads = Rc::new(RefCell::new(Vec::new()));
        let seen = heads.clone();
        let target = Self::start(move |mut stream| {
            let seen = seen.clone();
            async move {
                while let Some(head) = read_head(&mut stream).await {
                    seen.borrow_mut().push(head);
                    stream.write_all(text.as_bytes()).await.unwrap();
                }
            }
        })
        .await;
        (target, heads)
    }
}

async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Reads until the other side closes or breaks off: what came, and whether it ended cleanly.
async fn read_all(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    let clean = stream.read_to_end(&mut all).await.is_ok();
    (all, clean)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok";

/// What a body fed by hand is made of.
type Fodder = Result<http_body::Frame<Bytes>, BodyError>;

/// A body fed by hand.
fn fed() -> (UnboundedSender<Fodder>, Body) {
    let (feed, frames) = unbounded_channel();
    (feed, Body::Stream(Box::pin(Fed(frames))))
}

fn data(bytes: impl Into<Bytes>) -> Fodder {
    Ok(http_body::Frame::data(bytes.into()))
}

struct Fed(UnboundedReceiver<Fodder>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Fodder>> {
        self.0.poll_recv(cx)
    }
}
