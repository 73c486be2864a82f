//! A body that comes in frames.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::reader::{ReadFailure, Reader};
use crate::body::BodyError;
use crate::hop::wire::{self, Kind, Piece, WireError};

/// Bodies up to this size are given whole when they come whole. 64 KiB.
pub(super) const WHOLE: u64 = 64 << 10;

/// See the module.
pub(super) struct Frames {
    reader: Reader,
    /// Bytes yet to come, where the length is known.
    left: Option<u64>,
    trailers_seen: bool,
    over: bool,
}

impl Frames {
    pub(super) const fn new(reader: Reader, length: Option<u64>) -> Self {
        Self {
            reader,
            left: length,
            trailers_seen: false,
            over: false,
        }
    }

    /// The next frame, as [`http_body::Body`] has it.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReadFailure>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let next = ready!(self.reader.poll_next(cx)).and_then(|piece| self.take(piece));
        self.over = !matches!(next, Ok(Some(_)));
        Poll::Ready(next.transpose())
    }

    fn take(&mut self, piece: Piece) -> Result<Option<Frame<Bytes>>, ReadFailure> {
        match piece {
            Piece::Data(data) if !self.trailers_seen => {
                if let Some(left) = &mut self.left {
                    *left = left
                        .checked_sub(data.len() as u64)
                        .ok_or(WireError::TooLong("a body"))?;
                }
                Ok(Some(Frame::data(data)))
            }
            Piece::Frame(Kind::Trailers, payload) if !self.trailers_seen => {
                self.trailers_seen = true;
                Ok(Some(Frame::trailers(wire::decode_trailers(payload)?)))
            }
            Piece::Frame(Kind::End, _) if self.left.is_none_or(|left| left == 0) => Ok(None),
            Piece::Frame(Kind::End, _) => Err(ReadFailure::Finished),
            Piece::Frame(Kind::Broken, payload) => {
                Err(ReadFailure::Broken(wire::decode_broken(&payload)))
            }
            _ => Err(WireError::OutOfOrder.into()),
        }
    }

    /// All of it, which is known to be short.
    pub(super) fn poll_whole(
        &mut self,
        cx: &mut Context<'_>,
        whole: &mut Vec<u8>,
    ) -> Poll<Result<(), ReadFailure>> {
        while let Some(frame) = ready!(self.poll(cx)).transpose()? {
            if let Ok(data) = frame.into_data() {
                whole.extend_from_slice(&data);
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(super) const fn is_over(&self) -> bool {
        self.over
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }

    pub(super) fn into_reader(self) -> Reader {
        self.reader
    }

    /// The same as a body gives it.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.poll(cx)
            .map(|frame| frame.map(|f| f.map_err(BodyError::from)))
    }
}
