//! How good an order is, by graded judgments, and how far two orders are apart.
//!
//! The definitions are those of `trec_eval` (and so of `ir-measures`): the gain is the grade itself, the discount of
//! place n is `log2(n + 1)`, a document without a judgment is not relevant, a grade below 0 counts as 0.

use std::collections::{HashMap, HashSet};

/// The grades of one query's documents, by id.
pub type Grades = HashMap<String, i64>;

/// What can be measured of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Normalised discounted cumulative gain of the first `k`.
    Ndcg,
    /// One over the place of the first relevant document, 0 if it is not among the first `k`. Its mean is the MRR.
    ReciprocalRank,
    /// Share of the relevant documents that are among the first `k`.
    Recall,
    /// Share of the first `k` places that hold a relevant document.
    Precision,
}

impl Measure {
    /// Every measure.
    pub const ALL: [Measure; 4] =
        [Measure::Ndcg, Measure::ReciprocalRank, Measure::Recall, Measure::Precision];

    /// Its name at this depth, such as `nDCG@10`.
    pub fn name(self, k: usize) -> String {
        let word = match self {
            Measure::Ndcg => "nDCG",
            Measure::ReciprocalRank => "MRR",
            Measure::Recall => "recall",
            Measure::Precision => "precision",
        };
        format!("{word}@{k}")
    }

    /// The value for one query, from 0 to 1; 0 where nothing is relevant. A document that comes twice counts where it
    /// comes first.
    pub fn of(self, ranking: &[String], grades: &Grades, k: usize) -> f64 {
        let mut seen = HashSet::new();
        let first_k: Vec<i64> = ranking
            .iter()
            .filter(|id| seen.insert(id.as_str()))
            .take(k)
            .map(|id| grades.get(id).copied().unwrap_or(0).max(0))
            .collect();
        let found = first_k.iter().filter(|&&grade| grade > 0).count() as f64;
        match self {
            Measure::Ndcg => {
                let mut best: Vec<i64> = grades.values().copied().filter(|&grade| grade > 0).collect();
                best.sort_unstable_by(|a, b| b.cmp(a));
                best.truncate(k);
                ratio(gain(&first_k), gain(&best))
            }
            Measure::ReciprocalRank => {
                first_k.iter().position(|&grade| grade > 0).map_or(0.0, |at| 1.0 / (at as f64 + 1.0))
            }
            Measure::Recall => ratio(found, relevant(grades) as f64),
            Measure::Precision => ratio(found, k as f64),
        }
    }
}

/// How many documents are relevant: graded over 0.
pub fn relevant(grades: &Grades) -> usize {
    grades.values().filter(|&&grade| grade > 0).count()
}

fn gain(grades: &[i64]) -> f64 {
    grades.iter().enumerate().map(|(at, &grade)| grade as f64 / (at as f64 + 2.0).log2()).sum()
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// How far two orders of one query are apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// Share of the first `k` that both have; `None` where both are empty.
    pub overlap: Option<f64>,
    /// Mean distance between old and new place of the documents that both orders have; `None` where they share none.
    pub displacement: Option<f64>,
    /// Kendall's τ of the documents that both have, from -1 (turned round) to 1 (the same); `None` for fewer than two.
    pub tau: Option<f64>,
    /// Whether another document is first.
    pub top_changed: bool,
}

impl Change {
    /// From the old order to the new one, both cut to `k` for the overlap only.
    pub fn between(before: &[String], after: &[String], k: usize) -> Self {
        let top = |ranking: &[String]| ranking.iter().take(k).cloned().collect::<HashSet<String>>();
        let (old_top, new_top) = (top(before), top(after));
        let longest = old_top.len().max(new_top.len());
        let shared = old_top.intersection(&new_top).count();
        let old_place: HashMap<&str, usize> =
            before.iter().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
        // In the new order: the old places of what both have.
        let moved: Vec<(usize, usize)> = after
            .iter()
            .enumerate()
            .filter_map(|(new, id)| old_place.get(id.as_str()).map(|&old| (old, new)))
            .collect();
        let distance: usize = moved.iter().map(|&(old, new)| old.abs_diff(new)).sum();
        Self {
            overlap: (longest > 0).then(|| shared as f64 / longest as f64),
            displacement: (!moved.is_empty()).then(|| distance as f64 / moved.len() as f64),
            tau: tau(&moved.iter().map(|&(old, _)| old).collect::<Vec<_>>()),
            top_changed: before.first() != after.first(),
        }
    }
}

/// Kendall's τ of an order without ties against the rising one. Pages are short: every pair is looked at.
fn tau(old_places: &[usize]) -> Option<f64> {
    let count = old_places.len();
    if count < 2 {
        return None;
    }
    let pairs = count * (count - 1) / 2;
    let concordant: usize = old_places
        .iter()
        .enumerate()
        .map(|(at, old)| old_places.iter().skip(at + 1).filter(|later| *later > old).count())
        .sum();
    Some(2.0 * concordant as f64 / pairs as f64 - 1.0)
}

/// The mean; `None` of nothing.
pub fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / f64::from(count))
}

/// The value below which this share of the values lies, interpolated; `None` of nothing.
pub fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let at = share.clamp(0.0, 1.0) * sorted.len().checked_sub(1)? as f64;
    let (low, high) = (*sorted.get(at.floor() as usize)?, *sorted.get(at.ceil() as usize)?);
    Some(low + (high - low) * at.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn grades(pairs: &[(&str, i64)]) -> Grades {
        pairs.iter().map(|&(id, grade)| (id.to_owned(), grade)).collect()
    }

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-9, "{got}, not {expected}");
    }

    #[test]
    fn values_worked_out_by_hand() {
        let judged = grades(&[("a", 3), ("b", 1), ("x", 0), ("y", -2)]);
        // Ideal: 3 + 1/log2(3) = 3.6309297536. Order x b a: 1/log2(3) + 3/2 = 2.1309297536.
        close(Measure::Ndcg.of(&ids("x b a"), &judged, 10), 2.130_929_753_571_457 / 3.630_929_753_571_457);
        close(Measure::Ndcg.of(&ids("a b x"), &judged, 2), 1.0);
        close(Measure::ReciprocalRank.of(&ids("y x b"), &judged, 10), 1.0 / 3.0);
        close(Measure::ReciprocalRank.of(&ids("y x b"), &judged, 2), 0.0);
        close(Measure::Recall.of(&ids("a q r"), &judged, 10), 0.5);
        close(Measure::Precision.of(&ids("a b"), &judged, 10), 0.2);
    }

    #[test]
    fn nothing_relevant_nothing_found_and_k_0_are_0() {
        for measure in Measure::ALL {
            assert_eq!(measure.of(&ids("a b"), &Grades::new(), 10), 0.0);
            assert_eq!(measure.of(&[], &grades(&[("a", 1)]), 10), 0.0);
            assert_eq!(measure.of(&ids("a"), &grades(&[("a", 1)]), 0), 0.0);
        }
    }

    #[test]
    fn a_document_that_comes_twice_counts_once() {
        close(Measure::Precision.of(&ids("a a b"), &grades(&[("a", 1)]), 2), 0.5);
    }

    #[test]
    fn change_is_reported_by_overlap_places_and_order() {
        let change = Change::between(&ids("a b c d"), &ids("c a b e"), 3);
        assert_eq!(change.overlap, Some(1.0));
        close(change.displacement.unwrap(), 4.0 / 3.0);
        // Old places 2 0 1: one of three pairs in order.
        close(change.tau.unwrap(), -1.0 / 3.0);
        assert!(change.top_changed);
        let same = Change::between(&ids("a b"), &ids("a b"), 10);
        assert_eq!((same.overlap, same.tau, same.top_changed), (Some(1.0), Some(1.0), false));
        let apart = Change::between(&ids("a"), &ids("b"), 10);
        assert_eq!((apart.overlap, apart.displacement, apart.tau), (Some(0.0), None, None));
        assert_eq!(Change::between(&[], &[], 10).overlap, None);
    }

    #[test]
    fn quantiles_lie_between_the_values() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.5), Some(2.0));
        assert_eq!(quantile(&[1.0, 2.0], 0.75), Some(1.75));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
