//! The classic pcap format (draft-ietf-opsawg-pcap): one head, then packets.

use std::io::Read;

use super::{CaptureError, Found, Input, Order, packet_length};

/// What the head said.
pub(super) struct Classic {
    order: Order,
    /// Nanoseconds in a unit of the packets' fractions of seconds.
    unit: u64,
    link: u32,
}

impl Classic {
    /// Reads the rest of the head.
    pub(super) fn open<R: Read>(
        magic: [u8; 4],
        input: &mut Input<R>,
    ) -> Result<Self, CaptureError> {
        let (order, unit) = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => (Order::Big, 1000),
            [0xd4, 0xc3, 0xb2, 0xa1] => (Order::Little, 1000),
            [0xa1, 0xb2, 0x3c, 0x4d] => (Order::Big, 1),
            [0x4d, 0x3c, 0xb2, 0xa1] => (Order::Little, 1),
            _ => return Err(CaptureError::NotACapture),
        };
        let head: [u8; 20] = input.array()?.ok_or(CaptureError::NotACapture)?;
        let link = order.u32_at(&head, 16).unwrap_or(0);
        Ok(Self {
            order,
            unit,
            // Above it, the length of a checksum.
            link: link & 0xffff,
        })
    }

    pub(super) fn next<R: Read>(
        &self,
        input: &mut Input<R>,
    ) -> Result<Option<Found>, CaptureError> {
        let Some(head) = input.array::<16>()? else {
            return Ok(None);
        };
        let field = |at| self.order.u32_at(&head, at).unwrap_or(0);
        let (seconds, fraction) = (u64::from(field(0)), u64::from(field(4)));
        let length = packet_length(field(8))?;
        if !input.fill(length)? {
            return Ok(None);
        }
        Ok(Some(Found {
            at: seconds * 1_000_000_000 + fraction * self.unit,
            link: self.link,
            data: 0..length,
            cut: field(8) < field(12),
        }))
    }
}
