//! Bodies of HTTP/2 requests and answers: the request's is counted and must keep coming, the answer's carries its record
//! to the end.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::record::Record;
use crate::body::{Body, BodyError, Inflow};
use crate::deadline::Deadline;

/// A request's body.
pub(super) struct RequestBody {
    incoming: Incoming,
    inflow: Rc<Inflow>,
    idle: std::time::Duration,
    /// None for streams that may be silent for long (gRPC).
    deadline: Option<Deadline>,
}

impl RequestBody {
    pub(super) fn wrap(
        incoming: Incoming,
        inflow: &Rc<Inflow>,
        idle: std::time::Duration,
        patient: bool,
    ) -> Body {
        if http_body::Body::is_end_stream(&incoming) {
            return Body::Empty;
        }
        let deadline = (!patient).then(|| Deadline::new(idle));
        Body::Stream(Box::pin(Self {
            incoming,
            inflow: Rc::clone(inflow),
            idle,
            deadline,
        }))
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        let error = match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    this.inflow.add(data.len());
                }
                if let Some(deadline) = &mut this.deadline {
                    deadline.set(this.idle);
                }
                return Poll::Ready(Some(Ok(frame)));
            }
            Poll::Ready(Some(Err(error))) => BodyError::Truncated(error.to_string()),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => match &mut this.deadline {
                Some(deadline) => {
                    std::task::ready!(deadline.poll(cx));
                    BodyError::TimedOut
                }
                None => return Poll::Pending,
            },
        };
        this.inflow.break_off(error.clone());
        Poll::Ready(Some(Err(error)))
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.incoming)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.incoming)
    }
}

/// An answer's body.
pub(super) struct AnswerBody {
    body: Body,
    record: Record,
}

impl AnswerBody {
    pub(super) const fn new(body: Body, record: Record) -> Self {
        Self { body, record }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.record.bytes_out += data.len() as u64;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
