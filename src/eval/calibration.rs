//! What `rerankd calibrate` says: for each category and model the scores, the floor, the order, the window, the margin gate and
//! the kinds of queries to skip.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    confidence::{self, ConfidenceAdvice},
    floor::{self, FloorAdvice, FloorPoint, Histogram, Objective, Scored},
    folds::{self, OneText},
    kinds::{self, KindAdvice, Sample},
    margin::{self, MarginAdvice},
    orders::{self, OrderAdvice},
    reference,
    trial::{Scorer, Trial, Way},
    window::{self, Setting, WindowAdvice},
};

/// Suggestions for every category and model.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Calibration {
    /// One per category and model that has scores.
    pub groups: Vec<CalibratedGroup>,
    /// Categories none of whose hits has a score, with why.
    pub empty: Vec<String>,
}

/// The queries of one category that one model scored.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CalibratedGroup {
    /// Their kind; `None` for those that have none.
    pub category: Option<String>,
    /// Who scored. Scores do not carry over to another one.
    pub scorer: Scorer,
    /// The collections that they search.
    pub collections: Vec<String>,
    /// How many queries there are.
    pub queries: usize,
    /// How many are judged and have something relevant.
    pub judged: usize,
    /// What the two parts of the histogram are.
    pub parts: [&'static str; 2],
    /// Where the scores lie.
    pub histogram: Histogram,
    /// What floors do; empty without judgments.
    pub floors: Vec<FloorPoint>,
    /// The floor to set; `None` without judgments.
    pub floor: Option<FloorAdvice>,
    /// How likely hits are relevant; `None` without judgments.
    pub confidence: Option<ConfidenceAdvice>,
    /// The best score of each search.
    pub best_scores: Vec<f64>,
    /// The order to set, and its window.
    pub order: OrderAdvice,
    /// The window to set.
    pub window: WindowAdvice,
    /// The margin gate to set.
    pub margin: MarginAdvice,
    /// The kinds of queries to skip.
    pub kinds: KindAdvice,
}

/// What a provider's scores need to be read; by the provider's name and the collections that are searched.
pub type SettingOf<'a, 'b> = &'b dyn Fn(&str, &[String]) -> Setting<'a>;

impl Calibration {
    /// From the scored candidates of every query.
    pub fn of(trials: &[Trial], setting: SettingOf<'_, '_>, objective: Objective) -> Self {
        let mut groups: BTreeMap<(Option<&str>, &Scorer), Vec<&Trial>> = BTreeMap::new();
        let mut empty: BTreeMap<Option<&str>, Vec<&Trial>> = BTreeMap::new();
        for trial in trials {
            let category = trial.category.as_deref();
            match &trial.scorer {
                Some(scorer) if trial.scored() > 0 => {
                    groups.entry((category, scorer)).or_default().push(trial);
                }
                _ => empty.entry(category).or_default().push(trial),
            }
        }
        empty.retain(|category, _| !groups.keys().any(|(scored, _)| scored == category));
        Self {
            groups: groups
                .into_iter()
                .map(|((category, scorer), trials)| {
                    let collections = collections(&trials);
                    let setting = setting(&scorer.provider, &collections);
                    CalibratedGroup { collections, ..group(category, scorer, &trials, &setting, objective) }
                })
                .collect(),
            empty: empty.into_iter().map(|(category, trials)| unscored(category, &trials)).collect(),
        }
    }
}

fn collections(trials: &[&Trial]) -> Vec<String> {
    let mut all: Vec<String> = trials.iter().flat_map(|trial| trial.collections.clone()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn unscored(category: Option<&str>, trials: &[&Trial]) -> String {
    let mut reasons: Vec<&str> = trials.iter().map(|trial| trial.reason.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    format!(
        "{}: no hit has a score ({})",
        category.unwrap_or("queries without a category"),
        reasons.join(", ")
    )
}

fn group(
    category: Option<&str>,
    scorer: &Scorer,
    trials: &[&Trial],
    setting: &Setting<'_>,
    objective: Objective,
) -> CalibratedGroup {
    let judged: Vec<&Trial> = trials
        .iter()
        .copied()
        .filter(|trial| setting.judgments.is_some_and(|j| j.queries.contains_key(&trial.query)))
        .collect();
    let by_judgment: Vec<Vec<Scored>> = judged.iter().map(|trial| labelled(trial, setting)).collect();
    let with_judgments = !judged.is_empty();
    let histogram = if with_judgments {
        Histogram::of(by_judgment.iter().flatten())
    } else {
        let parted: Vec<Vec<Scored>> = trials.iter().map(|trial| top_and_tail(trial, setting.k)).collect();
        Histogram::of(parted.iter().flatten())
    };
    let hopeful: Vec<&Trial> =
        trials.iter().copied().filter(|trial| setting.grades(&trial.query).is_some()).collect();
    let texts = folds::texts(&hopeful, setting.seed);
    let order = orders::advise(&texts, setting);
    // What follows is of the order to set.
    let ordered = Setting { way: order.best.map_or(setting.way, |(way, _)| way), ..*setting };
    let mut window = window::advise(trials, &ordered);
    if let Some((_, best)) = order.best {
        (window.window, window.enough) = (Some(best), order.enough);
        // They are of the largest window.
        window.notes.clear();
    }
    let gate_window = window.window.unwrap_or(setting.largest);
    let kinds = kinds_of(trials, &texts, &order, setting);
    CalibratedGroup {
        category: category.map(str::to_owned),
        scorer: scorer.clone(),
        collections: Vec::new(),
        queries: trials.len(),
        judged: hopeful.len(),
        parts: if with_judgments { ["relevant", "not relevant"] } else { ["top", "tail"] },
        histogram,
        floors: if with_judgments { floor::curve(&by_judgment) } else { Vec::new() },
        floor: with_judgments.then(|| advised(&judged, &by_judgment, setting, objective)),
        best_scores: reference::best_scores(trials, gate_window),
        confidence: with_judgments.then(|| {
            confidence::advise(&by_judgment, &folds::parts(&judged, setting.seed), setting.min_queries)
        }),
        margin: margin::advise(trials, &ordered, gate_window),
        kinds,
        order,
        window,
    }
}

/// The kinds to skip, in the order to set; where none is suggested, in the one that is configured.
fn kinds_of(
    trials: &[&Trial],
    judged: &[OneText<'_>],
    order: &OrderAdvice,
    setting: &Setting<'_>,
) -> KindAdvice {
    let (way, window) = setting.configured;
    // A provider that fuses by itself goes before the setting.
    let configured =
        (if trials.iter().any(|trial| trial.fused.is_some()) { Way::AsRun } else { way }, window);
    let in_use = order.best.unwrap_or(configured);
    // What was not chosen is the same without whichever part.
    let without = match order.best {
        Some(_) => order.without.clone(),
        None => kinds::without(judged, in_use, setting),
    };
    let all = folds::texts(trials, setting.seed);
    kinds::advise(Sample { all: &all, judged, without: &without, order: in_use }, setting)
}

fn advised(
    judged: &[&Trial],
    hits: &[Vec<Scored>],
    setting: &Setting<'_>,
    objective: Objective,
) -> FloorAdvice {
    let mut advice = floor::advise(hits, objective, setting.min_queries, setting.seed);
    let known = |trial: &Trial, id: &String| {
        setting
            .judgments
            .and_then(|all| all.queries.get(&trial.query))
            .is_some_and(|own| own.contains_key(id))
    };
    let unknown: usize = judged
        .iter()
        .map(|trial| {
            let scored = trial.candidates.iter().filter(|candidate| candidate.relevance.is_some());
            scored.filter(|candidate| !known(trial, &candidate.id)).count()
        })
        .sum();
    if unknown > 0 {
        advice.notes.push(format!(
            "{unknown} scored hits have no judgment and count as not relevant: the precision is at least what is said"
        ));
    }
    advice
}

/// The scored candidates of a judged query. What has no judgment counts as not relevant.
fn labelled(trial: &Trial, setting: &Setting<'_>) -> Vec<Scored> {
    let grades = setting.judgments.and_then(|judgments| judgments.queries.get(&trial.query));
    let scored = |candidate: &super::trial::Candidate| {
        let relevant = grades.and_then(|grades| grades.get(&candidate.id)).is_some_and(|&grade| grade > 0);
        candidate.relevance.map(|score| Scored { score, relevant })
    };
    trial.candidates.iter().filter_map(scored).collect()
}

/// Without judgments: the `k` best scores apart from the others.
fn top_and_tail(trial: &Trial, k: usize) -> Vec<Scored> {
    let mut scores: Vec<f64> = trial.candidates.iter().filter_map(|candidate| candidate.relevance).collect();
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    scores.into_iter().enumerate().map(|(at, score)| Scored { score, relevant: at < k }).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            judgments::Judgments, measures::Grades, trial::test_support::trial,
            window::tests::setting as one_setting,
        },
        *,
    };

    fn sample() -> (Vec<Trial>, Judgments) {
        let mut judgments = Judgments::default();
        let mut trials: Vec<Trial> = (0..6)
            .map(|at| {
                let query = format!("q{at}");
                judgments.queries.insert(query.clone(), Grades::from([("b".to_owned(), 1)]));
                let mut trial =
                    trial(&query, &[("a", 0.9, 0.1), ("b", 0.8, 0.6 + at as f64 / 100.0), ("c", 0.1, 0.05)]);
                trial.category = Some(if at < 3 { "faq" } else { "code" }.to_owned());
                trial
            })
            .collect();
        trials[5].scorer = Some(Scorer { provider: "jina".into(), model: "m".into() });
        (trials, judgments)
    }

    #[test]
    fn categories_and_models_are_kept_apart() {
        let (trials, judgments) = sample();
        let calibration =
            Calibration::of(&trials, &|_, _| one_setting(Some(&judgments)), Objective::Recall(1.0));
        let groups: Vec<_> = calibration
            .groups
            .iter()
            .map(|group| (group.category.as_deref(), group.scorer.provider.as_str(), group.queries))
            .collect();
        assert_eq!(
            groups,
            [(Some("code"), "cohere", 2), (Some("code"), "jina", 1), (Some("faq"), "cohere", 3)]
        );
        let faq = &calibration.groups[2];
        assert_eq!(faq.floor.as_ref().unwrap().min_score, Some(0.6));
        let notes = &faq.floor.as_ref().unwrap().notes;
        assert!(notes.iter().any(|note| note.starts_with("6 scored hits have no judgment")), "{notes:?}");
        assert_eq!((faq.window.window, faq.parts[0]), (Some(3), "relevant"));
        assert_eq!(faq.histogram.upper.iter().sum::<u64>(), 3);
        assert_eq!(faq.floors.len(), 51);
    }

    #[test]
    fn without_judgments_top_and_tail_are_shown_and_no_floor_is_suggested() {
        let (trials, _) = sample();
        let setting = |_: &str, _: &[String]| Setting { k: 1, ..one_setting(None) };
        let calibration = Calibration::of(&trials, &setting, Objective::Recall(0.95));
        let faq = &calibration.groups[2];
        assert_eq!((faq.floor.as_ref(), faq.parts), (None, ["top", "tail"]));
        assert_eq!(
            (faq.histogram.upper.iter().sum::<u64>(), faq.histogram.lower.iter().sum::<u64>()),
            (3, 6)
        );
    }

    #[test]
    fn categories_without_scores_and_no_queries_are_reported() {
        let mut lost = Trial { query: "x".into(), category: Some("lost".into()), ..Trial::default() };
        lost.reason = "no_text".into();
        let calibration = Calibration::of(&[lost], &|_, _| one_setting(None), Objective::Recall(0.95));
        assert_eq!(calibration.empty, ["lost: no hit has a score (no_text)"]);
        let nothing = Calibration::of(&[], &|_, _| one_setting(None), Objective::Recall(0.95));
        assert!(nothing.groups.is_empty() && nothing.empty.is_empty());
    }
}
