//! Listening sockets: one per thread and address (SO_REUSEPORT), the accept loop, and the gate that caps connections and
//! handshakes of the whole node.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Router, connection};

/// Connections that wait in the kernel for us to accept them.
const BACKLOG: i32 = 4096;

/// Caps of the whole node.
pub struct Gate {
    connections: Arc<Semaphore>,
    handshakes: Arc<Semaphore>,
}

impl Gate {
    /// A gate for so many connections at once, and so many handshakes.
    pub fn new(connections: usize, handshakes: usize) -> Self {
        let permits = |n: usize| Arc::new(Semaphore::new(n.min(Semaphore::MAX_PERMITS)));
        Self {
            connections: permits(connections),
            handshakes: permits(handshakes),
        }
    }

    /// Waits for room for one more handshake.
    pub(super) async fn handshake(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.handshakes).acquire_owned().await.ok()
    }
}

/// Binds `threads` sockets to one address (SO_REUSEPORT), the first of which may choose the port.
///
/// # Errors
/// The system's: address in use by another process, not ours to bind, and so on.
pub fn bind(address: SocketAddr, threads: usize) -> io::Result<Vec<std::net::TcpListener>> {
    if address.port() != 0 {
        // Sockets that may be shared do not see those of another node, and either would get half of the connections.
        socket(address, false)?;
    }
    let first = socket(address, true)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..threads {
        sockets.push(socket(address, true)?);
    }
    Ok(sockets)
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until draining begins, then takes what the kernel has already queued and stops.
pub async fn run(router: Rc<Router>, listener: TcpListener, secure: bool) {
    let drain = router.shared.drain.clone();
    let draining = drain.draining();
    tokio::pin!(draining);
    loop {
        let Ok(permit) = Arc::clone(&router.shared.gate.connections)
            .acquire_owned()
            .await
        else {
            return;
        };
        tokio::select! {
            biased;
            accepted = listener.accept() => match accepted {
                Ok((tcp, peer)) => start(&router, tcp, peer, secure, permit),
                Err(error) => pause(&error).await,
            },
            _ = &mut draining => return,
        }
    }
}

fn start(
    router: &Rc<Router>,
    tcp: TcpStream,
    peer: SocketAddr,
    secure: bool,
    permit: OwnedSemaphorePermit,
) {
    let router = Rc::clone(router);
    tokio::task::spawn_local(async move {
        let _guards = (permit, router.shared.drain.guard());
        // The listener's own address would often be 0.0.0.0, which nobody can be told to call.
        let Ok(local) = tcp.local_addr() else {
            return;
        };
        // Failing to set it costs latency only.
        let _ = tcp.set_nodelay(true);
        connection::serve(router, tcp, peer, local, secure).await;
    });
}

/// Out of descriptors or memory: existing connections must get a chance to end. Other errors concern one connection.
async fn pause(error: &io::Error) {
    let transient = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    );
    if !transient {
        tracing::warn!(%error, "cannot accept connections");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
