//! Which of many: of those of the best standing two at random, and of these the one with less to do. Close to the best
//! choice for the cost of two looks, and routers that know nothing of each other do not all run to the same one.

use super::standing::Standing;

/// The index of the chosen one; `None` if none has a standing.
pub(super) fn choose<P>(
    all: &[P],
    standing: impl Fn(&P) -> Option<Standing>,
    busy: impl Fn(&P) -> usize,
) -> Option<usize> {
    // Nearly always any two will do, and there may be many.
    if let Some((first, second)) = two_of(all.len())
        && standing(&all[first]) == Some(Standing::Ready)
        && standing(&all[second]) == Some(Standing::Ready)
    {
        return Some(less_busy(all, (first, second), busy));
    }
    let (mut best, mut count) = (None, 0);
    for found in all.iter().filter_map(&standing) {
        match best {
            Some(known) if known < found => {}
            Some(known) if known == found => count += 1,
            _ => (best, count) = (Some(found), 1),
        }
    }
    let nth = |n: usize| {
        let equals = all.iter().enumerate();
        equals
            .filter(|(_, p)| standing(p) == best)
            .nth(n)
            .map(|(index, _)| index)
    };
    best?;
    match two_of(count) {
        None => nth(0),
        Some((first, second)) => Some(less_busy(all, (nth(first)?, nth(second)?), busy)),
    }
}

/// Two numbers below `count` at random.
fn two_of(count: usize) -> Option<(usize, usize)> {
    if count < 2 {
        return None;
    }
    let first = fastrand::usize(..count);
    // Any other one: shifted past the first.
    let second = fastrand::usize(..count - 1);
    Some((first, second + usize::from(second >= first)))
}

fn less_busy<P>(all: &[P], (first, second): (usize, usize), busy: impl Fn(&P) -> usize) -> usize {
    if busy(&all[second]) < busy(&all[first]) {
        second
    } else {
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks(all: &[(Option<Standing>, usize)]) -> Vec<usize> {
        let mut counts = vec![0; all.len()];
        for _ in 0..300 {
            if let Some(index) = choose(all, |p| p.0, |p| p.1) {
                counts[index] += 1;
            }
        }
        counts
    }

    #[test]
    fn the_less_busy_of_two() {
        let ready = Some(Standing::Ready);
        assert_eq!(picks(&[(ready, 5), (ready, 4)]), [0, 300]);
        let of_three = picks(&[(ready, 9), (ready, 4), (ready, 5)]);
        assert_eq!(of_three[0], 0, "the busiest of three never wins");
        assert!(of_three[1] > of_three[2] && of_three[2] > 0, "{of_three:?}");
        assert!(picks(&[(ready, 1); 3]).iter().all(|n| *n > 50));
    }

    #[test]
    fn of_many_that_are_well_few_are_looked_at() {
        let (all, looks) = (vec![(); 1000], std::cell::Cell::new(0));
        let look = |(): &()| {
            looks.set(looks.get() + 1);
            Some(Standing::Ready)
        };
        assert!(choose(&all, look, |()| 0).is_some());
        assert_eq!(looks.get(), 2);
    }

    #[test]
    fn the_best_standing_there_is() {
        use Standing::{Behind, Draining, Overloaded, Ready, Silent};
        let order = [Ready, Behind, Overloaded, Silent, Draining];
        for (n, better) in order.into_iter().enumerate() {
            for worse in &order[n + 1..] {
                assert_eq!(
                    picks(&[(Some(*worse), 0), (Some(better), 9), (None, 0)]),
                    [0, 300, 0]
                );
            }
            assert_eq!(
                picks(&[(None, 0), (Some(better), 0)]),
                [0, 300],
                "better than nothing"
            );
        }
        assert_eq!(picks(&[(None, 0)]), [0]);
        assert_eq!(picks(&[]), [0; 0]);
    }
}
