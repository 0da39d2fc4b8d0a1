//! How sure a mean or another statistic is: the paired bootstrap. Queries are drawn again, with replacement; each brings
//! both of its values along. Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.

use serde::Serialize;

use super::measures::quantile;

/// How often the sample is drawn again for a mean.
pub const DRAWS: usize = 10_000;
/// The share of the draws that lie in the interval.
pub const CONFIDENCE: f64 = 0.95;

/// The interval in which a statistic lies for [`CONFIDENCE`] of the draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Interval {
    /// Whether all of it lies on one side of 0.
    pub fn excludes_zero(self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The interval of the mean of per-query values (differences, where two orders are compared). `None` for fewer than two
/// queries. The same seed gives the same interval.
pub fn mean_interval(values: &[f64], seed: u64) -> Option<Interval> {
    let count = values.len() as f64;
    interval(values.len(), DRAWS, seed, |draw| {
        Some(draw.iter().filter_map(|&at| values.get(at)).sum::<f64>() / count)
    })
}

/// The interval of any statistic of `count` queries: `statistic` is given the numbers of the drawn queries. Draws that
/// give `None` are left out; `None` if those are more than half.
pub fn interval(
    count: usize,
    draws: usize,
    seed: u64,
    statistic: impl Fn(&[usize]) -> Option<f64>,
) -> Option<Interval> {
    if count < 2 {
        return None;
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let mut draw = vec![0; count];
    let mut values: Vec<f64> = (0..draws)
        .filter_map(|_| {
            draw.iter_mut().for_each(|at| *at = random.usize(..count));
            statistic(&draw).filter(|value| value.is_finite())
        })
        .collect();
    if values.len() * 2 < draws {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    Some(Interval { low: quantile(&values, tail)?, high: quantile(&values, 1.0 - tail)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of a standard normal distribution (Box and Muller).
    fn normal(random: &mut fastrand::Rng, count: usize) -> Vec<f64> {
        let one = |random: &mut fastrand::Rng| {
            let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
            radius * (std::f64::consts::TAU * random.f64()).cos()
        };
        (0..count).map(|_| one(random)).collect()
    }

    #[test]
    fn the_interval_of_a_normal_sample_is_the_one_of_the_textbook() {
        let values = normal(&mut fastrand::Rng::with_seed(7), 400);
        let mean = values.iter().sum::<f64>() / 400.0;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 400.0;
        // Mean ± 1.959964 standard errors.
        let half = 1.959_964 * (variance / 400.0).sqrt();
        let Interval { low, high } = mean_interval(&values, 1).unwrap();
        assert!((low - (mean - half)).abs() < 0.05 * half, "{low} {}", mean - half);
        assert!((high - (mean + half)).abs() < 0.05 * half, "{high} {}", mean + half);
    }

    #[test]
    fn about_95_of_100_intervals_hold_the_true_mean() {
        let mut random = fastrand::Rng::with_seed(11);
        let holds = |seed| {
            let values = normal(&mut random, 60);
            let statistic = |draw: &[usize]| Some(draw.iter().map(|&at| values[at]).sum::<f64>() / 60.0);
            let found = interval(60, 500, seed, statistic).unwrap();
            found.low <= 0.0 && 0.0 <= found.high
        };
        let held = (0..400).map(holds).filter(|&held| held).count();
        // Binomial(400, 0.95): 380 ± 4.4; the percentile interval of 60 values is a little narrow.
        assert!((364..=394).contains(&held), "{held}");
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let values = [0.1, -0.2, 0.5, 0.0, 0.3];
        assert_eq!(mean_interval(&values, 3), mean_interval(&values, 3));
        assert_ne!(mean_interval(&values, 3), mean_interval(&values, 4));
    }

    #[test]
    fn one_query_says_nothing_and_equal_ones_have_no_width() {
        assert_eq!(mean_interval(&[], 1), None);
        assert_eq!(mean_interval(&[0.5], 1), None);
        assert_eq!(mean_interval(&[0.25, 0.25], 1), Some(Interval { low: 0.25, high: 0.25 }));
        assert_eq!(interval(5, 100, 1, |_| None), None);
        assert_eq!(interval(5, 100, 1, |_| Some(f64::NAN)), None);
    }
}
