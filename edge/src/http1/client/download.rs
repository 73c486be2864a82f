//! An answer's body on its way in. It also drives what is left of the request, so no task is needed per exchange.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{BrokenBy, Connection, Exchange};
use crate::body::BodyError;
use crate::http1::chunk::{Decoded, Decoder};

/// A body that is not all here yet. After its end [`Self::take_connection`] gives the connection back.
pub struct Download {
    exchange: Option<Exchange>,
    framing: Left,
    spare: Option<Box<Connection>>,
}

/// What is still to come.
enum Left {
    Length(u64),
    Chunked(Decoder),
    Close,
}

impl Download {
    pub(super) const fn length(exchange: Exchange, n: u64) -> Self {
        Self {
            exchange: Some(exchange),
            framing: Left::Length(n),
            spare: None,
        }
    }

    pub(super) const fn chunked(exchange: Exchange, decoder: Decoder) -> Self {
        Self {
            exchange: Some(exchange),
            framing: Left::Chunked(decoder),
            spare: None,
        }
    }

    pub(super) const fn until_close(exchange: Exchange) -> Self {
        Self {
            exchange: Some(exchange),
            framing: Left::Close,
            spare: None,
        }
    }

    /// The connection, once the body has ended well and another request may use it.
    pub const fn take_connection(&mut self) -> Option<Box<Connection>> {
        self.spare.take()
    }

    /// The end was reached, well or not.
    pub const fn is_over(&self) -> bool {
        self.exchange.is_none()
    }

    /// Bytes still to come, if that is known.
    pub fn remaining(&self) -> SizeHint {
        match (&self.framing, &self.exchange) {
            (Left::Length(n), _) => SizeHint::with_exact(*n),
            (_, None) => SizeHint::with_exact(0),
            (_, Some(_)) => SizeHint::default(),
        }
    }

    /// The next piece.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(exchange) = &mut self.exchange else {
            return Poll::Ready(None);
        };
        let step = poll_step(exchange, &mut self.framing, cx);
        match step {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(Step::Data(data))) => {
                if matches!(self.framing, Left::Length(0)) {
                    self.finish();
                }
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Ok(Step::End(trailers))) => {
                self.finish();
                Poll::Ready(trailers.map(|t| Ok(Frame::trailers(t))))
            }
            Poll::Ready(Err(error)) => {
                self.exchange = None;
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn finish(&mut self) {
        self.spare = self.exchange.take().and_then(Exchange::finish);
    }
}

enum Step {
    Data(Bytes),
    End(Option<http::HeaderMap>),
}

fn poll_step(
    exchange: &mut Exchange,
    framing: &mut Left,
    cx: &mut Context<'_>,
) -> Poll<Result<Step, BodyError>> {
    exchange.poll_upload(cx).map_err(into_body_error)?;
    loop {
        let input = &mut exchange.connection.input;
        match framing {
            Left::Length(left) if !input.is_empty() => {
                let n = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                *left -= n as u64;
                return Poll::Ready(Ok(Step::Data(input.split_to(n).freeze())));
            }
            Left::Chunked(decoder) => match decoder
                .decode(input)
                .map_err(|e| BodyError::Malformed(e.sentence()))?
            {
                Decoded::Data(data) => return Poll::Ready(Ok(Step::Data(data))),
                Decoded::End(trailers) => return Poll::Ready(Ok(Step::End(trailers))),
                Decoded::More => {}
            },
            Left::Close if !input.is_empty() => {
                return Poll::Ready(Ok(Step::Data(input.split().freeze())));
            }
            Left::Length(_) | Left::Close => {}
        }
        match exchange.connection.poll_read(cx, true) {
            Poll::Ready(Ok(0)) if matches!(framing, Left::Close) => {
                return Poll::Ready(Ok(Step::End(None)));
            }
            Poll::Ready(Ok(0)) => {
                return Poll::Ready(Err(BodyError::Truncated("the target closed".into())));
            }
            Poll::Ready(Ok(_)) => {}
            Poll::Ready(Err(e)) => return Poll::Ready(Err(BodyError::Truncated(e.to_string()))),
            Poll::Pending => return exchange.poll_stalled(cx).map(|by| Err(into_body_error(by))),
        }
    }
}

impl http_body::Body for Download {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Self::poll_frame(&mut self, cx)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.remaining()
    }
}

fn into_body_error(by: BrokenBy) -> BodyError {
    match by {
        BrokenBy::SendTimedOut | BrokenBy::ReadTimedOut => BodyError::TimedOut,
        BrokenBy::BadAnswer(why) => BodyError::Malformed(why),
        BrokenBy::Closed(e) => BodyError::Truncated(e.to_string()),
        BrokenBy::RequestBody(e) => BodyError::Truncated(format!("the request's body failed: {e}")),
    }
}
