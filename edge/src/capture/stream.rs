//! One direction of a TCP connection, put together from its segments as they come: in any order, twice, with gaps. Keeps the
//! beginning only, and which packet brought which byte.

use std::collections::BTreeMap;

/// Bytes kept of a direction: a handshake with long chains fits in.
pub(super) const MOST_KEPT: usize = 64 << 10;
/// Segments kept that came before the ones they follow.
const MOST_EARLY: usize = 128;
/// Packets that are told apart; what comes later counts as the last one's.
const MOST_MARKS: usize = 512;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Sequence number of the first byte.
    base: Option<u32>,
    data: Vec<u8>,
    /// From which byte on which packet brought it, ascending.
    marks: Vec<(usize, u64)>,
    early: BTreeMap<usize, Vec<u8>>,
    early_bytes: usize,
}

impl Stream {
    /// A SYN: the first byte has the next number.
    pub(super) fn begin(&mut self, sequence: u32) {
        self.base.get_or_insert(sequence.wrapping_add(1));
    }

    /// Data. Without a SYN, the first to come is the beginning.
    pub(super) fn take(&mut self, sequence: u32, payload: &[u8], packet: u64) {
        if payload.is_empty() {
            return;
        }
        let base = *self.base.get_or_insert(sequence);
        let offset = sequence.wrapping_sub(base).cast_signed();
        // What lies before the beginning: an older segment again, or a keep-alive.
        let skipped = usize::try_from(-i64::from(offset)).unwrap_or(0);
        let payload = payload.get(skipped..).unwrap_or_default();
        let offset = usize::try_from(offset).unwrap_or(0);
        let room = MOST_KEPT.saturating_sub(offset);
        let payload = payload.get(..room).unwrap_or(payload);
        if offset > self.data.len() {
            self.keep_early(offset, payload);
            return;
        }
        self.append(offset, payload, packet);
        while let Some(entry) = self.early.first_entry()
            && *entry.key() <= self.data.len()
        {
            let (offset, bytes) = entry.remove_entry();
            self.early_bytes -= bytes.len();
            self.append(offset, &bytes, packet);
        }
    }

    /// `offset` is not behind the end.
    fn append(&mut self, offset: usize, payload: &[u8], packet: u64) {
        let new = payload.get(self.data.len() - offset..).unwrap_or_default();
        if new.is_empty() {
            return;
        }
        if self.marks.len() < MOST_MARKS {
            self.marks.push((self.data.len(), packet));
        }
        self.data.extend_from_slice(new);
    }

    fn keep_early(&mut self, offset: usize, payload: &[u8]) {
        let longer = self
            .early
            .get(&offset)
            .is_none_or(|there| there.len() < payload.len());
        if !longer || payload.is_empty() || self.early.len() >= MOST_EARLY {
            return;
        }
        self.early_bytes += payload.len();
        if let Some(shorter) = self.early.insert(offset, payload.to_vec()) {
            self.early_bytes -= shorter.len();
        }
    }

    /// All bytes from the first on, without a gap.
    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    /// Bytes are missing that were sent.
    pub(super) fn has_gap(&self) -> bool {
        !self.early.is_empty()
    }

    /// The packet that brought the byte at `offset`.
    pub(super) fn packet_of(&self, offset: usize) -> u64 {
        let after = self.marks.partition_point(|(from, _)| *from <= offset);
        let mark = after.checked_sub(1).and_then(|at| self.marks.get(at));
        mark.map_or(0, |(_, packet)| *packet)
    }

    /// Bytes of memory.
    pub(super) fn kept(&self) -> usize {
        self.data.len() + self.early_bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_gap_hides_what_is_behind_it() {
        let mut stream = Stream::default();
        stream.begin(u32::MAX);
        stream.take(0, b"ab", 1);
        stream.take(4, b"ef", 2);
        assert_eq!((stream.data(), stream.has_gap()), (&b"ab"[..], true));
        stream.take(2, b"cd", 3);
        assert_eq!((stream.data(), stream.has_gap()), (&b"abcdef"[..], false));
        assert_eq!([0, 1, 2, 5].map(|at| stream.packet_of(at)), [1, 1, 3, 3]);
    }

    #[test]
    fn keep_alives_and_far_segments_change_nothing() {
        let mut stream = Stream::default();
        stream.begin(99);
        stream.take(100, b"ab", 1);
        stream.take(99, b"x", 2);
        stream.take(101, b"b", 3);
        stream.take(100 + 70_000, b"far", 4);
        stream.take(100 + (1 << 31), b"farther", 5);
        assert_eq!((stream.data(), stream.has_gap()), (&b"ab"[..], false));
    }

    #[test]
    fn memory_is_bounded() {
        let mut stream = Stream::default();
        stream.begin(0);
        for at in 0..100_000 {
            stream.take(2 + at * 3, &[7; 1400], u64::from(at));
        }
        assert!(stream.kept() <= MOST_EARLY * 1400);
        for at in 0..100_000 {
            stream.take(1 + at, &[7; 1400], u64::from(at));
        }
        assert_eq!(stream.kept(), MOST_KEPT);
        assert_eq!(stream.marks.len(), MOST_MARKS);
    }

    proptest! {
        /// However it is cut, shuffled and repeated.
        #[test]
        fn segments_in_any_order_give_the_same_bytes(
            bytes in prop::collection::vec(any::<u8>(), 1..400),
            pieces in Just(()).prop_perturb(|(), mut rng| {
                let mut list = Vec::new();
                for _ in 0..60 {
                    list.push((rng.random_range(0..400_usize), rng.random_range(1..80_usize)));
                }
                list
            }),
            base in any::<u32>(),
        ) {
            let mut stream = Stream::default();
            stream.begin(base);
            let first = base.wrapping_add(1);
            let all = (0..bytes.len()).step_by(7).map(|at| (at, 7)).rev();
            for (packet, (at, length)) in (0..).zip(pieces.into_iter().chain(all)) {
                let from = at.min(bytes.len());
                let to = (from + length).min(bytes.len());
                let sequence = first.wrapping_add(u32::try_from(from).unwrap());
                stream.take(sequence, &bytes[from..to], packet);
                prop_assert!(bytes.starts_with(stream.data()));
            }
            prop_assert_eq!(stream.data(), &bytes[..]);
            prop_assert!(!stream.has_gap());
        }
    }
}
