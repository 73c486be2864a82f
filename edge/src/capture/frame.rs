//! From a captured packet to its TCP segment: link layers (Ethernet with VLAN tags, Linux cooked, raw IP, loopback), IPv4 and
//! IPv6 with their options. Fragments are not put together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// VLAN tags, and IPv6 extension headers, that are passed over in one packet.
const MOST_NESTED: usize = 8;

const TCP: u8 = 6;

/// What a packet is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    /// TCP.
    Segment(Segment<'a>),
    /// A part of an IP packet.
    Fragment,
    /// The file's link layer is none that is known.
    UnknownLink,
    /// Anything else.
    Other,
}

/// A TCP segment (RFC 9293, 3.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) sequence: u32,
    pub(super) syn: bool,
    pub(super) ack: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    /// As much as was captured.
    pub(super) payload: &'a [u8],
}

/// The segment in a packet of link layer `link` (a LINKTYPE_ number).
pub(super) fn segment(link: u32, packet: &[u8]) -> Frame<'_> {
    let ip = match link {
        // BSD loopback, in the byte order of the machine or of the network.
        0 | 108 => packet.get(4..),
        1 => tagged(packet, 12),
        // Raw IP.
        12 | 14 | 101 | 228 | 229 => Some(packet),
        113 => tagged(packet, 14),
        // Its protocol comes first, the address behind it.
        276 => match packet.first_chunk() {
            Some([0x08, 0x00] | [0x86, 0xdd]) => packet.get(20..),
            _ => None,
        },
        _ => return Frame::UnknownLink,
    };
    ip.and_then(of_ip).unwrap_or(Frame::Other)
}

/// The IP packet behind an EtherType at `at`, with tags of VLANs passed over.
fn tagged(packet: &[u8], at: usize) -> Option<&[u8]> {
    let mut rest = packet.get(at..)?;
    for _ in 0..MOST_NESTED {
        let (kind, behind) = rest.split_first_chunk::<2>()?;
        match kind {
            [0x08, 0x00] | [0x86, 0xdd] => return Some(behind),
            [0x81, 0x00] | [0x88, 0xa8] | [0x91, 0x00] => rest = behind.get(2..)?,
            _ => return None,
        }
    }
    None
}

fn of_ip(packet: &[u8]) -> Option<Frame<'_>> {
    match packet.first()? >> 4 {
        4 => of_ipv4(packet),
        6 => of_ipv6(packet),
        _ => None,
    }
}

fn of_ipv4(packet: &[u8]) -> Option<Frame<'_>> {
    let head = packet.first_chunk::<20>()?;
    let length = usize::from(head[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([head[2], head[3]]));
    if head[9] != TCP || length < 20 {
        return None;
    }
    // More fragments, or not the first.
    if u16::from_be_bytes([head[6], head[7]]) & 0x3fff != 0 {
        return Some(Frame::Fragment);
    }
    let address = |at: usize| Some(Ipv4Addr::from(*packet.get(at..)?.first_chunk::<4>()?));
    let (from, to) = (address(12)?, address(16)?);
    // Behind it, padding of short Ethernet frames. Network cards that cut packets up themselves leave it 0.
    let end = if total == 0 { packet.len() } else { total };
    of_tcp(
        from.into(),
        to.into(),
        packet.get(length..end.min(packet.len()))?,
    )
}

fn of_ipv6(packet: &[u8]) -> Option<Frame<'_>> {
    let head = packet.first_chunk::<40>()?;
    let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
    let address = |at: usize| Some(Ipv6Addr::from(*packet.get(at..)?.first_chunk::<16>()?));
    let (from, to) = (address(8)?, address(24)?);
    let end = if length == 0 {
        packet.len()
    } else {
        40 + length
    };
    let mut rest = packet.get(40..end.min(packet.len()))?;
    let mut next = head[6];
    for _ in 0..MOST_NESTED {
        if next == TCP {
            return of_tcp(from.into(), to.into(), rest);
        }
        let [following, size, ..] = *rest else {
            return None;
        };
        let size = match next {
            // Hop-by-hop options, routing, destination options.
            0 | 43 | 60 => (usize::from(size) + 1) * 8,
            44 => {
                let position = u16::from_be_bytes(*rest.get(2..)?.first_chunk()?);
                if position & 0xfff9 != 0 {
                    return Some(Frame::Fragment);
                }
                8
            }
            // Authentication.
            51 => (usize::from(size) + 2) * 4,
            _ => return None,
        };
        rest = rest.get(size..)?;
        next = following;
    }
    None
}

fn of_tcp(from: IpAddr, to: IpAddr, bytes: &[u8]) -> Option<Frame<'_>> {
    let head = bytes.first_chunk::<20>()?;
    let length = usize::from(head[12] >> 4) * 4;
    if length < 20 {
        return None;
    }
    let port = |at: usize| Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let flag = |bit: u8| head[13] & bit != 0;
    Some(Frame::Segment(Segment {
        from: SocketAddr::new(from, port(0)?),
        to: SocketAddr::new(to, port(2)?),
        sequence: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
        fin: flag(1),
        syn: flag(2),
        rst: flag(4),
        ack: flag(16),
        payload: bytes.get(length..).unwrap_or_default(),
    }))
}
