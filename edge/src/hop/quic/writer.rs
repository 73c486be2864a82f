//! The sending half of a stream: frames are queued and leave together, large pieces without being copied.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use quinn::{SendStream, VarInt, WriteError};

use super::code;

/// Pieces up to this size are copied next to what is queued before them.
const COPY: usize = 4 << 10;

/// Why nothing more can be written.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct WriteFailure(String);

/// See the module. Dropped before [`Writer::finish`], it tells the peer that the message is given up.
pub(super) struct Writer {
    send: SendStream,
    queue: Vec<Bytes>,
    /// Of `queue`, those that have left.
    gone: usize,
    /// What follows `queue`.
    tail: Vec<u8>,
    queued: usize,
    closed: bool,
}

impl Writer {
    pub(super) fn new(send: SendStream) -> Self {
        Self {
            send,
            queue: Vec::new(),
            gone: 0,
            tail: Vec::new(),
            queued: 0,
            closed: false,
        }
    }

    /// Queues what `write` appends.
    pub(super) fn frame<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let before = self.tail.len();
        let result = write(&mut self.tail);
        self.queued += self.tail.len() - before;
        result
    }

    /// Queues bytes.
    pub(super) fn bytes(&mut self, bytes: Bytes) {
        self.queued += bytes.len();
        if bytes.len() <= COPY {
            self.tail.extend_from_slice(&bytes);
        } else {
            self.seal();
            self.queue.push(bytes);
        }
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.queue.push(Bytes::from(std::mem::take(&mut self.tail)));
        }
    }

    /// Bytes that have not left.
    pub(super) const fn queued(&self) -> usize {
        self.queued
    }

    /// Hands everything queued to the connection, as its windows allow.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteFailure>> {
        self.seal();
        while self.gone < self.queue.len() {
            let write = pin!(self.send.write_chunks(&mut self.queue[self.gone..]));
            match ready!(write.poll(cx)) {
                Ok(written) => {
                    self.gone += written.chunks;
                    self.queued -= written.bytes;
                }
                Err(WriteError::Stopped(code)) => {
                    let text = format!("the peer reads no more (code {code})");
                    return Poll::Ready(Err(WriteFailure(text)));
                }
                Err(error) => return Poll::Ready(Err(WriteFailure(error.to_string()))),
            }
        }
        self.queue.clear();
        self.gone = 0;
        Poll::Ready(Ok(()))
    }

    pub(super) async fn flush(&mut self) -> Result<(), WriteFailure> {
        std::future::poll_fn(|cx| self.poll_flush(cx)).await
    }

    /// Ends the stream after what was flushed.
    pub(super) fn finish(&mut self) {
        // An error means that it has ended otherwise.
        let _ = self.send.finish();
        self.closed = true;
    }

    /// Breaks the stream off.
    pub(super) fn reset(&mut self, code: VarInt) {
        let _ = self.send.reset(code);
        self.closed = true;
    }

    /// Lets other streams go first.
    pub(super) fn stand_back(&self) {
        let _ = self.send.set_priority(-1);
    }

    /// Ready when the peer reads no more, or the connection has ended.
    pub(super) fn given_up(&self) -> impl Future<Output = ()> + 'static {
        let stopped = self.send.stopped();
        async move {
            // `None` is the acknowledged end of a stream, not a wish of the peer.
            if matches!(stopped.await, Ok(None)) {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Writes raw bytes, behind what is queued.
    pub(super) fn poll_raw(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize, WriteFailure>> {
        ready!(self.poll_flush(cx))?;
        std::pin::Pin::new(&mut self.send)
            .poll_write(cx, bytes)
            .map_err(|e| WriteFailure(e.to_string()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.closed {
            self.reset(code::CANCELLED);
        }
    }
}
