//! The body of an answer at the router's end. Whoever reads it also moves what is left of the request's body: an answer
//! may begin, and even end, before the request is over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::frames::Frames;
use super::lane::Flight;
use super::pump::Pump;
use crate::alert::Hop;
use crate::body::BodyError;
use crate::metrics::Metrics;

/// See the module. Dropped early, it cancels the request.
pub(super) struct AnswerBody {
    frames: Frames,
    going: Option<(Pump, Flight)>,
    metrics: Arc<Metrics>,
    bytes: u64,
}

impl AnswerBody {
    pub(super) const fn new(
        frames: Frames,
        pump: Pump,
        flight: Flight,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            frames,
            going: Some((pump, flight)),
            metrics,
            bytes: 0,
        }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some((pump, _)) = &mut this.going {
            let _ = pump.poll(cx);
        }
        let frame = ready!(this.frames.poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            this.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        } else {
            // The answer is over, and with it the request, as far as anybody reads that.
            this.going = None;
        }
        // An error is the end, too.
        let frame = frame.map(|f| f.map_err(as_cut));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.frames.size_hint()
    }
}

/// An answer that broke off beyond the hop is cut for the router, whatever the reason was there.
fn as_cut(error: BodyError) -> BodyError {
    match error {
        BodyError::Truncated(_) => error,
        other => BodyError::Truncated(other.to_string()),
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.metrics.bytes(Hop::Internal, false, self.bytes);
    }
}
