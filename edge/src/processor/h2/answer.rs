//! An HTTP/2 answer's body: hyper's, with the read deadline, and with what must last until its end.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use super::body::{Loan, Wait};
use super::{Data, Ticket};
use crate::body::BodyError;

/// See the module.
pub(in crate::processor) struct Streaming {
    incoming: Incoming,
    loan: Loan,
    /// Keeps the stream counted.
    ticket: Ticket,
    read: Duration,
    due: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Streaming {
    pub(super) const fn new(
        incoming: Incoming,
        loan: Loan,
        ticket: Ticket,
        read: Duration,
    ) -> Self {
        Self {
            incoming,
            loan,
            ticket,
            read,
            due: None,
            sleep: None,
        }
    }

    /// Ready when nothing came for [`Self::read`] although nothing is owed to the target.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = *self.due.get_or_insert_with(|| Instant::now() + self.read);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        loop {
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if sleep.deadline() >= due {
                if !matches!(self.loan.waits_for(), Wait::Client) && self.loan.idle() >= self.read {
                    return Poll::Ready(());
                }
                self.due = Some(now + self.read);
            }
            sleep.as_mut().reset(self.due.unwrap_or(now + self.read));
        }
    }
}

impl http_body::Body for Streaming {
    type Data = Data;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, BodyError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            self.due = None;
            return Poll::Ready(frame.map(|f| f.map_err(|e| BodyError::Truncated(e.to_string()))));
        }
        if self.poll_overdue(cx).is_ready() {
            self.ticket.line().retire();
            return Poll::Ready(Some(Err(BodyError::TimedOut)));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
