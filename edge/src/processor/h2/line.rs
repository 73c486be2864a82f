//! HTTP/2 connections under one pool key: who is asked for a stream, when another connection is dialled, when one is
//! given up.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use control::object::KeepalivePool;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::time::Instant;

use super::PING;
use super::body::Lent;
use super::observed::{Observed, Seen};
use crate::fault::{Fault, FaultCode};
use crate::processor::dial::{Dialled, Late};
use crate::processor::pool::Facts;

/// A ping unanswered for so long ends a connection.
const PONG: Duration = Duration::from_secs(20);
/// Flow control windows: what one stream and one connection may have under way towards us.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;
/// Largest header list taken from a target, as in HTTP/1.1.
const HEADERS: u32 = 64 << 10;

/// The connections under one key.
#[derive(Default)]
pub(in crate::processor) struct Lines {
    open: RefCell<Vec<Rc<Line>>>,
    /// Somebody is dialling; the outcome comes here.
    dialling: RefCell<Option<watch::Receiver<Outcome>>>,
}

/// `None` until the dialling has ended.
type Outcome = Option<Result<(), Fault>>;

/// One connection.
pub(in crate::processor) struct Line {
    sender: RefCell<SendRequest<Lent>>,
    pub(in crate::processor) facts: Rc<Facts>,
    seen: Rc<Seen>,
    /// The target's limit of concurrent streams.
    most: Rc<Cell<usize>>,
    streams: Cell<usize>,
    served: Cell<u32>,
    idle_since: Cell<Instant>,
    retired: Cell<bool>,
}

/// A stream's place on a line, given back on drop.
pub(in crate::processor) struct Ticket(Rc<Line>);

impl Ticket {
    fn on(line: &Rc<Line>) -> Self {
        line.streams.set(line.streams.get() + 1);
        line.served.set(line.served.get() + 1);
        Self(line.clone())
    }

    /// The connection.
    pub(in crate::processor) const fn line(&self) -> &Rc<Line> {
        &self.0
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get().saturating_sub(1));
        self.0.idle_since.set(Instant::now());
    }
}

impl Lines {
    /// A place on an open line, or on a new one; the flag says that it was open. Requests that come while one dials wait
    /// for the outcome instead of dialling too.
    pub(in crate::processor) async fn ticket(
        &self,
        bounds: KeepalivePool,
        dial: impl AsyncFnOnce() -> Result<Rc<Line>, Fault>,
    ) -> Result<(Ticket, bool), Fault> {
        loop {
            if let Some(line) = self.free(bounds) {
                return Ok((Ticket::on(&line), true));
            }
            let waiting = self.dialling.borrow().clone();
            let Some(mut outcome) = waiting else { break };
            // An error means that whoever dialled gave up: then it is somebody else's turn.
            match outcome.wait_for(Option::is_some).await.map(|o| o.clone()) {
                Ok(Some(Err(fault))) => return Err(fault),
                Ok(_) => {}
                Err(_) => {
                    self.dialling
                        .borrow_mut()
                        .take_if(|d| d.same_channel(&outcome));
                }
            }
        }
        let (tell, outcome) = watch::channel(None);
        self.dialling.replace(Some(outcome));
        let dialled = dial().await;
        self.dialling.take();
        let _ = tell.send(Some(dialled.as_ref().map(|_| ()).map_err(Clone::clone)));
        let line = dialled?;
        self.open.borrow_mut().push(line.clone());
        Ok((Ticket::on(&line), false))
    }

    fn free(&self, bounds: KeepalivePool) -> Option<Rc<Line>> {
        let mut open = self.open.borrow_mut();
        open.retain(|line| {
            !line.is_closed() && !line.retired.get() && line.served.get() < bounds.requests
        });
        open.iter()
            .find(|line| line.streams.get() < line.most.get())
            .cloned()
    }

    /// Lets go of lines that are dead or have been idle too long; hyper then closes them.
    pub(in crate::processor) fn tidy(&self, idle_timeout: Duration) {
        self.open.borrow_mut().retain(|line| {
            let old = !idle_timeout.is_zero() && line.idle_since.get().elapsed() >= idle_timeout;
            !line.is_closed() && !line.retired.get() && (line.streams.get() > 0 || !old)
        });
    }
}

impl Line {
    /// Speaks HTTP/2 on a connection. Its driver is a task of this thread and ends with the connection.
    pub(in crate::processor) async fn open(
        dialled: Dialled,
        facts: Rc<Facts>,
    ) -> Result<Rc<Self>, Fault> {
        let seen = Rc::<Seen>::default();
        let io = TokioIo::new(Observed {
            stream: dialled.stream,
            unproven: facts.unproven.take(),
            seen: seen.clone(),
        });
        let handshake = Builder::new(Local)
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(HEADERS)
            .handshake(io)
            .await;
        let (sender, mut connection) = handshake
            .map_err(|e| Fault::target(FaultCode::UnexpectedEOFAtTarget, e.to_string()))?;
        let most = Rc::new(Cell::new(connection.current_max_send_streams()));
        let limit = most.clone();
        tokio::task::spawn_local(async move {
            let driven = poll_fn(|cx| {
                let done = Pin::new(&mut connection).poll(cx);
                limit.set(connection.current_max_send_streams());
                done
            });
            if let Err(error) = driven.await {
                tracing::debug!(%error, "an HTTP/2 connection to a target ended");
            }
        });
        Ok(Rc::new(Self {
            sender: RefCell::new(sender),
            facts,
            seen,
            most,
            streams: Cell::new(0),
            served: Cell::new(0),
            idle_since: Cell::new(Instant::now()),
            retired: Cell::new(false),
        }))
    }

    pub(super) fn send(
        &self,
        request: http::Request<Lent>,
    ) -> impl Future<Output = Result<http::Response<Incoming>, TrySendError<http::Request<Lent>>>> + use<>
    {
        self.sender.borrow_mut().try_send_request(request)
    }

    /// No request will be put on it any more; those under way go on.
    pub(super) fn retire(&self) {
        self.retired.set(true);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.borrow().is_closed()
    }

    /// The target refused our handshake after we took it for done.
    pub(super) fn late(&self) -> Option<Late> {
        self.seen.late()
    }
}

/// Spawns on the thread's own executor.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
