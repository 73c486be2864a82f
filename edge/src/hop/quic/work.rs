//! One stream at the processor's end: a request read, given to the processor in a Snapshot that is not older than the
//! router's, and its answer written. A router that gives up ends all of it, the target's connection included.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use control::object::Route;
use control::snapshot::Snapshot;
use control::sync::{Replaced, Status};
use http_body::{Frame, SizeHint};
use quinn::{RecvStream, SendStream};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::ask::shape;
use super::frames::{Frames, WHOLE};
use super::pipe::Pipe;
use super::pump::Pump;
use super::reader::{ReadFailure, Reader};
use super::serve::Counted;
use super::writer::Writer;
use super::{code, failure};
use crate::body::{Body, BodyError};
use crate::drain::Drain;
use crate::failures::Failures;
use crate::fault::{Fault, FaultCode};
use crate::hop::wire::{self, Kind, Piece, Received, Refusal, Shape, WireError};
use crate::hop::{Failure, Request, Response, Tunnel};
use crate::metrics::Metrics;
use crate::processor::Processor;

/// For a request's head, and a short body that comes with it. 5 s.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// For the configuration to reach what a request depends on; changes arrive within 100 ms. 1 s.
const CATCH_UP: Duration = Duration::from_secs(1);
/// Streams at work on one thread: more cost more memory than they are worth. 10,000.
const MOST_AT_WORK: usize = 10_000;

/// What a thread serves the hop with.
pub(super) struct Node {
    pub(super) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(super) status: Arc<Status>,
    pub(super) replaced: Arc<Replaced>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) drain: Drain,
    pub(super) failures: Arc<Failures>,
    pub(super) processor: Rc<Processor>,
    pub(super) at_work: Rc<Cell<usize>>,
}

/// Serves one stream.
pub(super) async fn serve(node: &Node, send: SendStream, recv: RecvStream) {
    let mut writer = Writer::new(send);
    let arrived = tokio::time::timeout(HEAD_TIME, arrive(Reader::new(recv))).await;
    let (received, coming) = match arrived {
        Ok(Ok(arrived)) => arrived,
        Ok(Err(ReadFailure::Wire(error))) => {
            if failure::may_tell() {
                tracing::warn!(%error, "a router's request cannot be read");
            }
            return writer.reset(code::PROTOCOL);
        }
        // Given up before it was asked.
        Ok(Err(_)) => return,
        Err(_) => {
            writer.frame(|out| wire::not_taken(out, Refusal::Overloaded, node.status.applied()));
            return finish(writer).await;
        }
    };
    let arrived_at = Instant::now();
    let until = received.terms.remaining.map(|left| arrived_at + left);
    let _working = Counted::new(&node.at_work);
    let (snapshot, route) = match take(node, &received).await {
        Ok(taken) => taken,
        Err((why, applied)) => {
            writer.frame(|out| wire::not_taken(out, why, applied));
            return finish(writer).await;
        }
    };
    let make = |body| make(received, body, snapshot, route);
    Box::pin(exchange(node, writer, coming, until, make)).await;
}

/// What of a request's body comes after its head.
enum Coming {
    /// Nothing; the stream may become a tunnel.
    Here(Body, Reader),
    Streaming(Frames),
}

/// Reads the head, and a short body that is sent with it.
async fn arrive(mut reader: Reader) -> Result<(Received, Coming), ReadFailure> {
    let first = poll_fn(|cx| reader.poll_next(cx)).await?;
    let Piece::Frame(Kind::Request, payload) = first else {
        return Err(WireError::OutOfOrder.into());
    };
    let received = wire::decode_request(payload)?;
    let coming = match received.terms.body {
        Shape::Whole(length) if length <= WHOLE && !received.expects_continue => {
            let mut frames = Frames::new(reader, Some(length));
            let mut whole = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
            poll_fn(|cx| frames.poll_whole(cx, &mut whole)).await?;
            Coming::Here(Body::Full(whole.into()), frames.into_reader())
        }
        Shape::Whole(length) => Coming::Streaming(Frames::new(reader, Some(length))),
        Shape::Stream(length) => Coming::Streaming(Frames::new(reader, length)),
        Shape::Empty | Shape::Tunnel => Coming::Here(Body::Empty, reader),
    };
    Ok((received, coming))
}

/// The Snapshot to serve the request in and the very version of the route it was matched with, or why not.
async fn take(
    node: &Node,
    received: &Received,
) -> Result<(Arc<Snapshot>, Arc<Route>), (Refusal, u64)> {
    if node.drain.is_draining() {
        return Err((Refusal::Draining, node.status.applied()));
    }
    if node.at_work.get() > MOST_AT_WORK {
        return Err((Refusal::Overloaded, node.status.applied()));
    }
    let needs = received.terms.needs;
    let mut snapshot = node.snapshot.load_full();
    if snapshot.revision() < needs {
        node.status.wait_applied(needs, CATCH_UP).await;
        snapshot = node.snapshot.load_full();
    }
    let applied = snapshot.revision();
    if applied < needs {
        // The router says so in its log, once for the request.
        tracing::debug!(
            applied,
            needs,
            router = received.terms.revision,
            "not served: this node's configuration is behind"
        );
        return Err((Refusal::Behind, applied));
    }
    let (id, version) = (&received.route, received.terms.route_version);
    if snapshot.route_version(id) != Some(version) {
        // It was matched a moment ago by a router that does not have the next version yet: served as it was matched, in
        // the newest view with that version, or not at all.
        let before = node.replaced.route(id, version);
        let before = before.filter(|before| before.revision() >= needs);
        snapshot = Arc::new(before.ok_or((Refusal::Ahead, applied))?);
    }
    match snapshot.route_by_id(id).cloned() {
        Some(route) => Ok((snapshot, route)),
        None => Err((Refusal::Ahead, applied)),
    }
}

fn make(received: Received, body: Body, snapshot: Arc<Snapshot>, route: Arc<Route>) -> Request {
    let now = std::time::Instant::now();
    Request {
        snapshot,
        route,
        head: received.head,
        body,
        client: received.client,
        path: received.path,
        upgrade: received.upgrade,
        expects_continue: received.expects_continue,
        started: now.checked_sub(received.terms.age).unwrap_or(now),
    }
}

/// Runs the request and writes what became of it; nobody waits for that longer than `until`.
async fn exchange(
    node: &Node,
    mut writer: Writer,
    coming: Coming,
    until: Option<Instant>,
    make: impl FnOnce(Body) -> Request,
) {
    let wanted = Rc::new(Notify::new());
    let (body, reader) = match coming {
        Coming::Here(body, reader) => (body, Some(reader)),
        Coming::Streaming(frames) => {
            writer.frame(|out| wire::simple(out, Kind::Taken));
            let wanted = Some(Rc::clone(&wanted));
            (Body::Stream(Box::pin(RequestBody { frames, wanted })), None)
        }
    };
    let request = make(body);
    let mut given_up = pin!(writer.given_up());
    let mut waits = request.expects_continue;
    let outcome = {
        let mut asked_for = pin!(wanted.notified());
        let mut too_late = pin!(late(until));
        let mut run = Box::pin(node.processor.run(request));
        poll_fn(|cx| {
            // First of all: it may have been given up while it waited, and then nothing of it must be begun.
            if given_up.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            if let Poll::Ready(outcome) = run.as_mut().poll(cx) {
                return Poll::Ready(Some(outcome));
            }
            if waits && asked_for.as_mut().poll(cx).is_ready() {
                waits = false;
                writer.frame(|out| wire::simple(out, Kind::Continue));
            }
            // A stream that takes nothing more is one that was given up.
            let _ = writer.poll_flush(cx);
            too_late.as_mut().poll(cx).map(|()| None)
        })
        .await
    };
    match outcome {
        Some(Ok(response)) => answer(writer, response, reader, given_up).await,
        Some(Err(failure)) => fail(writer, &failure).await,
        None => {}
    }
}

async fn late(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

async fn answer(
    mut writer: Writer,
    response: Response,
    reader: Option<Reader>,
    mut given_up: Pin<&mut impl Future<Output = ()>>,
) {
    let body = match &response.tunnel {
        Some(_) => Shape::Tunnel,
        None => shape(&response.body),
    };
    let head = writer.frame(|out| wire::answer(out, &response.head, body, &response.target));
    if let Err(error) = head {
        let fault = Fault::target(FaultCode::BadTargetAnswer, error.to_string());
        let target = response.target;
        return fail(writer, &Failure { fault, target }).await;
    }
    match (response.tunnel, reader) {
        (Some(tunnel), Some(reader)) => through(writer, reader, tunnel, given_up).await,
        // A tunnel beside a body that still comes: there is no such request.
        (Some(_), None) => {}
        (None, _) if body == Shape::Empty => finish(writer).await,
        (None, _) => {
            let mut pump = Pump::answer(writer, response.body);
            poll_fn(|cx| match pump.poll(cx) {
                Poll::Pending => given_up.as_mut().poll(cx),
                ready => ready,
            })
            .await;
        }
    }
}

/// Passes bytes both ways until both sides are done; an error of one ends both, and so does a router that gives up: a
/// target that takes nothing would not let us see that it has.
async fn through(
    mut writer: Writer,
    reader: Reader,
    tunnel: Tunnel,
    given_up: Pin<&mut impl Future<Output = ()>>,
) {
    writer.bytes(tunnel.early);
    if writer.flush().await.is_err() {
        return;
    }
    let (mut router, mut target) = (Pipe::new(writer, reader, None), tunnel.stream);
    tokio::select! {
        passed = tokio::io::copy_bidirectional(&mut router, &mut target) => if let Err(error) = passed {
            tracing::debug!(%error, "a tunnel broke");
        },
        () = given_up => {}
    }
}

async fn fail(mut writer: Writer, failure: &Failure) {
    let written = writer.frame(|out| wire::failed(out, failure));
    if written.is_ok() {
        finish(writer).await;
    }
}

async fn finish(mut writer: Writer) {
    if writer.flush().await.is_ok() {
        writer.finish();
    }
}

/// A request's body as the exchange reads it.
struct RequestBody {
    frames: Frames,
    /// To be told when somebody asks for it, be it in another task.
    wanted: Option<Rc<Notify>>,
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(wanted) = self.wanted.take() {
            wanted.notify_one();
        }
        self.frames.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        self.frames.size_hint()
    }
}
