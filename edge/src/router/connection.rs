//! One client connection from its first byte to its last: hello, policy, handshake, then requests until it ends.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::client::{Client, Secure};
use super::policy::{self, Policy};
use super::record::Record;
use super::request::{self, Asked};
use super::{Router, h2, tunnel};
use crate::alert::{Alert, Cause, Direction, Hop, TlsFailure};
use crate::fault::{Fault, FaultCode};
use crate::http1::request::HeadError;
use crate::http1::server::{Ask, Connection, Incoming, Next};
use crate::tls::hello::{self, HelloError};
use crate::tls::{self, Stream};

/// How long a closed connection is kept so that the client can read the last answer.
const LINGER: Duration = Duration::from_secs(1);

const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n\
    content-length: 67\r\n\r\n{\"error_msg\":\"400 The plain HTTP request was sent to HTTPS port\"}\r\n";

/// Serves a connection.
pub(super) async fn serve(
    router: Rc<Router>,
    tcp: TcpStream,
    peer: SocketAddr,
    local: SocketAddr,
    secure: bool,
) {
    if !secure {
        let _count = router.shared.metrics.connection(Hop::Northbound, "http");
        let client = Rc::new(Client::new(peer, local, &router.shared.node, None));
        return http1(&router, &client, Stream::Plain(tcp)).await;
    }
    let _count = router.shared.metrics.connection(Hop::Northbound, "https");
    let started = Instant::now();
    match handshake(&router, tcp, started).await {
        Ok((stream, secure)) => {
            let facts = &secure.facts;
            let (h2, took) = (facts.alpn_h2, started.elapsed());
            let asked = secure.ssl.client().is_some();
            router.shared.metrics.handshake_ok(
                Hop::Northbound,
                facts.version,
                facts.resumed,
                asked,
                took,
            );
            let client = Rc::new(Client::new(peer, local, &router.shared.node, Some(secure)));
            if h2 {
                h2::serve(&router, &client, stream).await
            } else {
                http1(&router, &client, stream).await
            }
        }
        Err(failure) => {
            router
                .shared
                .metrics
                .handshake_failed(Hop::Northbound, failure.cause, failure.alert);
            if failure.cause != Cause::ProbeNoData {
                tracing::info!(
                    hop = Hop::Northbound.as_str(),
                    %peer,
                    cause = failure.cause.as_str(),
                    alert = failure.alert.map(|(alert, _)| alert.0),
                    direction = failure.alert.map(|(_, direction)| direction.as_str()),
                    detail = failure.detail,
                    "TLS handshake failed"
                );
            }
        }
    }
}

/// Reads the hello, finds the policy, shakes hands; all of it within one deadline.
async fn handshake(
    router: &Rc<Router>,
    tcp: TcpStream,
    started: Instant,
) -> Result<(Stream, Secure), TlsFailure> {
    let deadline = tokio::time::Instant::from_std(started + router.limits.handshake);
    match tokio::time::timeout_at(deadline, greet(router, tcp)).await {
        Ok(Ok(Greeted {
            tcp,
            hello,
            name,
            ssl,
        })) => {
            // One permit for the costly part only: a client that sends nothing must not hold it.
            let _permit = router.shared.gate.handshake().await;
            let accept = router.shared.tls.accept(tcp, hello, &ssl);
            let (stream, facts) = tokio::time::timeout_at(deadline, accept)
                .await
                .unwrap_or_else(|_| Err(timed_out("the handshake")))?;
            Ok((stream, Secure::new(facts, ssl, name)))
        }
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(timed_out("the ClientHello")),
    }
}

struct Greeted {
    tcp: TcpStream,
    hello: hello::Hello,
    name: String,
    ssl: std::sync::Arc<control::object::Ssl>,
}

async fn greet(router: &Rc<Router>, mut tcp: TcpStream) -> Result<Greeted, TlsFailure> {
    let hello = match hello::read(&mut tcp).await {
        Ok(hello) => hello,
        Err(error) => return Err(turn_away(tcp, &error).await),
    };
    let fallback = router.shared.fallback_sni.as_deref();
    let sni = hello.facts.sni.as_deref();
    let snapshot = router.shared.snapshot.load();
    match policy::of_handshake(&snapshot, sni, fallback) {
        Policy::Open(ssl) => {
            let name = sni.or(fallback).unwrap_or_default().to_owned();
            drop(snapshot);
            Ok(Greeted {
                tcp,
                hello,
                name,
                ssl,
            })
        }
        Policy::Refused(cause) => {
            let asked = sni.map_or("no server name".to_owned(), |name| {
                format!("server name {name}")
            });
            let detail = format!("{asked}, revision {}", snapshot.revision());
            drop(snapshot);
            tls::refuse(tcp, Alert::UNRECOGNIZED_NAME).await;
            Err(TlsFailure {
                cause,
                alert: Some((Alert::UNRECOGNIZED_NAME, Direction::Sent)),
                detail,
            })
        }
    }
}

/// Answers bytes that are no acceptable ClientHello.
async fn turn_away(mut tcp: TcpStream, error: &HelloError) -> TlsFailure {
    let failure = error.failure();
    if matches!(error, HelloError::PlainHttp) {
        let _ = tcp.write_all(PLAIN_HTTP).await;
        tls::dismiss(tcp);
    } else if let Some(alert) = error.alert() {
        tls::refuse(tcp, alert).await;
    }
    failure
}

fn timed_out(what: &str) -> TlsFailure {
    TlsFailure {
        cause: Cause::HandshakeTimeout,
        alert: None,
        detail: format!("{what} did not come in time"),
    }
}

/// HTTP/1.1 on a connection: one request after the other.
async fn http1(router: &Rc<Router>, client: &Rc<Client>, stream: Stream) {
    let mut connection = Connection::new(
        stream,
        Rc::clone(&router.limits),
        router.shared.drain.clone(),
    );
    loop {
        let fault = match connection.next().await {
            Next::Request(incoming) => {
                match exchange(router, client, connection, *incoming).await {
                    Some(kept) => {
                        connection = kept;
                        continue;
                    }
                    None => return,
                }
            }
            Next::End => return,
            Next::Refused(error) => of_head(error),
            Next::TimedOut => Fault::router(
                FaultCode::RequestTimeout,
                "the request's head did not come in time",
            ),
        };
        let answer = request::refuse(fault, Record::of_refused(router, client));
        let ask = Ask {
            version: http::Version::HTTP_11,
            head: false,
            keep_alive: false,
        };
        let mut record = answer.record;
        record.bytes_out = connection
            .respond(answer.parts, answer.body, ask)
            .await
            .body_bytes;
        return connection.close(LINGER).await;
    }
}

/// One request and its answer; the connection comes back if it can take another.
async fn exchange(
    router: &Rc<Router>,
    client: &Rc<Client>,
    mut connection: Connection,
    incoming: Incoming,
) -> Option<Connection> {
    let Incoming {
        parts,
        body,
        keep_alive,
        expects_continue,
        inflow,
    } = incoming;
    let mut ask = Ask {
        version: parts.version,
        head: parts.method == http::Method::HEAD,
        keep_alive,
    };
    let answer = request::serve(
        router,
        client,
        Asked {
            parts,
            body,
            inflow,
            expects_continue,
        },
    )
    .await;
    ask.keep_alive &= !answer.close;
    let mut record = answer.record;
    if let Some(upgrade) = answer.upgrade {
        if connection
            .respond_upgrade(&answer.parts, &upgrade.token)
            .await
            .is_ok()
            && let Some((stream, early)) = connection.into_stream()
        {
            record.bytes_out = tunnel::run((stream, early), upgrade.tunnel, upgrade.idle).await;
        }
        return None;
    }
    let answered = connection.respond(answer.parts, answer.body, ask).await;
    record.bytes_out = answered.body_bytes;
    drop(record);
    if answered.keep_alive {
        return Some(connection);
    }
    if answered.complete {
        connection.close(LINGER).await;
    }
    None
}

fn of_head(error: HeadError) -> Fault {
    let code = match error {
        HeadError::LineTooLong => FaultCode::UriTooLong,
        HeadError::HeadersTooLarge => FaultCode::HeadersTooLarge,
        HeadError::BodyTooLarge => FaultCode::ContentTooLarge,
        HeadError::Expectation => FaultCode::ExpectationFailed,
        HeadError::Malformed(_) | HeadError::Framing(_) | HeadError::Field(_) => {
            FaultCode::BadRequest
        }
    };
    Fault::router(code, error.to_string())
}
