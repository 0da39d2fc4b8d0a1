//! Which order to give hits: by relevance alone, or by both orders, each with several windows. Chosen on one half of the
//! queries and judged on the other: the best of many is always good on the queries that it was chosen by.

use serde::Serialize;

use super::{
    bootstrap::{self, Interval},
    measures::{Measure, mean},
    trial::{Trial, Way},
    window::{SHARE_OF_GAIN, Setting, WINDOWS},
};

/// The dampings of ranks that are looked at.
const DAMPINGS: [f32; 4] = [10.0, 20.0, 40.0, 60.0];
/// What the reranker may weigh beside the database.
const WEIGHTS: [f32; 5] = [0.25, 0.5, 1.0, 2.0, 4.0];

/// The best of one kind of order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OrderPoint {
    /// How hits are ordered.
    pub way: Way,
    /// How many candidates are reranked.
    pub window: usize,
    /// Mean gain of nDCG over the queries that it was chosen by.
    pub chosen_by: f64,
    /// The same over the queries that judge it.
    pub gain: Option<f64>,
    /// How sure that is.
    pub interval: Option<Interval>,
}

/// What was looked at, and what follows of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct OrderAdvice {
    /// The best by relevance, by ranks and by scores, the best of all first.
    pub kinds: Vec<OrderPoint>,
    /// The order and the window to set; `None` if none gains beyond chance.
    pub best: Option<(Way, usize)>,
    /// Whether the sample is large enough to set it.
    pub enough: bool,
    /// The provider has fused by itself, which goes before the setting.
    pub fuses_itself: bool,
    /// How many queries it was chosen by, and how many judge it.
    pub halves: (usize, usize),
    /// What to know about it.
    pub notes: Vec<String>,
}

/// The order to suggest for these queries.
pub fn advise(trials: &[&Trial], setting: &Setting<'_>) -> OrderAdvice {
    let judged: Vec<&Trial> =
        trials.iter().copied().filter(|trial| setting.grades(&trial.query).is_some()).collect();
    let mut advice = OrderAdvice::default();
    if judged.is_empty() {
        advice.notes.push("without judgments it is not known which order is better".to_owned());
        return advice;
    }
    let is_small = judged.len() < setting.min_queries;
    let half = |first: bool| -> Vec<&Trial> {
        let all = judged.iter().enumerate();
        all.filter(|(at, _)| is_small || at.is_multiple_of(2) == first).map(|(_, trial)| *trial).collect()
    };
    let (choosing, judging) = (half(true), half(false));
    advice.halves = (choosing.len(), judging.len());
    let fuses_itself = judged.iter().any(|trial| trial.fused.is_some());
    advice.fuses_itself = fuses_itself;
    let point = |ways: Vec<Way>| best_of(&ways, &choosing, &judging, setting);
    advice.kinds = kinds(fuses_itself).into_iter().filter_map(point).collect();
    advice.kinds.sort_by(|a, b| b.chosen_by.total_cmp(&a.chosen_by));
    let Some(first) = advice.kinds.first().filter(|first| first.chosen_by > 0.0) else {
        advice.notes.push("no order gains anything over the database's: none is suggested".to_owned());
        return advice;
    };
    let is_sure = first.interval.is_some_and(|interval| interval.low > 0.0);
    if !is_sure && !is_small {
        let (chose, judge) = advice.halves;
        advice.notes.push(format!(
            "the best of the {chose} queries that chose gains nothing beyond chance on the other {judge}: none is suggested"
        ));
        return advice;
    }
    advice.best = Some((first.way, first.window));
    advice.enough = is_sure && !is_small;
    if is_small {
        advice.notes.push(format!(
            "the sample is too small to choose on one half and judge on the other: {} queries are judged, {} are needed",
            judged.len(),
            setting.min_queries
        ));
    }
    if fuses_itself && first.way != Way::AsRun {
        advice
            .notes
            .push("the provider fuses by itself, before rerank.score: set its `fuse: false` too".to_owned());
    }
    advice
}

/// The orders that are looked at, by kind. As it was run is one where the provider fuses itself.
fn kinds(fuses_itself: bool) -> Vec<Vec<Way>> {
    let ranks = DAMPINGS.iter().flat_map(|k| WEIGHTS.map(|weight| Way::ranks(*k, weight))).collect();
    let scores = WEIGHTS.map(Way::scores).to_vec();
    let mut kinds = vec![vec![Way::Relevance], ranks, scores];
    kinds.extend(fuses_itself.then(|| vec![Way::AsRun]));
    kinds
}

/// The best of these ways, each at the smallest window that has nearly all of its gain.
fn best_of(
    ways: &[Way],
    choosing: &[&Trial],
    judging: &[&Trial],
    setting: &Setting<'_>,
) -> Option<OrderPoint> {
    let most = choosing.iter().map(|trial| trial.candidates.len()).max().unwrap_or(0).min(setting.largest);
    let windows: Vec<usize> =
        WINDOWS.into_iter().filter(|window| *window < most).chain((most > 0).then_some(most)).collect();
    let at_best = |way: &Way| {
        let gains: Vec<(usize, f64)> = windows
            .iter()
            .filter_map(|&window| Some((window, mean(gains(choosing, setting, *way, window))?)))
            .collect();
        let best = gains.iter().map(|(_, gain)| *gain).fold(f64::NEG_INFINITY, f64::max);
        let enough = |gain: f64| if best > 0.0 { gain >= SHARE_OF_GAIN * best } else { gain >= best };
        gains.into_iter().find(|(_, gain)| enough(*gain)).map(|(window, gain)| (*way, window, gain))
    };
    let (way, window, chosen_by) = ways.iter().filter_map(at_best).max_by(|a, b| a.2.total_cmp(&b.2))?;
    let judged = gains(judging, setting, way, window);
    Some(OrderPoint {
        way,
        window,
        chosen_by,
        gain: mean(judged.iter().copied()),
        interval: bootstrap::mean_interval(&judged, setting.seed),
    })
}

/// By how much nDCG rises, for each query.
fn gains(trials: &[&Trial], setting: &Setting<'_>, way: Way, window: usize) -> Vec<f64> {
    let gain = |trial: &&Trial| {
        let grades = setting.grades(&trial.query)?;
        let ndcg = |window| Measure::Ndcg.of(&trial.ordered(way, window), grades, setting.k);
        Some(ndcg(window) - ndcg(0))
    };
    trials.iter().filter_map(gain).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{judgments::Judgments, measures::Grades, trial::test_support::trial, window::tests::setting},
        *,
    };

    /// Queries whose relevant hit stands second of both orders, behind another first one in each.
    fn second_of_both(count: usize) -> (Vec<Trial>, Judgments) {
        let mut judgments = Judgments::default();
        let one = |at: usize| {
            let query = format!("q{at}");
            let candidates = [("a", 1.0, 0.1), ("good", 0.95, 0.8), ("b", 0.3, 0.2), ("c", 0.1, 0.85)];
            trial(&query, &candidates)
        };
        let trials: Vec<Trial> = (0..count).map(one).collect();
        for trial in &trials {
            judgments.queries.insert(trial.query.clone(), Grades::from([("good".to_owned(), 1)]));
        }
        (trials, judgments)
    }

    #[test]
    fn an_order_of_both_is_suggested_where_it_alone_gains() {
        let (trials, judgments) = second_of_both(40);
        let trials: Vec<&Trial> = trials.iter().collect();
        let setting = Setting { min_queries: 30, ..setting(Some(&judgments)) };
        let advice = advise(&trials, &setting);
        let (way, window) = advice.best.unwrap();
        assert!(matches!(way, Way::Fused(_)) && window == 4, "{advice:?}");
        assert!(advice.enough && advice.halves == (20, 20), "{advice:?}");
        let relevance = advice.kinds.iter().find(|kind| kind.way == Way::Relevance).unwrap();
        assert!(relevance.chosen_by <= 0.0 && relevance.chosen_by < advice.kinds[0].chosen_by, "{advice:?}");
    }

    #[test]
    fn what_gains_on_one_half_alone_is_not_suggested() {
        // By relevance the queries that choose gain, and those that judge lose.
        let mut judgments = Judgments::default();
        let one = |at: usize| {
            let (first, second) = if at.is_multiple_of(2) { (0.1, 0.9) } else { (0.2, 0.9) };
            trial(&format!("q{at}"), &[("a", 1.0, first), ("b", 0.5, second)])
        };
        let trials: Vec<Trial> = (0..40).map(one).collect();
        for (at, trial) in trials.iter().enumerate() {
            let good = if at.is_multiple_of(2) { "b" } else { "a" };
            judgments.queries.insert(trial.query.clone(), Grades::from([(good.to_owned(), 1)]));
        }
        let trials: Vec<&Trial> = trials.iter().collect();
        let advice = advise(&trials, &Setting { min_queries: 30, ..setting(Some(&judgments)) });
        assert_eq!((advice.best, advice.enough), (None, false));
        assert!(advice.notes[0].contains("nothing beyond chance on the other 20"), "{advice:?}");
    }

    #[test]
    fn a_small_sample_and_one_without_judgments_set_nothing() {
        let (trials, judgments) = second_of_both(6);
        let trials: Vec<&Trial> = trials.iter().collect();
        let small = advise(&trials, &Setting { min_queries: 30, ..setting(Some(&judgments)) });
        assert!(small.best.is_some() && !small.enough, "{small:?}");
        assert!(small.notes[0].contains("6 queries are judged, 30 are needed"), "{small:?}");
        let unknown = advise(&trials, &setting(None));
        assert!(unknown.best.is_none() && unknown.notes[0].contains("without judgments"));
        assert_eq!(advise(&[], &setting(None)).best, None);
    }
}
