//! The router's end of one connection to one processor.

use std::cell::Cell;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use quinn::{Connection, ConnectionError, Endpoint, EndpointConfig, TokioRuntime};
use tokio::sync::Notify;

use super::answer::AnswerBody;
use super::ask::{Asked, Said};
use super::at_hand::at_hand;
use super::frames::{Frames, WHOLE};
use super::pipe::Pipe;
use super::reader::{ReadFailure, Reader};
use super::{code, failure, framing, serve, settings};
use crate::alert::{Cause, Hop, TlsFailure};
use crate::body::Body;
use crate::fault::{Fault, FaultCode};
use crate::hop::identity::{HopIdentity, Role};
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
    /// handshake, good or bad, at the internal hop.
    ///
    /// # Errors
    /// [`LaneError`]; the TLS cause is in the metrics and the log.
    pub async fn open(
        to: SocketAddr,
        identity: &HopIdentity,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, LaneError> {
        Self::connect(to, &identity.client(), metrics).await
    }

    /// [`Self::open`] with a given TLS configuration.
    pub(super) async fn connect(
        to: SocketAddr,
        tls: &rustls::ClientConfig,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, LaneError> {
        let begun = Instant::now();
        match tokio::time::timeout(Limits::default().handshake, handshake(to, tls)).await {
            Ok(Ok(connection)) => {
                metrics.handshake_ok(Hop::Internal, "TLSv1.3", false, true, begun.elapsed());
                Ok(Self {
                    connection,
                    metrics: Arc::clone(metrics),
                    in_flight: Rc::default(),
                    unheard: Notify::new(),
                    _open: metrics.connection(Hop::Internal, "quic"),
                })
            }
            Ok(Err(failed)) => Err(refused(to, &failed, metrics)),
            Err(_) => {
                let failed = TlsFailure {
                    cause: Cause::HandshakeTimeout,
                    alert: None,
                    detail: "not finished in time".to_owned(),
                };
                Err(refused(to, &failed, metrics))
            }
        }
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

/// A connection on which streams may be opened: the processor allows them when it has accepted our certificate, which is
/// later than the end of the handshake as TLS sees it.
async fn handshake(to: SocketAddr, tls: &rustls::ClientConfig) -> Result<Connection, TlsFailure> {
    let config = settings::client(tls).map_err(|e| failure::of_setup(e.to_string()))?;
    let from: SocketAddr = match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let endpoint = settings::socket(from, false)
        .and_then(|socket| {
            let runtime = Arc::new(TokioRuntime);
            Endpoint::new(EndpointConfig::default(), None, socket, runtime)
        })
        .map_err(|e| failure::of_setup(e.to_string()))?;
    // The role in the certificate is what counts; the address stands in for the name that QUIC wants.
    let connecting = endpoint
        .connect_with(config, to, &to.ip().to_string())
        .map_err(|e| failure::of_setup(e.to_string()))?;
    let ours = |error: ConnectionError| failure::of_connection(&error, rustls::Side::Client);
    let connection = connecting.await.map_err(ours)?;
    connection.open_bi().await.map_err(ours)?;
    Ok(connection)
}

fn refused(to: SocketAddr, failed: &TlsFailure, metrics: &Metrics) -> LaneError {
    metrics.handshake_failed(Hop::Internal, failed.cause, failed.alert);
    failure::report(to, rustls::Side::Client, failed);
    LaneError(format!("{to}: {}", failed.detail))
}

fn not_taken(why: Refusal, applied: u64) -> NotTaken {
    match why {
        Refusal::Draining => NotTaken::Draining,
        Refusal::Behind => NotTaken::Behind(applied),
        Refusal::Ahead => NotTaken::Ahead(applied),
        Refusal::Overloaded => NotTaken::Overloaded,
    }
}
