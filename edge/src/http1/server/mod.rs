//! A client's HTTP/1.1 connection: gives one request after the other, writes one answer after the other. It judges
//! syntax and framing; what a request means is the router's. Request bodies are read when somebody polls them.

mod body;
mod respond;

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::request;
use tokio::time::Instant;

use super::framing::Framing;
use super::request::{self as head, Head, HeadError, Scanner};
use crate::body::{Body, Inflow};
use crate::deadline::Deadline;
use crate::drain::Drain;
use crate::limits::Limits;
use crate::tls::Stream;

pub use respond::{Answered, Ask};

/// Room made for one read of heads; bodies get more.
const READ: usize = 8 << 10;
/// Room made for one read of a body.
const READ_BODY: usize = 64 << 10;

/// A connection between requests.
pub struct Connection {
    shared: Rc<Shared>,
    scanner: Scanner,
    deadline: Deadline,
    draining: Pin<Box<dyn Future<Output = Instant>>>,
    drain: Drain,
    out: Vec<u8>,
    requests: u64,
}

/// What a request's body needs of its connection while both are alive.
struct Shared {
    stream: RefCell<Stream>,
    buf: RefCell<BytesMut>,
    continue_owed: Cell<bool>,
    open: Cell<bool>,
    inflow: Rc<Inflow>,
    limits: Rc<Limits>,
}

/// A request as it came.
pub struct Incoming {
    /// Its head.
    pub parts: request::Parts,
    /// Its body.
    pub body: Body,
    /// The client wants to go on after it.
    pub keep_alive: bool,
    /// It waits for a 100 before it sends the body.
    pub expects_continue: bool,
    /// How much of the body came, and whether the client broke it.
    pub inflow: Rc<Inflow>,
}

/// What came next on a connection.
pub enum Next {
    /// A request.
    Request(Box<Incoming>),
    /// The end: closed between requests, idle for too long, draining, or the transport failed.
    End,
    /// A head that is refused; answer it and close.
    Refused(HeadError),
    /// A head that did not come in time; answer 408 and close.
    TimedOut,
    /// The connection begins with something that HTTP does not begin with.
    Foreign(Foreign),
}

/// What is spoken on a port for plain HTTP by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A TLS handshake record (RFC 8446, 5.1).
    Tls,
    /// A header of the PROXY protocol, version 1 or 2, which nobody announced.
    Proxy(u8),
}

impl Foreign {
    /// What `bytes` begin with.
    fn of(bytes: &[u8]) -> Option<Self> {
        const PROXY_1: [&[u8]; 3] = [b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"];
        const PROXY_2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
        match bytes {
            [22, 3, ..] => Some(Self::Tls),
            _ if PROXY_1.iter().any(|begin| bytes.starts_with(begin)) => Some(Self::Proxy(1)),
            _ if bytes.starts_with(PROXY_2) => Some(Self::Proxy(2)),
            _ => None,
        }
    }
}

impl Connection {
    /// A connection over `stream`.
    pub fn new(stream: Stream, limits: Rc<Limits>, drain: Drain) -> Self {
        let watch = drain.clone();
        Self {
            scanner: Scanner::default(),
            deadline: Deadline::new(limits.header),
            draining: Box::pin(async move { watch.draining().await }),
            drain,
            out: Vec::with_capacity(1024),
            requests: 0,
            shared: Rc::new(Shared {
                stream: RefCell::new(stream),
                buf: RefCell::new(BytesMut::with_capacity(READ)),
                continue_owed: Cell::new(false),
                open: Cell::new(false),
                inflow: Rc::default(),
                limits,
            }),
        }
    }

    /// Waits for the next request.
    pub async fn next(&mut self) -> Next {
        let wait = if self.requests == 0 {
            self.shared.limits.header
        } else {
            self.shared.limits.idle
        };
        self.deadline.set(wait);
        let mut started = false;
        loop {
            if let Some(foreign) = self.foreign() {
                return Next::Foreign(foreign);
            }
            let found = self
                .scanner
                .find(&mut self.shared.buf.borrow_mut(), &self.shared.limits);
            match found {
                Ok(Some(length)) => return self.request(length),
                Ok(None) => {}
                Err(error) => return Next::Refused(error),
            }
            if !started && !self.shared.buf.borrow().is_empty() {
                started = true;
                self.deadline.set(self.shared.limits.header);
            }
            match poll_fn(|cx| self.poll_more(cx, started)).await {
                Wait::Bytes => {}
                Wait::Ended => return Next::End,
                Wait::TimedOut if started => return Next::TimedOut,
                Wait::TimedOut => return Next::End,
            }
        }
    }

    /// What the first bytes in the clear are, if they are not HTTP.
    fn foreign(&self) -> Option<Foreign> {
        let first = self.requests == 0 && matches!(*self.shared.stream.borrow(), Stream::Plain(_));
        first.then(|| Foreign::of(&self.shared.buf.borrow()))?
    }

    fn poll_more(&mut self, cx: &mut Context<'_>, started: bool) -> Poll<Wait> {
        match self.shared.poll_fill(cx, READ) {
            Poll::Ready(Ok(n)) if n > 0 => Poll::Ready(Wait::Bytes),
            Poll::Ready(_) => Poll::Ready(Wait::Ended),
            Poll::Pending if !started && self.draining.as_mut().poll(cx).is_ready() => {
                Poll::Ready(Wait::Ended)
            }
            Poll::Pending => self.deadline.poll(cx).map(|()| Wait::TimedOut),
        }
    }

    fn request(&mut self, length: usize) -> Next {
        // Header values keep the head's memory alive: a copy of its own lets the read buffer be used on.
        let bytes = {
            let mut buf = self.shared.buf.borrow_mut();
            let bytes = Bytes::copy_from_slice(&buf[..length]);
            bytes::Buf::advance(&mut *buf, length);
            bytes
        };
        let head = match head::parse(&bytes, &self.shared.limits) {
            Ok(head) => head,
            Err(error) => return Next::Refused(error),
        };
        let most = self.shared.limits.body_bytes;
        if let Framing::Length(n) = head.framing
            && most > 0
            && n > most
        {
            return Next::Refused(HeadError::BodyTooLarge);
        }
        self.requests += 1;
        let body = self.body(&head);
        Next::Request(Box::new(Incoming {
            parts: head.parts,
            body,
            keep_alive: head.keep_alive,
            expects_continue: head.expects_continue,
            inflow: Rc::clone(&self.shared.inflow),
        }))
    }

    fn body(&self, head: &Head) -> Body {
        self.shared.inflow.reset();
        if head.framing == Framing::None {
            return Body::Empty;
        }
        let mut buf = self.shared.buf.borrow_mut();
        if let Framing::Length(n) = head.framing
            && let Ok(n) = usize::try_from(n)
            && n <= buf.len()
        {
            self.shared.inflow.add(n);
            return Body::Full(buf.split_to(n).freeze());
        }
        self.shared.open.set(true);
        self.shared
            .continue_owed
            .set(head.expects_continue && buf.is_empty());
        Body::Stream(Box::pin(body::RequestBody::new(
            Rc::clone(&self.shared),
            head.framing,
        )))
    }

    /// Requests read so far.
    pub const fn requests(&self) -> u64 {
        self.requests
    }

    /// Gives up the connection for a tunnel: the stream and what was read beyond the last request. `None` while a
    /// request body still holds it.
    pub fn into_stream(self) -> Option<(Stream, Bytes)> {
        let shared = Rc::try_unwrap(self.shared).ok()?;
        Some((shared.stream.into_inner(), shared.buf.into_inner().freeze()))
    }
}

enum Wait {
    Bytes,
    Ended,
    TimedOut,
}

impl Shared {
    /// Reads more into the buffer; 0 is the end of the stream.
    fn poll_fill(&self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        let mut buf = self.buf.borrow_mut();
        if buf.capacity() - buf.len() < room / 8 {
            buf.reserve(room);
        }
        tokio_util::io::poll_read_buf(Pin::new(&mut *self.stream.borrow_mut()), cx, &mut *buf)
    }
}
