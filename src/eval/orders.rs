//! Which order to give hits: by relevance alone, or by both orders, each with several windows. Chosen and judged by
//! cross-fitting ([`super::folds`]): the best of many is always good on the queries that it was chosen by.

use serde::Serialize;

use super::{
    bootstrap::{self, Interval},
    folds::{FOLDS, OneText},
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
    /// Mean gain of nDCG over all queries, which have chosen it.
    pub chosen_by: f64,
    /// Mean gain of what each part of the queries would get if the others alone chose the best of this kind.
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
    /// How many texts are judged.
    pub judged: usize,
    /// Mean gain of what each part of them would get if the others alone chose the best of all.
    pub gain: Option<f64>,
    /// How sure that is.
    pub interval: Option<Interval>,
    /// Without each part, what the best of all gains for every text.
    #[serde(skip)]
    pub without: Vec<Vec<f64>>,
    /// What to know about it.
    pub notes: Vec<String>,
}

/// One order and window, and what it gains for every text.
struct Row {
    way: Way,
    window: usize,
    gains: Vec<f64>,
}

/// The order to suggest for these judged texts.
pub fn advise(texts: &[OneText<'_>], setting: &Setting<'_>) -> OrderAdvice {
    let mut advice = OrderAdvice { judged: texts.len(), ..OrderAdvice::default() };
    if texts.is_empty() {
        advice.notes.push("without judgments it is not known which order is better".to_owned());
        return advice;
    }
    let is_small = texts.len() < setting.min_queries;
    advice.fuses_itself = texts.iter().flat_map(|text| &text.trials).any(|trial| trial.fused.is_some());
    let kinds: Vec<Vec<Vec<Row>>> =
        kinds(advice.fuses_itself).into_iter().map(|ways| rows(&ways, texts, setting)).collect();
    advice.kinds = kinds.iter().filter_map(|kind| point(kind, texts, setting)).collect();
    advice.kinds.sort_by(|a, b| b.chosen_by.total_cmp(&a.chosen_by));
    let of_all = |counts: &dyn Fn(usize) -> bool| {
        let best = kinds.iter().filter_map(|kind| best_of(kind, counts));
        best.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, gain)| *gain > 0.0).map(|(row, _)| row)
    };
    advice.without = without_each(texts, of_all);
    (advice.gain, advice.interval) = judged(&advice.without, texts, setting);
    let Some(first) = advice.kinds.first().filter(|first| first.chosen_by > 0.0) else {
        advice.notes.push("no order gains anything over the database's: none is suggested".to_owned());
        return advice;
    };
    let is_sure = advice.interval.is_some_and(|interval| interval.low > 0.0);
    if !is_sure && !is_small {
        advice.notes.push(format!(
            "what four fifths of the {} queries choose gains nothing beyond chance on the fifth that is left out: none is suggested",
            texts.len()
        ));
        return advice;
    }
    advice.best = Some((first.way, first.window));
    advice.enough = is_sure && !is_small;
    if is_small {
        advice.notes.push(format!(
            "the sample is too small to set it: {} queries are judged, {} are needed",
            texts.len(),
            setting.min_queries
        ));
    }
    if advice.fuses_itself && first.way != Way::AsRun {
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

/// Each of these ways with each window, from small to large.
fn rows(ways: &[Way], texts: &[OneText<'_>], setting: &Setting<'_>) -> Vec<Vec<Row>> {
    let trials = texts.iter().flat_map(|text| &text.trials);
    let most = trials.map(|trial| trial.candidates.len()).max().unwrap_or(0).min(setting.largest);
    let windows: Vec<usize> =
        WINDOWS.into_iter().filter(|window| *window < most).chain((most > 0).then_some(most)).collect();
    let row = |way: Way, window: usize| Row { way, window, gains: gains(texts, setting, way, window) };
    ways.iter().map(|&way| windows.iter().map(|&window| row(way, window)).collect()).collect()
}

/// The best of a kind, each at the smallest window that has nearly all of its gain, as the texts choose that count.
fn best_of<'r>(kind: &'r [Vec<Row>], counts: &dyn Fn(usize) -> bool) -> Option<(&'r Row, f64)> {
    let at_best = |rows: &'r Vec<Row>| {
        let own =
            |row: &Row| mean(row.gains.iter().enumerate().filter(|(at, _)| counts(*at)).map(|(_, g)| *g));
        let gains: Vec<(&Row, f64)> = rows.iter().filter_map(|row| Some((row, own(row)?))).collect();
        let best = gains.iter().map(|(_, gain)| *gain).fold(f64::NEG_INFINITY, f64::max);
        let enough = |gain: f64| if best > 0.0 { gain >= SHARE_OF_GAIN * best } else { gain >= best };
        gains.into_iter().find(|(_, gain)| enough(*gain))
    };
    kind.iter().filter_map(at_best).max_by(|a, b| a.1.total_cmp(&b.1))
}

/// For each part: what the choice of the others gains for every text. Nothing where they choose none.
fn without_each<'r>(
    texts: &[OneText<'_>],
    choose: impl Fn(&dyn Fn(usize) -> bool) -> Option<&'r Row>,
) -> Vec<Vec<f64>> {
    let of_others = |part: usize| {
        let counts = |at: usize| texts.get(at).is_some_and(|text| text.fold != part);
        choose(&counts).map_or_else(|| vec![0.0; texts.len()], |row| row.gains.clone())
    };
    (0..FOLDS).map(of_others).collect()
}

/// What each text gains by a choice that it has not made: the mean, and how sure it is.
fn judged(
    without: &[Vec<f64>],
    texts: &[OneText<'_>],
    setting: &Setting<'_>,
) -> (Option<f64>, Option<Interval>) {
    let own = held_out(without, texts);
    (mean(own.iter().copied()), bootstrap::mean_interval(&own, setting.seed))
}

/// What each text gains by a choice that it has not made.
pub fn held_out(without: &[Vec<f64>], texts: &[OneText<'_>]) -> Vec<f64> {
    let own = |(at, text): (usize, &OneText<'_>)| without.get(text.fold)?.get(at).copied();
    texts.iter().enumerate().filter_map(own).collect()
}

fn point(kind: &[Vec<Row>], texts: &[OneText<'_>], setting: &Setting<'_>) -> Option<OrderPoint> {
    let (row, chosen_by) = best_of(kind, &|_| true)?;
    let without = without_each(texts, |counts| best_of(kind, counts).map(|(row, _)| row));
    let (gain, interval) = judged(&without, texts, setting);
    Some(OrderPoint { way: row.way, window: row.window, chosen_by, gain, interval })
}

/// By how much nDCG rises, for each text.
pub fn gains(texts: &[OneText<'_>], setting: &Setting<'_>, way: Way, window: usize) -> Vec<f64> {
    let gain = |trial: &Trial| {
        let grades = setting.grades(&trial.query)?;
        let ndcg = |window| Measure::Ndcg.of(&trial.ordered(way, window), grades, setting.k);
        Some(ndcg(window) - ndcg(0))
    };
    texts.iter().map(|text| text.mean(gain).unwrap_or(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            folds, judgments::Judgments, measures::Grades, trial::test_support::trial, window::tests::setting,
        },
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

    fn advise(trials: &[&Trial], setting: &Setting<'_>) -> OrderAdvice {
        let judged: Vec<&Trial> =
            trials.iter().copied().filter(|trial| setting.grades(&trial.query).is_some()).collect();
        super::advise(&folds::texts(&judged, setting.seed), setting)
    }

    #[test]
    fn an_order_of_both_is_suggested_where_it_alone_gains() {
        let (trials, judgments) = second_of_both(40);
        let trials: Vec<&Trial> = trials.iter().collect();
        let setting = Setting { min_queries: 30, ..setting(Some(&judgments)) };
        let advice = advise(&trials, &setting);
        let (way, window) = advice.best.unwrap();
        assert!(matches!(way, Way::Fused(_)) && window == 4, "{advice:?}");
        assert!(advice.enough && advice.judged == 40 && advice.gain > Some(0.3), "{advice:?}");
        let relevance = advice.kinds.iter().find(|kind| kind.way == Way::Relevance).unwrap();
        assert!(relevance.chosen_by <= 0.0 && relevance.chosen_by < advice.kinds[0].chosen_by, "{advice:?}");
    }

    /// Forty queries whose relevant hit stands anywhere in both orders.
    fn at_random(seed: u64) -> (Vec<Trial>, Judgments) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut judgments = Judgments::default();
        let ids: Vec<String> = (0..12).map(|at| format!("d{at}")).collect();
        let mut one = |at: usize| {
            let scores: Vec<(&str, f64, f64)> = ids
                .iter()
                .enumerate()
                .map(|(at, id)| (id.as_str(), 1.0 - at as f64 / 20.0, random.f64()))
                .collect();
            let query = format!("q{at}");
            judgments.queries.insert(query.clone(), Grades::from([(ids[random.usize(..12)].clone(), 1)]));
            trial(&query, &scores)
        };
        ((0..40).map(&mut one).collect(), judgments)
    }

    #[test]
    fn orders_that_gain_by_chance_are_seldom_suggested_although_the_best_of_many_seems_to() {
        let (mut suggested, mut seemed) = (0, 0.0);
        for seed in 0..40 {
            let (trials, judgments) = at_random(seed);
            let trials: Vec<&Trial> = trials.iter().collect();
            let advice = advise(&trials, &Setting { min_queries: 30, ..setting(Some(&judgments)) });
            suggested += usize::from(advice.best.is_some());
            seemed += advice.kinds[0].chosen_by / 40.0;
            assert!(advice.best.is_some() || !advice.notes.is_empty());
        }
        // One of forty is beyond a side of a 95 % interval; binomial, 0.025: at most 4 but for 0.3 %.
        assert!(suggested <= 4, "{suggested}");
        assert!(seemed > 0.02, "the queries that chose say so: {seemed}");
    }

    #[test]
    fn a_text_never_judges_a_choice_that_it_has_made() {
        let (mut trials, judgments) = at_random(1);
        // Each text comes twice.
        for (at, trial) in trials.iter_mut().enumerate() {
            trial.text.as_mut().unwrap().twin = at as u64 / 2;
        }
        let trials: Vec<&Trial> = trials.iter().collect();
        let advice = advise(&trials, &Setting { min_queries: 10, ..setting(Some(&judgments)) });
        assert_eq!((advice.judged, advice.without.len(), advice.without[0].len()), (20, FOLDS, 20));
        // Whatever a text gains, the choice by which it is judged stays.
        let texts = folds::texts(&trials, 1);
        let kind = |own: f64| {
            let row = |window, gains: f64, own: f64| Row {
                way: Way::Relevance,
                window,
                gains: texts.iter().enumerate().map(|(at, _)| if at == 3 { own } else { gains }).collect(),
            };
            vec![vec![row(10, 0.1, -own), row(20, 0.2, own)]]
        };
        let judged = |own: f64| {
            let kind = kind(own);
            let without = without_each(&texts, |counts| best_of(&kind, counts).map(|(row, _)| row));
            held_out(&without, &texts)[3]
        };
        assert_eq!((judged(-100.0), judged(100.0)), (-100.0, 100.0));
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
