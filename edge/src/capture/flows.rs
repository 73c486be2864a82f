//! The TCP connections of a capture: which segments belong together, who opened each, how it ended. Bounded in number and
//! memory: the oldest is handed on as it is where there are too many.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;

use super::frame::Segment;
use super::stream::Stream;

/// Connections followed at once.
const MOST_FLOWS: usize = 10_000;
/// Bytes kept of all of them.
const MOST_MEMORY: usize = 256 << 20;
/// Connections that are over and wait for late segments.
const MOST_CLOSED: usize = 64;

/// A side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Party {
    /// Who opened it.
    Client,
    /// Who accepted it.
    Server,
}

impl Party {
    /// JSON and table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// The first FIN or RST of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) by: Party,
    pub(super) reset: bool,
    /// The packet's number.
    pub(super) packet: u64,
    /// Nanoseconds since 1970.
    pub(super) at: u64,
}

/// The last data of a connection before its first close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LastData {
    pub(super) by: Party,
    pub(super) at: u64,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    /// Nanoseconds since 1970.
    pub(super) started: u64,
    /// Its SYN is in the capture.
    pub(super) opening_seen: bool,
    pub(super) from_client: Stream,
    pub(super) from_server: Stream,
    /// Packets of the server, RST apart.
    pub(super) server_packets: u64,
    pub(super) close: Option<Close>,
    pub(super) last_data: Option<LastData>,
    id: u64,
    syn: Option<u32>,
    fins: [bool; 2],
    closed: bool,
}

impl Flow {
    pub(super) const fn stream(&self, party: Party) -> &Stream {
        match party {
            Party::Client => &self.from_client,
            Party::Server => &self.from_server,
        }
    }

    fn kept(&self) -> usize {
        self.from_client.kept() + self.from_server.kept()
    }

    fn take(&mut self, at: u64, packet: u64, by: Party, segment: &Segment<'_>) {
        if by == Party::Server && !segment.rst {
            self.server_packets += 1;
        }
        let stream = match by {
            Party::Client => &mut self.from_client,
            Party::Server => &mut self.from_server,
        };
        if segment.syn {
            stream.begin(segment.sequence);
        } else if !segment.rst {
            stream.take(segment.sequence, segment.payload, packet);
            if !segment.payload.is_empty() && self.close.is_none() {
                self.last_data = Some(LastData { by, at });
            }
        }
        if segment.fin || segment.rst {
            self.close.get_or_insert(Close {
                by,
                reset: segment.rst,
                packet,
                at,
            });
        }
        match by {
            Party::Client => self.fins[0] |= segment.fin,
            Party::Server => self.fins[1] |= segment.fin,
        }
    }

    const fn is_over(&self, segment: &Segment<'_>) -> bool {
        segment.rst || (self.fins[0] && self.fins[1])
    }
}

/// Both ends, the lower address first.
type Ends = (SocketAddr, SocketAddr);

/// See the module.
#[derive(Default)]
pub(super) struct Flows {
    flows: HashMap<Ends, Flow>,
    /// By age.
    order: BTreeMap<u64, Ends>,
    closed: VecDeque<(Ends, u64)>,
    kept: usize,
    last_id: u64,
}

impl Flows {
    /// Takes a segment. Connections that are over, or have to make room, go to `done`.
    pub(super) fn take(
        &mut self,
        at: u64,
        packet: u64,
        segment: &Segment<'_>,
        done: &mut Vec<Flow>,
    ) {
        let (from, to) = (segment.from, segment.to);
        let ends = if from <= to { (from, to) } else { (to, from) };
        self.make_way(&ends, segment, done);
        if !self.flows.contains_key(&ends) && !self.open(at, ends, segment) {
            return;
        }
        let Some(flow) = self.flows.get_mut(&ends) else {
            return;
        };
        let by = if from == flow.client {
            Party::Client
        } else {
            Party::Server
        };
        let before = flow.kept();
        flow.take(at, packet, by, segment);
        self.kept = self.kept + flow.kept() - before;
        if !flow.closed && flow.is_over(segment) {
            flow.closed = true;
            self.closed.push_back((ends, flow.id));
        }
        self.bound(done);
    }

    /// Hands on what is left, oldest first.
    pub(super) fn finish(&mut self, done: &mut Vec<Flow>) {
        while let Some((_, ends)) = self.order.first_key_value() {
            let ends = *ends;
            self.remove(&ends, done);
        }
    }

    /// A SYN with another number on the same ends is another connection.
    fn make_way(&mut self, ends: &Ends, segment: &Segment<'_>, done: &mut Vec<Flow>) {
        let opens = segment.syn && !segment.ack;
        let old = self.flows.get(ends);
        let other = old.is_some_and(|flow| flow.syn != Some(segment.sequence));
        if opens && other {
            self.remove(ends, done);
        }
    }

    /// Begins to follow a connection, if this is a beginning.
    fn open(&mut self, at: u64, ends: Ends, segment: &Segment<'_>) -> bool {
        let (client, server) = match (segment.syn, segment.ack) {
            (true, true) => (segment.to, segment.from),
            (true, false) => (segment.from, segment.to),
            // The capture may have begun after the connection, but not after its hello.
            (false, _) if begins_hello(segment.payload) => (segment.from, segment.to),
            (false, _) => return false,
        };
        self.last_id += 1;
        let opens = segment.syn && !segment.ack;
        let flow = Flow {
            client,
            server,
            started: at,
            opening_seen: segment.syn,
            from_client: Stream::default(),
            from_server: Stream::default(),
            server_packets: 0,
            close: None,
            last_data: None,
            id: self.last_id,
            syn: opens.then_some(segment.sequence),
            fins: [false; 2],
            closed: false,
        };
        self.order.insert(flow.id, ends);
        self.flows.insert(ends, flow);
        true
    }

    fn bound(&mut self, done: &mut Vec<Flow>) {
        while self.closed.len() > MOST_CLOSED {
            let Some((ends, id)) = self.closed.pop_front() else {
                break;
            };
            if self.flows.get(&ends).is_some_and(|flow| flow.id == id) {
                self.remove(&ends, done);
            }
        }
        while self.flows.len() > MOST_FLOWS || self.kept > MOST_MEMORY {
            let Some((_, ends)) = self.order.first_key_value() else {
                break;
            };
            let ends = *ends;
            self.remove(&ends, done);
        }
    }

    fn remove(&mut self, ends: &Ends, done: &mut Vec<Flow>) {
        if let Some(flow) = self.flows.remove(ends) {
            self.order.remove(&flow.id);
            self.kept -= flow.kept();
            done.push(flow);
        }
    }
}

/// A record that begins with a ClientHello.
const fn begins_hello(payload: &[u8]) -> bool {
    matches!(payload, [22, 3, _, _, _, 1, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(
        from: u16,
        to: u16,
        sequence: u32,
        flags: &str,
        payload: &'static [u8],
    ) -> Segment<'static> {
        let end = |port| SocketAddr::from(([192, 0, 2, 1], port));
        Segment {
            from: end(from),
            to: end(to),
            sequence,
            syn: flags.contains('S'),
            ack: flags.contains('.'),
            fin: flags.contains('F'),
            rst: flags.contains('R'),
            payload,
        }
    }

    #[test]
    fn a_reused_port_is_another_connection() {
        let (mut flows, mut done) = (Flows::default(), Vec::new());
        for (at, one) in (0..).zip([
            segment(9, 1, 100, "S", b""),
            segment(1, 9, 500, "S.", b""),
            segment(9, 1, 100, "S", b""),
            segment(9, 1, 101, ".", b"a"),
            segment(1, 9, 501, "R", b""),
            segment(9, 1, 900, "S", b""),
            segment(9, 1, 901, ".", b"b"),
        ]) {
            flows.take(at, at, &one, &mut done);
        }
        assert_eq!(done.len(), 1);
        assert_eq!(done[0].from_client.data(), b"a");
        let close = done[0].close.unwrap();
        assert!(close.reset && close.by == Party::Server && close.at == 4);
        flows.finish(&mut done);
        assert_eq!((done.len(), done[1].from_client.data()), (2, &b"b"[..]));
        assert_eq!((flows.kept, flows.order.len()), (0, 0));
    }

    #[test]
    fn what_began_before_the_capture_counts_from_its_hello_on() {
        let (mut flows, mut done) = (Flows::default(), Vec::new());
        flows.take(0, 0, &segment(1, 9, 500, ".", b"data"), &mut done);
        flows.take(
            0,
            1,
            &segment(9, 1, 100, ".", b"\x16\x03\x01\x00\x05\x01"),
            &mut done,
        );
        flows.take(0, 2, &segment(1, 9, 504, ".", b"answer"), &mut done);
        flows.finish(&mut done);
        assert_eq!(done.len(), 1);
        assert_eq!(done[0].client.port(), 9);
        assert_eq!(done[0].from_server.data(), b"answer");
    }

    #[test]
    fn the_oldest_makes_room() {
        let (mut flows, mut done) = (Flows::default(), Vec::new());
        for port in 0..=u16::try_from(MOST_FLOWS).unwrap() {
            flows.take(0, 0, &segment(port + 1000, 1, 7, "S", b""), &mut done);
        }
        assert_eq!(done.len(), 1);
        assert_eq!(done[0].client.port(), 1000);
        assert_eq!(flows.flows.len(), MOST_FLOWS);
    }
}
