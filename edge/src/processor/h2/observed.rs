//! A target's stream under hyper, watched until the first byte came: what fails before that is a late refusal of our TLS
//! handshake, and h2 would turn it into text.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::processor::dial::{Late, Unproven};
use crate::tls::Stream;

/// What was seen before the first byte.
#[derive(Default)]
pub(super) struct Seen {
    late: RefCell<Option<Late>>,
}

impl Seen {
    /// The target refused our handshake after we took it for done.
    pub(super) fn late(&self) -> Option<Late> {
        self.late.borrow().clone()
    }
}

/// See the module.
pub(super) struct Observed {
    pub(super) stream: Stream,
    /// There with TLS, until the first byte came.
    pub(super) unproven: Option<Box<Unproven>>,
    pub(super) seen: Rc<Seen>,
}

impl AsyncRead for Observed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_read(cx, buf);
        // The first answer settles it.
        if outcome.is_ready()
            && let Some(unproven) = self.unproven.take()
            && let Poll::Ready(Err(error)) = &outcome
            && let Some(late) = unproven.late(error)
        {
            self.seen.late.replace(Some(late));
        }
        outcome
    }
}

impl AsyncWrite for Observed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
