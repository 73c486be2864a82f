//! The receiving half of a stream, cut into pieces.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use quinn::{ReadError, RecvStream, VarInt};
use tokio_util::io::poll_read_buf;

use crate::body::BodyError;
use crate::hop::wire::{Decoder, Piece, WireError};

/// Room for a head.
const HEAD: usize = 1 << 10;
/// Room for body bytes. QUIC delivers them in packets of some 1.4 KB; one copy into a larger piece is far cheaper than
/// what every piece costs further on (a system call, a TLS record).
const BODY: usize = 32 << 10;

/// Why nothing more can be read.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum ReadFailure {
    #[error("{0}")]
    Wire(#[from] WireError),
    #[error("the stream was reset with code {0}")]
    Reset(VarInt),
    #[error("{0}")]
    Lost(String),
    #[error("the stream ended early")]
    Finished,
    /// The other end says that the body broke off.
    #[error("{0}")]
    Broken(BodyError),
}

impl From<ReadFailure> for BodyError {
    fn from(failure: ReadFailure) -> Self {
        match failure {
            ReadFailure::Broken(error) => error,
            ReadFailure::Wire(_) => Self::Malformed("the hop's framing is wrong"),
            lost => Self::Truncated(lost.to_string()),
        }
    }
}

/// See the module. Dropped before the end, it tells the peer that nobody reads any more.
pub(super) struct Reader {
    recv: RecvStream,
    buf: BytesMut,
    decoder: Decoder,
}

impl Reader {
    pub(super) fn new(recv: RecvStream) -> Self {
        Self {
            recv,
            buf: BytesMut::new(),
            decoder: Decoder::default(),
        }
    }

    /// The next piece. May be asked again after `Pending` from another task.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, ReadFailure>> {
        loop {
            if let Some(piece) = self.decoder.decode(&mut self.buf)? {
                return Poll::Ready(Ok(piece));
            }
            let coming = usize::try_from(self.decoder.data_to_come()).unwrap_or(BODY);
            self.buf.reserve(coming.clamp(HEAD, BODY));
            match ready!(poll_read_buf(Pin::new(&mut self.recv), cx, &mut self.buf)) {
                Ok(0) => return Poll::Ready(Err(ReadFailure::Finished)),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(failure(&error))),
            }
        }
    }

    /// The stream for raw bytes, with those already read.
    pub(super) fn into_raw(self) -> (RecvStream, Bytes) {
        (self.recv, self.buf.freeze())
    }
}

fn failure(error: &std::io::Error) -> ReadFailure {
    let inner = error.get_ref().and_then(|e| e.downcast_ref::<ReadError>());
    match inner {
        Some(ReadError::Reset(code)) => ReadFailure::Reset(*code),
        Some(other) => ReadFailure::Lost(other.to_string()),
        None => ReadFailure::Lost(error.to_string()),
    }
}
