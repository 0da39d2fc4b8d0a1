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

/// The interval of the mean in which `1 - error` of the draws lie, stretched for small samples: the draws of a few values are
/// less apart than their means would be. Source: Hesterberg, "What Teachers Should Know about the Bootstrap", 2015, §3.2,
/// with the quantiles of the t distribution after Abramowitz and Stegun, 26.2.23 and 26.7.5.
pub fn stretched_interval(values: &[f64], error: f64, seed: u64) -> Option<Interval> {
    let mean = super::measures::mean(values.iter().copied())?;
    let count = values.len() as f64;
    let Interval { low, high } = interval_with(values.len(), DRAWS, error, seed, |draw| {
        Some(draw.iter().filter_map(|&at| values.get(at)).sum::<f64>() / count)
    })?;
    let by = stretch(values.len(), error / 2.0);
    Some(Interval { low: mean + by * (low - mean), high: mean + by * (high - mean) })
}

/// By how much farther the quantile of t is from 0 than that of the normal distribution, each with its variance.
fn stretch(count: usize, tail: f64) -> f64 {
    let root = (-2.0 * tail.ln()).sqrt();
    let above = 2.515_517 + root * (0.802_853 + root * 0.010_328);
    let below = 1.0 + root * (1.432_788 + root * (0.189_269 + root * 0.001_308));
    let (normal, free) = (root - above / below, count.saturating_sub(1).max(1) as f64);
    let t = normal
        + (normal.powi(3) + normal) / (4.0 * free)
        + (5.0 * normal.powi(5) + 16.0 * normal.powi(3) + 3.0 * normal) / (96.0 * free * free);
    t / normal * (count as f64 / free).sqrt()
}

/// The interval in which the share lies that `hits` of `count` are found of, by the exact binomial distribution (Clopper and
/// Pearson), but for an error of `error`. `None` of nothing.
pub fn share_interval(hits: usize, count: usize, error: f64) -> Option<Interval> {
    if count == 0 || hits > count {
        return None;
    }
    let tail = error / 2.0;
    let below = |share: f64| at_least(hits, count, share) < tail;
    let above = |share: f64| at_least(count - hits, count, 1.0 - share) < tail;
    let edge = |is_out: &dyn Fn(f64) -> bool, mut out: f64, mut inside: f64| {
        for _ in 0..60 {
            let middle = f64::midpoint(out, inside);
            *(if is_out(middle) { &mut out } else { &mut inside }) = middle;
        }
        inside
    };
    let found = hits as f64 / count as f64;
    Some(Interval {
        low: if hits == 0 { 0.0 } else { edge(&below, 0.0, found) },
        high: if hits == count { 1.0 } else { edge(&above, 1.0, found) },
    })
}

/// How likely at least `hits` of `count` are, where each is with this probability.
fn at_least(hits: usize, count: usize, share: f64) -> f64 {
    let (win, lose) = (share.ln(), (1.0 - share).ln());
    let mut ways = 0.0;
    let mut sum = 0.0;
    for won in 0..=count {
        if won > 0 {
            ways += ((count - won + 1) as f64 / won as f64).ln();
        }
        if won >= hits {
            sum += (ways + won as f64 * win + (count - won) as f64 * lose).exp();
        }
    }
    sum
}

/// The interval of any statistic of `count` queries: `statistic` is given the numbers of the drawn queries. Draws that
/// give `None` are left out; `None` if those are more than half.
pub fn interval(
    count: usize,
    draws: usize,
    seed: u64,
    statistic: impl Fn(&[usize]) -> Option<f64>,
) -> Option<Interval> {
    interval_with(count, draws, 1.0 - CONFIDENCE, seed, statistic)
}

fn interval_with(
    count: usize,
    draws: usize,
    error: f64,
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
    let tail = error / 2.0;
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
    fn stretched_intervals_are_those_of_the_t_distribution_where_values_are_normal() {
        // Quantiles of t: 2.262 (9 degrees of freedom, 2.5 %), 3.690 (9, 0.25 %), 2.045 (29, 2.5 %).
        for (count, error, quantile) in [(10, 0.05, 2.262), (10, 0.005, 3.690), (30, 0.05, 2.045)] {
            let values = normal(&mut fastrand::Rng::with_seed(5), count);
            let size = count as f64;
            let mean = values.iter().sum::<f64>() / size;
            let error_of_mean =
                (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (size - 1.0) / size).sqrt();
            let Interval { low, high } = stretched_interval(&values, error, 1).unwrap();
            // The draws of a few values are not quite normal.
            let half = (high - low) / 2.0 / (quantile * error_of_mean);
            assert!((half - 1.0).abs() < 0.12, "{count} {error}: {half}");
        }
        assert_eq!(stretched_interval(&[0.5], 0.05, 1), None);
    }

    #[test]
    fn intervals_of_shares_are_those_of_the_tables() {
        // Clopper and Pearson, 95 %: 0 of 10, 5 of 10, 58 of 60, 10 of 10.
        for (hits, count, low, high) in
            [(0, 10, 0.0, 0.3085), (5, 10, 0.1871, 0.8129), (58, 60, 0.8847, 0.9959), (10, 10, 0.6915, 1.0)]
        {
            let found = share_interval(hits, count, 0.05).unwrap();
            assert!((found.low - low).abs() < 1e-4 && (found.high - high).abs() < 1e-4, "{hits}: {found:?}");
        }
        assert!(
            share_interval(4000, 5000, 0.05).is_some_and(|found| found.low > 0.788 && found.high < 0.812)
        );
        assert_eq!(share_interval(0, 0, 0.05), None);
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
