//! The algorithms that need no table: smooth weighted round robin, least of all, least of two. Pure; members are
//! indices, and `usable` says which of them may be chosen this time.

/// nginx's smooth weighted round robin: spreads a heavy node's turns evenly.
pub(super) struct RoundRobin {
    /// Weight and current score, in the members' order.
    scores: Vec<(i64, i64)>,
}

impl RoundRobin {
    /// Starts at a random turn, so that threads and nodes do not all begin with the same target.
    pub(super) fn new(weights: impl Iterator<Item = (usize, u32)>) -> Self {
        let scores: Vec<_> = weights.map(|(_, weight)| (i64::from(weight), 0)).collect();
        let mut this = Self { scores };
        let members: Vec<usize> = (0..this.scores.len()).collect();
        for _ in 0..fastrand::usize(..=members.len().min(64)) {
            this.next(&members, |_| true);
        }
        this
    }

    /// The next member.
    pub(super) fn next(
        &mut self,
        members: &[usize],
        usable: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut total = 0;
        let mut best: Option<(usize, i64)> = None;
        for (at, (weight, score)) in self.scores.iter_mut().enumerate() {
            if !usable(members[at]) {
                continue;
            }
            *score += *weight;
            total += *weight;
            if best.is_none_or(|(_, highest)| *score > highest) {
                best = Some((at, *score));
            }
        }
        let (at, _) = best?;
        self.scores[at].1 -= total;
        Some(members[at])
    }
}

/// The member with the least cost; among equals the first from `start` on.
pub(super) fn least(
    members: &[usize],
    usable: impl Fn(usize) -> bool,
    cost: impl Fn(usize) -> f64,
    start: usize,
) -> Option<usize> {
    let (before, after) = members.split_at(start.min(members.len()));
    let in_turn = after.iter().chain(before).copied().filter(|i| usable(*i));
    in_turn
        .map(|i| (i, cost(i)))
        .reduce(|a, b| if b.1 < a.1 { b } else { a })
        .map(|(i, _)| i)
}

/// The better of two taken at random.
pub(super) fn two(
    members: &[usize],
    usable: impl Fn(usize) -> bool,
    cost: impl Fn(usize) -> f64,
) -> Option<usize> {
    let count = members.iter().filter(|i| usable(**i)).count();
    let nth = |n: usize| members.iter().copied().filter(|i| usable(*i)).nth(n);
    match count {
        0 => None,
        1 => nth(0),
        _ => {
            let first = fastrand::usize(..count);
            let second = (first + 1 + fastrand::usize(..count - 1)) % count;
            let (a, b) = (nth(first)?, nth(second)?);
            Some(if cost(b) < cost(a) { b } else { a })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_robin_follows_the_weights_smoothly() {
        let members = [3, 4, 5];
        let mut turns = RoundRobin::new([(3, 5), (4, 1), (5, 1)].into_iter());
        let picked: Vec<usize> = (0..700)
            .filter_map(|_| turns.next(&members, |_| true))
            .collect();
        let count = |m| picked.iter().filter(|p| **p == m).count();
        assert_eq!((count(3), count(4), count(5)), (500, 100, 100));
        assert!(
            picked.windows(5).all(|w| w.iter().any(|p| *p != w[0])),
            "five in a row"
        );
        let rest: Vec<usize> = (0..20)
            .filter_map(|_| turns.next(&members, |i| i != 3))
            .collect();
        // What the two are owed when the third leaves depends on where the rounds started, by a round or two.
        let fourth = rest.iter().filter(|p| **p == 4).count();
        assert!((7..=13).contains(&fourth), "{fourth} of 20");
        assert_eq!(turns.next(&members, |_| false), None);
    }

    #[test]
    fn least_and_two() {
        let costs = [3.0, 1.0, 1.0, 2.0];
        let members = [0, 1, 2, 3];
        assert_eq!(least(&members, |_| true, |i| costs[i], 0), Some(1));
        assert_eq!(least(&members, |_| true, |i| costs[i], 2), Some(2));
        assert_eq!(least(&members, |i| i == 0, |i| costs[i], 2), Some(0));
        for _ in 0..100 {
            assert_ne!(two(&members, |_| true, |i| costs[i]), Some(0));
            assert_eq!(two(&members, |i| i == 0 || i == 3, |i| costs[i]), Some(3));
        }
        assert_eq!(two(&members, |i| i == 2, |i| costs[i]), Some(2));
        assert_eq!(two(&members, |_| false, |i| costs[i]), None);
    }
}
