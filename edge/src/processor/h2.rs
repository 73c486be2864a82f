//! HTTP/2 with targets (RFC 9113), by prior knowledge or ALPN; the protocol is hyper's. Many requests share one
//! connection of a thread: [`Lines`] are the connections under one pool key, [`Line`] is one of them.

mod answer;
mod body;
mod line;
mod observed;

use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Uri, header};
use tokio::time::timeout;

pub(super) use self::answer::Streaming;
use self::body::Loan;
pub(super) use self::line::{Line, Lines, Ticket};
use super::dial::Late;
use crate::body::Body;
use crate::http1::client::Pace;
use crate::http1::{fields, framing};

/// A request for a target.
pub(super) struct Message<'a> {
    pub(super) method: &'a Method,
    pub(super) target: &'a str,
    /// Becomes `:authority`.
    pub(super) host: &'a [u8],
    pub(super) headers: &'a http::HeaderMap,
    pub(super) tls: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrokenBy {
    /// The host cannot be an `:authority`.
    #[error("the request cannot be put into HTTP/2: {0}")]
    Unsendable(http::Error),
    /// The request's own body failed.
    #[error("request body: {0}")]
    RequestBody(crate::body::BodyError),
    /// The target takes nothing.
    #[error("sending timed out")]
    SendTimedOut,
    /// The target says nothing.
    #[error("reading timed out")]
    ReadTimedOut,
    /// The answer's head is none that could go on as HTTP/1.1.
    #[error("the answer's head is malformed")]
    BadAnswer,
    /// Stream or connection failed.
    #[error("{0}")]
    Protocol(hyper::Error),
}

/// A failed exchange.
pub(super) struct Broken {
    pub(super) by: BrokenBy,
    /// The request's body, if it can be sent again.
    pub(super) body: Option<Body>,
    /// The target says, or it is clear, that it did not act on the request (RFC 9113 8.7).
    pub(super) unprocessed: bool,
    /// The connection ended with TLS's refusal of our handshake.
    pub(super) late: Option<Late>,
    /// The target spoke against the protocol.
    pub(super) mad: bool,
}

/// Sends one request on a line and waits for the answer's head.
pub(super) async fn exchange(
    ticket: Ticket,
    message: &Message<'_>,
    body: Body,
    pace: Pace,
) -> Result<(http::response::Parts, Streaming), Box<Broken>> {
    let loan = Loan::new(body);
    let request = match build(message, loan.lend()) {
        Ok(request) => request,
        Err(error) => {
            return Err(Box::new(Broken {
                by: BrokenBy::Unsendable(error),
                body: None,
                unprocessed: true,
                late: None,
                mad: false,
            }));
        }
    };
    let line: Rc<Line> = ticket.line().clone();
    let mut sending = pin!(line.send(request));
    let answer = loop {
        let patience = pace.read.min(pace.send);
        if let Ok(answer) = timeout(patience, sending.as_mut()).await {
            break answer;
        }
        if let Some(by) = overdue(&loan, pace) {
            // Whatever holds this one up will hold up the next.
            line.retire();
            return Err(Box::new(Broken {
                by,
                body: loan.reclaim(),
                unprocessed: false,
                late: None,
                mad: false,
            }));
        }
    };
    match answer {
        Ok(answer) => {
            let (mut head, incoming) = answer.into_parts();
            // It may go on as HTTP/1.1, where these would change what follows.
            if head.status.is_informational() || framing::length(&mut head.headers).is_err() {
                line.retire();
                return Err(Box::new(Broken {
                    by: BrokenBy::BadAnswer,
                    body: loan.reclaim(),
                    unprocessed: false,
                    late: None,
                    mad: true,
                }));
            }
            fields::strip_hop_by_hop(&mut head.headers);
            Ok((head, Streaming::new(incoming, loan, ticket, pace.read)))
        }
        Err(mut error) => {
            let unsent = error.take_message().is_some();
            Err(Box::new(explain(&line, error.into_error(), unsent, loan)))
        }
    }
}

/// What has been due for too long, if anything.
fn overdue(loan: &Loan, pace: Pace) -> Option<BrokenBy> {
    let (limit, by) = match loan.waits_for() {
        body::Wait::Client => return None,
        body::Wait::Target => (pace.send, BrokenBy::SendTimedOut),
        body::Wait::Nobody => (pace.read, BrokenBy::ReadTimedOut),
    };
    (loan.idle() >= limit).then_some(by)
}

fn explain(line: &Line, error: hyper::Error, unsent: bool, loan: Loan) -> Broken {
    let h2 = h2_error(&error);
    let refused =
        h2.is_some_and(|e| e.is_reset() && e.reason() == Some(h2::Reason::REFUSED_STREAM));
    // Streams up to the last id of a GOAWAY live on; the others fail with it and were not processed.
    let gone = h2.is_some_and(|e| e.is_go_away() && e.is_remote());
    let mad = h2.is_some_and(h2::Error::is_library);
    let late = line.late();
    if gone || late.is_some() || line.is_closed() {
        line.retire();
    }
    let by = match loan.error() {
        Some(error) => BrokenBy::RequestBody(error),
        None => BrokenBy::Protocol(error),
    };
    let unread = late.as_ref().is_some_and(|late| late.unread);
    Broken {
        by,
        body: loan.reclaim(),
        unprocessed: unsent || refused || gone || unread,
        late,
        mad,
    }
}

fn h2_error(error: &hyper::Error) -> Option<&h2::Error> {
    std::error::Error::source(error)?.downcast_ref()
}

fn build(
    message: &Message<'_>,
    body: body::Lent,
) -> Result<http::Request<body::Lent>, http::Error> {
    let uri = Uri::builder()
        .scheme(if message.tls { "https" } else { "http" })
        .authority(message.host)
        .path_and_query(message.target)
        .build()?;
    let mut request = http::Request::new(body);
    *request.method_mut() = message.method.clone();
    *request.uri_mut() = uri;
    *request.version_mut() = http::Version::HTTP_2;
    let mut headers = message.headers.clone();
    headers.remove(header::HOST);
    headers.remove(header::EXPECT);
    *request.headers_mut() = headers;
    Ok(request)
}

/// Bytes as hyper wants them.
type Data = Bytes;

/// Time between a connection's own pings. Servers of the gRPC family take more than one in five minutes for an attack.
const PING: Duration = Duration::from_secs(310);
