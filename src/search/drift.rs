//! [`Reference`]: whether scores are still distributed as they once were.

/// The fewest scores that are compared.
pub const FEWEST: usize = 200;
/// Distributions farther apart than this are different ones, if that is not chance.
pub const LEAST_DISTANCE: f64 = 0.2;
/// It is not chance where it would happen less often than this.
pub const MOST_CHANCE: f64 = 0.001;

/// How scores were distributed.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Their quantiles, from the lowest score to the highest, all as far apart; at least two.
    pub quantiles: Vec<f32>,
    /// How many scores they are of.
    pub scores: u64,
}

/// How far apart two samples are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    /// The largest difference of their distribution functions, 0 to 1 (the statistic of Kolmogorov and Smirnov).
    pub distance: f64,
    /// How likely two samples of one distribution are at least as far apart.
    pub chance: f64,
}

impl Distance {
    /// Whether they are of different distributions. Among many scores the smallest difference is beyond chance: it has to be
    /// a large one, too.
    pub fn is_drift(self) -> bool {
        self.distance >= LEAST_DISTANCE && self.chance < MOST_CHANCE
    }
}

impl Reference {
    /// How far these scores are from it, by the two-sample test of Kolmogorov and Smirnov; `None` for too few.
    pub fn distance(&self, scores: &mut [f32]) -> Option<Distance> {
        if scores.len() < FEWEST || self.quantiles.len() < 2 {
            return None;
        }
        scores.sort_unstable_by(f32::total_cmp);
        let count = scores.len() as f64;
        let mut distance: f64 = 0.0;
        for (at, &score) in scores.iter().enumerate() {
            // Of equal scores the step is one.
            let below = scores.partition_point(|other| *other < score) as f64 / count;
            let up_to = scores.partition_point(|other| *other <= score).max(at + 1) as f64 / count;
            let (low, high) = self.share(score);
            distance = distance.max(below - low).max(low - below).max((up_to - high).abs());
        }
        Some(Distance { distance, chance: chance(distance, count, self.scores as f64) })
    }

    /// The share of the reference below a score, and up to it; between quantiles on a straight line.
    fn share(&self, score: f32) -> (f64, f64) {
        let last = (self.quantiles.len() - 1) as f64;
        let at = |place: usize| (place as f64 / last).clamp(0.0, 1.0);
        let below = self.quantiles.partition_point(|quantile| *quantile < score);
        let up_to = self.quantiles.partition_point(|quantile| *quantile <= score);
        if below < up_to {
            // It is a quantile; several that are equal are a step.
            let first = if below == 0 && up_to > 1 { 0.0 } else { at(below) };
            return (first, at(up_to - 1));
        }
        let share = match (
            below.checked_sub(1).and_then(|before| self.quantiles.get(before)),
            self.quantiles.get(below),
        ) {
            (None, _) => 0.0,
            (_, None) => 1.0,
            (Some(&low), Some(&high)) => at(below - 1) + f64::from((score - low) / (high - low)) / last,
        };
        (share, share)
    }
}

/// How likely two samples of so many of one distribution are at least so far apart. Source: Press et al., "Numerical Recipes",
/// 3rd edition, §14.3.3.
fn chance(distance: f64, one: f64, other: f64) -> f64 {
    let root = (one * other / (one + other)).sqrt();
    let lambda = (root + 0.12 + 0.11 / root) * distance;
    if lambda < 0.2 {
        return 1.0;
    }
    let term = |k: i32| {
        let sign = if k % 2 == 1 { 2.0 } else { -2.0 };
        sign * (-2.0 * f64::from(k * k) * lambda * lambda).exp()
    };
    (1..=100).map(term).sum::<f64>().clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quantiles of scores that are evenly spread over 0 to 1.
    fn even(scores: u64) -> Reference {
        Reference { quantiles: (0..=20).map(|at| at as f32 / 20.0).collect(), scores }
    }

    fn drawn(count: usize, of: impl Fn(f32) -> f32) -> Vec<f32> {
        let mut random = fastrand::Rng::with_seed(3);
        (0..count).map(|_| of(random.f32())).collect()
    }

    #[test]
    fn scores_of_the_same_distribution_are_no_drift_and_moved_ones_are() {
        let same = even(500).distance(&mut drawn(500, |score| score)).unwrap();
        assert!(same.distance < 0.08 && same.chance > 0.05 && !same.is_drift(), "{same:?}");
        let moved: [fn(f32) -> f32; 4] = [|score| score.powi(3), |score| 0.5 + score / 2.0, |_| 0.0, |_| 1.0];
        for moved in moved {
            let found = even(500).distance(&mut drawn(500, moved)).unwrap();
            assert!(found.is_drift(), "{found:?}");
        }
    }

    #[test]
    fn the_largest_difference_is_the_distance() {
        let half = even(1000).distance(&mut drawn(1000, |score| score / 2.0)).unwrap();
        assert!((half.distance - 0.5).abs() < 0.02, "{half:?}");
        let all_low = even(1000).distance(&mut vec![0.0; 300]).unwrap();
        assert!((all_low.distance - 1.0).abs() < 1e-9, "{all_low:?}");
    }

    #[test]
    fn a_small_difference_among_many_scores_is_no_drift() {
        let found = even(1_000_000).distance(&mut drawn(20_000, |score| score * 0.9)).unwrap();
        assert!(found.chance < MOST_CHANCE && !found.is_drift(), "{found:?}");
    }

    #[test]
    fn a_large_difference_from_few_reference_scores_may_be_chance() {
        let found = even(20).distance(&mut drawn(200, |score| (score + 0.25).min(1.0))).unwrap();
        assert!(found.distance > LEAST_DISTANCE && !found.is_drift(), "{found:?}");
    }

    #[test]
    fn few_scores_and_a_single_value_are_judged_safely() {
        assert_eq!(even(100).distance(&mut drawn(FEWEST - 1, |score| score)), None);
        let alike = Reference { quantiles: vec![0.5; 21], scores: 500 };
        let same = alike.distance(&mut vec![0.5; 300]).unwrap();
        assert!(same.distance < 1e-9 && !same.is_drift(), "{same:?}");
        let other = alike.distance(&mut vec![0.4; 300]).unwrap();
        assert!(other.is_drift(), "{other:?}");
    }

    #[test]
    fn the_chance_is_that_of_the_tables() {
        // Smirnov's: 1.36 is the 5 % point, 1.63 the 1 % point of lambda.
        let of = |lambda: f64| chance(lambda / (1000.0 + 0.12 + 0.11 / 1000.0), 2e6, 2e6);
        assert!(
            (of(1.358) - 0.05).abs() < 0.001 && (of(1.628) - 0.01).abs() < 0.001,
            "{} {}",
            of(1.358),
            of(1.628)
        );
    }
}
