//! Reads the head of a target's answer (RFC 9112 4, 5 and 6.3), strictly: CRLF line ends, no folded lines, no control
//! bytes, bounded size, and no doubt about where the body ends. Pure: no I/O. [`super::client`] feeds it.

use bytes::Bytes;
use http::header::{CONNECTION, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, StatusCode, Version};

use super::framing::{self, FramingError};

/// Most bytes of a head.
pub const HEAD_BYTES: usize = 64 << 10;
/// Most header lines.
pub const HEADER_LINES: usize = 200;

/// A parsed head. Every header is still there, hop-by-hop ones too.
#[derive(Debug)]
pub struct Head {
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// Status.
    pub status: StatusCode,
    /// Header fields; `content-length` is one line with one number.
    pub headers: HeaderMap,
    /// The `content-length`, if there is one.
    pub length: Option<u64>,
    /// The body is chunked.
    pub chunked: bool,
}

/// How the body of an answer ends (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// After this many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// When the target closes.
    Close,
}

/// Why an answer is not HTTP as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct HeadError(pub &'static str);

impl From<FramingError> for HeadError {
    fn from(error: FramingError) -> Self {
        Self(match error {
            FramingError::Length => "bad content-length",
            FramingError::LengthsDiffer => "content-lengths differ",
            FramingError::Encoding => "unknown transfer-encoding",
            FramingError::EncodingInOld => "transfer-encoding in HTTP/1.0",
            FramingError::Both => "transfer-encoding and content-length together",
            FramingError::LookAlike => "a header only looks like a framing one",
        })
    }
}

/// Looks for the end of a head in a growing buffer without looking at a byte twice.
#[derive(Debug, Default)]
pub struct Scan {
    /// Start of the line being looked at.
    line: usize,
    /// Bytes already looked at.
    seen: usize,
    /// Complete lines so far.
    lines: usize,
}

impl Scan {
    /// The length of the head with its empty line, once it is all there.
    ///
    /// # Errors
    /// [`HeadError`] as soon as the bytes cannot become a head within the bounds.
    pub fn find(&mut self, buf: &[u8]) -> Result<Option<usize>, HeadError> {
        let start = buf.len().min(7);
        if buf[..start] != b"HTTP/1."[..start] {
            return Err(HeadError("not an HTTP/1 status line"));
        }
        while let Some(at) = memchr::memchr(b'\n', &buf[self.seen..]).map(|i| i + self.seen) {
            if at == self.line || buf[at - 1] != b'\r' {
                return Err(HeadError("line ends in a bare LF"));
            }
            let empty = at == self.line + 1;
            self.seen = at + 1;
            self.line = at + 1;
            if empty {
                return if at >= HEAD_BYTES {
                    Err(HeadError("head too large"))
                } else {
                    Ok(Some(at + 1))
                };
            }
            self.lines += 1;
            if self.lines > HEADER_LINES + 1 {
                return Err(HeadError("too many header lines"));
            }
        }
        self.seen = buf.len();
        if buf.len() >= HEAD_BYTES {
            Err(HeadError("head too large"))
        } else {
            Ok(None)
        }
    }
}

/// Parses a head whose end [`Scan::find`] found. Header values share `block`, nothing is copied.
///
/// # Errors
/// [`HeadError`].
pub fn parse(block: &Bytes) -> Result<Head, HeadError> {
    let mut lines = Lines { block, at: 0 };
    let status_line = lines.next().ok_or(HeadError("empty head"))?;
    let (version, status) = parse_status_line(&block[status_line.0..status_line.1])?;
    let mut headers = HeaderMap::with_capacity(16);
    for (from, to) in lines {
        if from == to {
            break;
        }
        let (name, value) = parse_field(block, from, to)?;
        headers.append(name, value);
    }
    let length = framing::length(&mut headers)?;
    let chunked = headers.contains_key(TRANSFER_ENCODING);
    if chunked {
        if version != Version::HTTP_11 {
            return Err(FramingError::EncodingInOld.into());
        }
        // Another coding would have to be undone here or announced further, and HTTP/2 cannot.
        framing::chunked_only(&headers)?;
    }
    if chunked && length.is_some() {
        return Err(FramingError::Both.into());
    }
    Ok(Head {
        version,
        status,
        headers,
        length,
        chunked,
    })
}

impl Head {
    /// Where the body of this answer to `method` ends.
    pub fn framing(&self, method: &Method) -> Framing {
        let bodiless = self.status.is_informational()
            || matches!(
                self.status,
                StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
            )
            || method == Method::HEAD;
        match (bodiless, self.chunked, self.length) {
            (true, ..) => Framing::None,
            (false, true, _) => Framing::Chunked,
            (false, false, Some(0)) => Framing::None,
            (false, false, Some(n)) => Framing::Length(n),
            (false, false, None) => Framing::Close,
        }
    }

    /// Whether the target will take another request on the connection (RFC 9112 9.3).
    pub fn keeps_alive(&self) -> bool {
        // A 204 that announces a body may well send one; what follows could then be taken for the next answer.
        if self.status == StatusCode::NO_CONTENT
            && (self.chunked || self.length.is_some_and(|n| n > 0))
        {
            return false;
        }
        let said = |token: &[u8]| {
            self.headers.get_all(CONNECTION).iter().any(|line| {
                line.as_bytes()
                    .split(|b| *b == b',')
                    .any(|part| part.trim_ascii().eq_ignore_ascii_case(token))
            })
        };
        !said(b"close") && (self.version == Version::HTTP_11 || said(b"keep-alive"))
    }
}

/// The lines of a head as index pairs without their CRLF.
struct Lines<'a> {
    block: &'a [u8],
    at: usize,
}

impl Iterator for Lines<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        let from = self.at;
        let end = memchr::memchr(b'\n', self.block.get(from..)?)? + from;
        self.at = end + 1;
        let to = end.checked_sub(1).filter(|to| *to >= from)?;
        Some((from, to))
    }
}

fn parse_status_line(line: &[u8]) -> Result<(Version, StatusCode), HeadError> {
    let version = match line.get(..9) {
        Some(b"HTTP/1.1 ") => Version::HTTP_11,
        Some(b"HTTP/1.0 ") => Version::HTTP_10,
        _ => return Err(HeadError("bad HTTP version")),
    };
    let status = line
        .get(9..12)
        .filter(|s| s.iter().all(u8::is_ascii_digit))
        .ok_or(HeadError("bad status"))?;
    let status = StatusCode::from_bytes(status).map_err(|_| HeadError("bad status"))?;
    // Servers that have no reason often leave out the space before it too.
    match line.get(12..) {
        None | Some([]) => Ok((version, status)),
        Some([b' ', reason @ ..]) if reason.iter().all(|b| is_text(*b)) => Ok((version, status)),
        Some(_) => Err(HeadError("bad status line")),
    }
}

const fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

fn parse_field(
    block: &Bytes,
    from: usize,
    to: usize,
) -> Result<(HeaderName, HeaderValue), HeadError> {
    let line = &block[from..to];
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(HeadError("folded header line"));
    }
    let colon = memchr::memchr(b':', line).ok_or(HeadError("header line without a colon"))?;
    let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| HeadError("bad header name"))?;
    let rest = &line[colon + 1..];
    let is_space = |b: &u8| matches!(b, b' ' | b'\t');
    let lead = rest.iter().take_while(|b| is_space(b)).count();
    let trail = rest[lead..]
        .iter()
        .rev()
        .take_while(|b| is_space(b))
        .count();
    let value = block.slice(from + colon + 1 + lead..to - trail);
    // Refuses every control byte, a lone CR among them.
    let value = HeaderValue::from_maybe_shared(value)
        .map_err(|_| HeadError("control byte in a header value"))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &[u8]) -> Result<Option<Head>, HeadError> {
        Scan::default()
            .find(text)?
            .map(|end| parse(&Bytes::copy_from_slice(&text[..end])))
            .transpose()
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn well_formed_heads() {
        let cases: [(&[u8], u16, Framing, bool); 12] = [
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                200,
                Framing::Length(5),
                true,
            ),
            (
                b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
                200,
                Framing::None,
                true,
            ),
            (
                b"HTTP/1.1 200 \r\ncontent-length:\t5 \r\nContent-Length: 5\r\n\r\n",
                200,
                Framing::Length(5),
                true,
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n",
                200,
                Framing::Chunked,
                true,
            ),
            (b"HTTP/1.1 204 No Content\r\n\r\n", 204, Framing::None, true),
            (
                b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n",
                204,
                Framing::None,
                false,
            ),
            (
                b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
                304,
                Framing::None,
                true,
            ),
            (
                b"HTTP/1.1 200 OK\r\nX: \xe9\xff\r\n\r\n",
                200,
                Framing::Close,
                true,
            ),
            (b"HTTP/1.0 200 OK\r\n\r\n", 200, Framing::Close, false),
            (
                b"HTTP/1.0 200 OK\r\nConnection: foo, Keep-Alive\r\nContent-Length: 1\r\n\r\n",
                200,
                Framing::Length(1),
                true,
            ),
            (
                b"HTTP/1.1 200 OK\r\nConnection: CLOSE\r\nContent-Length: 1\r\n\r\n",
                200,
                Framing::Length(1),
                false,
            ),
            (
                b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
                103,
                Framing::None,
                true,
            ),
        ];
        for (text, status, framing, alive) in cases {
            let head = read(text).unwrap().unwrap();
            assert_eq!(
                (
                    head.status.as_u16(),
                    head.framing(&Method::GET),
                    head.keeps_alive()
                ),
                (status, framing, alive)
            );
            assert_eq!(head.framing(&Method::HEAD), Framing::None);
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "a table")]
    fn malformed_heads() {
        let cases: [(&[u8], &str); 21] = [
            (b"SSH-2.0-OpenSSH\r\n", "not an HTTP/1 status line"),
            (b"\x15\x03\x01\x00\x02\x02\x46", "not an HTTP/1 status line"),
            (b"HTTP/1.2 200 OK\r\n\r\n", "bad HTTP version"),
            (b"HTTP/1.1  200 OK\r\n\r\n", "bad status"),
            (b"HTTP/1.1 20 OK\r\n\r\n", "bad status"),
            (b"HTTP/1.1 099 OK\r\n\r\n", "bad status"),
            (b"HTTP/1.1 2000 OK\r\n\r\n", "bad status line"),
            (b"HTTP/1.1 200 O\x01K\r\n\r\n", "bad status line"),
            (
                b"HTTP/1.1 200 OK\nFoo: bar\r\n\r\n",
                "line ends in a bare LF",
            ),
            (b"HTTP/1.1 200 OK\r\n\n", "line ends in a bare LF"),
            (
                b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
                "folded header line",
            ),
            (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "bad header name"),
            (b"HTTP/1.1 200 OK\r\n: b\r\n\r\n", "bad header name"),
            (
                b"HTTP/1.1 200 OK\r\nA\r\n\r\n",
                "header line without a colon",
            ),
            (
                b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
                "control byte in a header value",
            ),
            (
                b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
                "control byte in a header value",
            ),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
                "content-lengths differ",
            ),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
                "bad content-length",
            ),
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                "transfer-encoding and content-length together",
            ),
            (
                b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                "transfer-encoding in HTTP/1.0",
            ),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                "unknown transfer-encoding",
            ),
        ];
        for (text, why) in cases {
            assert_eq!(
                read(text).map(|_| ()).unwrap_err().0,
                why,
                "{}",
                text.escape_ascii()
            );
        }
    }

    #[test]
    fn bounds() {
        let mut many = b"HTTP/1.1 200 OK\r\n".to_vec();
        for _ in 0..=HEADER_LINES {
            many.extend_from_slice(b"a: b\r\n");
        }
        assert_eq!(
            Scan::default().find(&many),
            Err(HeadError("too many header lines"))
        );
        let mut long = b"HTTP/1.1 200 OK\r\na: ".to_vec();
        long.resize(HEAD_BYTES, b'x');
        assert_eq!(
            Scan::default().find(&long),
            Err(HeadError("head too large"))
        );
    }

    #[test]
    fn found_wherever_the_bytes_are_split() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nA: b\r\n\r\nhello";
        let mut scan = Scan::default();
        let found =
            (1..=text.len()).find_map(|n| scan.find(&text[..n]).unwrap().map(|end| (n, end)));
        assert_eq!(found, Some((text.len() - 5, text.len() - 5)));
    }

    proptest! {
        #[test]
        fn never_panics(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut text = b"HTTP/1.1 ".to_vec();
            text.extend_from_slice(&tail);
            let _ = read(&text);
            let _ = parse(&Bytes::from(tail));
        }

        #[test]
        fn lines_of_odd_pieces(parts in proptest::collection::vec("(\r|\n|\r\n|:| |,|chunked|content-length|5|200|\t|a)", 0..40)) {
            let text = format!("HTTP/1.1 200 OK\r\n{}\r\n\r\n", parts.concat());
            if let Ok(Some(head)) = read(text.as_bytes()) {
                for value in head.headers.values() {
                    prop_assert!(!value.as_bytes().iter().any(|b| matches!(b, b'\r' | b'\n')));
                }
            }
        }
    }
}
