//! The processor's end: accepts routers' connections, reads requests off their streams and writes the answers. Owns
//! endpoints and connections; what happens on one stream is [`super::work`]'s.

use std::cell::Cell;
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use control::snapshot::Snapshot;
use control::sync::{Replaced, Status};
use quinn::{Connection, Endpoint, EndpointConfig, Incoming, TokioRuntime};
use rustls_pki_types::CertificateDer;
use tokio::sync::{Notify, watch};
use tokio::task::spawn_local;

use super::work::{self, Node};
use super::{code, failure, settings};
use crate::alert::evidence::{Own, Side};
use crate::alert::finding::Context;
use crate::alert::{Evidence, Failure, Hop};
use crate::drain::Drain;
use crate::failures::Failures;
use crate::hop::identity::{HopIdentity, Judged, Role};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::processor::Processor;

/// How often peers' certificates are looked at again: they expire. 30 s.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Handshakes in progress on one thread; others are refused. 512.
const HANDSHAKES: usize = 512;
/// With more of them, a peer must show that it is where it says before it gets another. 64.
const UNPROVEN: usize = 64;
/// So long nothing must be at work on a connection of a draining node before it is closed: what was answered last arrives
/// meanwhile. 250 ms.
const GRACE: Duration = Duration::from_millis(250);

/// What serving the hop needs; the same for all threads.
#[derive(Clone)]
pub struct Shared {
    /// The configuration in force.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// To wait for a revision.
    pub status: Arc<Status>,
    /// Versions of routes that the configuration had until a moment ago.
    pub replaced: Arc<Replaced>,
    /// Our certificate and whom we trust.
    pub identity: Arc<HopIdentity>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The drain signal.
    pub drain: Drain,
    /// Where failed handshakes go.
    pub failures: Arc<Failures>,
}

/// Whether a chain is good.
type Judge = Box<dyn Fn(&[CertificateDer<'_>]) -> bool>;

/// A configuration whose verifier notes what it finds.
type Noting = Box<dyn Fn(&Arc<Judged>) -> Result<rustls::ServerConfig, rustls::Error>>;

/// Our certificate and whom we trust, as serving asks for it.
pub(super) struct Trust {
    pub(super) server: Box<dyn Fn() -> Arc<rustls::ServerConfig>>,
    /// The same for one handshake.
    pub(super) noting: Noting,
    /// What evidence says of us.
    pub(super) own: Box<dyn Fn() -> Own>,
    pub(super) still_good: Judge,
    pub(super) generation: watch::Receiver<u64>,
}

/// Binds `threads` sockets to one address (SO_REUSEPORT), the first of which may choose the port.
///
/// # Errors
/// The system's.
pub fn bind(address: SocketAddr, threads: usize) -> std::io::Result<Vec<UdpSocket>> {
    if address.port() != 0 {
        // Sockets that may be shared do not see those of another node, and either would get half of the packets.
        settings::socket(address, false)?;
    }
    let first = settings::socket(address, true)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..threads {
        sockets.push(settings::socket(address, true)?);
    }
    Ok(sockets)
}

/// Serves until the node has drained. Runs in a `LocalSet`.
pub async fn run(socket: UdpSocket, shared: Shared, processor: Rc<Processor>) {
    let identity = || Arc::clone(&shared.identity);
    let (base, ours, described, theirs) = (identity(), identity(), identity(), identity());
    let trust = Trust {
        server: Box::new(move || base.server()),
        noting: Box::new(move |judged| ours.server_noting(judged)),
        own: Box::new(move || described.own()),
        still_good: Box::new(move |chain| theirs.still_good(chain, Role::Router)),
        generation: shared.identity.generation(),
    };
    let node = Node {
        snapshot: shared.snapshot,
        status: shared.status,
        replaced: shared.replaced,
        metrics: shared.metrics,
        drain: shared.drain,
        failures: shared.failures,
        processor,
        at_work: Rc::default(),
    };
    run_with(socket, Rc::new(node), Rc::new(trust)).await;
}

/// [`run`] with its parts given.
pub(super) async fn run_with(socket: UdpSocket, node: Rc<Node>, trust: Rc<Trust>) {
    let endpoint = match endpoint(socket, &trust) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            tracing::error!(%error, "routers cannot be served");
            return;
        }
    };
    let greeting = Rc::new(Cell::new(0));
    let mut generation = trust.generation.clone();
    let mut drained = std::pin::pin!(node.drain.drained());
    loop {
        tokio::select! {
            incoming = endpoint.accept() => match incoming {
                Some(incoming) if greeting.get() >= UNPROVEN && incoming.may_retry() => {
                    // It may; that is all that can be wrong.
                    let _ = incoming.retry();
                }
                Some(incoming) if greeting.get() < HANDSHAKES && !node.drain.is_draining() => {
                    let greeting = Counted::new(&greeting);
                    let port = endpoint.local_addr().map_or(0, |address| address.port());
                    let (node, trust) = (Rc::clone(&node), Rc::clone(&trust));
                    spawn_local(greet((incoming, port), node, trust, greeting));
                }
                Some(incoming) => incoming.refuse(),
                None => break,
            },
            Ok(()) = generation.changed() => match settings::server(&(trust.server)()) {
                Ok(config) => endpoint.set_server_config(Some(config)),
                Err(error) => tracing::error!(%error, "the node's new certificate is not used"),
            },
            _ = &mut drained => break,
        }
    }
    endpoint.close(code::CANCELLED, b"");
    // So that the routers hear of it; what they do not take within the grace is lost on them.
    let _ = tokio::time::timeout(GRACE, endpoint.wait_idle()).await;
}

fn endpoint(socket: UdpSocket, trust: &Trust) -> std::io::Result<Endpoint> {
    let config = settings::server(&(trust.server)()).map_err(std::io::Error::other)?;
    let runtime = Arc::new(TokioRuntime);
    Endpoint::new(EndpointConfig::default(), Some(config), socket, runtime)
}

/// The handshake, then the connection.
async fn greet(
    (incoming, port): (Incoming, u16),
    node: Rc<Node>,
    trust: Rc<Trust>,
    greeting: Counted,
) {
    let context = Context {
        peer: Some(incoming.remote_address()),
        local: incoming.local_ip().map(|ip| SocketAddr::new(ip, port)),
        revision: node.snapshot.load().revision(),
        ..Context::default()
    };
    let begun = Instant::now();
    let shake = shake_hands(incoming, &trust);
    let outcome = tokio::time::timeout(Limits::default().handshake, shake).await;
    let mut evidence = match outcome {
        Ok(Ok(connection)) => {
            drop(greeting);
            node.metrics
                .handshake_ok(Hop::Internal, "TLSv1.3", false, true, begun.elapsed());
            let _open = node.metrics.connection(Hop::Internal, "quic");
            return serve(connection, node, &trust).await;
        }
        Ok(Err(evidence)) => evidence,
        Err(_) => failure::timed_out(Side::Server, (trust.own)()),
    };
    evidence.elapsed = begun.elapsed();
    node.failures.note(context, Failure::of(*evidence));
}

async fn shake_hands(incoming: Incoming, trust: &Trust) -> Result<Connection, Box<Evidence>> {
    let judged = Arc::new(Judged::default());
    let tls = (trust.noting)(&judged).map_err(|e| failure::of_setup(Side::Server, &e))?;
    let config = settings::server(&tls).map_err(|e| failure::of_setup(Side::Server, &e))?;
    let connecting = incoming.accept_with(Arc::new(config));
    let seen = |error| failure::of_connection(&error, Side::Server, &judged, (trust.own)());
    let connection = connecting.map_err(seen)?.await.map_err(seen)?;
    connection.set_max_concurrent_bi_streams(settings::STREAMS);
    Ok(connection)
}

/// Serves a connection until it ends: by the router, by draining, or because its certificate is no longer good.
async fn serve(connection: Connection, node: Rc<Node>, trust: &Trust) {
    let _guard = node.drain.guard();
    let jobs = Rc::new(Jobs::default());
    let mut generation = trust.generation.clone();
    let mut look = tokio::time::interval(LOOK_AGAIN);
    let mut leaving = std::pin::pin!(leave(&node, &jobs));
    let mut first_unseen = 0;
    loop {
        tokio::select! {
            stream = connection.accept_bi() => match stream {
                Ok((send, recv)) => {
                    first_unseen = send.id().index() + 1;
                    let job = Job::new(&jobs);
                    let node = Rc::clone(&node);
                    spawn_local(async move {
                        work::serve(&node, send, recv).await;
                        drop(job);
                    });
                    continue;
                }
                Err(_) => return,
            },
            Ok(()) = generation.changed() => {}
            _ = look.tick() => {}
            () = &mut leaving => {
                connection.close(code::DRAINED, &code::drained_reason(first_unseen));
                return;
            }
        }
        if !is_trusted(&connection, trust) {
            tracing::warn!(peer = %connection.remote_address(), "a router's certificate is no longer good");
            connection.close(code::UNTRUSTED, b"");
            return;
        }
    }
}

fn is_trusted(connection: &Connection, trust: &Trust) -> bool {
    shown(connection).is_some_and(|chain| (trust.still_good)(&chain))
}

/// The chain that the peer of a connection showed, leaf first.
pub(super) fn shown(connection: &Connection) -> Option<Vec<CertificateDer<'static>>> {
    let identity = connection.peer_identity()?;
    identity.downcast().ok().map(|chain| *chain)
}

/// Waits until the node drains and this connection's work is done, or the time for that is over.
async fn leave(node: &Node, jobs: &Jobs) {
    let deadline = node.drain.draining().await;
    let rest = async {
        loop {
            while jobs.count.get() > 0 {
                jobs.done.notified().await;
            }
            let before = jobs.begun.get();
            tokio::time::sleep(GRACE).await;
            if jobs.count.get() == 0 && jobs.begun.get() == before {
                return;
            }
        }
    };
    // Whichever comes first, the connection is closed.
    let _ = tokio::time::timeout_at(deadline, rest).await;
}

/// Streams of one connection.
#[derive(Default)]
struct Jobs {
    count: Cell<usize>,
    begun: Cell<u64>,
    done: Notify,
}

/// A stream until it is done.
struct Job(Rc<Jobs>);

impl Job {
    fn new(jobs: &Rc<Jobs>) -> Self {
        jobs.count.set(jobs.count.get() + 1);
        jobs.begun.set(jobs.begun.get() + 1);
        Self(Rc::clone(jobs))
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        self.0.done.notify_one();
    }
}

/// One of a number of things.
pub(super) struct Counted(Rc<Cell<usize>>);

impl Counted {
    pub(super) fn new(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
