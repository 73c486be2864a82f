//! Bodies of HTTP/2 requests and answers: the request's is counted and must keep coming, the answer's carries its record
//! to the end.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::h2::Running;
use super::h2_turn::Turn;
use super::record::Record;
use crate::body::{Body, BodyError, Inflow};
use crate::deadline::Silence;
use crate::http1::fields;
use crate::limits::Limits;

/// A request's body.
pub(super) struct RequestBody {
    incoming: Incoming,
    inflow: Rc<Inflow>,
    /// Most bytes, 0 for no bound.
    most: u64,
    silence: Silence,
}

impl RequestBody {
    pub(super) fn wrap(incoming: Incoming, inflow: &Rc<Inflow>, limits: &Limits) -> Body {
        if http_body::Body::is_end_stream(&incoming) {
            return Body::Empty;
        }
        Body::Stream(Box::pin(Self {
            incoming,
            inflow: Rc::clone(inflow),
            most: limits.body_bytes,
            silence: Silence::at_most(limits.body_idle),
        }))
    }

    /// What HTTP/1.1 bodies go through while they are decoded: the count, the bound, and trailers that may not be.
    fn judge(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        self.silence.broken();
        if let Some(data) = frame.data_ref() {
            self.inflow.add(data.len());
            if self.most > 0 && self.inflow.received() > self.most {
                return Err(BodyError::TooLarge("the body is larger than allowed"));
            }
            return Ok(frame);
        }
        match frame.into_trailers() {
            Ok(trailers) if fields::has_forbidden_trailer(&trailers) => Err(BodyError::Malformed(
                "a trailer names a field that must be in the head",
            )),
            Ok(mut trailers) => {
                fields::strip_claims(&mut trailers);
                Ok(Frame::trailers(trailers))
            }
            Err(frame) => Ok(frame),
        }
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
            Poll::Ready(Some(Ok(frame))) => match this.judge(frame) {
                Ok(frame) => return Poll::Ready(Some(Ok(frame))),
                Err(error) => error,
            },
            Poll::Ready(Some(Err(error))) => BodyError::Truncated(error.to_string()),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending if this.inflow.is_patient() => return Poll::Pending,
            Poll::Pending => {
                std::task::ready!(this.silence.poll(cx));
                BodyError::TimedOut
            }
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

/// Most bytes given at once: what hyper then holds of an answer that its client does not take, and what a slow client
/// must take within the body-idle time.
const PIECE: usize = 16 << 10;

/// An answer's body.
pub(super) struct AnswerBody {
    body: Body,
    /// What is left of the last piece of `body`.
    rest: Bytes,
    record: Record,
    turn: Option<Rc<Turn>>,
    _running: Running,
}

impl AnswerBody {
    pub(super) fn new(body: Body, record: Record, running: Running) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            record,
            turn: Turn::of_this_stream(),
            _running: running,
        }
    }

    /// The next piece of data.
    fn piece(&mut self) -> Frame<Bytes> {
        let piece = self.rest.split_to(self.rest.len().min(PIECE));
        self.record.bytes_out += piece.len() as u64;
        if let Some(turn) = &self.turn {
            turn.pass_to_client();
        }
        Frame::data(piece)
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(self.piece())));
        }
        if let Some(turn) = &self.turn {
            turn.take_back();
        }
        let frame = match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            other => return Poll::Ready(other),
        };
        match frame.into_data() {
            Ok(data) => {
                self.rest = data;
                Poll::Ready(Some(Ok(self.piece())))
            }
            Err(frame) => Poll::Ready(Some(Ok(frame))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
