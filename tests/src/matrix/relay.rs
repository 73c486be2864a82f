//! A relay before Sallyport, one a case: its address towards Sallyport is the `peer` of the record, which says whose case a
//! record is; and it sees the alerts that pass in the clear, as a second witness. It passes on bytes, ends and resets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// An address of the loopback network that no case of this process has had. A port alone would not do: the system gives the
/// same one again, to another listener at once and to the same later.
pub fn new_source() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 77, high, low)
}

/// Connects from this address.
pub async fn connect(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((source, 0).into()).expect("loopback");
    socket.connect(to).await.expect("the node listens")
}

/// An alert in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// Sallyport sent it.
    pub sent: bool,
    /// 1 warning, 2 fatal.
    pub level: u8,
    /// Which.
    pub number: u8,
}

/// See the module.
pub struct Relay {
    port: u16,
    source: Ipv4Addr,
    seen: Arc<Mutex<Vec<Passed>>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Relay {
    /// To this listener of Sallyport.
    pub async fn to(address: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let source = new_source();
        let noted = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = connect(source, address).await;
                for stream in [&near, &far] {
                    stream.set_nodelay(true).expect("a TCP socket");
                }
                tokio::spawn(pass(near, far, Arc::clone(&noted)));
            }
        });
        Self {
            port,
            source,
            seen,
            accepting,
        }
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its address towards Sallyport.
    pub const fn source(&self) -> Ipv4Addr {
        self.source
    }

    /// Alerts that passed in the clear, in order.
    pub fn alerts(&self) -> Vec<Passed> {
        self.seen.lock().expect("no holder panics").clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes on until both sides have ended or one is gone.
async fn pass(mut near: TcpStream, mut far: TcpStream, seen: Arc<Mutex<Vec<Passed>>>) {
    let (mut received, mut sent) = (Records::default(), Records::default());
    let (mut up, mut down) = ([0; 16 << 10], [0; 16 << 10]);
    let (mut near_open, mut far_open) = (true, true);
    while near_open || far_open {
        let done = tokio::select! {
            read = near.read(&mut up), if near_open => {
                let read = read.map(|count| &up[..count]);
                forward(read, &mut far, (&mut received, false), &seen).await
                    .map(|more| near_open = more)
            }
            read = far.read(&mut down), if far_open => {
                let read = read.map(|count| &down[..count]);
                forward(read, &mut near, (&mut sent, true), &seen).await
                    .map(|more| far_open = more)
            }
        };
        if done.is_err() {
            // A reset on one side becomes one on the other.
            for stream in [&near, &far] {
                drop(stream.set_zero_linger());
            }
            return;
        }
    }
}

/// Passes on what was read; false at the end of the stream.
async fn forward(
    read: io::Result<&[u8]>,
    to: &mut TcpStream,
    (records, sent): (&mut Records, bool),
    seen: &Mutex<Vec<Passed>>,
) -> io::Result<bool> {
    let bytes = read?;
    if bytes.is_empty() {
        to.shutdown().await?;
        return Ok(false);
    }
    let alerts = records.take(bytes).into_iter();
    let alerts = alerts.map(|(level, number)| Passed {
        sent,
        level,
        number,
    });
    seen.lock().expect("no holder panics").extend(alerts);
    to.write_all(bytes).await?;
    Ok(true)
}

/// Finds alert records of two bytes; an encrypted one is longer.
#[derive(Default)]
struct Records {
    bytes: Vec<u8>,
    lost: bool,
}

impl Records {
    fn take(&mut self, more: &[u8]) -> Vec<(u8, u8)> {
        let mut found = Vec::new();
        if self.lost {
            return found;
        }
        self.bytes.extend_from_slice(more);
        while let [kind, 3, _, high, low, rest @ ..] = self.bytes.as_slice() {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if rest.len() < length {
                return found;
            }
            if let (21, [level, number]) = (kind, &rest[..length]) {
                found.push((*level, *number));
            }
            self.bytes.drain(..5 + length);
        }
        // What is not a record is not TLS, and nothing after it counts.
        self.lost = self.bytes.len() >= 5;
        found
    }
}
