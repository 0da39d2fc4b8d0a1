//! The window curve: how much of the gain is reached with how many candidates, at what cost.

use serde::Serialize;

use super::{
    bootstrap::{self, Interval},
    judgments::Judgments,
    measures::{Change, Grades, Measure, mean},
    trial::{Trial, Way},
};
use crate::rerank::Billing;

/// The windows that are looked at, beside the largest.
pub(super) const WINDOWS: [usize; 7] = [10, 20, 30, 50, 75, 100, 150];
/// A window is suggested that reaches this share of the largest one's gain.
pub const SHARE_OF_GAIN: f64 = 0.95;

/// What one window does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowPoint {
    /// How many candidates are reranked.
    pub window: usize,
    /// Mean nDCG; `None` without judgments.
    pub ndcg: Option<f64>,
    /// By how much that is over the database's.
    pub gain: Option<f64>,
    /// How sure the gain is.
    pub interval: Option<Interval>,
    /// Share of the largest window's gain; `None` where that gains nothing.
    pub share_of_gain: Option<f64>,
    /// Share of the first hits that the largest window's order has too.
    pub overlap_with_largest: Option<f64>,
    /// What a search is probably billed, with an empty cache: search units or tokens.
    pub bill: Option<f64>,
}

/// The curve and what follows of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowAdvice {
    /// From small to large.
    pub curve: Vec<WindowPoint>,
    /// The smallest window that reaches [`SHARE_OF_GAIN`]; `None` if there is none to suggest.
    pub window: Option<usize>,
    /// Whether the sample is large enough to set it.
    pub enough: bool,
    /// What to know about it.
    pub notes: Vec<String>,
}

/// How a group was scored and is to be measured.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    /// Grades, if there are any.
    pub judgments: Option<&'a Judgments>,
    /// How many hits count.
    pub k: usize,
    /// The largest window.
    pub largest: usize,
    /// What the provider charges for.
    pub billing: Billing,
    /// Whether a score depends on the other documents.
    pub listwise: bool,
    /// Fewer queries are too small a sample.
    pub min_queries: usize,
    /// For the draws.
    pub seed: u64,
    /// How the hits are ordered.
    pub way: Way,
    /// The order and the window that the configuration has now.
    pub configured: (Way, usize),
}

impl<'a> Setting<'a> {
    /// The grades of a query that has something relevant.
    pub fn grades(&self, query: &str) -> Option<&'a Grades> {
        self.judgments?.queries.get(query).filter(|grades| super::measures::relevant(grades) > 0)
    }
}

/// The window to suggest for these queries.
pub fn advise(trials: &[&Trial], setting: &Setting<'_>) -> WindowAdvice {
    let most = trials.iter().map(|trial| trial.candidates.len()).max().unwrap_or(0).min(setting.largest);
    let mut windows: Vec<usize> = WINDOWS.into_iter().filter(|&window| window < most).collect();
    windows.extend(Some(most).filter(|&most| most > 0));
    let mut advice = WindowAdvice { curve: Vec::new(), window: None, enough: false, notes: Vec::new() };
    let whole = gains(trials, setting, most);
    let largest_gain = mean(whole.iter().map(|(before, after)| after - before));
    advice.curve = windows.iter().map(|&window| point(trials, setting, window, most, largest_gain)).collect();
    if setting.listwise {
        advice.notes.push(
            "the provider scores a list as a whole: the curve is an estimate from the scores of the largest window"
                .to_owned(),
        );
    }
    match largest_gain {
        None => advice
            .notes
            .push("without judgments the curve shows agreement, not gain: no window is suggested".to_owned()),
        Some(gain) if gain <= 0.0 => {
            advice.notes.push(
                "reranking gains nothing here at the largest window: no window is suggested".to_owned(),
            );
        }
        Some(_) => {
            let reaches =
                |point: &&WindowPoint| point.share_of_gain.is_some_and(|share| share >= SHARE_OF_GAIN);
            advice.window = advice.curve.iter().find(reaches).map(|point| point.window);
            let sure = bootstrap::mean_interval(&differences(&whole), setting.seed);
            advice.enough =
                whole.len() >= setting.min_queries && sure.is_some_and(|interval| interval.low > 0.0);
            if whole.len() < setting.min_queries {
                advice.notes.push(format!(
                    "the sample is too small: {} queries are judged, {} are needed",
                    whole.len(),
                    setting.min_queries
                ));
            } else if !advice.enough {
                advice.notes.push("the gain may be chance: its 95 % interval reaches below 0".to_owned());
            }
        }
    }
    advice
}

/// nDCG before and after for every judged query.
fn gains(trials: &[&Trial], setting: &Setting<'_>, window: usize) -> Vec<(f64, f64)> {
    let both = |trial: &&Trial| {
        let grades = setting.grades(&trial.query)?;
        let ndcg = |window| Measure::Ndcg.of(&trial.ordered(setting.way, window), grades, setting.k);
        Some((ndcg(0), ndcg(window)))
    };
    trials.iter().filter_map(both).collect()
}

fn differences(pairs: &[(f64, f64)]) -> Vec<f64> {
    pairs.iter().map(|(before, after)| after - before).collect()
}

fn point(
    trials: &[&Trial],
    setting: &Setting<'_>,
    window: usize,
    most: usize,
    largest_gain: Option<f64>,
) -> WindowPoint {
    let pairs = gains(trials, setting, window);
    let gain = mean(differences(&pairs));
    let overlap = |trial: &&Trial| {
        let order = |window| trial.ordered(setting.way, window);
        Change::between(&order(most), &order(window), setting.k).overlap
    };
    WindowPoint {
        window,
        ndcg: mean(pairs.iter().map(|&(_, after)| after)),
        gain,
        interval: bootstrap::mean_interval(&differences(&pairs), setting.seed),
        share_of_gain: gain
            .zip(largest_gain)
            .filter(|(_, largest)| *largest > 0.0)
            .map(|(gain, largest)| gain / largest),
        overlap_with_largest: mean(trials.iter().filter_map(overlap)),
        bill: mean(trials.iter().map(|trial| trial.bill(window, setting.billing))),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{super::trial::test_support::trial, *};

    pub(crate) fn setting(judgments: Option<&Judgments>) -> Setting<'_> {
        Setting {
            judgments,
            k: 5,
            largest: 100,
            billing: Billing::SearchUnits,
            listwise: false,
            min_queries: 3,
            seed: 1,
            way: Way::AsRun,
            configured: (Way::AsRun, 50),
        }
    }

    /// Sixty candidates; the relevant one stands at `place` and scores best.
    fn searched(query: &str, place: usize) -> (Trial, Judgments) {
        let ids: Vec<String> = (0..60).map(|at| format!("d{at}")).collect();
        let candidates: Vec<(&str, f64, f64)> = ids
            .iter()
            .enumerate()
            .map(|(at, id)| (id.as_str(), 1.0 - at as f64 / 100.0, if at == place { 0.9 } else { 0.1 }))
            .collect();
        let grades = Grades::from([(format!("d{place}"), 1)]);
        let judgments = Judgments { queries: [(query.to_owned(), grades)].into(), repeated: 0 };
        (trial(query, &candidates), judgments)
    }

    #[test]
    fn the_smallest_window_that_reaches_the_gain_is_suggested() {
        let mut judgments = Judgments::default();
        let trials: Vec<Trial> = (0..4)
            .map(|at| {
                let (trial, own) = searched(&format!("q{at}"), 15 + at);
                judgments.queries.extend(own.queries);
                trial
            })
            .collect();
        let trials: Vec<&Trial> = trials.iter().collect();
        let advice = advise(&trials, &setting(Some(&judgments)));
        assert_eq!(advice.curve.iter().map(|point| point.window).collect::<Vec<_>>(), [10, 20, 30, 50, 60]);
        assert_eq!((advice.window, advice.enough), (Some(20), true));
        assert_eq!((advice.curve[0].gain, advice.curve[1].gain), (Some(0.0), Some(1.0)));
        assert_eq!(advice.curve[4].bill, Some(1.0));
        let few = advise(&trials[..2], &setting(Some(&judgments)));
        assert!(!few.enough && few.notes[0].contains("2 queries are judged, 3 are needed"), "{few:?}");
    }

    #[test]
    fn without_judgments_queries_or_gain_nothing_is_suggested_and_it_is_said() {
        let (one, _) = searched("q", 15);
        let advice = advise(&[&one], &setting(None));
        assert_eq!((advice.window, advice.curve[0].ndcg), (None, None));
        assert!(
            advice.curve[0].overlap_with_largest.is_some() && advice.notes[0].contains("without judgments")
        );
        assert!(advise(&[], &setting(None)).curve.is_empty());
        let (one, judgments) = searched("q", 0);
        let advice = advise(&[&one], &setting(Some(&judgments)));
        assert!(advice.window.is_none() && advice.curve[0].share_of_gain.is_none());
        assert!(advice.notes[0].contains("gains nothing"), "{advice:?}");
        let listwise = advise(&[&one], &Setting { listwise: true, ..setting(Some(&judgments)) });
        assert!(listwise.notes[0].contains("estimate"));
    }
}
