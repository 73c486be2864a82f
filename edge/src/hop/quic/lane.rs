//! The router's end of one connection to one processor.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use quinn::Connection;
use tokio::sync::Notify;

use super::answer::AnswerBody;
use super::ask::{Asked, Said};
use super::at_hand::at_hand;
use super::frames::{Frames, WHOLE};
use super::greeting::Greeting;
use super::pipe::Pipe;
use super::reader::{ReadFailure, Reader};
use super::{code, failure, framing, serve};
use crate::alert::Hop;
use crate::alert::evidence::Side;
use crate::body::Body;
use crate::failures::Failures;
use crate::fault::{Fault, FaultCode};
use crate::hop::identity::{HopIdentity, Judged, Role};
use crate::hop::wire::{Answer, Refusal, Shape};
use crate::hop::{Failure, Request, Response, TargetFacts, Tunnel, TunnelStream};
use crate::limits::Limits;
use crate::metrics::{ConnectionGuard, InFlight, Metrics};

/// Requests in flight of one lane: fewer than the streams it is given, so that none waits for a stream. 4000.
const MOST_IN_FLIGHT: usize = 4000;

/// One connection. Cheap to share on its thread; closes when dropped and its last answer is over.
pub struct Lane {
    connection: Connection,
    metrics: Arc<Metrics>,
    in_flight: Rc<Cell<usize>>,
    /// See [`Self::give_back`].
    unheard: Notify,
    _open: ConnectionGuard,
}

/// What became of a request.
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every request is answered, and its answer is passed on at once"
)]
pub enum Outcome {
    /// An answer; its body may still be coming.
    Answered(Response),
    /// The processor took it, and it failed there.
    Failed(Box<Failure>),
    /// Nothing of it was processed; it may go elsewhere.
    NotTaken(NotTaken, Box<Request>),
    /// The connection broke after the request may have been processed. It comes back if it could be sent again as it is.
    Lost(String, Option<Box<Request>>),
}

/// Why a processor did not take a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// It is about to end.
    Draining,
    /// Its configuration (at this revision) did not reach what the request depends on in time.
    Behind(u64),
    /// Its configuration (at this revision) has another version of the route, or none, and has not had that of the router
    /// within the last [`control::sync::KEPT_FOR`].
    Ahead(u64),
    /// It has too much to do.
    Overloaded,
    /// The connection was gone before the request was taken.
    Unsent(String),
}

/// Why a connection could not be made.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct LaneError(pub String);

impl Lane {
    /// Connects from a socket of its own, so that the processor's kernel spreads lanes over its threads. Counts the
    /// handshake, good or bad, at the internal hop; a bad one is noted.
    ///
    /// # Errors
    /// [`LaneError`]; the TLS cause is among the failures.
    pub async fn open(
        to: SocketAddr,
        identity: &HopIdentity,
        metrics: &Arc<Metrics>,
        failures: &Failures,
    ) -> Result<Self, LaneError> {
        let judged = Arc::new(Judged::default());
        let greeting = Greeting::new(to, judged, identity.own());
        match identity.client_noting(&greeting.judged) {
            Ok(tls) => Self::connect(greeting, &tls, metrics, failures).await,
            Err(error) => {
                let evidence = failure::of_setup(Side::Client, &error);
                Err(greeting.refused(evidence, failures))
            }
        }
    }

    /// [`Self::open`] with a given TLS configuration.
    pub(super) async fn connect(
        mut greeting: Greeting,
        tls: &rustls::ClientConfig,
        metrics: &Arc<Metrics>,
        failures: &Failures,
    ) -> Result<Self, LaneError> {
        let shake = greeting.handshake(tls);
        let outcome = tokio::time::timeout(Limits::default().handshake, shake).await;
        let evidence = match outcome {
            Ok(Ok(connection)) => {
                let took = greeting.begun.elapsed();
                metrics.handshake_ok(Hop::Internal, "TLSv1.3", false, true, took);
                return Ok(Self {
                    connection,
                    metrics: Arc::clone(metrics),
                    in_flight: Rc::default(),
                    unheard: Notify::new(),
                    _open: metrics.connection(Hop::Internal, "quic"),
                });
            }
            Ok(Err(evidence)) => evidence,
            Err(_) => failure::timed_out(Side::Client, greeting.own.clone()),
        };
        Err(greeting.refused(evidence, failures))
    }

    /// Sends a request and waits for the head of its answer.
    pub async fn call(&self, mut request: Request) -> Outcome {
        let needs = match request.snapshot.depends_on(&request.route) {
            Ok(needs) => needs,
            // Found missing here, where the request was matched: what a processor has may be older.
            Err(missing) => {
                return Outcome::Failed(Box::new(Failure {
                    fault: Fault::of_missing(&missing),
                    target: TargetFacts::default(),
                }));
            }
        };
        if self.in_flight.get() >= MOST_IN_FLIGHT {
            return Outcome::NotTaken(NotTaken::Overloaded, Box::new(request));
        }
        let flight = Flight::new(self);
        // To ask for the body of a client that waits would tell it to go on.
        if !request.expects_continue {
            request.body = at_hand(request.body).await;
        }
        let (send, recv) = match self.connection.open_bi().await {
            Ok(stream) => stream,
            Err(error) => {
                let why = NotTaken::Unsent(error.to_string());
                return Outcome::NotTaken(why, Box::new(request));
            }
        };
        let index = send.id().index();
        let mut reader = Reader::new(recv);
        let mut asked = match Asked::new(send, request, needs, Arc::clone(&self.metrics)) {
            Ok(asked) => asked,
            Err(error) => {
                let fault = Fault::router(FaultCode::HeadersTooLarge, error.to_string());
                let target = TargetFacts::default();
                return Outcome::Failed(Box::new(Failure { fault, target }));
            }
        };
        match self.heard_of(&mut asked, &mut reader).await {
            Ok(Said::Answer(answer)) => self.answered(asked, answer, reader, flight).await,
            Ok(Said::Failed(failure)) => Outcome::Failed(Box::new(failure)),
            Ok(Said::NotTaken(why, applied)) => match asked.reclaim() {
                Some(request) => Outcome::NotTaken(not_taken(why, applied), request),
                None => Outcome::Lost("not taken after it was taken".to_owned(), None),
            },
            Err(Some(error)) => self.lost(asked, &error, index),
            Err(None) => Outcome::Lost("nothing is heard of it".to_owned(), asked.reclaim()),
        }
    }

    /// What the processor says; `None` as an error if the request is to be sent elsewhere instead.
    async fn heard_of(
        &self,
        asked: &mut Asked,
        reader: &mut Reader,
    ) -> Result<Said, Option<ReadFailure>> {
        while asked.can_be_sent_again() {
            tokio::select! {
                biased;
                said = asked.heard(reader) => return said.map_err(Some),
                () = self.unheard.notified() => if asked.can_be_sent_again() {
                    return Err(None);
                }
            }
        }
        asked.heard(reader).await.map_err(Some)
    }

    /// Gives back, as lost, what can be sent again and has no answer yet.
    pub fn give_back(&self) {
        self.unheard.notify_waiters();
    }

    async fn answered(
        &self,
        mut asked: Asked,
        answer: Answer,
        reader: Reader,
        flight: Flight,
    ) -> Outcome {
        let mut tunnel = None;
        let shape = match framing::check(asked.method(), &answer) {
            Ok(shape) => shape,
            Err(error) => return Outcome::Lost(error.to_string(), asked.reclaim()),
        };
        let body = match shape {
            Shape::Empty => Body::Empty,
            Shape::Whole(length) if length <= WHOLE => {
                let mut frames = Frames::new(reader, Some(length));
                let length = usize::try_from(length).unwrap_or(0);
                match asked.whole(&mut frames, length).await {
                    Ok(bytes) => self.counted(bytes),
                    Err(error) => return Outcome::Lost(error.to_string(), asked.reclaim()),
                }
            }
            Shape::Whole(length) => self.streaming(asked, reader, Some(length), flight),
            Shape::Stream(length) => self.streaming(asked, reader, length, flight),
            Shape::Tunnel => {
                let Some(writer) = asked.pump.into_writer() else {
                    return Outcome::Lost("a tunnel that was not asked for".to_owned(), None);
                };
                let pipe = Pipe::new(writer, reader, Some(flight));
                tunnel = Some(Tunnel {
                    stream: TunnelStream::Right(Box::new(pipe)),
                    early: Bytes::new(),
                });
                Body::Empty
            }
        };
        Outcome::Answered(Response {
            head: answer.head,
            body,
            tunnel,
            target: answer.target,
        })
    }

    fn counted(&self, bytes: Bytes) -> Body {
        self.metrics.bytes(Hop::Internal, false, bytes.len() as u64);
        Body::Full(bytes)
    }

    fn streaming(&self, asked: Asked, reader: Reader, length: Option<u64>, flight: Flight) -> Body {
        Body::Stream(Box::pin(AnswerBody::new(
            Frames::new(reader, length),
            asked.pump,
            flight,
            Arc::clone(&self.metrics),
        )))
    }

    fn lost(&self, asked: Asked, error: &ReadFailure, index: u64) -> Outcome {
        let ended = self.connection.close_reason();
        let request = asked.reclaim();
        match request {
            Some(request) if code::never_seen(ended.as_ref(), index) => {
                Outcome::NotTaken(NotTaken::Unsent(error.to_string()), request)
            }
            request => Outcome::Lost(error.to_string(), request),
        }
    }

    /// Requests whose answers are not complete.
    pub fn in_flight(&self) -> usize {
        self.in_flight.get()
    }

    /// Datagrams received so far: grows at least twice a second on a live connection.
    pub fn heard(&self) -> u64 {
        self.connection.stats().udp_rx.datagrams
    }

    /// Whether the certificate that the processor showed would be accepted now.
    pub fn is_trusted(&self, identity: &HopIdentity) -> bool {
        serve::shown(&self.connection)
            .is_some_and(|chain| identity.still_good(&chain, Role::Processor))
    }

    /// Whether the connection has ended, and why.
    pub fn ended(&self) -> Option<String> {
        self.connection.close_reason().map(|e| e.to_string())
    }
}

/// A request of a lane, until its answer is over.
pub(super) struct Flight {
    count: Rc<Cell<usize>>,
    _gauge: InFlight,
}

impl Flight {
    fn new(lane: &Lane) -> Self {
        lane.in_flight.set(lane.in_flight.get() + 1);
        Self {
            count: Rc::clone(&lane.in_flight),
            _gauge: lane.metrics.in_flight(Hop::Internal),
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.count.set(self.count.get() - 1);
    }
}

fn not_taken(why: Refusal, applied: u64) -> NotTaken {
    match why {
        Refusal::Draining => NotTaken::Draining,
        Refusal::Behind => NotTaken::Behind(applied),
        Refusal::Ahead => NotTaken::Ahead(applied),
        Refusal::Overloaded => NotTaken::Overloaded,
    }
}
