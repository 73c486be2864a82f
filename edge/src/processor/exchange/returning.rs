//! An answer's body that takes its connection back to the pool at its end.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use control::object::KeepalivePool;
use http_body::{Frame, SizeHint};

use crate::body::BodyError;
use crate::http1::client::{Connection, Download};
use crate::processor::endpoint::InFlight;
use crate::processor::pool::{Facts, Leg, Shelf};

/// Where a connection belongs.
pub(super) struct Home {
    pub(super) shelf: Rc<Shelf>,
    pub(super) facts: Rc<Facts>,
    pub(super) bounds: KeepalivePool,
    /// The request counts as in flight until the answer's end.
    #[allow(dead_code, reason = "held for its drop")]
    pub(super) in_flight: InFlight,
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
