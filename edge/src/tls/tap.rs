//! The transport under rustls: a TCP stream that first replays what was read ahead and, until the handshake is done, keeps a
//! copy of what passes each way and notes the plaintext alerts (rustls swallows those of level warning). It also ends a
//! handshake that is not done in time, so that what passed until then is at hand. Afterwards it costs one bool per call.
//! Decides nothing and reads nothing of what it keeps: [`super::failure`] does, if the handshake fails.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use crate::alert::evidence::SeenAlert;
use crate::alert::{Alert, Direction};

/// The first bytes that are kept of what the peer sends: its hello, and of a server the chain. 16 KiB.
const MOST_RECEIVED: usize = 16 << 10;
/// The same of what we send. 8 KiB.
const MOST_SENT: usize = 8 << 10;
/// Plaintext alerts that are kept.
const MOST_ALERTS: usize = 8;

/// What passed during a handshake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The first bytes received, at most 16 KiB.
    pub received: Vec<u8>,
    /// The first bytes sent, at most 8 KiB.
    pub sent: Vec<u8>,
    /// Plaintext alerts in the order they passed, at most 8.
    pub alerts: Vec<SeenAlert>,
    /// All bytes received and sent.
    pub total: (u64, u64),
}

/// See the module.
#[derive(Debug)]
pub struct Tap {
    io: TcpStream,
    replay: Bytes,
    watch: Option<Box<Watch>>,
}

#[derive(Debug)]
struct Watch {
    inbound: Records,
    outbound: Records,
    seen: Seen,
    timer: Pin<Box<Sleep>>,
}

impl Tap {
    /// Wraps `io`; `replay` is read before anything else. Whoever waits for the peer at `deadline` gets
    /// [`io::ErrorKind::TimedOut`].
    pub fn new(io: TcpStream, replay: Bytes, deadline: Instant) -> Self {
        let watch = Watch {
            inbound: Records::default(),
            outbound: Records::default(),
            seen: Seen::default(),
            timer: Box::pin(tokio::time::sleep_until(deadline)),
        };
        Self {
            io,
            replay,
            watch: Some(Box::new(watch)),
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
        watch.note(direction, bytes);
    }

    /// What waiting comes to: pending, or an error if the time is up.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        match &mut self.watch {
            Some(watch) => watch
                .timer
                .as_mut()
                .poll(cx)
                .map(|()| Err(io::ErrorKind::TimedOut.into())),
            None => Poll::Pending,
        }
    }
}

impl Watch {
    fn note(&mut self, direction: Direction, bytes: &[u8]) {
        let Seen {
            received,
            sent,
            alerts,
            total,
        } = &mut self.seen;
        let (records, kept, most, total) = match direction {
            Direction::Received => (&mut self.inbound, received, MOST_RECEIVED, &mut total.0),
            Direction::Sent => (&mut self.outbound, sent, MOST_SENT, &mut total.1),
        };
        *total += bytes.len() as u64;
        let room = most.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..room.min(bytes.len())]);
        records.pass(bytes, |[level, number]| {
            if alerts.len() < MOST_ALERTS {
                alerts.push(SeenAlert {
                    direction,
                    level,
                    alert: Alert(number),
                });
            }
        });
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
            match Pin::new(&mut this.io).poll_read(cx, buf) {
                Poll::Ready(outcome) => outcome?,
                Poll::Pending => return this.wait(cx),
            }
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
        let written = match Pin::new(&mut self.io).poll_write(cx, buf) {
            Poll::Ready(outcome) => outcome?,
            Poll::Pending => return self.wait(cx),
        };
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
        let written = match Pin::new(&mut self.io).poll_write_vectored(cx, bufs) {
            Poll::Ready(outcome) => outcome?,
            Poll::Pending => return self.wait(cx),
        };
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
    /// Follows `bytes`; the alerts that end in them go to `found`, level and number.
    fn pass(&mut self, mut bytes: &[u8], mut found: impl FnMut([u8; 2])) {
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
                found(self.alert);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_found_however_they_are_split() {
        let wire = [
            22, 3, 3, 0, 3, 9, 9, 9, 21, 3, 3, 0, 2, 1, 112, 23, 3, 3, 0, 1, 7, 21, 3, 3, 0, 2, 2,
            40,
        ];
        for cut in 0..wire.len() {
            let mut records = Records::default();
            let (a, b) = wire.split_at(cut);
            let mut found = Vec::new();
            records.pass(a, |alert| found.push(alert));
            records.pass(b, |alert| found.push(alert));
            assert_eq!(found, [[1, 112], [2, 40]], "cut at {cut}");
        }
    }

    #[test]
    fn other_protocols_are_not_followed() {
        let mut records = Records::default();
        let mut found = false;
        records.pass(
            b"HTTP/1.1 400 Bad Request\r\n\x15\x03\x03\x00\x02\x02\x28",
            |_| found = true,
        );
        assert!(!found);
    }
}
