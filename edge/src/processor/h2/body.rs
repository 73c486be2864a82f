//! A request's body while hyper sends it: lent, so that it can be taken back if the target never saw it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body::{Frame, SizeHint};

use super::Data;
use crate::body::{Body, BodyError};

/// The owner's end.
pub(super) struct Loan(Rc<RefCell<Slot>>);

/// hyper's end.
pub(super) struct Lent(Rc<RefCell<Slot>>);

struct Slot {
    body: Body,
    /// A body that was here whole, for a second try.
    kept: Option<Data>,
    touched: bool,
    over: bool,
    /// The last poll gave nothing.
    dry: bool,
    moved: Instant,
    error: Option<BodyError>,
}

/// Who must move next.
pub(super) enum Wait {
    /// The client owes a piece of the body.
    Client,
    /// The target has to take one.
    Target,
    /// The body is sent.
    Nobody,
}

impl Loan {
    pub(super) fn new(body: Body) -> Self {
        let kept = if let Body::Full(bytes) = &body {
            Some(bytes.clone())
        } else {
            None
        };
        let over = body.is_empty();
        let moved = Instant::now();
        Self(Rc::new(RefCell::new(Slot {
            body,
            kept,
            touched: false,
            over,
            dry: false,
            moved,
            error: None,
        })))
    }

    pub(super) fn lend(&self) -> Lent {
        Lent(self.0.clone())
    }

    /// The body, if it can be sent again.
    pub(super) fn reclaim(self) -> Option<Body> {
        let mut slot = self.0.borrow_mut();
        if let Some(kept) = slot.kept.take() {
            return Some(Body::Full(kept));
        }
        (!slot.touched).then(|| std::mem::take(&mut slot.body))
    }

    pub(super) fn waits_for(&self) -> Wait {
        let slot = self.0.borrow();
        match (slot.over, slot.dry) {
            (true, _) => Wait::Nobody,
            (false, true) => Wait::Client,
            (false, false) => Wait::Target,
        }
    }

    /// Since the body last moved.
    pub(super) fn idle(&self) -> Duration {
        self.0.borrow().moved.elapsed()
    }

    /// What was wrong with the body.
    pub(super) fn error(&self) -> Option<BodyError> {
        self.0.borrow().error.clone()
    }
}

impl http_body::Body for Lent {
    type Data = Data;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Data>, BodyError>>> {
        let mut slot = self.0.borrow_mut();
        let frame = Pin::new(&mut slot.body).poll_frame(cx);
        slot.dry = frame.is_pending();
        if let Poll::Ready(frame) = &frame {
            slot.touched = true;
            slot.moved = Instant::now();
            slot.over = frame.is_none() || slot.body.is_end_stream();
            slot.error = frame.as_ref().and_then(|f| f.as_ref().err().cloned());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.0.borrow().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.borrow().body.size_hint()
    }
}
