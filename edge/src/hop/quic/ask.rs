//! A request on its stream, at the router's end: from its head to the head of the answer.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::Method;
use quinn::SendStream;

use super::pump::Pump;
use super::reader::{ReadFailure, Reader};
use super::writer::Writer;
use crate::body::Body;
use crate::hop::Request;
use crate::hop::wire::{self, Answer, Ask, Kind, Piece, Refusal, Shape, Terms, WireError};
use crate::hop::{Failure, quic::frames::Frames};
use crate::metrics::Metrics;

/// See the module. `request` is without its body, which `pump` has.
pub(super) struct Asked {
    request: Request,
    pub(super) pump: Pump,
}

/// What a processor says to a request.
pub(super) enum Said {
    Answer(Answer),
    Failed(Failure),
    NotTaken(Refusal, u64),
}

impl Asked {
    /// Queues the head; nothing leaves before [`Self::heard`] is polled.
    ///
    /// # Errors
    /// [`WireError`] if the head is too long.
    pub(super) fn new(
        send: SendStream,
        mut request: Request,
        needs: u64,
        metrics: Arc<Metrics>,
    ) -> Result<Self, WireError> {
        let mut writer = Writer::new(send);
        let terms = terms(&request, needs);
        let ask = Ask {
            terms,
            route: request.route.id(),
            head: &request.head,
            client: request.client,
            path: &request.path,
            upgrade: request.upgrade.as_ref(),
            expects_continue: request.expects_continue,
        };
        writer.frame(|out| wire::request(out, &ask))?;
        let body = std::mem::take(&mut request.body);
        let pump = Pump::request(
            writer,
            body,
            request.expects_continue,
            request.upgrade.is_some(),
            metrics,
        );
        Ok(Self { request, pump })
    }

    /// Sends the request and waits for what the processor says.
    pub(super) async fn heard(&mut self, reader: &mut Reader) -> Result<Said, ReadFailure> {
        poll_fn(|cx| {
            while let Poll::Ready(piece) = reader.poll_next(cx) {
                let Piece::Frame(kind, payload) = piece? else {
                    return Poll::Ready(Err(WireError::OutOfOrder.into()));
                };
                if let Some(said) = self.note(kind, payload)? {
                    return Poll::Ready(Ok(said));
                }
            }
            // How it ends is heard from the reader.
            let _ = self.pump.poll(cx);
            Poll::Pending
        })
        .await
    }

    fn note(&mut self, kind: Kind, payload: Bytes) -> Result<Option<Said>, WireError> {
        match kind {
            Kind::Taken => self.pump.taken(),
            Kind::Continue => self.pump.go_on(),
            Kind::Answer => return Ok(Some(Said::Answer(wire::decode_answer(payload)?))),
            Kind::Failed => return Ok(Some(Said::Failed(wire::decode_failed(payload)?))),
            Kind::NotTaken => {
                let (why, applied) = wire::decode_not_taken(payload)?;
                return Ok(Some(Said::NotTaken(why, applied)));
            }
            _ => return Err(WireError::OutOfOrder),
        }
        Ok(None)
    }

    /// The whole of a short body that was whole when the answer's head was written.
    pub(super) async fn whole(
        &mut self,
        frames: &mut Frames,
        length: usize,
    ) -> Result<Bytes, ReadFailure> {
        let mut whole = Vec::with_capacity(length);
        poll_fn(|cx| {
            let _ = self.pump.poll(cx);
            frames.poll_whole(cx, &mut whole)
        })
        .await?;
        Ok(whole.into())
    }

    pub(super) const fn method(&self) -> &Method {
        &self.request.head.method
    }

    /// Whether [`Self::reclaim`] gives it back, and serving it twice does no harm.
    pub(super) fn can_be_sent_again(&self) -> bool {
        self.request.is_repeatable() && self.pump.can_reclaim()
    }

    /// The request as it was before, if it can be sent again.
    pub(super) fn reclaim(mut self) -> Option<Box<Request>> {
        self.request.body = self.pump.reclaim()?;
        Some(Box::new(self.request))
    }
}

fn terms(request: &Request, needs: u64) -> Terms {
    let snapshot = &request.snapshot;
    Terms {
        revision: snapshot.revision(),
        needs,
        // A closed route has no version, and no processor serves it.
        route_version: snapshot.route_version(request.route.id()).unwrap_or(0),
        age: request.started.elapsed(),
        remaining: None,
        body: shape(&request.body),
    }
}

/// How `body` will come.
pub(super) fn shape(body: &Body) -> Shape {
    match body {
        // Also one that was found ended: HTTP/2 says so with the head, and gRPC relies on it.
        body if http_body::Body::is_end_stream(body) => Shape::Empty,
        Body::Full(bytes) => Shape::Whole(bytes.len() as u64),
        body => Shape::Stream(http_body::Body::size_hint(body).exact()),
    }
}
