//! Consistent hashing (ketama-like): each target has 160 points per unit of weight on a ring, a key belongs to the next
//! point. The hash is our own and fixed: all threads and nodes send a key to the same target. Pure.

/// Points per unit of weight.
const POINTS: u64 = 160;
/// Units of weight on a whole ring; larger sums are scaled down. 512 × 160 points are 1.3 MB.
const MOST_UNITS: u64 = 512;

/// See the module.
pub(super) struct Ring {
    /// Hash and member, sorted.
    points: Vec<(u64, usize)>,
}

impl Ring {
    /// A ring of (member, name, weight); weight 0 has no points.
    pub(super) fn new<'a>(members: impl Iterator<Item = (usize, &'a str, u32)>) -> Self {
        let members: Vec<_> = members.filter(|(.., weight)| *weight > 0).collect();
        let divisor = members
            .iter()
            .fold(0, |d, (.., w)| gcd(d, u64::from(*w)))
            .max(1);
        let sum: u64 = members.iter().map(|(.., w)| u64::from(*w) / divisor).sum();
        let mut points = Vec::new();
        for (member, name, weight) in members {
            let weight = u64::from(weight) / divisor;
            let units = if sum > MOST_UNITS {
                (weight * MOST_UNITS / sum).max(1)
            } else {
                weight
            };
            let base = hash(name.as_bytes());
            points.extend((0..units * POINTS).map(|n| (mix(base ^ mix(n)), member)));
        }
        points.sort_unstable();
        Self { points }
    }

    /// The member a key belongs to: the first usable one from its place on.
    pub(super) fn find(&self, key: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let start = self.points.partition_point(|(at, _)| *at < key);
        let (before, after) = self.points.split_at(start);
        after
            .iter()
            .chain(before)
            .map(|(_, member)| *member)
            .find(|m| usable(*m))
    }
}

/// A fixed 64-bit hash (FNV-1a, finished by [`mix`]).
pub(super) fn hash(bytes: &[u8]) -> u64 {
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| {
        (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3)
    }))
}

/// The finisher of SplitMix64: spreads close inputs over the whole range.
const fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(ring: &Ring, usable: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..10_000_u32)
            .filter_map(|n| ring.find(hash(&n.to_le_bytes()), &usable))
            .collect()
    }

    #[test]
    fn shares_follow_the_weights() {
        let ring = Ring::new([(0, "a:80", 200), (1, "b:80", 100), (2, "c:80", 0)].into_iter());
        assert_eq!(ring.points.len(), 3 * 160);
        let owned = owners(&ring, |_| true);
        let first = owned.iter().filter(|o| **o == 0).count();
        assert!((5_700..7_700).contains(&first), "{first}");
        assert!(!owned.contains(&2));
    }

    #[test]
    fn only_the_keys_of_a_lost_target_move() {
        let all = Ring::new([(0, "a:80", 1), (1, "b:80", 1), (2, "c:80", 1)].into_iter());
        let less = Ring::new([(0, "a:80", 1), (1, "b:80", 1)].into_iter());
        let (before, after) = (owners(&all, |_| true), owners(&less, |_| true));
        let passed_over = owners(&all, |m| m != 2);
        assert!(before.iter().zip(&after).all(|(b, a)| *b == 2 || a == b));
        assert_eq!(passed_over, after);
    }

    #[test]
    fn huge_weights_make_no_huge_ring() {
        let ring = Ring::new([(0, "a:80", 1_000_003), (1, "b:80", 1)].into_iter());
        assert!(ring.points.len() <= 600 * 160);
        assert!(ring.find(7, |m| m == 1) == Some(1) && ring.find(7, |_| false).is_none());
    }
}
