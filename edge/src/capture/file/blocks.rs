//! pcapng (draft-ietf-opsawg-pcapng): sections of blocks, each interface with its own link layer and clock.

use std::io::Read;

use super::{CaptureError, Found, Input, MOST_PACKET, Order, packet_length};

/// The type of a section's first block, the same in both byte orders.
pub(super) const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

/// Bytes of a block that is read: a packet and options. Other blocks are passed over.
const MOST_BLOCK: u64 = MOST_PACKET as u64 + (64 << 10);
/// Interfaces of a section that are known; packets of further ones are taken for the last one's.
const MOST_INTERFACES: usize = 1000;

const DAMAGED: CaptureError = CaptureError::Damaged("the file is damaged: a block does not fit");

/// Where the reader is.
pub(super) struct Blocks {
    order: Order,
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy)]
struct Interface {
    link: u32,
    /// Units of its clock in a second.
    per_second: u64,
    /// Seconds to add.
    offset: i64,
}

impl Blocks {
    /// Reads the first section's head behind its type.
    pub(super) fn open<R: Read>(input: &mut Input<R>) -> Result<Self, CaptureError> {
        let mut blocks = Self {
            order: Order::Little,
            interfaces: Vec::new(),
        };
        let length = input.array()?.ok_or(CaptureError::NotACapture)?;
        if blocks.section(length, input)? {
            Ok(blocks)
        } else {
            Err(CaptureError::NotACapture)
        }
    }

    /// A section begins: its byte order holds for its own length already. False at the end of the file.
    fn section<R: Read>(
        &mut self,
        length: [u8; 4],
        input: &mut Input<R>,
    ) -> Result<bool, CaptureError> {
        let Some(magic) = input.array::<4>()? else {
            return Ok(false);
        };
        self.order = match magic {
            [0x1a, 0x2b, 0x3c, 0x4d] => Order::Big,
            [0x4d, 0x3c, 0x2b, 0x1a] => Order::Little,
            _ => return Err(DAMAGED),
        };
        self.interfaces.clear();
        let length = u64::from(self.order.u32(length));
        // Type, length and magic are read.
        let rest = length.checked_sub(12).ok_or(DAMAGED)?;
        input.skip(rest)
    }

    pub(super) fn next<R: Read>(
        &mut self,
        input: &mut Input<R>,
    ) -> Result<Option<Found>, CaptureError> {
        while let Some(kind) = input.array::<4>()? {
            let Some(length) = input.array::<4>()? else {
                break;
            };
            if kind == SECTION {
                if !self.section(length, input)? {
                    break;
                }
                continue;
            }
            let length = u64::from(self.order.u32(length));
            // Type and length before the body, length again behind it.
            let body = length.checked_sub(12).ok_or(DAMAGED)?;
            let kind = self.order.u32(kind);
            if !matches!(
                kind,
                INTERFACE | OLD_PACKET | SIMPLE_PACKET | ENHANCED_PACKET
            ) {
                if !input.skip(body + 4)? {
                    break;
                }
                continue;
            }
            let body = Some(body)
                .filter(|body| *body <= MOST_BLOCK)
                .ok_or(DAMAGED)?;
            if !input.fill(usize::try_from(body).unwrap_or(0))? || !input.skip(4)? {
                break;
            }
            if kind == INTERFACE {
                self.interface(&input.buffer)?;
            } else {
                return self.packet(kind, &input.buffer).map(Some);
            }
        }
        Ok(None)
    }

    fn interface(&mut self, body: &[u8]) -> Result<(), CaptureError> {
        let link = self.order.u16_at(body, 0).ok_or(DAMAGED)?;
        let mut interface = Interface {
            link: link.into(),
            per_second: 1_000_000,
            offset: 0,
        };
        let mut options = body.get(8..).unwrap_or_default();
        while let (Some(code), Some(length)) =
            (self.order.u16_at(options, 0), self.order.u16_at(options, 2))
        {
            let length = usize::from(length);
            let value = options.get(4..4 + length).unwrap_or_default();
            match (code, value) {
                (0, _) => break,
                (9, [resolution]) => interface.per_second = per_second(*resolution),
                (14, &[a, b, c, d, e, f, g, h]) => {
                    let bytes = [a, b, c, d, e, f, g, h];
                    interface.offset = match self.order {
                        Order::Big => i64::from_be_bytes(bytes),
                        Order::Little => i64::from_le_bytes(bytes),
                    };
                }
                _ => {}
            }
            // Values are padded to four bytes.
            options = options
                .get(4 + length.next_multiple_of(4)..)
                .unwrap_or_default();
        }
        if self.interfaces.len() < MOST_INTERFACES {
            self.interfaces.push(interface);
        }
        Ok(())
    }

    fn packet(&self, kind: u32, body: &[u8]) -> Result<Found, CaptureError> {
        let field = |at| self.order.u32_at(body, at).ok_or(DAMAGED);
        let (interface, time, length, original, from) = match kind {
            SIMPLE_PACKET => {
                let original = field(0)?;
                let there = u32::try_from(body.len().saturating_sub(4)).unwrap_or(u32::MAX);
                (0, None, original.min(there), original, 4)
            }
            kind => {
                let interface = if kind == OLD_PACKET {
                    self.order.u16_at(body, 0).ok_or(DAMAGED)?.into()
                } else {
                    field(0)?
                };
                let ticks = u64::from(field(4)?) << 32 | u64::from(field(8)?);
                (interface, Some(ticks), field(12)?, field(16)?, 20)
            }
        };
        let known = usize::try_from(interface).ok();
        let known = known.and_then(|at| self.interfaces.get(at));
        let interface = known.or(self.interfaces.last()).ok_or(DAMAGED)?;
        let data = from..from + packet_length(length)?;
        if data.end > body.len() {
            return Err(DAMAGED);
        }
        Ok(Found {
            at: time.map_or(0, |ticks| interface.nanoseconds(ticks)),
            link: interface.link,
            data,
            cut: length < original,
        })
    }
}

/// A power of ten, or of two where the highest bit is set; what no clock has is taken for microseconds.
fn per_second(resolution: u8) -> u64 {
    let power = u32::from(resolution & 0x7f);
    let base: u64 = if resolution < 0x80 { 10 } else { 2 };
    base.checked_pow(power).unwrap_or(1_000_000)
}

impl Interface {
    fn nanoseconds(&self, ticks: u64) -> u64 {
        let nanoseconds = i128::from(ticks) * 1_000_000_000 / i128::from(self.per_second)
            + i128::from(self.offset) * 1_000_000_000;
        u64::try_from(nanoseconds).unwrap_or(0)
    }
}
