//! Ways to a port of this host that can be cut and mended: what a node loses when its network does. A cut TCP way ends its
//! connections; a cut UDP way swallows what comes, in both directions.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The way; open at first.
pub struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    cut: AtomicBool,
    cutting: Notify,
}

impl Gate {
    /// To this port.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared::default());
        let held = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass(stream, port, Arc::clone(&held)));
            }
        });
        Self {
            address,
            shared,
            accepting,
        }
    }

    /// Where it begins.
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Ends every connection, and every new one at once.
    pub fn cut(&self) {
        self.shared.cut.store(true, Ordering::SeqCst);
        self.shared.cutting.notify_waiters();
    }

    /// Lets new connections pass again.
    pub fn mend(&self) {
        self.shared.cut.store(false, Ordering::SeqCst);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn pass(mut near: TcpStream, port: u16, shared: Arc<Shared>) {
    let cutting = shared.cutting.notified();
    tokio::pin!(cutting);
    cutting.as_mut().enable();
    if shared.cut.load(Ordering::SeqCst) {
        return;
    }
    let Ok(mut far) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return;
    };
    tokio::select! {
        () = cutting => {}
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
    }
}

/// Largest datagram.
const DATAGRAM: usize = 64 << 10;

/// A UDP way; open at first.
pub struct UdpGate {
    port: u16,
    cut: Arc<AtomicBool>,
    passing: JoinHandle<()>,
}

impl UdpGate {
    /// To the port that `aim` will get: nothing passes before.
    pub async fn start() -> (Self, tokio::sync::oneshot::Sender<SocketAddr>) {
        let near = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let port = near.local_addr().expect("bound").port();
        let (aim, aimed) = tokio::sync::oneshot::channel();
        let cut = Arc::new(AtomicBool::new(false));
        let held = Arc::clone(&cut);
        let passing = tokio::spawn(async move {
            if let Ok(far) = aimed.await {
                forward(Arc::new(near), far, &held).await;
            }
        });
        (Self { port, cut, passing }, aim)
    }

    /// Where it begins.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Swallows everything.
    pub fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
    }

    /// Lets everything pass again.
    pub fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

impl Drop for UdpGate {
    fn drop(&mut self) {
        self.passing.abort();
    }
}

/// Each peer gets a socket of its own towards `far`, so that answers find their way.
async fn forward(near: Arc<UdpSocket>, far: SocketAddr, cut: &Arc<AtomicBool>) {
    let mut ways: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut backward = tokio::task::JoinSet::new();
    let mut datagram = vec![0; DATAGRAM];
    loop {
        let Ok((count, peer)) = near.recv_from(&mut datagram).await else {
            continue;
        };
        if cut.load(Ordering::SeqCst) {
            continue;
        }
        let way = match ways.get(&peer) {
            Some(way) => Arc::clone(way),
            None => {
                let way = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
                    .await
                    .expect("a free port");
                way.connect(far).await.expect("a local address");
                let way = Arc::new(way);
                ways.insert(peer, Arc::clone(&way));
                backward.spawn(answers(
                    Arc::clone(&way),
                    Arc::clone(&near),
                    peer,
                    Arc::clone(cut),
                ));
                way
            }
        };
        // What the system refuses is a datagram lost.
        drop(way.send(&datagram[..count]).await);
    }
}

async fn answers(
    way: Arc<UdpSocket>,
    near: Arc<UdpSocket>,
    peer: SocketAddr,
    cut: Arc<AtomicBool>,
) {
    let mut datagram = vec![0; DATAGRAM];
    loop {
        if let Ok(count) = way.recv(&mut datagram).await
            && !cut.load(Ordering::SeqCst)
        {
            drop(near.send_to(&datagram[..count], peer).await);
        }
    }
}
