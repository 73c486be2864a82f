//! The transport under rustls: a TCP stream that first replays what was read ahead and, until the handshake is done,
//! notes the plaintext alerts that pass either way (rustls swallows those of level warning) and the peer's first byte.
//! Afterwards it costs one bool per call. Decides nothing.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::alert::{Alert, Direction};

/// A plaintext alert seen on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenAlert {
    /// Which way.
    pub direction: Direction,
    /// 1 warning, 2 fatal.
    pub level: u8,
    /// Which.
    pub alert: Alert,
}

/// What passed during the handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The peer's first byte; 20 to 23 if it speaks TLS.
    pub first_byte: Option<u8>,
    /// The last plaintext alert sent.
    pub sent: Option<SeenAlert>,
    /// The last plaintext alert received.
    pub received: Option<SeenAlert>,
}

/// See the module.
#[derive(Debug)]
pub struct Tap {
    io: TcpStream,
    replay: Bytes,
    watch: Option<Box<Watch>>,
}

#[derive(Debug, Default)]
struct Watch {
    inbound: Records,
    outbound: Records,
    seen: Seen,
}

impl Tap {
    /// Wraps `io`; `replay` is read before anything else.
    pub fn new(io: TcpStream, replay: Bytes) -> Self {
        Self {
            io,
            replay,
            watch: Some(Box::default()),
        }
    }

    /// The handshake is done: stop looking. Returns what was seen.
    pub fn finish(&mut self) -> Seen {
        self.watch.take().map(|w| w.seen).unwrap_or_default()
    }

    /// The TCP stream, for its addresses and options.
    pub const fn tcp(&self) -> &TcpStream {
        &self.io
    }

    /// Gives the TCP stream back.
    pub fn into_tcp(self) -> TcpStream {
        self.io
    }

    fn note(&mut self, direction: Direction, bytes: &[u8]) {
        let Some(watch) = &mut self.watch else { return };
        let Watch {
            inbound,
            outbound,
            seen,
        } = &mut **watch;
        let records = match direction {
            Direction::Received => {
                seen.first_byte = seen.first_byte.or_else(|| bytes.first().copied());
                inbound
            }
            Direction::Sent => outbound,
        };
        if let Some([level, number]) = records.pass(bytes) {
            let alert = Some(SeenAlert {
                direction,
                level,
                alert: Alert(number),
            });
            match direction {
                Direction::Received => seen.received = alert,
                Direction::Sent => seen.sent = alert,
            }
        }
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        if this.replay.is_empty() {
            std::task::ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        } else {
            let length = this.replay.len().min(buf.remaining());
            buf.put_slice(&this.replay[..length]);
            this.replay.advance(length);
            if this.replay.is_empty() {
                this.replay = Bytes::new();
            }
        }
        if this.watch.is_some() {
            this.note(Direction::Received, &buf.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = std::task::ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        if self.watch.is_some() {
            self.note(Direction::Sent, &buf[..written.min(buf.len())]);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = std::task::ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs))?;
        if self.watch.is_some() {
            let mut rest = written;
            for buf in bufs {
                let length = rest.min(buf.len());
                self.note(Direction::Sent, &buf[..length]);
                rest -= length;
            }
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Follows the record headers of one direction and picks out plaintext alerts: content type 21 with two bytes (an
/// encrypted alert is longer, and in TLS 1.3 hidden behind type 23).
#[derive(Debug, Default)]
struct Records {
    header: [u8; 5],
    have: usize,
    left: usize,
    alert: [u8; 2],
    foreign: bool,
}

impl Records {
    /// The last alert that ended in `bytes`.
    fn pass(&mut self, mut bytes: &[u8]) -> Option<[u8; 2]> {
        let mut found = None;
        while !self.foreign {
            if self.have < self.header.len() {
                let Some((byte, rest)) = bytes.split_first() else {
                    break;
                };
                self.header[self.have] = *byte;
                self.have += 1;
                bytes = rest;
                if self.have == self.header.len() {
                    self.left = usize::from(u16::from_be_bytes([self.header[3], self.header[4]]));
                    self.foreign = !matches!(self.header[0], 20..=23) || self.header[1] != 3;
                }
                continue;
            }
            let length = self.left.min(bytes.len());
            let is_alert = self.header[0] == 21 && self.header[3..] == [0, 2];
            if is_alert {
                let at = 2 - self.left;
                self.alert[at..at + length].copy_from_slice(&bytes[..length]);
            }
            self.left -= length;
            bytes = &bytes[length..];
            if self.left > 0 {
                break;
            }
            self.have = 0;
            if is_alert {
                found = Some(self.alert);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_found_however_they_are_split() {
        let wire = [
            22, 3, 3, 0, 3, 9, 9, 9, 21, 3, 3, 0, 2, 1, 112, 23, 3, 3, 0, 1, 7,
        ];
        for cut in 0..wire.len() {
            let mut records = Records::default();
            let (a, b) = wire.split_at(cut);
            let found = records.pass(a).or(records.pass(b));
            assert_eq!(found, Some([1, 112]), "cut at {cut}");
        }
    }

    #[test]
    fn other_protocols_are_not_followed() {
        let mut records = Records::default();
        assert_eq!(
            records.pass(b"HTTP/1.1 400 Bad Request\r\n\x15\x03\x03\x00\x02\x02\x28"),
            None
        );
    }
}
