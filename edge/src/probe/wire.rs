//! The transport under a probe's handshake: a TCP stream that keeps a copy of what passes, so that a failure can be read from
//! the wire and not only from the TLS library's words. Bounded; for probes only, data connections have [`crate::tls::tap`].

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes kept of each direction: four times the longest flight of a server with a chain of reasonable size.
const MOST_KEPT: usize = 64 << 10;

/// What passed so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Passed {
    /// The first bytes received.
    pub(super) received: Vec<u8>,
    /// The first bytes sent.
    pub(super) sent: Vec<u8>,
    /// How many bytes there were of each.
    pub(super) bytes: (u64, u64),
}

/// The copy, for the one who waits for the handshake: the stream itself may be lost with it.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(Arc<Mutex<Passed>>);

impl Log {
    /// What passed so far.
    pub(super) fn passed(&self) -> Passed {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn with(&self, note: impl FnOnce(&mut Passed)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Wire {
    tcp: TcpStream,
    log: Log,
}

impl Wire {
    pub(super) const fn new(tcp: TcpStream, log: Log) -> Self {
        Self { tcp, log }
    }
}

fn keep(kept: &mut Vec<u8>, count: &mut u64, bytes: &[u8]) {
    *count += bytes.len() as u64;
    let room = MOST_KEPT.saturating_sub(kept.len()).min(bytes.len());
    kept.extend_from_slice(&bytes[..room]);
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buf))?;
        let fresh = &buf.filled()[before..];
        self.log
            .with(|passed| keep(&mut passed.received, &mut passed.bytes.0, fresh));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, buf))?;
        let fresh = &buf[..written.min(buf.len())];
        self.log
            .with(|passed| keep(&mut passed.sent, &mut passed.bytes.1, fresh));
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
