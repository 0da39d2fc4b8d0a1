//! The margin gate: searches whose best hit leads so far that a rerank is not worth a call.

use serde::Serialize;

use super::{
    bootstrap::{self, Interval},
    measures::{Measure, mean},
    trial::Trial,
    window::Setting,
};
use crate::search::lead;

/// A gate is suggested whose loss of nDCG is at most this, to the upper end of its interval.
pub const MAX_LOSS: f64 = 0.01;

/// What one threshold does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarginPoint {
    /// Searches whose lead is as large are not reranked.
    pub margin_gate: f64,
    /// Share of the searches that are not.
    pub skipped: Option<f64>,
    /// Mean nDCG that this loses over all queries; `None` without judgments.
    pub loss: Option<f64>,
    /// How sure the loss is.
    pub interval: Option<Interval>,
    /// Share of the searches that would have had another first hit.
    pub top_changes_lost: Option<f64>,
}

/// The curve and what follows of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MarginAdvice {
    /// From low to high.
    pub curve: Vec<MarginPoint>,
    /// The lowest gate that loses at most [`MAX_LOSS`]; `None` if there is none to suggest.
    pub margin_gate: Option<f64>,
    /// Whether the sample is large enough to set it.
    pub enough: bool,
    /// What to know about it.
    pub notes: Vec<String>,
}

/// What is known of one query.
struct Led {
    lead: Option<f64>,
    /// nDCG that the rerank gains.
    gain: Option<f64>,
    top_changed: bool,
}

/// The gate to suggest for these queries, reranked with `window` candidates.
pub fn advise(trials: &[&Trial], setting: &Setting<'_>, window: usize) -> MarginAdvice {
    let led: Vec<Led> = trials.iter().map(|trial| look(trial, setting, window)).collect();
    let mut advice = MarginAdvice { curve: Vec::new(), margin_gate: None, enough: false, notes: Vec::new() };
    if led.iter().all(|query| query.lead.is_none()) {
        advice
            .notes
            .push("the database's scores tell no lead (all equal, missing, or fewer than three)".to_owned());
        return advice;
    }
    advice.curve = (1..=20).map(|step| point(&led, f64::from(step) / 20.0, setting.seed)).collect();
    let judged = led.iter().filter(|query| query.gain.is_some()).count();
    if judged == 0 {
        advice.notes.push("without judgments the loss is not known: no gate is suggested".to_owned());
        return advice;
    }
    if mean(led.iter().filter_map(|query| query.gain)).is_none_or(|gain| gain <= 0.0) {
        advice
            .notes
            .push("reranking gains nothing here: there is no call that a gate should spare".to_owned());
        return advice;
    }
    let harmless = |point: &&MarginPoint| {
        let most = point.interval.map(|interval| interval.high).or(point.loss);
        point.skipped.is_some_and(|share| share > 0.0) && most.is_some_and(|loss| loss <= MAX_LOSS)
    };
    advice.margin_gate = advice.curve.iter().find(harmless).map(|point| point.margin_gate);
    advice.enough = judged >= setting.min_queries;
    match advice.margin_gate {
        None => advice.notes.push(format!("no gate skips calls for a loss of at most {MAX_LOSS} nDCG")),
        Some(_) if !advice.enough => advice.notes.push(format!(
            "the sample is too small: {judged} queries are judged, {} are needed",
            setting.min_queries
        )),
        Some(_) => {}
    }
    advice
}

fn look(trial: &Trial, setting: &Setting<'_>, window: usize) -> Led {
    let scores: Option<Vec<f64>> =
        trial.candidates.iter().take(window).map(|candidate| candidate.database_score).collect();
    let (before, after) = (trial.ordered(setting.way, 0), trial.ordered(setting.way, window));
    let gain = setting.grades(&trial.query).map(|grades| {
        let ndcg = |ranking: &[String]| Measure::Ndcg.of(ranking, grades, setting.k);
        ndcg(&after) - ndcg(&before)
    });
    Led { lead: scores.and_then(|scores| lead(&scores)), gain, top_changed: before.first() != after.first() }
}

fn point(led: &[Led], margin_gate: f64, seed: u64) -> MarginPoint {
    let skips = |query: &Led| query.lead.is_some_and(|lead| lead >= margin_gate);
    let losses: Vec<f64> = led
        .iter()
        .filter_map(|query| Some(if skips(query) { query.gain? } else { query.gain.map(|_| 0.0)? }))
        .collect();
    let share = |test: &dyn Fn(&Led) -> bool| mean(led.iter().map(|query| f64::from(u8::from(test(query)))));
    MarginPoint {
        margin_gate,
        skipped: share(&skips),
        loss: mean(losses.iter().copied()),
        interval: bootstrap::mean_interval(&losses, seed),
        top_changes_lost: share(&|query| skips(query) && query.top_changed),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{judgments::Judgments, measures::Grades, trial::test_support::trial, window::tests::setting},
        *,
    };

    /// Queries 0 to 9; those whose best hit leads by `lead` of the range are right already if `right`.
    fn sample(cases: &[(f64, bool)]) -> (Vec<Trial>, Judgments) {
        let mut judgments = Judgments::default();
        let trials = cases.iter().enumerate().map(|(at, &(lead, right))| {
            let query = format!("q{at}");
            let good = if right { "a" } else { "b" };
            judgments.queries.insert(query.clone(), Grades::from([(good.to_owned(), 1)]));
            let relevance = |id: &str| if id == good { 0.9 } else { 0.1 };
            let scores = [("a", 1.0, relevance("a")), ("b", 1.0 - lead, relevance("b")), ("c", 0.0, 0.0)];
            trial(&query, &scores)
        });
        (trials.collect(), judgments)
    }

    #[test]
    fn the_lowest_gate_without_loss_is_suggested() {
        let (trials, judgments) =
            sample(&[(0.9, true), (0.8, true), (0.7, true), (0.3, false), (0.1, false)]);
        let trials: Vec<&Trial> = trials.iter().collect();
        let advice = advise(&trials, &setting(Some(&judgments)), 50);
        assert_eq!((advice.margin_gate, advice.enough), (Some(0.35), true));
        let at = advice.curve.iter().find(|point| point.margin_gate == 0.35).unwrap();
        assert_eq!((at.skipped, at.loss), (Some(0.6), Some(0.0)));
        let lower = &advice.curve[0];
        assert!(lower.loss.unwrap() > 0.1 && lower.top_changes_lost == Some(0.4), "{lower:?}");
    }

    #[test]
    fn a_lead_that_misleads_gives_no_gate() {
        let (trials, judgments) = sample(&[(0.9, false), (1.0, false), (0.1, true)]);
        let trials: Vec<&Trial> = trials.iter().collect();
        let advice = advise(&trials, &setting(Some(&judgments)), 50);
        assert_eq!(advice.margin_gate, None);
        assert!(advice.notes[0].contains("no gate"), "{advice:?}");
    }

    #[test]
    fn equal_scores_and_no_judgments_are_reported() {
        let flat = trial("q", &[("a", 1.0, 0.1), ("b", 1.0, 0.2), ("c", 1.0, 0.3)]);
        let advice = advise(&[&flat], &setting(None), 50);
        assert!(advice.curve.is_empty() && advice.notes[0].contains("tell no lead"));
        assert!(advise(&[], &setting(None), 50).curve.is_empty());
        let (trials, _) = sample(&[(0.9, true)]);
        let advice = advise(&[&trials[0]], &setting(None), 50);
        assert!(advice.margin_gate.is_none() && advice.notes[0].contains("without judgments"), "{advice:?}");
        assert_eq!(advice.curve[0].loss, None);
    }
}
