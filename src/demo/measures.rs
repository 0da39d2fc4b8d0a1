//! How good an order is.

use std::collections::HashMap;

/// Normalised discounted cumulative gain of the first `k` places, from 0 to 1; 0 where nothing is relevant.
///
/// Gain `2^grade - 1`, discount `log2(place + 1)` with places from 1, divided by the same sum over the best
/// possible order. Source: Burges et al., "Learning to Rank using Gradient Descent", ICML 2005, §6, after
/// Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002.
pub fn ndcg(ranking: &[u64], grades: &HashMap<u64, u32>, k: usize) -> f64 {
    let ranked = ranking.iter().map(|id| grades.get(id).copied().unwrap_or(0));
    let mut best: Vec<u32> = grades.values().copied().collect();
    best.sort_unstable_by(|a, b| b.cmp(a));
    let ideal = dcg(best.into_iter().take(k));
    if ideal > 0.0 { dcg(ranked.take(k)) / ideal } else { 0.0 }
}

fn dcg(grades: impl Iterator<Item = u32>) -> f64 {
    grades.enumerate().map(|(at, grade)| (f64::from(grade).exp2() - 1.0) / (at as f64 + 2.0).log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ranking: &[u64], k: usize, expected: f64) {
        let grades = HashMap::from([(1, 3), (2, 1)]);
        let got = ndcg(ranking, &grades, k);
        assert!((got - expected).abs() < 1e-6, "{ranking:?}@{k}: {got}, not {expected}");
    }

    #[test]
    fn values_worked_out_by_hand() {
        // Ideal: 7/log2(2) + 1/log2(3) = 7 + 0.6309298 = 7.6309298.
        check(&[1, 2, 9], 3, 1.0);
        // 1/1 + 7/1.5849625 = 5.4165083.
        check(&[2, 1, 9], 3, 0.709_809);
        // 7/log2(4) = 3.5.
        check(&[8, 9, 1], 3, 0.458_660);
        // The ideal order is cut at k as well: 7 of 7.
        check(&[1, 9], 1, 1.0);
        check(&[8, 9, 1], 2, 0.0);
        check(&[], 5, 0.0);
    }

    #[test]
    fn nothing_relevant_is_0_not_a_division_by_0() {
        assert_eq!(ndcg(&[1, 2], &HashMap::new(), 5), 0.0);
    }
}
