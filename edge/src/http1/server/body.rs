//! A request's body, read from the connection when polled. It tells the client to go on (100) when somebody wants the
//! body, and leaves word in the connection whether it came to its end.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::AsyncWrite;

use super::{READ_BODY, Shared};
use crate::body::BodyError;
use crate::deadline::Silence;
use crate::http1::chunk::{Decoded, Decoder};
use crate::http1::fields;
use crate::http1::framing::Framing;

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// See the module.
pub(super) struct RequestBody {
    shared: Rc<Shared>,
    rest: Rest,
    silence: Silence,
    continue_sent: usize,
}

enum Rest {
    Length(u64),
    Chunked(Decoder),
    Done,
}

impl RequestBody {
    pub(super) fn new(shared: Rc<Shared>, framing: Framing) -> Self {
        let rest = match framing {
            Framing::None => Rest::Done,
            Framing::Length(n) => Rest::Length(n),
            Framing::Chunked => Rest::Chunked(Decoder::new(shared.limits.trailer_bytes)),
        };
        let silence = Silence::at_most(shared.limits.body_idle);
        Self {
            shared,
            rest,
            silence,
            continue_sent: 0,
        }
    }

    /// The next piece out of what is already read.
    fn buffered(&mut self) -> Result<Option<Option<Frame<Bytes>>>, BodyError> {
        let mut buf = self.shared.buf.borrow_mut();
        match &mut self.rest {
            Rest::Done => Ok(Some(None)),
            Rest::Length(left) => {
                if buf.is_empty() {
                    return Ok(None);
                }
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len());
                *left -= take as u64;
                self.shared.inflow.add(take);
                if *left == 0 {
                    self.rest = Rest::Done;
                    self.shared.open.set(false);
                }
                Ok(Some(Some(Frame::data(buf.split_to(take).freeze()))))
            }
            Rest::Chunked(decoder) => match decoder.decode(&mut buf) {
                Ok(Decoded::More) => Ok(None),
                Ok(Decoded::Data(data)) => {
                    self.shared.inflow.add(data.len());
                    let most = self.shared.limits.body_bytes;
                    if most > 0 && self.shared.inflow.received() > most {
                        return Err(BodyError::TooLarge("the body is larger than allowed"));
                    }
                    Ok(Some(Some(Frame::data(data))))
                }
                Ok(Decoded::End(trailers)) => {
                    self.rest = Rest::Done;
                    self.shared.open.set(false);
                    Ok(Some(trailers.map(|mut trailers| {
                        fields::strip_claims(&mut trailers);
                        Frame::trailers(trailers)
                    })))
                }
                Err(error) => Err(BodyError::Malformed(error.sentence())),
            },
        }
    }

    fn poll_continue(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        while self.shared.continue_owed.get() {
            let mut stream = self.shared.stream.borrow_mut();
            let mut stream = Pin::new(&mut *stream);
            if self.continue_sent < CONTINUE.len() {
                let written = std::task::ready!(
                    stream
                        .as_mut()
                        .poll_write(cx, &CONTINUE[self.continue_sent..])
                );
                self.continue_sent += written.map_err(|e| BodyError::Truncated(e.to_string()))?;
            } else {
                std::task::ready!(stream.poll_flush(cx))
                    .map_err(|e| BodyError::Truncated(e.to_string()))?;
                self.shared.continue_owed.set(false);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Frame<Bytes>>, BodyError>> {
        loop {
            if let Some(piece) = self.buffered()? {
                return Poll::Ready(Ok(piece));
            }
            let filled = match self.poll_continue(cx) {
                Poll::Ready(Ok(())) => self.shared.poll_fill(cx, READ_BODY),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            };
            match filled {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(BodyError::Truncated("the client closed".to_owned())));
                }
                Poll::Ready(Ok(_)) => self.silence.broken(),
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Err(BodyError::Truncated(error.to_string())));
                }
                Poll::Pending => {
                    std::task::ready!(self.silence.poll(cx));
                    return Poll::Ready(Err(BodyError::TimedOut));
                }
            }
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
        // Whoever reads a body that broke once gets the same error again, never a clean end.
        if let Some(error) = self.shared.inflow.broken() {
            return Poll::Ready(Some(Err(error)));
        }
        self.poll_piece(cx).map(|piece| match piece {
            Ok(frame) => frame.map(Ok),
            Err(error) => {
                self.shared.inflow.break_off(error.clone());
                Some(Err(error))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.rest, Rest::Done)
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest {
            Rest::Length(left) => SizeHint::with_exact(left),
            Rest::Chunked(_) => SizeHint::new(),
            Rest::Done => SizeHint::with_exact(0),
        }
    }
}
