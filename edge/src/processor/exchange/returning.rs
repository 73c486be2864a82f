//! Answers' bodies that undo something at their end: [`Returning`] takes its connection back to the pool, [`Counted`]
//! lets the target have one request less.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use control::object::KeepalivePool;
use http_body::{Frame, SizeHint};

use crate::body::BodyError;
use crate::http1::client::{Connection, Download};
use crate::processor::endpoint::InFlight;
use crate::processor::h2::Streaming;
use crate::processor::pool::{Facts, Leg, Shelf};

/// Where a connection belongs.
pub(super) struct Home {
    pub(super) shelf: Rc<Shelf>,
    pub(super) facts: Rc<Facts>,
    pub(super) bounds: KeepalivePool,
    /// The request counts as in flight until the answer's end.
    pub(super) _in_flight: InFlight,
}

impl Home {
    /// Puts the connection back on its shelf.
    pub(super) fn take_back(self, connection: Box<Connection>) {
        self.shelf.put(
            Leg {
                connection,
                facts: self.facts,
            },
            self.bounds,
        );
    }
}

/// See the module.
pub(super) struct Returning {
    download: Box<Download>,
    home: Option<Home>,
}

impl Returning {
    pub(super) const fn new(download: Box<Download>, home: Home) -> Self {
        Self {
            download,
            home: Some(home),
        }
    }
}

impl http_body::Body for Returning {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = self.download.poll_frame(cx);
        if self.download.is_over()
            && let Some(home) = self.home.take()
            && let Some(connection) = self.download.take_connection()
        {
            home.take_back(connection);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.download.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.download.remaining()
    }
}

/// An HTTP/2 answer's body. The shelf stays in use until its end.
pub(super) struct Counted {
    streaming: Streaming,
    _in_flight: InFlight,
    _shelf: Rc<Shelf>,
}

impl Counted {
    pub(super) const fn new(streaming: Streaming, in_flight: InFlight, shelf: Rc<Shelf>) -> Self {
        Self {
            streaming,
            _in_flight: in_flight,
            _shelf: shelf,
        }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.streaming).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.streaming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.streaming.size_hint()
    }
}
