//! One client connection from its first byte to its last: the handshake ([`greet`]), then requests until it ends.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::client::Client;
use super::record::Record;
use super::request::{self, Asked};
use super::{Router, greet, h2, misplaced, tunnel};
use crate::alert::Hop;
use crate::fault::{Fault, FaultCode};
use crate::http1::request::HeadError;
use crate::http1::server::{Ask, Connection, Incoming, Next};
use crate::tls::Stream;

/// How long a closed connection is kept so that the client can read the last answer.
const LINGER: Duration = Duration::from_secs(1);

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
    let Some((stream, secure)) = greet::run(&router, tcp, (peer, local)).await else {
        return;
    };
    let h2 = secure.facts.alpn_h2;
    let client = Rc::new(Client::new(peer, local, &router.shared.node, Some(secure)));
    if h2 {
        h2::serve(&router, &client, stream).await
    } else {
        http1(&router, &client, stream).await
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
            Next::Foreign(foreign) => {
                return misplaced::refuse(router, client, connection, foreign).await;
            }
            Next::Refused(error) => of_head(error),
            Next::TimedOut => Fault::router(
                FaultCode::RequestTimeout,
                "the request's head did not come in time",
            ),
        };
        return refuse(router, client, connection, fault).await;
    }
}

/// Answers what is no request, and closes.
pub(super) async fn refuse(
    router: &Rc<Router>,
    client: &Rc<Client>,
    mut connection: Connection,
    fault: Fault,
) {
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
    connection.close(LINGER).await;
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
