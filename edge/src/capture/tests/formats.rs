//! The same packets in other files and on other link layers have to give the same report.

use super::{ENDS, HELLOS, Row, SERVER_CERTIFICATES, TLS13_CLIENT_CERTIFICATES, report, rows};

/// Time in nanoseconds, and the packet.
type Packet = (u64, Vec<u8>);

const ETHERNET: u16 = 1;

/// Of a file of tcpdump's on this sort of machine.
fn packets(file: &[u8]) -> Vec<Packet> {
    let mut rest = &file[24..];
    let mut list = Vec::new();
    while !rest.is_empty() {
        let field = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
        let at = u64::from(field(0)) * 1_000_000_000 + u64::from(field(4)) * 1000;
        let end = 16 + usize::try_from(field(8)).unwrap();
        list.push((at, rest[16..end].to_vec()));
        rest = &rest[end..];
    }
    list
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

/// Classic, least byte first, with microseconds.
fn classic(link: u16, packets: &[Packet]) -> Vec<u8> {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    file.extend_from_slice(&[0; 8]);
    file.extend_from_slice(&262_144_u32.to_le_bytes());
    file.extend_from_slice(&u32::from(link).to_le_bytes());
    for (at, packet) in packets {
        let seconds = u32::try_from(at / 1_000_000_000).unwrap();
        let fraction = u32::try_from(at % 1_000_000_000 / 1000).unwrap();
        for field in [seconds, fraction, length(packet), length(packet)] {
            file.extend_from_slice(&field.to_le_bytes());
        }
        file.extend_from_slice(packet);
    }
    file
}

/// Classic, highest byte first, with nanoseconds and the length of a checksum above the link layer.
fn classic_big(packets: &[Packet]) -> Vec<u8> {
    let mut file = vec![0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4];
    file.extend_from_slice(&[0; 8]);
    file.extend_from_slice(&262_144_u32.to_be_bytes());
    file.extend_from_slice(&(4 << 28 | u32::from(ETHERNET)).to_be_bytes());
    for (at, packet) in packets {
        let seconds = u32::try_from(at / 1_000_000_000).unwrap();
        let fraction = u32::try_from(at % 1_000_000_000).unwrap();
        for field in [seconds, fraction, length(packet), length(packet)] {
            file.extend_from_slice(&field.to_be_bytes());
        }
        file.extend_from_slice(packet);
    }
    file
}

/// How pcapng blocks write numbers.
#[derive(Clone, Copy)]
struct Blocks {
    big: bool,
}

impl Blocks {
    fn u32(self, number: u32) -> [u8; 4] {
        if self.big {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    }

    fn u16(self, number: u16) -> [u8; 2] {
        if self.big {
            number.to_be_bytes()
        } else {
            number.to_le_bytes()
        }
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let padded = body.len().next_multiple_of(4);
        let total = self.u32(u32::try_from(padded + 12).unwrap());
        let mut block = [&self.u32(kind)[..], &total, body].concat();
        block.resize(8 + padded, 0);
        block.extend_from_slice(&total);
        block
    }

    /// A section with an interface whose clock counts 2^-20 seconds from `offset` on.
    fn head(self, offset: i64) -> Vec<u8> {
        let magic = self.u32(0x1a2b_3c4d);
        let version = [self.u16(1), self.u16(0)].concat();
        let section = [&magic[..], &version, &[0xff; 8]].concat();
        let offset_bytes = if self.big {
            offset.to_be_bytes()
        } else {
            offset.to_le_bytes()
        };
        let interface = [
            &self.u16(ETHERNET)[..],
            &[0; 6],
            &self.u16(9),
            &self.u16(1),
            &[0x80 | 20, 0, 0, 0],
            &self.u16(14),
            &self.u16(8),
            &offset_bytes,
            &[0; 4],
        ]
        .concat();
        let comment = self.block(0x0bad, b"a block that nobody knows");
        [
            self.block(0x0a0d_0d0a, &section),
            comment,
            self.block(1, &interface),
        ]
        .concat()
    }

    fn file(
        self,
        packets: &[Packet],
        body: impl Fn(Self, u64, &[u8]) -> (u32, Vec<u8>),
    ) -> Vec<u8> {
        let offset = packets[0].0 / 1_000_000_000 - 5;
        let mut file = self.head(i64::try_from(offset).unwrap());
        for (at, packet) in packets {
            let since = at - offset * 1_000_000_000;
            // Rounded up, so that reading and rounding down gives the same millisecond.
            let ticks = (since << 20).div_ceil(1_000_000_000);
            let (kind, bytes) = body(self, ticks, packet);
            file.extend_from_slice(&self.block(kind, &bytes));
        }
        file
    }
}

fn enhanced(blocks: Blocks, ticks: u64, packet: &[u8]) -> (u32, Vec<u8>) {
    let fields = [
        0,
        u32::try_from(ticks >> 32).unwrap(),
        u32::try_from(ticks & 0xffff_ffff).unwrap(),
        length(packet),
        length(packet),
    ];
    let mut body: Vec<u8> = fields.into_iter().flat_map(|f| blocks.u32(f)).collect();
    body.extend_from_slice(packet);
    (6, body)
}

fn old(blocks: Blocks, ticks: u64, packet: &[u8]) -> (u32, Vec<u8>) {
    let (_, mut body) = enhanced(blocks, ticks, packet);
    body[..4].copy_from_slice(&[blocks.u16(0), blocks.u16(7)].concat());
    (2, body)
}

fn simple(blocks: Blocks, _: u64, packet: &[u8]) -> (u32, Vec<u8>) {
    (3, [&blocks.u32(length(packet))[..], packet].concat())
}

#[test]
fn every_sort_of_file_says_the_same() {
    for file in [HELLOS, SERVER_CERTIFICATES, TLS13_CLIENT_CERTIFICATES, ENDS] {
        let (packets, whole) = (packets(file), report(file));
        let same = |what: &str, file: Vec<u8>| {
            let other = report(&file);
            assert_eq!(rows(&other), rows(&whole), "{what}");
            let seconds = |r: &super::Report| {
                let all = r.conversations.iter();
                all.map(|c| c.time()[..19].to_owned()).collect::<Vec<_>>()
            };
            assert_eq!(seconds(&other), seconds(&whole), "{what}");
        };
        same("as it was", classic(ETHERNET, &packets));
        same("nanoseconds, highest byte first", classic_big(&packets));
        for big in [false, true] {
            let blocks = Blocks { big };
            same("pcapng", blocks.file(&packets, enhanced));
            same("pcapng, old packets", blocks.file(&packets, old));
            let two = [
                blocks.file(&packets[..20], enhanced),
                Blocks { big: !big }.file(&packets[20..], enhanced),
            ];
            same("two sections", two.concat());
        }
    }
}

#[test]
fn packets_without_a_time_are_read() {
    let file = Blocks { big: false }.file(&packets(HELLOS), simple);
    assert_eq!(rows(&report(&file)), rows(&report(HELLOS)));
}

/// The IP packet in an Ethernet frame.
fn ip(frame: &[u8]) -> Vec<u8> {
    frame[14..].to_vec()
}

/// An IPv4 packet's segment in IPv6 behind hop-by-hop options and a fragment header of a packet that is whole.
fn ipv6(frame: &[u8]) -> Vec<u8> {
    let ipv4 = ip(frame);
    let total = usize::from(u16::from_be_bytes([ipv4[2], ipv4[3]]));
    let tcp = &ipv4[20..total];
    let mapped = |address: &[u8]| [&[0; 10][..], &[0xff, 0xff], address].concat();
    let payload = u16::try_from(16 + tcp.len()).unwrap().to_be_bytes();
    [
        &[0x60, 0, 0, 0][..],
        &payload,
        &[0, 64],
        &mapped(&ipv4[12..16]),
        &mapped(&ipv4[16..20]),
        &[44, 0, 1, 4, 0, 0, 0, 0],
        &[6, 0, 0, 0, 1, 2, 3, 4],
        tcp,
    ]
    .concat()
}

/// The same packets with another front.
fn rewrapped(link: u16, wrap: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Row> {
    let wrapped = packets(SERVER_CERTIFICATES).into_iter();
    let wrapped: Vec<Packet> = wrapped.map(|(at, packet)| (at, wrap(&packet))).collect();
    rows(&report(&classic(link, &wrapped)))
}

#[test]
fn every_link_layer_says_the_same() {
    let expected = rows(&report(SERVER_CERTIFICATES));
    assert_eq!(expected.len(), 5);
    let front = |front: &'static [u8]| move |frame: &[u8]| [front, &ip(frame)].concat();
    let vlan =
        |tags: &'static [u8]| move |frame: &[u8]| [&frame[..12], tags, &frame[12..]].concat();
    let padded = |frame: &[u8]| [frame, &[0; 6]].concat();
    assert_eq!(rewrapped(1, vlan(&[0x81, 0, 0, 7])), expected, "a VLAN");
    assert_eq!(
        rewrapped(1, vlan(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8])),
        expected,
        "two VLANs"
    );
    assert_eq!(rewrapped(1, padded), expected, "padding");
    assert_eq!(rewrapped(0, front(&[2, 0, 0, 0])), expected, "BSD loopback");
    assert_eq!(
        rewrapped(108, front(&[0, 0, 0, 2])),
        expected,
        "OpenBSD loopback"
    );
    assert_eq!(rewrapped(101, ip), expected, "raw");
    assert_eq!(rewrapped(228, ip), expected, "raw IPv4");
    let cooked = [0, 0, 3, 4, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0];
    assert_eq!(
        rewrapped(113, move |f| [&cooked[..], &ip(f)].concat()),
        expected,
        "cooked"
    );
    assert_eq!(rewrapped(101, ipv6), expected, "raw IPv6");
    let ethernet6 = |f: &[u8]| [&f[..12], &[0x86, 0xdd], &ipv6(f)].concat();
    assert_eq!(rewrapped(1, ethernet6), expected, "IPv6");
}

#[test]
fn what_cannot_be_read_is_counted() {
    let wrapped = packets(SERVER_CERTIFICATES);
    let other = report(&classic(147, &wrapped));
    assert_eq!(other.counts.unknown_link, other.counts.packets);
    assert!(other.notes[0].ends_with("packets have a link layer that is not known here"));
    let more_fragments = wrapped.into_iter().map(|(at, mut packet)| {
        packet[14 + 6] |= 0x20;
        (at, packet)
    });
    let fragments = report(&classic(1, &more_fragments.collect::<Vec<_>>()));
    assert_eq!(fragments.counts.fragments, fragments.counts.packets);
}

#[test]
fn packets_that_come_twice_change_nothing() {
    for file in [HELLOS, SERVER_CERTIFICATES, TLS13_CLIENT_CERTIFICATES, ENDS] {
        let twice = packets(file).into_iter().flat_map(|one| [one.clone(), one]);
        let twice = classic(ETHERNET, &twice.collect::<Vec<_>>());
        assert_eq!(rows(&report(&twice)), rows(&report(file)));
    }
}

/// As with tcpdump -s 200: hellos and alerts are whole, certificates are not.
#[test]
fn cut_packets_make_the_judgement_careful() {
    let mut file = classic(ETHERNET, &[]);
    for (at, packet) in packets(SERVER_CERTIFICATES) {
        let kept = &packet[..packet.len().min(200)];
        let one = classic(ETHERNET, &[(at, kept.to_vec())]);
        let mut head = one[24..40].to_vec();
        head[12..16].copy_from_slice(&length(&packet).to_le_bytes());
        file.extend_from_slice(&head);
        file.extend_from_slice(kept);
    }
    let cut = report(&file);
    assert!(cut.notes[0].contains("use tcpdump -s 0"), "{:?}", cut.notes);
    assert_eq!(cut.counts.failed + cut.counts.unfinished + cut.counts.ok, 5);
    let sure = rows(&cut)
        .iter()
        .filter(|row| row.1 == Some("certain"))
        .count();
    assert_eq!(sure, 0, "{:?}", rows(&cut));
}
