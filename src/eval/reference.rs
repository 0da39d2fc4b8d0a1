//! How the best scores of searches are distributed: what a running server compares with (`rerank.drift`).

use super::{measures::quantile, trial::Trial};

/// Each twentieth of the scores.
const STEPS: u32 = 20;
/// So many of them stand in a line.
const IN_A_LINE: usize = 7;
/// So many searches are needed to set it: of fewer, a large difference may be chance.
const ENOUGH: usize = 100;

/// The best score of each search among its first `window` candidates.
pub fn best_scores(trials: &[&Trial], window: usize) -> Vec<f64> {
    let best = |trial: &&Trial| {
        let scores = trial.candidates.iter().take(window).filter_map(|candidate| candidate.relevance);
        scores.reduce(f64::max)
    };
    trials.iter().filter_map(best).collect()
}

/// The lines of the setting, and whether it is of enough searches; `None` of none.
pub fn setting(model: &str, mut scores: Vec<f64>) -> Option<(Vec<String>, bool)> {
    scores.sort_unstable_by(f64::total_cmp);
    let steps = (0..=STEPS).map(|step| quantile(&scores, f64::from(step) / f64::from(STEPS)));
    let quantiles: Vec<String> = steps.map(|score| score.map(shown)).collect::<Option<_>>()?;
    let (searches, model) = (scores.len(), serde_json::Value::from(model));
    let mut lines = vec!["drift:".to_owned(), format!("  model: {model}"), format!("  searches: {searches}")];
    let rows: Vec<String> = quantiles.chunks(IN_A_LINE).map(|row| row.join(", ")).collect();
    lines.push("  quantiles:".to_owned());
    lines.extend(format!("[{}]", rows.join(",\n")).lines().map(|row| format!("    {row}")));
    Some((lines, searches >= ENOUGH))
}

/// As exact as scores are: those of some models are all but 0 or 1, and rounded they would lie apart from themselves.
fn shown(score: f64) -> String {
    (score.clamp(0.0, 1.0) as f32).to_string()
}

#[cfg(test)]
mod tests {
    use super::{super::trial::test_support::trial, *};

    #[test]
    fn the_best_score_in_the_window_counts_and_what_few_searches_show_is_not_sure() {
        let one = trial("q", &[("a", 1.0, 0.2), ("b", 0.9, 0.6), ("c", 0.8, 0.9)]);
        assert_eq!(best_scores(&[&one], 2), [0.6]);
        assert_eq!(best_scores(&[&one], 9), [0.9]);
        let (lines, enough) = setting("m", (0..=100).map(|at| f64::from(at) / 100.0).collect()).unwrap();
        let head = ["drift:", "  model: \"m\"", "  searches: 101", "  quantiles:"];
        assert!(enough && lines[..4] == head, "{lines:?}");
        assert_eq!(lines[4], "    [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3,");
        assert_eq!(lines.last().unwrap(), "    0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1]");
        let sure = setting("m", vec![0.999_996; 100]).unwrap().0;
        assert!(sure[4].starts_with("    [0.999996, "), "{sure:?}");
        assert_eq!(setting("m", vec![0.5; 99]).map(|(_, enough)| enough), Some(false));
        assert_eq!(setting("m", Vec::new()), None);
    }
}
