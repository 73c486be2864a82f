//! Reads a ClientHello before rustls does: bounded bytes, whatever way they are split over segments and records. The
//! bytes are kept and replayed to rustls; the facts choose the policy and are evidence when the handshake fails.
//! Does not judge the hello: the caller does. First step of a TLS connection.

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::alert::evidence::{End, Refusal, SeenAlert, Side};
use crate::alert::{Alert, Direction, Evidence, Hop};
use crate::handshake::{ClientHello, Foreign, ParseError, transcript};

/// The longest handshake message taken for a ClientHello, header included.
pub const MAX_MESSAGE: usize = 16 << 10;
/// The most records it may be spread over.
pub const MAX_RECORDS: usize = 64;
const RECORD_HEADER: usize = 5;
const MAX_RAW: usize = MAX_MESSAGE + MAX_RECORDS * RECORD_HEADER;
const FIRST_READ: usize = 2 << 10;
const PROXY_V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// A ClientHello as it came.
#[derive(Clone, Debug)]
pub struct Hello {
    /// Everything read so far, to be replayed to rustls.
    pub raw: Bytes,
    /// What it says.
    pub facts: ClientHello,
}

/// Why there is no hello.
#[derive(Debug, thiserror::Error)]
pub enum HelloError {
    /// The peer closed without a byte.
    #[error("closed without sending anything")]
    NoData,
    /// The peer closed in the middle.
    #[error("closed in the middle of the ClientHello")]
    Closed,
    /// The peer reset the connection.
    #[error("reset before the ClientHello was whole")]
    Reset,
    /// Not whole in time.
    #[error("the ClientHello did not come in time")]
    TimedOut,
    /// An HTTP request in the clear.
    #[error("plain HTTP on a TLS port")]
    PlainHttp,
    /// A PROXY protocol header, which nobody announced.
    #[error("PROXY protocol header before TLS")]
    ProxyProtocol,
    /// An SSL 2.0 hello (RFC 6176 forbids answering it).
    #[error("SSLv2 ClientHello")]
    Sslv2,
    /// Something else; its first byte.
    #[error("first byte {0:#04x} is not TLS")]
    NotTls(u8),
    /// The client began with an alert.
    #[error("client sent alert {} (level {level})", alert.name())]
    Alert {
        /// 1 warning, 2 fatal.
        level: u8,
        /// Which.
        alert: Alert,
    },
    /// More bytes or records than a ClientHello may have.
    #[error("ClientHello too large")]
    TooLarge,
    /// Not a ClientHello.
    #[error("malformed ClientHello: {0}")]
    Malformed(&'static str),
    /// A record or message that may not come first.
    #[error("no ClientHello: {0}")]
    Unexpected(&'static str),
    /// Any other error of the socket.
    #[error("reading the ClientHello: {0}")]
    Io(io::Error),
}

impl HelloError {
    /// The alert to answer with ([`super::refuse`]); `None` where TLS was not spoken or nobody listens any more.
    pub const fn alert(&self) -> Option<Alert> {
        match self {
            Self::TooLarge => Some(Alert::ILLEGAL_PARAMETER),
            Self::Malformed(_) => Some(Alert::DECODE_ERROR),
            Self::Unexpected(_) => Some(Alert::UNEXPECTED_MESSAGE),
            Self::Sslv2 => Some(Alert::PROTOCOL_VERSION),
            _ => None,
        }
    }
}

/// Why there is no hello, and what came instead.
#[derive(Debug)]
pub struct NoHello {
    /// Why.
    pub why: HelloError,
    /// Everything read.
    pub raw: Bytes,
}

impl NoHello {
    /// The record of this failure, as it is after [`HelloError::alert`] was sent.
    pub fn evidence(&self) -> Box<Evidence> {
        let mut evidence = Evidence::new(Hop::Northbound, Side::Server);
        evidence.bytes.0 = self.raw.len() as u64;
        evidence.error = self.why.to_string();
        evidence.end = self.end();
        evidence.foreign = self.foreign();
        if evidence.foreign.is_none() {
            evidence.received = transcript::read(&self.raw).messages;
        }
        if let HelloError::Alert { level, alert } = self.why {
            evidence.alerts.push(SeenAlert {
                direction: Direction::Received,
                level,
                alert,
            });
        }
        if let Some(alert) = self.why.alert() {
            evidence.bytes.1 = alert.fatal_record().len() as u64;
            evidence.alerts.push(SeenAlert {
                direction: Direction::Sent,
                level: 2,
                alert,
            });
        }
        Box::new(evidence)
    }

    const fn end(&self) -> End {
        match self.why {
            HelloError::NoData | HelloError::Closed => End::Closed,
            HelloError::Reset => End::Reset,
            HelloError::TimedOut => End::TimedOut,
            HelloError::Alert { .. } => End::Alerted,
            HelloError::Sslv2 => End::Refused(Refusal::Version),
            HelloError::PlainHttp
            | HelloError::ProxyProtocol
            | HelloError::NotTls(_)
            | HelloError::TooLarge
            | HelloError::Unexpected(_)
            | HelloError::Malformed(_) => End::Refused(Refusal::Protocol),
            HelloError::Io(_) => End::Other,
        }
    }

    fn foreign(&self) -> Option<Foreign> {
        match self.why {
            HelloError::PlainHttp => Some(Foreign::HttpRequest),
            HelloError::ProxyProtocol => {
                Some(Foreign::Proxy(1 + u8::from(self.raw.starts_with(b"\r"))))
            }
            HelloError::Sslv2 => Some(Foreign::Sslv2),
            HelloError::NotTls(first) => {
                Some(transcript::foreign(&self.raw).unwrap_or(Foreign::Other([first, 0, 0, 0], 1)))
            }
            _ => None,
        }
    }
}

impl From<ParseError> for HelloError {
    fn from(error: ParseError) -> Self {
        Self::Malformed(error.reason())
    }
}

/// Reads until the ClientHello is whole, or it is `deadline`.
///
/// # Errors
/// [`NoHello`].
pub async fn read(io: &mut TcpStream, deadline: Instant) -> Result<Hello, NoHello> {
    let mut raw = BytesMut::with_capacity(FIRST_READ);
    let outcome = tokio::time::timeout_at(deadline, read_into(io, &mut raw)).await;
    let raw = raw.freeze();
    match outcome {
        Ok(Ok(facts)) => Ok(Hello { raw, facts }),
        Ok(Err(why)) => Err(NoHello { why, raw }),
        Err(_) => Err(NoHello {
            why: HelloError::TimedOut,
            raw,
        }),
    }
}

async fn read_into(io: &mut TcpStream, raw: &mut BytesMut) -> Result<ClientHello, HelloError> {
    let mut message = Vec::new();
    let mut wanted = 1;
    loop {
        let room = MAX_RAW.saturating_sub(raw.len());
        if room == 0 {
            return Err(HelloError::TooLarge);
        }
        raw.reserve(room.min(FIRST_READ));
        match (&mut *io).take(room as u64).read_buf(raw).await {
            Ok(0) => return Err(at_end(raw)),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::ConnectionReset => return Err(HelloError::Reset),
            Err(e) => return Err(HelloError::Io(e)),
        }
        if raw.len() < wanted {
            continue;
        }
        match gather(raw, &mut message)? {
            Progress::More(length) => wanted = length,
            Progress::Whole => return Ok(ClientHello::parse(&message)?),
        }
    }
}

/// The same for bytes at hand: `None` if the hello is not whole. For tests and fuzzing.
///
/// # Errors
/// As [`read`].
pub fn read_bytes(raw: &[u8]) -> Result<Option<ClientHello>, HelloError> {
    let mut message = Vec::new();
    if raw.len() > MAX_RAW {
        return Err(HelloError::TooLarge);
    }
    match gather(raw, &mut message)? {
        Progress::Whole => Ok(Some(ClientHello::parse(&message)?)),
        Progress::More(_) => Ok(None),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Nothing more can be said before there are this many bytes.
    More(usize),
    Whole,
}

/// Collects the handshake message out of the records in `raw`. Starts afresh on every call, but says when the next one
/// makes sense, so that a sender of single bytes costs one call a record.
fn gather(raw: &[u8], message: &mut Vec<u8>) -> Result<Progress, HelloError> {
    message.clear();
    if let Some(refusal) = foreign(raw) {
        return refusal;
    }
    let mut rest = raw;
    for _ in 0..MAX_RECORDS {
        let Some((header, body)) = rest.split_first_chunk::<RECORD_HEADER>() else {
            return Ok(Progress::More(raw.len() - rest.len() + RECORD_HEADER));
        };
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if header[1] != 3 {
            return Err(HelloError::Malformed("record version"));
        }
        match header[0] {
            22 => {}
            21 if length == 2 => return alert(body),
            _ => return Err(HelloError::Unexpected("another record type")),
        }
        // RFC 8446, 5.1: no empty handshake fragments, none above 2^14 bytes.
        if length == 0 || length > 1 << 14 {
            return Err(HelloError::Malformed("record length"));
        }
        let announced = message.len() + length;
        message.extend_from_slice(&body[..length.min(body.len())]);
        if whole(message, announced)? {
            return Ok(Progress::Whole);
        }
        if body.len() < length {
            // The header of the message may already tell that it is too long.
            let step = if message.len() < 4 {
                body.len() + 1
            } else {
                length
            };
            return Ok(Progress::More(raw.len() - body.len() + step));
        }
        rest = &body[length..];
    }
    Err(HelloError::TooLarge)
}

/// Whether `message` holds the whole ClientHello, of the `announced` bytes in the records so far.
fn whole(message: &[u8], announced: usize) -> Result<bool, HelloError> {
    if message.first().is_some_and(|t| *t != 1) {
        return Err(HelloError::Unexpected("another message"));
    }
    let Some(&[_, a, b, c]) = message.first_chunk::<4>() else {
        return Ok(false);
    };
    let end = 4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
    if end > MAX_MESSAGE {
        return Err(HelloError::TooLarge);
    }
    if announced > end {
        // A second message in the record of the hello: rustls would refuse it as well (RFC 8446, 5.1).
        return Err(HelloError::Malformed("data after the ClientHello"));
    }
    Ok(message.len() == end)
}

fn alert(body: &[u8]) -> Result<Progress, HelloError> {
    match body {
        [level, number, ..] => Err(HelloError::Alert {
            level: *level,
            alert: Alert(*number),
        }),
        _ => Ok(Progress::More(RECORD_HEADER + 2)),
    }
}

/// What the first bytes are if they are not a TLS record; `None` if they are, or there are none.
fn foreign(raw: &[u8]) -> Option<Result<Progress, HelloError>> {
    const METHODS: [&[u8]; 10] = [
        b"GET ",
        b"POST ",
        b"HEAD ",
        b"PUT ",
        b"DELETE ",
        b"OPTIONS ",
        b"PATCH ",
        b"CONNECT ",
        b"TRACE ",
        b"PRI * HTTP/2",
    ];
    let first = *raw.first()?;
    if matches!(first, 20..=23) {
        return None;
    }
    let mut undecided = false;
    let mut begins = |with: &[u8]| {
        undecided |= raw.len() < with.len() && with.starts_with(raw);
        raw.starts_with(with)
    };
    if METHODS.iter().any(|m| begins(m)) {
        return Some(Err(HelloError::PlainHttp));
    }
    if begins(b"PROXY ") || begins(PROXY_V2) {
        return Some(Err(HelloError::ProxyProtocol));
    }
    if undecided {
        return Some(Ok(Progress::More(raw.len() + 1)));
    }
    if first & 0x80 != 0 {
        // Two bytes of length, then message type 1 and the version.
        match raw.get(2..4) {
            None => return Some(Ok(Progress::More(4))),
            Some([1, 0 | 3]) => return Some(Err(HelloError::Sslv2)),
            Some(_) => {}
        }
    }
    Some(Err(HelloError::NotTls(first)))
}

/// What an end of stream means after `raw`.
fn at_end(raw: &[u8]) -> HelloError {
    match raw.first() {
        None => HelloError::NoData,
        Some(20..=23) => HelloError::Closed,
        Some(first) => HelloError::NotTls(*first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_tls_is_named() {
        assert!(matches!(
            read_bytes(b"GET / HTTP/1.1\r\n"),
            Err(HelloError::PlainHttp)
        ));
        assert!(matches!(
            read_bytes(b"PRI * HTTP/2.0\r\n"),
            Err(HelloError::PlainHttp)
        ));
        assert!(matches!(
            read_bytes(b"PROXY TCP4 "),
            Err(HelloError::ProxyProtocol)
        ));
        assert!(matches!(
            read_bytes(PROXY_V2),
            Err(HelloError::ProxyProtocol)
        ));
        assert!(matches!(
            read_bytes(&[0x80, 0x2e, 1, 3, 1]),
            Err(HelloError::Sslv2)
        ));
        assert!(matches!(
            read_bytes(b"SSH-2.0"),
            Err(HelloError::NotTls(b'S'))
        ));
        assert!(matches!(read_bytes(b"P"), Ok(None)));
        let alert = read_bytes(&[21, 3, 3, 0, 2, 2, 48]);
        assert!(matches!(
            alert,
            Err(HelloError::Alert {
                level: 2,
                alert: Alert(48)
            })
        ));
    }

    #[test]
    fn an_empty_record_is_refused() {
        assert!(matches!(
            read_bytes(&[22, 3, 1, 0, 0]),
            Err(HelloError::Malformed(_))
        ));
    }

    #[test]
    fn a_long_message_is_refused_by_its_header() {
        assert!(matches!(
            read_bytes(&[22, 3, 1, 0, 4, 1, 1, 0, 0]),
            Err(HelloError::TooLarge)
        ));
    }
}
