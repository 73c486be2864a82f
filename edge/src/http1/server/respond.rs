//! Writing an answer: head, body in the framing that the client's version allows, and whether the connection can go on.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderValue, StatusCode, Version, header, response};
use http_body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Connection;
use crate::body::Body;
use crate::http1::{chunk, fields};

/// Bodies up to this size are copied behind the head, so that both leave in one write and one TLS record.
const COPY: usize = 8 << 10;

/// What of the request decides how its answer is written.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Its version.
    pub version: Version,
    /// It was a HEAD.
    pub head: bool,
    /// The client wants to go on.
    pub keep_alive: bool,
}

/// How writing an answer ended.
#[derive(Debug)]
pub struct Answered {
    /// Bytes of body written.
    pub body_bytes: u64,
    /// All of it was written.
    pub complete: bool,
    /// The connection can take the next request.
    pub keep_alive: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    /// No body bytes.
    None,
    /// As many bytes as Content-Length says.
    Length,
    Chunked,
    /// Until we close: HTTP/1.0 clients.
    Close,
}

impl Connection {
    /// Writes `parts` and `body`. The connection goes on only if both sides want it and the request's body was read.
    pub async fn respond(&mut self, mut parts: response::Parts, body: Body, ask: Ask) -> Answered {
        self.shared.continue_owed.set(false);
        let coding = coding(&mut parts, &body, ask);
        let goes_on = ask.keep_alive
            && !self.shared.open.get()
            && coding != Coding::Close
            && !self.drain.is_draining();
        self.write_head(&parts, ask, goes_on);
        let mut answered = Answered {
            body_bytes: 0,
            complete: false,
            keep_alive: goes_on,
        };
        let written = if coding == Coding::None {
            self.flush_out().await
        } else {
            self.write_body(body, coding, &mut answered.body_bytes)
                .await
        };
        answered.complete = written.is_ok();
        answered.keep_alive &= answered.complete && !self.shared.open.get();
        answered
    }

    /// Writes a 101 head; the connection is a tunnel afterwards.
    ///
    /// # Errors
    /// The transport's.
    pub async fn respond_upgrade(
        &mut self,
        parts: &response::Parts,
        upgrade: &HeaderValue,
    ) -> io::Result<()> {
        self.out.clear();
        self.out
            .extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n");
        fields::line(&mut self.out, b"upgrade", upgrade.as_bytes());
        // The target's own `upgrade` is still among them, and browsers refuse an answer with two.
        let mut headers = parts.headers.clone();
        headers.remove(header::UPGRADE);
        fields::write(&headers, &mut self.out);
        self.out.extend_from_slice(b"\r\n");
        self.flush_out().await
    }

    fn write_head(&mut self, parts: &response::Parts, ask: Ask, goes_on: bool) {
        let out = &mut self.out;
        out.clear();
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(parts.status.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(parts.status.canonical_reason().unwrap_or("").as_bytes());
        out.extend_from_slice(b"\r\n");
        fields::write(&parts.headers, out);
        match (goes_on, ask.version) {
            (false, _) => out.extend_from_slice(b"connection: close\r\n"),
            (true, Version::HTTP_10) => out.extend_from_slice(b"connection: keep-alive\r\n"),
            (true, _) => {}
        }
        out.extend_from_slice(b"\r\n");
    }

    async fn write_body(&mut self, body: Body, coding: Coding, count: &mut u64) -> io::Result<()> {
        let mut body = match body {
            Body::Full(bytes) if bytes.len() <= COPY => {
                self.out.extend_from_slice(&bytes);
                *count = bytes.len() as u64;
                return self.flush_out().await;
            }
            other => other,
        };
        loop {
            // Read ahead of nothing: the target's speed is the client's. What is ready leaves with the head.
            let frame = match self.next_frame(&mut body).await? {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Err(io::Error::other(error.to_string())),
                None => break,
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    *count += data.len() as u64;
                    self.write_data(data, coding).await?;
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().ok();
                    return self.write_end(coding, trailers.as_ref()).await;
                }
            }
        }
        self.write_end(coding, None).await
    }

    /// The next frame; if it is not there at once, what was written so far goes out first.
    async fn next_frame(
        &mut self,
        body: &mut Body,
    ) -> io::Result<Option<Result<http_body::Frame<Bytes>, crate::body::BodyError>>> {
        let ready = poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await;
        if let Poll::Ready(frame) = ready {
            return Ok(frame);
        }
        if !self.out.is_empty() {
            self.flush_out().await?;
        }
        Ok(poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await)
    }

    async fn write_data(&mut self, data: Bytes, coding: Coding) -> io::Result<()> {
        let tail: &[u8] = if coding == Coding::Chunked {
            chunk::write_size(data.len(), &mut self.out);
            b"\r\n"
        } else {
            b""
        };
        self.write_out(data, tail).await
    }

    async fn write_end(&mut self, coding: Coding, trailers: Option<&HeaderMap>) -> io::Result<()> {
        if coding == Coding::Chunked {
            chunk::write_end(trailers, &mut self.out);
        }
        self.flush_out().await
    }

    async fn flush_out(&mut self) -> io::Result<()> {
        self.write_out(Bytes::new(), b"").await
    }

    /// Writes `self.out`, `data` and `tail` and flushes, each step within the body-idle deadline.
    async fn write_out(&mut self, mut data: Bytes, mut tail: &[u8]) -> io::Result<()> {
        self.deadline.set(self.shared.limits.body_idle);
        let mut done = 0;
        let result = poll_fn(|cx| self.poll_write_out(cx, &mut done, &mut data, &mut tail)).await;
        self.out.clear();
        result
    }

    fn poll_write_out(
        &mut self,
        cx: &mut Context<'_>,
        done: &mut usize,
        data: &mut Bytes,
        tail: &mut &[u8],
    ) -> Poll<io::Result<()>> {
        let mut stream = self.shared.stream.borrow_mut();
        let mut stream = Pin::new(&mut *stream);
        while *done < self.out.len() || !data.is_empty() || !tail.is_empty() {
            let slices = [
                IoSlice::new(&self.out[*done..]),
                IoSlice::new(data),
                IoSlice::new(tail),
            ];
            match stream.as_mut().poll_write_vectored(cx, &slices) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(mut n)) => {
                    let first = n.min(self.out.len() - *done);
                    *done += first;
                    n -= first;
                    let second = n.min(data.len());
                    data.advance(second);
                    *tail = &tail[n - second..];
                    self.deadline.set(self.shared.limits.body_idle);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    return self
                        .deadline
                        .poll(cx)
                        .map(|()| Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        match stream.poll_flush(cx) {
            Poll::Pending => self
                .deadline
                .poll(cx)
                .map(|()| Err(io::ErrorKind::TimedOut.into())),
            ready => ready,
        }
    }

    /// Closes so that the client can read the last answer: our side first, then its leftover bytes are read and dropped
    /// for at most `limit`, since a socket closed with unread bytes resets the connection.
    pub async fn close(self, limit: std::time::Duration) {
        let shared = self.shared;
        let mut shut = false;
        let linger = poll_fn(|cx| {
            let mut stream = shared.stream.borrow_mut();
            shut = shut || Pin::new(&mut *stream).poll_shutdown(cx).is_ready();
            let mut space = [0; 4096];
            loop {
                let mut buf = ReadBuf::new(&mut space);
                match Pin::new(&mut *stream).poll_read(cx, &mut buf) {
                    Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        // A client that reads on for longer than this gets what its kernel already has.
        let _ = tokio::time::timeout(limit, linger).await;
    }
}

/// Decides the body's coding and makes the framing headers say so.
fn coding(parts: &mut response::Parts, body: &Body, ask: Ask) -> Coding {
    let headers = &mut parts.headers;
    headers.remove(header::TRANSFER_ENCODING);
    if parts.status == StatusCode::NO_CONTENT || parts.status.is_informational() {
        headers.remove(header::CONTENT_LENGTH);
        return Coding::None;
    }
    if ask.head || parts.status == StatusCode::NOT_MODIFIED {
        return Coding::None;
    }
    if headers.contains_key(header::CONTENT_LENGTH) {
        return if body.is_empty() {
            Coding::None
        } else {
            Coding::Length
        };
    }
    if let Some(n) = body.size_hint().exact() {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(n));
        return if n == 0 { Coding::None } else { Coding::Length };
    }
    if ask.version == Version::HTTP_11 {
        headers.insert(
            header::TRANSFER_ENCODING,
            HeaderValue::from_static("chunked"),
        );
        return Coding::Chunked;
    }
    Coding::Close
}
