//! Packets out of a capture file: classic pcap in both byte orders, with microseconds or nanoseconds ([`classic`]), and pcapng
//! ([`blocks`]). Knows nothing of what is in the packets.

mod blocks;
mod classic;

use std::io::{self, Read};
use std::ops::Range;

use blocks::Blocks;
use classic::Classic;

/// Bytes of a packet at most: libpcap's own bound.
const MOST_PACKET: usize = 256 << 10;

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Another sort of file.
    #[error("not a capture: neither pcap nor pcapng")]
    NotACapture,
    /// A capture may be in it.
    #[error("compressed: unpack it with {0} first")]
    Compressed(&'static str),
    /// What follows cannot be made sense of.
    #[error("{0}")]
    Damaged(&'static str),
    /// Of the system.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// One packet as it was captured.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// Nanoseconds since 1970; 0 where the file says none.
    pub(super) at: u64,
    /// The link layer (LINKTYPE_ number).
    pub(super) link: u32,
    /// From the link layer's header on.
    pub(super) data: &'a [u8],
    /// The packet was longer than what was kept of it.
    pub(super) cut: bool,
}

/// A packet whose bytes are in the buffer.
struct Found {
    at: u64,
    link: u32,
    data: Range<usize>,
    cut: bool,
}

/// The packets of a file.
pub(super) struct Packets<R> {
    input: Input<R>,
    format: Format,
}

enum Format {
    Classic(Classic),
    Blocks(Blocks),
}

impl<R: Read> Packets<R> {
    /// Reads the file's head.
    ///
    /// # Errors
    /// [`CaptureError`].
    pub(super) fn open(input: R) -> Result<Self, CaptureError> {
        let mut input = Input {
            from: input,
            buffer: Vec::new(),
            ends_within: false,
        };
        let magic: [u8; 4] = input.array()?.ok_or(CaptureError::NotACapture)?;
        let format = match magic {
            [0x1f, 0x8b, ..] => return Err(CaptureError::Compressed("gunzip")),
            [0x28, 0xb5, 0x2f, 0xfd] => return Err(CaptureError::Compressed("zstd -d")),
            [0xfd, b'7', b'z', b'X'] => return Err(CaptureError::Compressed("xz -d")),
            blocks::SECTION => Format::Blocks(Blocks::open(&mut input)?),
            magic => Format::Classic(Classic::open(magic, &mut input)?),
        };
        Ok(Self { input, format })
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// [`CaptureError`]: nothing more can be read then.
    pub(super) fn next(&mut self) -> Result<Option<Packet<'_>>, CaptureError> {
        let found = match &mut self.format {
            Format::Classic(classic) => classic.next(&mut self.input)?,
            Format::Blocks(blocks) => blocks.next(&mut self.input)?,
        };
        Ok(found.map(|found| Packet {
            at: found.at,
            link: found.link,
            data: self.input.buffer.get(found.data).unwrap_or_default(),
            cut: found.cut,
        }))
    }

    /// The end came too early, as where tcpdump was killed.
    pub(super) const fn ends_within(&self) -> bool {
        self.input.ends_within
    }
}

/// The file, read piece by piece.
struct Input<R> {
    from: R,
    buffer: Vec<u8>,
    ends_within: bool,
}

impl<R: Read> Input<R> {
    /// The next bytes; `None` if there are not so many any more.
    fn array<const N: usize>(&mut self) -> Result<Option<[u8; N]>, CaptureError> {
        let mut bytes = [0; N];
        let mut have = 0;
        while let Some(rest) = bytes.get_mut(have..)
            && !rest.is_empty()
        {
            match self.from.read(rest) {
                Ok(0) => {
                    self.ends_within |= have > 0;
                    return Ok(None);
                }
                Ok(count) => have += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(bytes))
    }

    /// Reads `length` bytes into the buffer; false if there are not so many any more. Callers bound `length`.
    fn fill(&mut self, length: usize) -> Result<bool, CaptureError> {
        self.buffer.clear();
        let wanted = u64::try_from(length).unwrap_or(u64::MAX);
        let count = Read::take(&mut self.from, wanted).read_to_end(&mut self.buffer)?;
        self.ends_within |= count < length;
        Ok(count == length)
    }

    fn skip(&mut self, length: u64) -> Result<bool, CaptureError> {
        let count = io::copy(&mut Read::take(&mut self.from, length), &mut io::sink())?;
        self.ends_within |= count < length;
        Ok(count == length)
    }
}

/// Byte order of a file's numbers.
#[derive(Clone, Copy)]
enum Order {
    Big,
    Little,
}

impl Order {
    const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Big => u32::from_be_bytes(bytes),
            Self::Little => u32::from_le_bytes(bytes),
        }
    }

    const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Big => u16::from_be_bytes(bytes),
            Self::Little => u16::from_le_bytes(bytes),
        }
    }

    /// The number at `at`; `None` beyond the end.
    fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        Some(self.u32(*bytes.get(at..)?.first_chunk()?))
    }

    fn u16_at(self, bytes: &[u8], at: usize) -> Option<u16> {
        Some(self.u16(*bytes.get(at..)?.first_chunk()?))
    }
}

/// The length of a packet, if it can be one.
fn packet_length(length: u32) -> Result<usize, CaptureError> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > MOST_PACKET {
        return Err(CaptureError::Damaged(
            "the file is damaged: a packet is too long",
        ));
    }
    Ok(length)
}
