//! How a client's bytes are cut on their way: whole, byte by byte, or its first TLS record split into many.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As written.
    Whole,
    /// Every write in segments of so many bytes.
    Segments(usize),
    /// The first record (the ClientHello) as many records of so many bytes.
    Records(usize),
}

/// A TCP stream that cuts what is written to it.
#[derive(Debug)]
pub struct Shaped {
    stream: TcpStream,
    shape: Shape,
    pending: Vec<u8>,
}

impl Shaped {
    /// Wraps a stream.
    pub const fn new(stream: TcpStream, shape: Shape) -> Self {
        Self {
            stream,
            shape,
            pending: Vec::new(),
        }
    }

    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.pending))?;
            self.pending.drain(..count);
        }
        Poll::Ready(Ok(()))
    }
}

/// Splits the first TLS record in `bytes` into records of `size` bytes of content; what follows stays as it is.
pub fn split_record(bytes: &[u8], size: usize) -> Vec<u8> {
    let length = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
    let mut out = Vec::new();
    for piece in bytes[5..5 + length].chunks(size) {
        out.extend_from_slice(&bytes[..3]);
        out.extend_from_slice(
            &u16::try_from(piece.len())
                .expect("a record's piece")
                .to_be_bytes(),
        );
        out.extend_from_slice(piece);
    }
    out.extend_from_slice(&bytes[5 + length..]);
    out
}

impl AsyncRead for Shaped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Shaped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.drain(cx))?;
        match self.shape {
            Shape::Whole => Pin::new(&mut self.stream).poll_write(cx, bytes),
            Shape::Segments(size) => {
                Pin::new(&mut self.stream).poll_write(cx, &bytes[..size.min(bytes.len())])
            }
            Shape::Records(size) => {
                self.pending = split_record(bytes, size);
                self.shape = Shape::Whole;
                Poll::Ready(Ok(bytes.len()))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.drain(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
