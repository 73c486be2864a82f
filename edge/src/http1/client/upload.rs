//! A request on its way out: head and first piece of the body leave in one vectored write, the rest as the body gives
//! it, with a content-length or chunked.

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{HeaderName, Method, header};
use http_body::Body as _;
use tokio::io::AsyncWrite;

use super::{Connection, Message};
use crate::body::{Body, BodyError};
use crate::http1::{chunk, fields};

/// The request's side of an exchange.
pub(super) struct Upload {
    /// Head, or a chunk's size line, or the end of a chunked body.
    lead: Vec<u8>,
    lead_at: usize,
    data: Bytes,
    /// CRLF after a chunk.
    tail: &'static [u8],
    body: Body,
    /// A body that was here whole, for a second try.
    kept: Option<Bytes>,
    coding: Coding,
    state: State,
    untouched: bool,
    sent: bool,
}

/// How the body is framed, with the bytes still owed.
#[derive(Clone, Copy)]
enum Coding {
    Length(u64),
    Chunked,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The head is out or on its way, the body waits for 100 Continue.
    Held,
    Body,
    /// All is in the buffers.
    Ended,
    /// All is written and flushed.
    Done,
    /// Writing failed.
    Failed,
}

/// Why an upload ended early.
pub(super) enum UploadError {
    /// The connection takes no more.
    Write,
    /// The body failed.
    Body(BodyError),
}

/// What an exchange that does not move waits for.
pub(super) enum Wait {
    /// Room to write.
    Target,
    /// The target's answer.
    Answer,
    /// The target's 100 Continue.
    Continue,
    /// The client's next piece.
    Body,
}

impl Upload {
    /// Writes the head into `lead`, a buffer from an earlier request.
    pub(super) fn new(message: &Message<'_>, body: Body, mut lead: Vec<u8>) -> Self {
        lead.clear();
        let coding = write_head(message, &body, &mut lead);
        let held = message.expects_continue && !body.is_empty();
        let state = match (body.is_empty(), held) {
            (true, _) => State::Ended,
            (false, true) => State::Held,
            (false, false) => State::Body,
        };
        let kept = if let Body::Full(bytes) = &body {
            Some(bytes.clone())
        } else {
            None
        };
        let data = Bytes::new();
        Self {
            lead,
            lead_at: 0,
            data,
            tail: b"",
            body,
            kept,
            coding,
            state,
            untouched: true,
            sent: false,
        }
    }

    /// Nothing more will be written.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Done | State::Failed)
    }

    /// All was written.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// A byte was written.
    pub(super) const fn sent(&self) -> bool {
        self.sent
    }

    /// The target wants the body, or has had long enough to say so.
    pub(super) fn go_on(&mut self) {
        if self.state == State::Held {
            self.state = State::Body;
        }
    }

    /// The buffer for the next request.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.lead
    }

    /// The body, if it can be sent again.
    pub(super) fn reclaim(self) -> Option<Body> {
        if let Some(kept) = self.kept {
            return Some(Body::Full(kept));
        }
        self.untouched.then_some(self.body)
    }

    pub(super) fn waits_for(&self) -> Wait {
        match self.state {
            State::Done | State::Failed => Wait::Answer,
            _ if self.has_output() => Wait::Target,
            State::Ended => Wait::Target,
            State::Held => Wait::Continue,
            State::Body => Wait::Body,
        }
    }

    fn has_output(&self) -> bool {
        self.lead_at < self.lead.len() || !self.data.is_empty() || !self.tail.is_empty()
    }

    /// Moves as much as the body gives and the connection takes.
    pub(super) fn poll(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), UploadError>> {
        // The head waits for the body's first piece only as long as that is there at once.
        let mut dry = false;
        loop {
            if self.state == State::Body
                && self.data.is_empty()
                && self.tail.is_empty()
                && !dry
                && self.lead_is_fresh()
            {
                dry = self.poll_fill(cx).map_err(UploadError::Body)?.is_pending();
            }
            if self.has_output() {
                ready!(self.poll_write(connection, cx)).map_err(|()| self.fail())?;
                continue;
            }
            if self.state == State::Body && !dry {
                continue;
            }
            ready!(Pin::new(&mut connection.stream).poll_flush(cx)).map_err(|_| self.fail())?;
            if self.state == State::Ended {
                self.state = State::Done;
                return Poll::Ready(Ok(()));
            }
            return Poll::Pending;
        }
    }

    /// Nothing of the lead is written yet, or all of it: data can be put after it.
    fn lead_is_fresh(&self) -> bool {
        self.lead_at == 0 || self.lead_at == self.lead.len()
    }

    fn fail(&mut self) -> UploadError {
        self.state = State::Failed;
        UploadError::Write
    }

    /// Takes the body's next frame into the buffers.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Result<Poll<()>, BodyError> {
        if self.lead_at == self.lead.len() {
            self.lead.clear();
            self.lead_at = 0;
        }
        // A poll that gives nothing consumes nothing.
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            return Ok(Poll::Pending);
        };
        self.untouched = false;
        match frame {
            Some(Ok(frame)) => self.take_frame(frame)?,
            Some(Err(error)) => {
                self.state = State::Failed;
                return Err(error);
            }
            None => self.end(None)?,
        }
        if self.state == State::Body && matches!(self.coding, Coding::Length(0)) {
            self.end(None)?;
        }
        Ok(Poll::Ready(()))
    }

    fn take_frame(&mut self, frame: http_body::Frame<Bytes>) -> Result<(), BodyError> {
        let frame = match frame.into_data() {
            Ok(data) => return self.take_data(data),
            Err(frame) => frame,
        };
        match frame.into_trailers() {
            Ok(trailers) => self.end(Some(&trailers)),
            Err(_) => Ok(()),
        }
    }

    fn take_data(&mut self, data: Bytes) -> Result<(), BodyError> {
        if data.is_empty() {
            return Ok(());
        }
        match &mut self.coding {
            Coding::Chunked => {
                chunk::write_size(data.len(), &mut self.lead);
                self.tail = b"\r\n";
            }
            Coding::Length(left) => {
                *left = left
                    .checked_sub(data.len() as u64)
                    .ok_or(BodyError::Malformed("more bytes than content-length says"))?;
            }
        }
        self.data = data;
        Ok(())
    }

    fn end(&mut self, trailers: Option<&http::HeaderMap>) -> Result<(), BodyError> {
        match self.coding {
            Coding::Chunked => chunk::write_end(trailers, &mut self.lead),
            Coding::Length(0) => {}
            Coding::Length(_) => {
                return Err(BodyError::Truncated(
                    "fewer bytes than content-length says".into(),
                ));
            }
        }
        self.state = State::Ended;
        Ok(())
    }

    /// One write of everything there is.
    fn poll_write(
        &mut self,
        connection: &mut Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ()>> {
        let pieces = [
            IoSlice::new(&self.lead[self.lead_at..]),
            IoSlice::new(&self.data),
            IoSlice::new(self.tail),
        ];
        let stream = Pin::new(&mut connection.stream);
        let written = if self.data.is_empty() && self.tail.is_empty() {
            stream.poll_write(cx, &self.lead[self.lead_at..])
        } else {
            stream.poll_write_vectored(cx, &pieces)
        };
        let mut n = match ready!(written) {
            Ok(n) if n > 0 => n,
            _ => return Poll::Ready(Err(())),
        };
        self.sent = true;
        connection.moved();
        let lead = n.min(self.lead.len() - self.lead_at);
        self.lead_at += lead;
        n -= lead;
        let data = n.min(self.data.len());
        self.data.advance(data);
        n -= data;
        self.tail = &self.tail[n.min(self.tail.len())..];
        Poll::Ready(Ok(()))
    }
}

/// Writes request line and fields; says how the body goes.
fn write_head(message: &Message<'_>, body: &Body, out: &mut Vec<u8>) -> Coding {
    out.extend_from_slice(message.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(message.target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    fields::line(out, b"host", message.host);
    for (name, value) in message.headers {
        if !is_ours(name) {
            fields::line(out, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    if let Some(token) = message.upgrade {
        out.extend_from_slice(b"connection: upgrade\r\n");
        fields::line(out, b"upgrade", token.as_bytes());
    }
    if message.expects_continue && !body.is_empty() {
        out.extend_from_slice(b"expect: 100-continue\r\n");
    }
    let coding = choose_coding(message, body);
    match coding {
        Coding::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Coding::Length(0) if !says_zero(message) => {}
        Coding::Length(n) => fields::line(
            out,
            b"content-length",
            itoa::Buffer::new().format(n).as_bytes(),
        ),
    }
    out.extend_from_slice(b"\r\n");
    coding
}

/// Fields that are written from something else, or concern one connection only.
fn is_ours(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::HOST
            | header::CONTENT_LENGTH
            | header::TRANSFER_ENCODING
            | header::CONNECTION
            | header::UPGRADE
            | header::EXPECT
            | header::TE
    )
}

fn choose_coding(message: &Message<'_>, body: &Body) -> Coding {
    let said = || {
        message
            .headers
            .get(header::CONTENT_LENGTH)?
            .to_str()
            .ok()?
            .parse()
            .ok()
    };
    if body.is_empty() {
        return Coding::Length(0);
    }
    body.size_hint()
        .exact()
        .or_else(said)
        .map_or(Coding::Chunked, Coding::Length)
}

/// Whether an empty body is to be announced: where one is expected, or the client said so.
fn says_zero(message: &Message<'_>) -> bool {
    matches!(*message.method, Method::POST | Method::PUT | Method::PATCH)
        || message.headers.contains_key(header::CONTENT_LENGTH)
}
