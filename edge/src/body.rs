//! Message bodies as they pass through the line: never buffered whole, trailers included. A leaf: both codecs make
//! and read bodies through this type.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

/// Why a body broke off.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The sender's framing is wrong (bad chunk, trailer, content-length exceeded).
    #[error("malformed body: {0}")]
    Malformed(&'static str),
    /// The sender closed or reset before the end.
    #[error("body ended early: {0}")]
    Truncated(String),
    /// Nothing came for too long.
    #[error("body timed out")]
    TimedOut,
    /// A bound was passed (trailer bytes).
    #[error("body too large: {0}")]
    TooLarge(&'static str),
}

/// What is known of a request's body while somebody else reads it: how much came, and whether the client broke it. Kept
/// by the router, written by the body.
#[derive(Debug, Default)]
pub struct Inflow {
    received: Cell<u64>,
    broken: RefCell<Option<BodyError>>,
    patient: Cell<bool>,
}

impl Inflow {
    /// Forgets the last request.
    pub fn reset(&self) {
        self.received.set(0);
        self.patient.set(false);
        self.broken.borrow_mut().take();
    }

    /// Whether the body may be silent for long: it goes to a target that keeps streams open (gRPC).
    pub fn set_patient(&self, patient: bool) {
        self.patient.set(patient);
    }

    /// See [`Self::set_patient`].
    pub fn is_patient(&self) -> bool {
        self.patient.get()
    }

    /// Counts `n` bytes of data.
    pub fn add(&self, n: usize) {
        self.received.set(self.received.get() + n as u64);
    }

    /// Bytes of data so far.
    pub fn received(&self) -> u64 {
        self.received.get()
    }

    /// Notes that the client broke its body off.
    pub fn break_off(&self, error: BodyError) {
        *self.broken.borrow_mut() = Some(error);
    }

    /// Why the body broke off, if the client is to blame.
    pub fn broken(&self) -> Option<BodyError> {
        self.broken.borrow().clone()
    }
}

/// A boxed stream of frames; not `Send`: a body stays on its thread.
pub type BodyStream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError>>>;

/// A message body.
#[derive(Default)]
pub enum Body {
    /// No body (and the message says so).
    #[default]
    Empty,
    /// All of it is here.
    Full(Bytes),
    /// It comes frame by frame from an HTTP/1.1 peer.
    Stream(BodyStream),
    /// It comes from an HTTP/2 peer.
    H2(Incoming),
}

impl Body {
    /// Nothing will come.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream(_) => false,
            Self::H2(incoming) => http_body::Body::is_end_stream(incoming),
        }
    }
}

impl Body {
    /// How many bytes it has, if all of it is here.
    pub const fn here(&self) -> Option<u64> {
        match self {
            Self::Empty => Some(0),
            Self::Full(bytes) => Some(bytes.len() as u64),
            Self::Stream(_) | Self::H2(_) => None,
        }
    }

    /// The same body, of which `done` learns how many bytes were taken, when it is dropped.
    pub fn counted(self, done: impl FnOnce(u64) + Unpin + 'static) -> Self {
        Self::Stream(Box::pin(Counted {
            body: self,
            bytes: 0,
            done: Some(done),
        }))
    }
}

/// See [`Body::counted`].
struct Counted<F: FnOnce(u64)> {
    body: Body,
    bytes: u64,
    done: Option<F>,
}

impl<F: FnOnce(u64) + Unpin> http_body::Body for Counted<F> {
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

impl<F: FnOnce(u64)> Drop for Counted<F> {
    fn drop(&mut self) {
        if let Some(done) = self.done.take() {
            done(self.bytes);
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Stream(stream) => stream.as_mut().poll_frame(cx),
            Self::H2(incoming) => Pin::new(incoming)
                .poll_frame(cx)
                .map(|frame| frame.map(|f| f.map_err(|e| BodyError::Truncated(e.to_string())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Stream(stream) => stream.is_end_stream(),
            Self::H2(incoming) => http_body::Body::is_end_stream(incoming),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) => stream.size_hint(),
            Self::H2(incoming) => http_body::Body::size_hint(incoming),
        }
    }
}
