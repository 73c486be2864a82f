//! The chunked transfer coding (RFC 9112 section 7.1): an incremental, strict decoder and the writer's pieces.
//! Sans I/O: the connections on both sides feed it their read buffers.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;

use super::fields::{self, FieldError};

/// Longest chunk-size line, extensions included.
const SIZE_LINE: usize = 1024;
/// Extension bytes of a whole message: they carry nothing for us, so a peer may not make us read them for ever.
const EXTENSIONS: usize = 16 << 10;

/// Why chunked framing was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The size is not 1 to 16 hexadecimal digits.
    #[error("a chunk size is malformed")]
    Size,
    /// The size line or all extensions together are too long, or hold a control byte.
    #[error("a chunk extension is malformed or too long")]
    Extension,
    /// Data is not followed by CRLF.
    #[error("a chunk does not end in CRLF")]
    End,
    /// The trailer section is too long.
    #[error("the trailer section is too long")]
    TrailerSize,
    /// The trailer section is malformed.
    #[error("in the trailer section, {0}")]
    Trailer(#[from] FieldError),
    /// A trailer that would change framing or routing.
    #[error("a trailer names a field that must be in the head")]
    ForbiddenTrailer,
}

impl ChunkError {
    /// The same as a fixed sentence, for [`crate::body::BodyError::Malformed`].
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Size => "a chunk size is malformed",
            Self::Extension => "a chunk extension is malformed or too long",
            Self::End => "a chunk does not end in CRLF",
            Self::TrailerSize => "the trailer section is too long",
            Self::Trailer(_) => "the trailer section is malformed",
            Self::ForbiddenTrailer => "a trailer names a field that must be in the head",
        }
    }
}

/// One step of decoding.
#[derive(Debug)]
pub enum Decoded {
    /// Nothing to give until more bytes are there.
    More,
    /// A piece of data; zero-copy out of the buffer.
    Data(Bytes),
    /// The end, with trailers if there were any. What is left in the buffer belongs to the next message.
    End(Option<HeaderMap>),
}

/// Decoder of one message.
#[derive(Debug)]
pub struct Decoder {
    state: State,
    extensions: usize,
    trailer_limit: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
    Done,
}

impl Decoder {
    /// A decoder that takes at most `trailer_limit` bytes of trailer section.
    pub const fn new(trailer_limit: usize) -> Self {
        Self {
            state: State::Size,
            extensions: 0,
            trailer_limit,
        }
    }

    /// Whether the end was decoded.
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Takes the next piece out of `buf`.
    ///
    /// # Errors
    /// [`ChunkError`]; the message is beyond repair and its connection must be closed.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Decoded, ChunkError> {
        loop {
            match self.state {
                State::Size => {
                    let Some(size) = self.size_line(buf)? else {
                        return Ok(Decoded::More);
                    };
                    self.state = if size == 0 {
                        State::Trailers
                    } else {
                        State::Data(size)
                    };
                }
                State::Data(left) => {
                    if buf.is_empty() {
                        return Ok(Decoded::More);
                    }
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
                    let left = left - take as u64;
                    self.state = if left == 0 {
                        State::DataEnd
                    } else {
                        State::Data(left)
                    };
                    return Ok(Decoded::Data(buf.split_to(take).freeze()));
                }
                State::DataEnd => {
                    if buf.first().is_some_and(|b| *b != b'\r')
                        || buf.get(1).is_some_and(|b| *b != b'\n')
                    {
                        return Err(ChunkError::End);
                    }
                    if buf.len() < 2 {
                        return Ok(Decoded::More);
                    }
                    buf.advance(2);
                    self.state = State::Size;
                }
                State::Trailers => return self.trailers(buf),
                State::Done => return Ok(Decoded::End(None)),
            }
        }
    }

    fn size_line(&mut self, buf: &mut BytesMut) -> Result<Option<u64>, ChunkError> {
        let window = &buf[..buf.len().min(SIZE_LINE)];
        let digits = window.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        let next = window.get(digits).copied();
        if digits > 16
            || (digits == 0 && next.is_some())
            || next.is_some_and(|b| !matches!(b, b'\r' | b';' | b' ' | b'\t'))
        {
            return Err(ChunkError::Size);
        }
        let Some(lf) = memchr::memchr(b'\n', window) else {
            return if window.len() == SIZE_LINE {
                Err(ChunkError::Extension)
            } else {
                Ok(None)
            };
        };
        if lf == 0 || window[lf - 1] != b'\r' {
            return Err(ChunkError::Size);
        }
        let extension = &window[digits..lf - 1];
        if !extension.is_empty() && !extension.trim_ascii_start().starts_with(b";")
            || extension
                .iter()
                .any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f)
        {
            return Err(ChunkError::Extension);
        }
        self.extensions += extension.len();
        if self.extensions > EXTENSIONS {
            return Err(ChunkError::Extension);
        }
        let size = window[..digits].iter().fold(0_u64, |n, b| {
            (n << 4) | u64::from((*b as char).to_digit(16).unwrap_or(0))
        });
        buf.advance(lf + 1);
        Ok(Some(size))
    }

    fn trailers(&mut self, buf: &mut BytesMut) -> Result<Decoded, ChunkError> {
        if buf.len() >= 2 && &buf[..2] == b"\r\n" {
            buf.advance(2);
            self.state = State::Done;
            return Ok(Decoded::End(None));
        }
        if buf.first() == Some(&b'\n') {
            return Err(ChunkError::Trailer(FieldError::BareLf));
        }
        let Some(end) = memchr::memmem::find(buf, b"\r\n\r\n") else {
            return if buf.len() > self.trailer_limit {
                Err(ChunkError::TrailerSize)
            } else {
                Ok(Decoded::More)
            };
        };
        if end > self.trailer_limit {
            return Err(ChunkError::TrailerSize);
        }
        let map = fields::parse_trailers(&buf.split_to(end + 4).freeze(), fields::MAX_LINES)?;
        if fields::has_forbidden_trailer(&map) {
            return Err(ChunkError::ForbiddenTrailer);
        }
        self.state = State::Done;
        Ok(Decoded::End(Some(map)))
    }
}

/// Writes the line before a chunk's data. `len` must not be 0: that would end the body.
pub fn write_size(len: usize, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4).max(1);
    out.extend((0..digits).rev().map(|at| HEX[(len >> (at * 4)) & 15]));
    out.extend_from_slice(b"\r\n");
}

/// Writes the last chunk, the trailers and the empty line.
pub fn write_end(trailers: Option<&HeaderMap>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n");
    if let Some(map) = trailers {
        fields::write(map, out);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Data, trailers, and what follows the message.
    type Whole = (Vec<u8>, Option<HeaderMap>, Vec<u8>);

    /// Decodes `input` fed in pieces of `step` bytes.
    fn decode(input: &[u8], step: usize) -> Result<Whole, ChunkError> {
        let mut decoder = Decoder::new(256);
        let (mut buf, mut data) = (BytesMut::new(), Vec::new());
        let mut pieces = input.chunks(step);
        loop {
            match decoder.decode(&mut buf)? {
                Decoded::Data(bytes) => data.extend_from_slice(&bytes),
                Decoded::End(trailers) => {
                    let mut rest = buf.to_vec();
                    rest.extend(pieces.flatten());
                    return Ok((data, trailers, rest));
                }
                Decoded::More => match pieces.next() {
                    Some(piece) => buf.extend_from_slice(piece),
                    None => return Ok((data, None, b"INCOMPLETE".to_vec())),
                },
            }
        }
    }

    #[test]
    fn malformed_framing_is_refused_however_it_is_split() {
        use ChunkError as E;
        let cases: [(&[u8], E); 14] = [
            (b"x\r\n", E::Size),
            (b"\r\n", E::Size),
            (b"-1\r\n", E::Size),
            (b"0x5\r\nhello\r\n", E::Size),
            (b" 5\r\nhello\r\n", E::Size),
            (b"11111111111111111\r\n", E::Size),
            (b"5\nhello\r\n", E::Size),
            (b"5;a\nhello\r\n", E::Size),
            (b"5 5\r\nhello\r\n", E::Extension),
            (b"5;\x01\r\nhello\r\n", E::Extension),
            (b"5\r\nhelloXX0\r\n", E::End),
            (b"5\r\nhello\n\n", E::End),
            (b"0\r\na: b\n\r\n\r\n", E::Trailer(FieldError::BareLf)),
            (b"0\r\ncontent-length: 3\r\n\r\n", E::ForbiddenTrailer),
        ];
        for (input, error) in cases {
            for step in [1, 3, 1000] {
                assert_eq!(
                    decode(input, step).unwrap_err(),
                    error,
                    "{:?} by {step}",
                    String::from_utf8_lossy(input)
                );
            }
        }
    }

    #[test]
    fn endless_lines_and_trailers_are_cut() {
        assert_eq!(
            decode(&[b"5;".as_slice(), &[b'a'; 2000]].concat(), 7).unwrap_err(),
            ChunkError::Extension
        );
        assert_eq!(
            decode(&[b"0\r\na: ".as_slice(), &[b'a'; 2000]].concat(), 7).unwrap_err(),
            ChunkError::TrailerSize
        );
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..8), step in 1_usize..400) {
            let mut wire = Vec::new();
            for chunk in &chunks {
                write_size(chunk.len(), &mut wire);
                wire.extend_from_slice(chunk);
                wire.extend_from_slice(b"\r\n");
            }
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
            write_end(Some(&trailers), &mut wire);
            wire.extend_from_slice(b"NEXT");
            let (data, got, rest) = decode(&wire, step).unwrap();
            prop_assert_eq!(data, chunks.concat());
            prop_assert_eq!(got, Some(trailers));
            prop_assert_eq!(rest, b"NEXT");
        }

        #[test]
        fn any_bytes_are_survived(input in prop::collection::vec(any::<u8>(), 0..400), step in 1_usize..50) {
            let _ = decode(&input, step);
        }
    }
}
