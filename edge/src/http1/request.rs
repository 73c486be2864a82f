//! A client's request head: found in the read buffer, judged, parsed (RFC 9112 sections 2 to 6). Sans I/O.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::uri::{PathAndQuery, Uri};
use http::{Method, Request, Version, header, request};

use super::fields::{self, FieldError};
use super::framing::{self, Framing, FramingError};
use crate::limits::Limits;

/// A parsed head.
#[derive(Debug)]
pub struct Head {
    /// Method, target, headers as they came.
    pub parts: request::Parts,
    /// Where the body ends.
    pub framing: Framing,
    /// The client wants the connection to stay open.
    pub keep_alive: bool,
    /// `Expect: 100-continue`.
    pub expects_continue: bool,
}

/// Why a head was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// 414.
    #[error("the request line is too long")]
    LineTooLong,
    /// 431.
    #[error("the header section is too large")]
    HeadersTooLarge,
    /// 400.
    #[error("{0}")]
    Malformed(&'static str),
    /// 400.
    #[error("{0}")]
    Framing(#[from] FramingError),
    /// 400.
    #[error("{0}")]
    Field(FieldError),
    /// 413.
    #[error("the body is larger than allowed")]
    BodyTooLarge,
    /// 417: an expectation other than 100-continue.
    #[error("the expectation is not 100-continue")]
    Expectation,
}

impl From<FieldError> for HeadError {
    fn from(error: FieldError) -> Self {
        if error == FieldError::TooMany {
            Self::HeadersTooLarge
        } else {
            Self::Field(error)
        }
    }
}

/// Finds the end of a head as bytes come in, looking at each byte once.
#[derive(Debug, Default)]
pub struct Scanner {
    seen: usize,
    line_start: usize,
    first_line: bool,
}

impl Scanner {
    /// Length of the head in `buf` (empty line included), or `None` if it is not whole yet. Empty lines before the
    /// request line are dropped from `buf`.
    ///
    /// # Errors
    /// [`HeadError`] as soon as it is certain.
    pub fn find(
        &mut self,
        buf: &mut BytesMut,
        limits: &Limits,
    ) -> Result<Option<usize>, HeadError> {
        while self.seen == 0 && buf.starts_with(b"\r\n") {
            buf.advance(2);
        }
        while let Some(at) = memchr::memchr(b'\n', &buf[self.seen..]) {
            let lf = self.seen + at;
            if lf == 0 || buf[lf - 1] != b'\r' {
                return Err(HeadError::Field(FieldError::BareLf));
            }
            if !self.first_line {
                self.first_line = true;
                if lf > limits.target_bytes {
                    return Err(HeadError::LineTooLong);
                }
            } else if lf + 1 - self.line_start == 2 {
                self.seen = 0;
                self.line_start = 0;
                self.first_line = false;
                return Ok(Some(lf + 1));
            }
            self.seen = lf + 1;
            self.line_start = lf + 1;
        }
        self.seen = buf.len();
        if !self.first_line && buf.len() > limits.target_bytes {
            return Err(HeadError::LineTooLong);
        }
        if buf.len() > limits.target_bytes + limits.header_bytes {
            return Err(HeadError::HeadersTooLarge);
        }
        Ok(None)
    }
}

/// Parses a whole head (`head` ends with the empty line).
///
/// # Errors
/// [`HeadError`].
pub fn parse(head: &Bytes, limits: &Limits) -> Result<Head, HeadError> {
    let mut lines = [const { MaybeUninit::uninit() }; fields::MAX_LINES];
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(head, &mut lines) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(HeadError::Malformed("the head is malformed")),
        Err(httparse::Error::TooManyHeaders) => return Err(HeadError::HeadersTooLarge),
        Err(httparse::Error::Version) => {
            return Err(HeadError::Malformed("the HTTP version is not 1.0 or 1.1"));
        }
        Err(httparse::Error::Token) => {
            return Err(HeadError::Malformed("the request line is malformed"));
        }
        Err(_) => return Err(HeadError::Field(FieldError::Malformed)),
    }
    let line = memchr::memchr(b'\n', head).unwrap_or(0);
    if head.len() - line > limits.header_bytes {
        return Err(HeadError::HeadersTooLarge);
    }
    let version = if parsed.version == Some(1) {
        Version::HTTP_11
    } else {
        Version::HTTP_10
    };
    let method = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes())
        .map_err(|_| HeadError::Malformed("the method is malformed"))?;
    let target = parsed.path.unwrap_or_default();
    let uri = uri(&head.slice_ref(target.as_bytes()), &method)?;
    let mut headers = fields::collect(head, parsed.headers, limits.header_count)?;
    host_lines(version, &headers)?;
    let framing = framing::of_request(version, &mut headers)?;
    let expects_continue = expectation(version, &headers)?;
    let keep_alive = keep_alive(version, &headers);
    let (mut parts, ()) = Request::new(()).into_parts();
    (parts.method, parts.uri, parts.version, parts.headers) = (method, uri, version, headers);
    Ok(Head {
        parts,
        framing,
        keep_alive,
        expects_continue,
    })
}

/// Origin form, absolute form with http or https, `*` for OPTIONS; CONNECT keeps its authority (it is refused later).
fn uri(target: &Bytes, method: &Method) -> Result<Uri, HeadError> {
    if target
        .iter()
        .any(|b| !(0x21..=0x7e).contains(b) || *b == b'#')
    {
        return Err(HeadError::Malformed(
            "the request target has a byte that must be encoded",
        ));
    }
    if target.starts_with(b"/") || (target.as_ref() == b"*" && method == Method::OPTIONS) {
        return PathAndQuery::from_maybe_shared(target.clone())
            .map(Uri::from)
            .map_err(|_| HeadError::Malformed("the request target is malformed"));
    }
    let uri = Uri::from_maybe_shared(target.clone())
        .map_err(|_| HeadError::Malformed("the request target is malformed"))?;
    if method == Method::CONNECT {
        return Ok(uri);
    }
    let known = matches!(uri.scheme_str(), Some("http" | "https"));
    if !known || uri.authority().is_none_or(|a| a.as_str().contains('@')) {
        return Err(HeadError::Malformed(
            "the request target is neither a path nor an absolute http URI",
        ));
    }
    Ok(uri)
}

fn host_lines(version: Version, headers: &http::HeaderMap) -> Result<(), HeadError> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::HTTP_11 => Err(HeadError::Malformed("Host is missing")),
        (Some(_), Some(_)) => Err(HeadError::Malformed("Host is given more than once")),
        _ => Ok(()),
    }
}

fn expectation(version: Version, headers: &http::HeaderMap) -> Result<bool, HeadError> {
    match headers.get(header::EXPECT) {
        Some(value) if version == Version::HTTP_11 => {
            if value.as_bytes().eq_ignore_ascii_case(b"100-continue") {
                Ok(true)
            } else {
                Err(HeadError::Expectation)
            }
        }
        _ => Ok(false),
    }
}

fn keep_alive(version: Version, headers: &http::HeaderMap) -> bool {
    let says = |wanted: &[u8]| {
        headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|v| v.as_bytes().split(|b| *b == b','))
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(wanted))
    };
    if version == Version::HTTP_11 {
        !says(b"close")
    } else {
        says(b"keep-alive") && !says(b"close")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(wire: &[u8], step: usize) -> Result<Option<Head>, HeadError> {
        let (limits, mut scanner, mut buf) =
            (Limits::default(), Scanner::default(), BytesMut::new());
        for piece in wire.chunks(step) {
            buf.extend_from_slice(piece);
            if let Some(end) = scanner.find(&mut buf, &limits)? {
                return parse(&buf.split_to(end).freeze(), &limits).map(Some);
            }
        }
        Ok(None)
    }

    #[test]
    fn good_heads_are_read_however_they_are_split() {
        let wire = b"\r\nPOST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
        for step in [1, 2, 5, 500] {
            let head = read(wire, step).unwrap().unwrap();
            assert_eq!(head.parts.uri.path_and_query().unwrap(), "/a?b=c");
            assert_eq!(
                (head.framing, head.keep_alive, head.expects_continue),
                (Framing::Length(3), true, true)
            );
        }
        assert!(
            !read(b"GET / HTTP/1.0\r\n\r\n", 99)
                .unwrap()
                .unwrap()
                .keep_alive
        );
        assert!(
            read(b"GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n", 99)
                .unwrap()
                .unwrap()
                .keep_alive
        );
        assert!(read(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 99).is_ok());
        assert!(read(b"GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n", 99).is_ok());
        assert!(read(b"GET / HTTP/1.1\r\nHost: x\r\n", 3).unwrap().is_none());
    }

    #[test]
    fn bad_heads_are_refused_as_soon_as_it_is_certain() {
        let malformed: [&[u8]; 24] = [
            b"GET / HTTP/1.1\nHost: x\n\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nA: b\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
            b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost\r\n\r\n",
            b"GET / HTTP/1.1\r\n: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
            b"GET /\r\n\r\n",
            b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
            b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET / a HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET a HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET http://u@x/ HTTP/1.1\r\nHost: x\r\n\r\n",
            b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n",
        ];
        for wire in malformed {
            for step in [1, 7, 1000] {
                let error = read(wire, step)
                    .map(|_| ())
                    .expect_err(&String::from_utf8_lossy(wire));
                assert!(
                    matches!(
                        error,
                        HeadError::Malformed(_) | HeadError::Field(_) | HeadError::Framing(_)
                    ),
                    "{error:?} for {:?}",
                    String::from_utf8_lossy(wire)
                );
            }
        }
    }

    #[test]
    fn bounds_are_told_apart() {
        let long = |n| "a".repeat(n);
        let line = format!("GET /{} HTTP/1.1\r\n", long(17_000));
        assert_eq!(
            read(line.as_bytes(), 1000).unwrap_err(),
            HeadError::LineTooLong
        );
        let endless = format!("GET / HTTP/1.1\r\nHost: x\r\nA: {}", long(90_000));
        assert_eq!(
            read(endless.as_bytes(), 1000).unwrap_err(),
            HeadError::HeadersTooLarge
        );
        let many = format!(
            "GET / HTTP/1.1\r\nHost: x\r\n{}\r\n",
            "a: b\r\n".repeat(100)
        );
        assert_eq!(
            read(many.as_bytes(), 1000).unwrap_err(),
            HeadError::HeadersTooLarge
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(wire in prop::collection::vec(any::<u8>(), 0..300), step in 1_usize..40) {
            let _ = read(&wire, step);
            let _ = read(&[b"GET / HTTP/1.1\r\n".as_slice(), &wire, b"\r\n\r\n"].concat(), step);
        }
    }
}
