//! A target's HTTP/1.1 connection: sends one request, reads one answer, both at once (RFC 9112). [`connection`] is the
//! bytes and the clock, [`upload`] the request on its way out, [`download`] the answer's body on its way in. It knows
//! neither pools nor retries: what can be used again is given back, and [`Broken`] says how far things had come.

mod connection;
mod download;
mod upload;

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

pub use connection::Connection;
pub use download::Download;

use self::upload::{Upload, UploadError};
use super::chunk;
use super::fields;
use super::response::{self, Framing, Head, HeadError, Scan};
use crate::body::{Body, BodyError};
use crate::tls::Stream;

/// What to send. Headers are end-to-end ones; `host`, framing, `expect` and upgrade fields are written from the rest.
pub struct Message<'a> {
    /// Method.
    pub method: &'a Method,
    /// Request target: origin form or `*`.
    pub target: &'a str,
    /// Host to send.
    pub host: &'a [u8],
    /// Everything else.
    pub headers: &'a HeaderMap,
    /// Upgrade token asked for.
    pub upgrade: Option<&'a HeaderValue>,
    /// Send `Expect: 100-continue` and hold the body back for the answer, at most [`EXPECT_WAIT`].
    pub expects_continue: bool,
}

/// Deadlines of one exchange, each from the last progress.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Between two writes.
    pub send: Duration,
    /// Between two reads, once the request is sent.
    pub read: Duration,
    /// Most bytes of an answer's trailers.
    pub trailer_bytes: usize,
}

/// How long a body waits for `100 Continue` before it is sent without (RFC 9110 10.1.1).
pub const EXPECT_WAIT: Duration = Duration::from_secs(1);
/// Interim answers in a row before the target is taken for mad.
const MOST_INTERIM: u32 = 16;
/// Answers up to this size that are wholly there are copied out, so that the read buffer stays with the connection.
const SMALL: usize = 8 << 10;

/// An answer.
pub struct Answer {
    /// Its head, hop-by-hop fields removed (after a 101 `upgrade` stays).
    pub head: http::response::Parts,
    /// What follows.
    pub rest: Rest,
}

/// What follows the head.
pub enum Rest {
    /// The whole body, and the connection if it can be used again.
    Whole(Body, Option<Box<Connection>>),
    /// The body is on its way.
    Partly(Box<Download>),
    /// The connection belongs to the other protocol now; with bytes already read.
    Upgraded(Stream, Bytes),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum BrokenBy {
    /// The target closed or reset, or the stream failed.
    #[error("connection failed: {0}")]
    Closed(io::Error),
    /// What came is not HTTP as it must be.
    #[error("bad answer: {0}")]
    BadAnswer(&'static str),
    /// No write went through for [`Pace::send`].
    #[error("sending timed out")]
    SendTimedOut,
    /// Nothing came for [`Pace::read`].
    #[error("reading timed out")]
    ReadTimedOut,
    /// The request's own body failed.
    #[error("request body: {0}")]
    RequestBody(BodyError),
}

/// A failed exchange. The connection is gone.
pub struct Broken {
    /// Why.
    pub by: BrokenBy,
    /// The request's body if nothing of it was consumed, or all of it is still here.
    pub body: Option<Body>,
    /// A byte of the request was written: the target may have acted on it.
    pub sent: bool,
    /// A byte of an answer to this request was read.
    pub heard: bool,
    /// A byte was read on this connection before or now: its TLS handshake is beyond doubt.
    pub proven: bool,
}

/// Sends `message` and `body` and reads the answer's head. Cancel-safe in that dropping closes the connection.
///
/// # Errors
/// [`Broken`].
pub async fn exchange(
    mut connection: Box<Connection>,
    message: &Message<'_>,
    body: Body,
    pace: Pace,
) -> Result<Answer, Box<Broken>> {
    let upload = Upload::new(message, body, std::mem::take(&mut connection.output));
    let mut exchange = Exchange {
        connection,
        upload,
        pace,
    };
    let mut reading = Reading::default();
    let outcome = std::future::poll_fn(|cx| exchange.poll_head(&mut reading, cx)).await;
    let (head, end) = match outcome {
        Ok(found) => found,
        Err(by) => return Err(exchange.broken(by, reading.heard)),
    };
    match exchange.answer(head, end, message, &reading.block) {
        Ok(answer) => Ok(answer),
        Err(why) => Err(Box::new(Broken {
            by: BrokenBy::BadAnswer(why),
            body: None,
            sent: true,
            heard: true,
            proven: true,
        })),
    }
}

const fn bad(error: HeadError) -> BrokenBy {
    BrokenBy::BadAnswer(error.0)
}

/// Both directions of one exchange.
struct Exchange {
    connection: Box<Connection>,
    upload: Upload,
    pace: Pace,
}

/// How far the reading of a head has come.
#[derive(Default)]
struct Reading {
    scan: Scan,
    interim: u32,
    heard: bool,
    /// A copy of the head and, if all is small, of what came with it.
    block: Bytes,
}

impl Exchange {
    /// Drives both directions until a final head is there; the number is the head's length in the input.
    fn poll_head(
        &mut self,
        reading: &mut Reading,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(Head, usize), BrokenBy>> {
        loop {
            self.poll_upload(cx)?;
            if let Some(end) = reading.scan.find(&self.connection.input).map_err(bad)? {
                // Head and a small body share one copy; the read buffer stays with the connection.
                let input = &self.connection.input;
                let known = if input.len() <= SMALL {
                    input.len()
                } else {
                    end
                };
                reading.block = Bytes::copy_from_slice(&input[..known]);
                let head = response::parse(&reading.block.slice(..end)).map_err(bad)?;
                if !head.status.is_informational() || head.status == StatusCode::SWITCHING_PROTOCOLS
                {
                    return Poll::Ready(Ok((head, end)));
                }
                reading.interim += 1;
                if reading.interim > MOST_INTERIM {
                    return Poll::Ready(Err(BrokenBy::BadAnswer("too many interim answers")));
                }
                if head.status == StatusCode::CONTINUE {
                    self.upload.go_on();
                }
                self.connection.input.advance(end);
                reading.scan = Scan::default();
                continue;
            }
            match self.connection.poll_read(cx, false) {
                Poll::Ready(Ok(0)) => {
                    return Poll::Ready(Err(BrokenBy::Closed(io::ErrorKind::UnexpectedEof.into())));
                }
                Poll::Ready(Ok(_)) => reading.heard = true,
                Poll::Ready(Err(e)) => return Poll::Ready(Err(BrokenBy::Closed(e))),
                Poll::Pending => return self.poll_stalled(cx).map(Err),
            }
        }
    }

    /// Pushes the request further. A write that fails is not an error yet: the target may have answered already.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Result<(), BrokenBy> {
        if self.upload.is_over() {
            return Ok(());
        }
        match self.upload.poll(&mut self.connection, cx) {
            Poll::Ready(Err(UploadError::Body(e))) => Err(BrokenBy::RequestBody(e)),
            Poll::Ready(Err(UploadError::Write)) | Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// Pending, until nothing has moved for too long.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<BrokenBy> {
        let (limit, by) = match self.upload.waits_for() {
            upload::Wait::Target => (self.pace.send, BrokenBy::SendTimedOut),
            upload::Wait::Answer => (self.pace.read, BrokenBy::ReadTimedOut),
            upload::Wait::Continue => {
                if self
                    .connection
                    .poll_stall(EXPECT_WAIT.min(self.pace.read), cx)
                    .is_ready()
                {
                    self.upload.go_on();
                    cx.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
            // The client's pace is the router's business.
            upload::Wait::Body => return Poll::Pending,
        };
        self.connection.poll_stall(limit, cx).map(|()| by)
    }

    fn broken(self, by: BrokenBy, heard: bool) -> Box<Broken> {
        let sent = self.upload.sent();
        Box::new(Broken {
            by,
            sent,
            heard,
            proven: self.connection.proven,
            body: self.upload.reclaim(),
        })
    }

    /// Makes the answer of its head: whole if all of it is here, else with the rest to come.
    fn answer(
        mut self,
        head: Head,
        end: usize,
        message: &Message<'_>,
        block: &Bytes,
    ) -> Result<Answer, &'static str> {
        self.connection.input.advance(end);
        let come = block.slice(end..);
        let framing = head.framing(message.method);
        self.connection.keep = head.keeps_alive() && framing != Framing::Close;
        let (mut parts, ()) = http::Response::new(()).into_parts();
        parts.status = head.status;
        parts.version = head.version;
        parts.headers = head.headers;
        if parts.status == StatusCode::SWITCHING_PROTOCOLS {
            return self.upgrade(parts, message);
        }
        fields::strip_hop_by_hop(&mut parts.headers);
        parts.headers.remove(header::TE);
        let rest = match framing {
            Framing::None => Rest::Whole(Body::Empty, self.finish()),
            Framing::Length(n) => match usize::try_from(n)
                .ok()
                .filter(|n| *n <= self.connection.input.len())
            {
                Some(n) => {
                    let body = self.connection.take_input(n, &come);
                    Rest::Whole(Body::Full(body), self.finish())
                }
                None => Rest::Partly(Box::new(Download::length(self, n))),
            },
            Framing::Chunked => {
                let decoder = chunk::Decoder::new(self.pace.trailer_bytes);
                Rest::Partly(Box::new(Download::chunked(self, decoder)))
            }
            Framing::Close => Rest::Partly(Box::new(Download::until_close(self))),
        };
        Ok(Answer { head: parts, rest })
    }

    fn upgrade(
        self,
        mut head: http::response::Parts,
        message: &Message<'_>,
    ) -> Result<Answer, &'static str> {
        let asked = message.upgrade.ok_or("101 without an upgrade asked for")?;
        if !self.upload.is_done() {
            // The rest of the body would reach nobody, or the other protocol as its own bytes.
            return Err("101 before the request was whole");
        }
        let token = head
            .headers
            .get(header::UPGRADE)
            .cloned()
            .ok_or("101 without an upgrade field")?;
        if !token
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(asked.as_bytes().trim_ascii())
        {
            return Err("101 to another protocol than asked for");
        }
        fields::strip_hop_by_hop(&mut head.headers);
        head.headers.insert(header::UPGRADE, token);
        let (stream, early) = self.connection.into_stream();
        Ok(Answer {
            head,
            rest: Rest::Upgraded(stream, early),
        })
    }

    /// The connection after the answer's end, if another request may use it.
    fn finish(mut self) -> Option<Box<Connection>> {
        let whole = self.upload.is_done();
        self.connection.output = self.upload.into_buffer();
        self.connection.requests += 1;
        (whole && self.connection.keep && self.connection.input.is_empty())
            .then_some(self.connection)
    }
}

#[cfg(test)]
mod tests;
