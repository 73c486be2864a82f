//! A body on its way into a stream. A router's is kept until the processor has taken the request, so that another one can
//! get it whole.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as _, Frame, SizeHint};

use super::writer::Writer;
use crate::alert::Hop;
use crate::body::{Body, BodyError};
use crate::hop::wire::{self, Kind};
use crate::metrics::Metrics;

/// Most bytes of a streaming body that are sent before the processor took the request, but for the rest of the piece that
/// passes it: they are kept in memory. 64 KiB.
const UNTAKEN: usize = 64 << 10;
/// As much is queued before the queue has to leave. 64 KiB.
const QUEUE: usize = 64 << 10;
/// A stream that has sent more lets small ones go first. 64 KiB.
const BULK: u64 = 64 << 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The body waits until the processor asks for it.
    Held,
    Body,
    /// All of it is queued, or that it broke.
    Ended,
    /// Nothing more happens: all has left, or the peer reads no more.
    Over,
}

/// See the module.
pub(super) struct Pump {
    writer: Writer,
    body: Body,
    state: State,
    /// The body was here whole from the start.
    whole: bool,
    kept: Option<Kept>,
    /// The stream goes on after the body: it may become a tunnel.
    stays_open: bool,
    sent: u64,
    metrics: Option<Arc<Metrics>>,
}

/// What was taken from a body.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) data: VecDeque<Bytes>,
    pub(super) bytes: usize,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) error: Option<BodyError>,
}

impl Pump {
    /// For an answer: `writer` has its head queued.
    pub(super) fn answer(writer: Writer, body: Body) -> Self {
        Self {
            writer,
            whole: !is_streaming(&body),
            state: State::start(&body),
            body,
            kept: None,
            stays_open: false,
            sent: 0,
            metrics: None,
        }
    }

    /// For a request: `writer` has its head queued; `held` waits for [`Self::go_on`].
    pub(super) fn request(
        writer: Writer,
        body: Body,
        held: bool,
        stays_open: bool,
        metrics: Arc<Metrics>,
    ) -> Self {
        let mut pump = Self::answer(writer, body);
        if held && pump.state == State::Body {
            pump.state = State::Held;
        }
        pump.kept = Some(Kept::default());
        pump.stays_open = stays_open;
        pump.metrics = Some(metrics);
        pump
    }

    /// The processor keeps what came of the body.
    pub(super) fn taken(&mut self) {
        // What is whole, or ended meanwhile, can still be sent again: it costs no more memory than it has.
        if !self.whole && !matches!(self.state, State::Ended | State::Over) {
            self.kept = None;
        }
    }

    /// The target wants the body.
    pub(super) fn go_on(&mut self) {
        if self.state == State::Held {
            self.state = State::Body;
        }
    }

    /// Moves as much as the body gives and the connection takes; ready when there is nothing more to do.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut dry = self.state != State::Body;
            while self.state == State::Body && !dry && self.writer.queued() < QUEUE {
                dry = self.must_wait() || self.poll_body(cx).is_pending();
            }
            match self.writer.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => {
                    // Whoever waits for the answer learns more than is known here.
                    self.state = State::Over;
                }
                Poll::Pending => return Poll::Pending,
            }
            match self.state {
                State::Ended => {
                    if !self.stays_open {
                        self.writer.finish();
                    }
                    self.state = State::Over;
                    return Poll::Ready(());
                }
                State::Over => return Poll::Ready(()),
                State::Held | State::Body if dry => return Poll::Pending,
                State::Held | State::Body => {}
            }
        }
    }

    /// More would have to be kept than is allowed.
    fn must_wait(&self) -> bool {
        let kept = self.kept.as_ref().filter(|_| !self.whole);
        kept.is_some_and(|kept| kept.bytes >= UNTAKEN)
    }

    /// Queues what the body gives next.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => self.data(data),
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        self.trailers(trailers);
                    }
                }
            },
            Some(Err(error)) => self.broken(error),
            None => self.end(),
        }
        Poll::Ready(())
    }

    fn data(&mut self, data: Bytes) {
        if data.is_empty() {
            return;
        }
        if let Some(kept) = &mut self.kept {
            kept.push(data.clone());
        }
        if let Some(metrics) = &self.metrics {
            metrics.bytes(Hop::Internal, true, data.len() as u64);
        }
        let before = self.sent;
        self.sent += data.len() as u64;
        if before <= BULK && self.sent > BULK {
            self.writer.stand_back();
        }
        self.writer.frame(|out| wire::data_header(out, data.len()));
        self.writer.bytes(data);
    }

    fn trailers(&mut self, trailers: HeaderMap) {
        if self
            .writer
            .frame(|out| wire::trailers(out, &trailers))
            .is_err()
        {
            return self.broken(BodyError::TooLarge("trailers"));
        }
        if let Some(kept) = &mut self.kept {
            kept.trailers = Some(trailers);
        }
        self.end();
    }

    fn end(&mut self) {
        self.writer.frame(|out| wire::simple(out, Kind::End));
        self.state = State::Ended;
    }

    fn broken(&mut self, error: BodyError) {
        self.writer.frame(|out| wire::broken(out, &error));
        self.state = State::Ended;
        if let Some(kept) = &mut self.kept {
            kept.error = Some(error);
        }
    }

    /// Whether [`Self::reclaim`] gives the body.
    pub(super) const fn can_reclaim(&self) -> bool {
        self.kept.is_some()
    }

    /// The body as it was before, if it can be sent again; the stream is given up.
    pub(super) fn reclaim(mut self) -> Option<Body> {
        let kept = self.kept.take()?;
        let rest = std::mem::take(&mut self.body);
        Some(kept.before(rest, self.whole))
    }

    /// The stream, for a tunnel.
    pub(super) fn into_writer(self) -> Option<Writer> {
        if self.state != State::Over || !self.stays_open {
            return None;
        }
        Some(self.writer)
    }
}

impl State {
    fn start(body: &Body) -> Self {
        if body.is_empty() {
            Self::Ended
        } else {
            Self::Body
        }
    }
}

impl Kept {
    pub(super) fn push(&mut self, data: Bytes) {
        self.bytes += data.len();
        self.data.push_back(data);
    }

    /// The body that this was taken from, of which `rest` is left; `whole` if it was one piece.
    pub(super) fn before(mut self, rest: Body, whole: bool) -> Body {
        if self.data.is_empty() && self.trailers.is_none() && self.error.is_none() {
            return rest;
        }
        if whole && let Some(data) = self.data.pop_front() {
            return Body::Full(data);
        }
        Body::Stream(Box::pin(Replayed { kept: self, rest }))
    }
}

/// A body that was begun and begins anew.
struct Replayed {
    kept: Kept,
    rest: Body,
}

impl http_body::Body for Replayed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(data) = self.kept.data.pop_front() {
            self.kept.bytes -= data.len();
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if let Some(error) = &self.kept.error {
            return Poll::Ready(Some(Err(error.clone())));
        }
        if let Some(trailers) = self.kept.trailers.take() {
            // Nothing follows them.
            self.rest = Body::Empty;
            return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
        }
        Pin::new(&mut self.rest).poll_frame(cx)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.size_hint();
        let kept = self.kept.bytes as u64;
        rest.exact().map_or_else(SizeHint::new, |n| {
            SizeHint::with_exact(n.saturating_add(kept))
        })
    }
}

fn is_streaming(body: &Body) -> bool {
    matches!(body, Body::Stream(_) | Body::H2(_))
}
