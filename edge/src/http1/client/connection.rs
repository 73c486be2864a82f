//! One connection to a target: the stream, its buffers, and the clock of what stalls.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep};

use crate::tls::Stream;

/// Room asked for before a read of a head or a small body.
const READ: usize = 8 << 10;
/// Room asked for before a read of a body that streams.
const READ_BULK: usize = 64 << 10;

/// A connection between requests or in one.
pub struct Connection {
    pub(super) stream: Stream,
    /// Bytes read and not yet used.
    pub(super) input: BytesMut,
    /// Kept for the next request's head.
    pub(super) output: Vec<u8>,
    /// Whether the answer in progress lets the connection live.
    pub(super) keep: bool,
    /// A byte was ever read.
    pub(super) proven: bool,
    pub(super) requests: u32,
    stall: Stall,
}

/// A deadline that moves with every progress. The timer is made once per connection and re-armed only when it fires
/// too early: progress itself costs nothing.
#[derive(Default)]
struct Stall {
    due: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    /// A new connection; TLS, if any, is established.
    pub fn new(stream: Stream) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: Vec::new(),
            keep: false,
            proven: false,
            requests: 0,
            stall: Stall::default(),
        }
    }

    /// Requests served.
    pub const fn requests(&self) -> u32 {
        self.requests
    }

    /// Whether an idle connection is as it was left: open, and without a byte that nobody asked for. Costs a system call
    /// only if the kernel has announced something.
    pub fn is_quiet(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        // Unconstrained: a task that has used up its budget would find every connection quiet.
        let read = unconstrained(poll_fn(|cx| self.poll_read(cx, false)));
        let silent = pin!(read).poll(&mut cx).is_pending();
        silent && self.input.is_empty()
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        bulk: bool,
    ) -> Poll<io::Result<usize>> {
        let room = if bulk { READ_BULK } else { READ };
        if self.input.capacity() - self.input.len() < room / 4 {
            self.input.reserve(room);
        }
        let read = pin!(self.stream.read_buf(&mut self.input)).poll(cx);
        if let Poll::Ready(Ok(n)) = &read {
            self.proven |= *n > 0;
            self.moved();
        }
        read
    }

    /// Something went through: the deadline starts again.
    pub(super) const fn moved(&mut self) {
        self.stall.due = None;
    }

    /// Ready when nothing has moved for `limit`.
    pub(super) fn poll_stall(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let due = *self.stall.due.get_or_insert_with(|| Instant::now() + limit);
        let sleep = self
            .stall
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        loop {
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if sleep.deadline() >= due {
                self.stall = Stall::default();
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }

    /// The first `n` bytes of the input, out of `copy` if that has them, so that the buffer itself stays.
    pub(super) fn take_input(&mut self, n: usize, copy: &Bytes) -> Bytes {
        if n > copy.len() {
            return self.input.split_to(n).freeze();
        }
        if n == self.input.len() {
            self.input.clear();
        } else {
            self.input.advance(n);
        }
        copy.slice(..n)
    }

    pub(super) fn into_stream(self) -> (Stream, Bytes) {
        (self.stream, self.input.freeze())
    }
}
