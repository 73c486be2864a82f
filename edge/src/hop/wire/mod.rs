//! The bytes of the hop: heads, frames and their bounds. Pure: no sockets, no clocks; who sends what when is
//! [`super::quic`]'s.
//!
//! A request is one bidirectional stream of frames: type (1 byte), length (QUIC variable-length integer), payload.
//!
//! ```text
//! router    ► processor   REQUEST  body?
//! processor ► router      (TAKEN | CONTINUE)*  ANSWER  body?   or FAILED, or NOT_TAKEN
//! body                    DATA* TRAILERS? END, or BROKEN at any place
//! ```
//!
//! A body without END is cut off, however the stream ended. After an ANSWER that says `Tunnel` both directions are raw
//! bytes. Heads end in tagged fields (tag, length, value). What a release does not know, frame or field, is passed over
//! if the top bit of its type is set and is an error if not: that is how neighbouring releases live together. Causes and
//! fault codes go by their text for the same reason.

mod facts;
mod fields;
mod frame;
mod number;
mod reply;
mod request;
#[cfg(test)]
mod tests;

pub use fields::decode as decode_trailers;
pub use frame::{Decoder, Kind, Piece, broken, data_header, decode_broken, simple, trailers};
pub use reply::{Answer, Refusal, answer, failed, not_taken};
pub use reply::{decode_answer, decode_failed, decode_not_taken};
pub use request::{Ask, Received, Terms, decode_request, request};

/// Most bytes of a head: above the largest `--max-header-bytes` (1 MiB) with what a router adds to it. 2 MiB.
pub const HEAD_BYTES: usize = 2 << 20;
/// Most bytes of trailers; the codecs at both ends allow less. 64 KiB.
pub const TRAILER_BYTES: usize = 64 << 10;
/// Most bytes of a frame that is passed over, and of frames without a content of ours. 64 KiB.
pub const OTHER_BYTES: usize = 64 << 10;
/// Most header lines: far above what the codecs let through, below what an `http::HeaderMap` can hold. 8192.
pub const MOST_FIELDS: usize = 8192;

/// What bytes of the hop can be besides right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The named thing is cut off.
    #[error("{0} is cut off")]
    Short(&'static str),
    /// The named thing is over its bound.
    #[error("{0} is too long")]
    TooLong(&'static str),
    /// The named thing has no meaning.
    #[error("{0} is malformed")]
    Malformed(&'static str),
    /// A frame that may not be passed over, of a type this release does not know.
    #[error("frame type {0} is unknown")]
    UnknownFrame(u8),
    /// A field that may not be passed over, of a tag this release does not know.
    #[error("field {0} is unknown")]
    UnknownField(u8),
    /// A known frame where it must not be.
    #[error("a frame is out of order")]
    OutOfOrder,
}

/// How a message's body comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// There is none, and no END.
    Empty,
    /// It was there whole when the head was written, with so many bytes: DATA frames and END follow at once.
    Whole(u64),
    /// Frames as they come, END last; with the length if it is known.
    Stream(Option<u64>),
    /// Raw bytes both ways (answers only).
    Tunnel,
}

/// The bit of a frame's type or a field's tag that says: whoever does not know this may pass it over.
const MAY_IGNORE: u8 = 0x80;
