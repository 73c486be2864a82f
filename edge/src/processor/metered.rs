//! Counts the body bytes that pass the southbound hop. Bodies that are all here are counted at once and stay as they are.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::alert::Hop;
use crate::body::{Body, BodyError};
use crate::metrics::Metrics;

/// A body that streams.
struct Metered {
    body: Body,
    metrics: Arc<Metrics>,
    out: bool,
    bytes: u64,
}

/// Counts `body`; `out` is towards the target.
pub(super) fn meter(body: Body, metrics: &Arc<Metrics>, out: bool) -> Body {
    match body {
        Body::Empty => Body::Empty,
        Body::Full(bytes) => {
            metrics.bytes(Hop::Southbound, out, bytes.len() as u64);
            Body::Full(bytes)
        }
        streaming => Body::Stream(Box::pin(Metered {
            body: streaming,
            metrics: Arc::clone(metrics),
            out,
            bytes: 0,
        })),
    }
}

impl http_body::Body for Metered {
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
            self.bytes += data.len() as u64;
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

impl Drop for Metered {
    fn drop(&mut self) {
        self.metrics.bytes(Hop::Southbound, self.out, self.bytes);
    }
}
