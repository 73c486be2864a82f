//! Frames: cutting a stream of bytes into them, and writing their headers.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;

use super::{HEAD_BYTES, MAY_IGNORE, OTHER_BYTES, TRAILER_BYTES, WireError, fields, number};
use crate::body::BodyError;

/// The types of frames this release knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The head of a request.
    Request,
    /// Body bytes.
    Data,
    /// Trailer fields; only END may follow.
    Trailers,
    /// The body is whole.
    End,
    /// The body broke off, and why: in its place among the frames, which a reset of the stream would overtake.
    Broken,
    /// The processor works on the request and keeps what came of its body.
    Taken,
    /// The processor wants the body of a request that asked to wait.
    Continue,
    /// The head of an answer.
    Answer,
    /// No answer: a fault.
    Failed,
    /// Nothing was processed.
    NotTaken,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Request,
        Self::Data,
        Self::Trailers,
        Self::End,
        Self::Broken,
        Self::Taken,
        Self::Continue,
        Self::Answer,
        Self::Failed,
        Self::NotTaken,
    ];

    const fn code(self) -> u8 {
        match self {
            Self::Request => 1,
            Self::Data => 2,
            Self::Trailers => 3,
            Self::End => 4,
            Self::Taken => 5,
            Self::Continue => 6,
            Self::Answer => 7,
            Self::Failed => 8,
            Self::NotTaken => 9,
            Self::Broken => 10,
        }
    }

    /// Most bytes of payload; DATA is never gathered and has no bound.
    const fn most(self) -> u64 {
        (match self {
            Self::Data => return u64::MAX,
            Self::Request | Self::Answer | Self::Failed => HEAD_BYTES,
            Self::Trailers => TRAILER_BYTES,
            Self::End | Self::Broken | Self::Taken | Self::Continue | Self::NotTaken => OTHER_BYTES,
        }) as u64
    }
}

/// What a stream consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Some bytes of body.
    Data(Bytes),
    /// A whole frame other than DATA.
    Frame(Kind, Bytes),
}

/// Cuts bytes into pieces. Remembers where it is in a frame; keeps no bytes.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Of a DATA frame, yet to come.
    data: u64,
    /// Of a frame to be passed over, yet to come.
    skip: u64,
}

impl Decoder {
    /// The next piece, taken off the front of `buf`; `None` if more bytes are needed, of which [`Self::wants`] says
    /// how many are worth reading.
    ///
    /// # Errors
    /// [`WireError`]; nothing more can be read then.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Option<Piece>, WireError> {
        loop {
            self.pass_over(buf);
            if self.skip > 0 || buf.is_empty() {
                return Ok(None);
            }
            if self.data > 0 {
                let n = at_most(self.data, buf.len());
                self.data -= n as u64;
                return Ok(Some(Piece::Data(buf.split_to(n).freeze())));
            }
            let Some(header) = Header::parse(buf)? else {
                return Ok(None);
            };
            match header.kind {
                Some(Kind::Data) => {
                    buf.advance(header.bytes);
                    self.data = header.length;
                }
                Some(kind) => {
                    let length = at_most(header.length, usize::MAX);
                    if buf.len() - header.bytes < length {
                        return Ok(None);
                    }
                    buf.advance(header.bytes);
                    return Ok(Some(Piece::Frame(kind, buf.split_to(length).freeze())));
                }
                None => {
                    buf.advance(header.bytes);
                    self.skip = header.length;
                }
            }
        }
    }

    /// Bytes of body that are known to follow.
    pub const fn data_to_come(&self) -> u64 {
        self.data
    }

    fn pass_over(&mut self, buf: &mut BytesMut) {
        let n = at_most(self.skip, buf.len());
        buf.advance(n);
        self.skip -= n as u64;
    }
}

fn at_most(n: u64, most: usize) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX).min(most)
}

struct Header {
    /// `None` for one to be passed over.
    kind: Option<Kind>,
    length: u64,
    /// Of the header itself.
    bytes: usize,
}

impl Header {
    fn parse(buf: &[u8]) -> Result<Option<Self>, WireError> {
        let Some((&code, rest)) = buf.split_first() else {
            return Ok(None);
        };
        let kind = Kind::ALL.into_iter().find(|k| k.code() == code);
        if kind.is_none() && code & MAY_IGNORE == 0 {
            return Err(WireError::UnknownFrame(code));
        }
        let Some((length, bytes)) = number::parse(rest) else {
            return Ok(None);
        };
        if length > kind.map_or(OTHER_BYTES as u64, Kind::most) {
            return Err(WireError::TooLong("a frame"));
        }
        Ok(Some(Self {
            kind,
            length,
            bytes: 1 + bytes,
        }))
    }
}

/// A frame without content.
pub fn simple(out: &mut Vec<u8>, kind: Kind) {
    out.extend_from_slice(&[kind.code(), 0]);
}

/// A BROKEN frame.
pub fn broken(out: &mut Vec<u8>, error: &BodyError) {
    let why = match error {
        BodyError::Malformed(_) => 1,
        BodyError::Truncated(_) => 2,
        BodyError::TimedOut => 3,
        BodyError::TooLarge(_) => 4,
    };
    out.extend_from_slice(&[Kind::Broken.code(), 1, why]);
}

/// The payload of a BROKEN frame. The texts stay where they arose; a reason of a later release is the common one.
pub fn decode_broken(payload: &[u8]) -> BodyError {
    match payload.first() {
        Some(1) => BodyError::Malformed("as its first reader found it"),
        Some(3) => BodyError::TimedOut,
        Some(4) => BodyError::TooLarge("over a bound of its first reader"),
        _ => BodyError::Truncated("before the hop".to_owned()),
    }
}

/// The header of a DATA frame of `length` bytes.
pub fn data_header(out: &mut Vec<u8>, length: usize) {
    out.push(Kind::Data.code());
    number::put(out, length as u64);
}

/// A TRAILERS frame.
///
/// # Errors
/// [`WireError::TooLong`]; `out` is as it was.
pub fn trailers(out: &mut Vec<u8>, trailers: &HeaderMap) -> Result<(), WireError> {
    write(out, Kind::Trailers, |out| fields::encode(out, trailers))
}

/// A frame whose payload `content` appends. Its length takes four bytes, so that it can be filled in afterwards.
pub(super) fn write(
    out: &mut Vec<u8>,
    kind: Kind,
    content: impl FnOnce(&mut Vec<u8>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let start = out.len();
    out.extend_from_slice(&[kind.code(), 0, 0, 0, 0]);
    let written = content(out);
    let length = out.len() - start - 5;
    if written.is_ok() && length as u64 <= kind.most() {
        // The bounds are below 2^30.
        let length = u32::try_from(length).unwrap_or(0) | 0x8000_0000;
        out[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
        return Ok(());
    }
    out.truncate(start);
    written.and(Err(WireError::TooLong("a head")))
}
