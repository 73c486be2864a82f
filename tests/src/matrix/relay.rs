//! A relay before Sallyport, one a case: its port towards Sallyport is the `peer` of the record, which says whose case a
//! record is; and it sees the alerts that pass in the clear, as a second witness. It passes on bytes, ends and resets.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

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

#[derive(Default)]
struct Seen {
    ports: Vec<u16>,
    alerts: Vec<Passed>,
}

/// See the module.
pub struct Relay {
    port: u16,
    seen: Arc<Mutex<Seen>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Relay {
    /// To this listener of Sallyport.
    pub async fn to(address: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = Arc::clone(&seen);
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(address).await.expect("the node listens");
                let own = far.local_addr().expect("connected").port();
                noted.lock().expect("no holder panics").ports.push(own);
                for stream in [&near, &far] {
                    stream.set_nodelay(true).expect("a TCP socket");
                }
                tokio::spawn(pass(near, far, Arc::clone(&noted)));
            }
        });
        Self {
            port,
            seen,
            accepting,
        }
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Ports it had towards Sallyport, in order.
    pub fn ports(&self) -> Vec<u16> {
        self.seen.lock().expect("no holder panics").ports.clone()
    }

    /// Alerts that passed in the clear, in order.
    pub fn alerts(&self) -> Vec<Passed> {
        self.seen.lock().expect("no holder panics").alerts.clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes on until both sides have ended or one is gone.
async fn pass(mut near: TcpStream, mut far: TcpStream, seen: Arc<Mutex<Seen>>) {
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
    seen: &Mutex<Seen>,
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
    seen.lock().expect("no holder panics").alerts.extend(alerts);
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
