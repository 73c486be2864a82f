//! A stream of the hop as raw bytes both ways: what a tunnel runs through after a 101. Each direction ends on its own;
//! dropped before both have ended, it breaks both off.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use quinn::RecvStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::lane::Flight;
use super::reader::Reader;
use super::writer::{WriteFailure, Writer};

/// See the module.
pub struct Pipe {
    writer: Writer,
    recv: RecvStream,
    /// Bytes that came with the head.
    early: Bytes,
    _flight: Option<Flight>,
}

impl Pipe {
    pub(super) fn new(writer: Writer, reader: Reader, flight: Option<Flight>) -> Self {
        let (recv, early) = reader.into_raw();
        Self {
            writer,
            recv,
            early,
            _flight: flight,
        }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return AsyncRead::poll_read(Pin::new(&mut self.recv), cx, buf);
        }
        let n = self.early.len().min(buf.remaining());
        buf.put_slice(&self.early[..n]);
        self.early.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.writer.poll_raw(cx, buf).map_err(broken)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer.poll_flush(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.writer.poll_flush(cx)).map_err(broken)?;
        self.writer.finish();
        Poll::Ready(Ok(()))
    }
}

fn broken(failure: WriteFailure) -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, failure)
}
