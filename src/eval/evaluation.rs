//! What `rerankd eval` says: before and after, over all queries and for each category.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    bootstrap::{self, Interval},
    expense::{self, Cost, Latency},
    judgments::Judgments,
    measures::{Change, Grades, Measure, mean, relevant},
    trial::Trial,
};
use crate::rerank::Billing;

/// Before and after, measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Evaluation {
    /// How many hits count.
    pub k: usize,
    /// Whether there are judgments: without them only change is measured.
    pub judged: bool,
    /// All queries first, then each category.
    pub groups: Vec<Group>,
    /// How many searches ended how: `applied`, or why the order was kept.
    pub outcomes: BTreeMap<String, usize>,
    /// How long each step took.
    pub latency: Latency,
    /// What it cost, and would.
    pub cost: Cost,
    /// Every query, in the order of the file.
    pub queries: Vec<QueryResult>,
}

/// Some queries together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// Their category; `None` for all queries.
    pub category: Option<String>,
    /// How many there are.
    pub queries: usize,
    /// How many are judged and have something relevant.
    pub judged: usize,
    /// One per measure; empty without judgments.
    pub measures: Vec<Comparison>,
    /// How much changed.
    pub change: MeanChange,
}

/// One measure before and after.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Its name, such as `nDCG@10`.
    pub measure: String,
    /// The mean of the database's order.
    pub before: Option<f64>,
    /// The mean of the reranked one.
    pub after: Option<f64>,
    /// After less before.
    pub difference: Option<f64>,
    /// The 95 % interval of the difference, by the paired bootstrap.
    pub interval: Option<Interval>,
    /// Queries that gained.
    pub better: usize,
    /// Queries that lost.
    pub worse: usize,
}

/// Means of how far the two orders are apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct MeanChange {
    /// Share of the first hits that both have.
    pub overlap: Option<f64>,
    /// Places that a hit moved.
    pub displacement: Option<f64>,
    /// Kendall's τ.
    pub kendall_tau: Option<f64>,
    /// Share of the queries with another first hit.
    pub top_changed: Option<f64>,
}

/// One query.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueryResult {
    /// Its id.
    pub query: String,
    /// Its kind.
    pub category: Option<String>,
    /// How its search ended.
    pub outcome: String,
    /// Every measure before and after; empty where it is not judged.
    pub measures: Vec<QueryMeasure>,
    /// By how much nDCG rose.
    pub gain: Option<f64>,
    /// Share of the first hits that both orders have.
    pub overlap: Option<f64>,
    /// Kendall's τ.
    pub kendall_tau: Option<f64>,
    /// Whether another hit is first.
    pub top_changed: bool,
    /// The ids of the database's order.
    pub before: Vec<String>,
    /// The ids of the reranked one.
    pub after: Vec<String>,
}

/// One measure of one query.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueryMeasure {
    /// Its name.
    pub measure: String,
    /// Of the database's order.
    pub before: f64,
    /// Of the reranked one.
    pub after: f64,
}

/// How to measure.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Grades, if there are any.
    pub judgments: Option<&'a Judgments>,
    /// How many hits count.
    pub k: usize,
    /// For the draws of the bootstrap.
    pub seed: u64,
    /// What the provider charges for.
    pub billing: Billing,
    /// The configured window.
    pub window: usize,
    /// The configured deadline, in milliseconds.
    pub deadline: f64,
    /// What 1,000 search units, or a million tokens, cost.
    pub price: Option<f64>,
}

impl<'a> Rules<'a> {
    fn grades(&self, query: &str) -> Option<&'a Grades> {
        self.judgments?.queries.get(query).filter(|grades| relevant(grades) > 0)
    }
}

impl Evaluation {
    /// Measures the results.
    pub fn of(trials: &[Trial], rules: &Rules<'_>) -> Self {
        let queries: Vec<QueryResult> = trials.iter().map(|trial| measured(trial, rules)).collect();
        let mut groups = vec![group(None, &queries.iter().collect::<Vec<_>>(), rules)];
        let mut categories: BTreeMap<&str, Vec<&QueryResult>> = BTreeMap::new();
        for query in &queries {
            if let Some(category) = &query.category {
                categories.entry(category).or_default().push(query);
            }
        }
        groups.extend(categories.into_iter().map(|(name, of)| group(Some(name), &of, rules)));
        let mut outcomes = BTreeMap::new();
        for query in &queries {
            *outcomes.entry(query.outcome.clone()).or_default() += 1;
        }
        Self {
            k: rules.k,
            judged: rules.judgments.is_some(),
            groups,
            outcomes,
            latency: expense::latency(trials, rules.deadline),
            cost: expense::cost(trials, rules),
            queries,
        }
    }

    /// The queries with the biggest gains, and those with the biggest losses, of nDCG.
    pub fn extremes(&self, most: usize) -> (Vec<&QueryResult>, Vec<&QueryResult>) {
        let gain = |query: &&QueryResult| query.gain.unwrap_or(0.0);
        let mut sorted: Vec<&QueryResult> =
            self.queries.iter().filter(|query| query.gain.is_some()).collect();
        sorted.sort_by(|a, b| gain(b).total_cmp(&gain(a)));
        let gains = sorted.iter().copied().take_while(|query| gain(query) > 0.0).take(most).collect();
        let losses = sorted.iter().rev().copied().take_while(|query| gain(query) < 0.0).take(most).collect();
        (gains, losses)
    }
}

fn measured(trial: &Trial, rules: &Rules<'_>) -> QueryResult {
    let change = Change::between(&trial.before, &trial.after, rules.k);
    let measures = rules.grades(&trial.query).map_or(Vec::new(), |grades| {
        let both = |measure: Measure| QueryMeasure {
            measure: measure.name(rules.k),
            before: measure.of(&trial.before, grades, rules.k),
            after: measure.of(&trial.after, grades, rules.k),
        };
        Measure::ALL.into_iter().map(both).collect()
    });
    QueryResult {
        query: trial.query.clone(),
        category: trial.category.clone(),
        outcome: match trial.outcome.as_str() {
            "applied" => "applied".to_owned(),
            outcome => format!("{outcome}; reason={}", trial.reason),
        },
        gain: measures.first().map(|ndcg: &QueryMeasure| ndcg.after - ndcg.before),
        measures,
        overlap: change.overlap,
        kendall_tau: change.tau,
        top_changed: change.top_changed,
        before: trial.before.clone(),
        after: trial.after.clone(),
    }
}

fn group(category: Option<&str>, queries: &[&QueryResult], rules: &Rules<'_>) -> Group {
    let compare = |at: usize| {
        let pairs: Vec<(f64, f64)> = queries
            .iter()
            .filter_map(|query| query.measures.get(at).map(|measure| (measure.before, measure.after)))
            .collect();
        comparison(Measure::ALL.get(at)?.name(rules.k), &pairs, rules.seed)
    };
    let displacement =
        |query: &&QueryResult| Change::between(&query.before, &query.after, rules.k).displacement;
    Group {
        category: category.map(str::to_owned),
        queries: queries.len(),
        judged: queries.iter().filter(|query| !query.measures.is_empty()).count(),
        measures: (0..Measure::ALL.len()).filter_map(compare).collect(),
        change: MeanChange {
            overlap: mean(queries.iter().filter_map(|query| query.overlap)),
            displacement: mean(queries.iter().filter_map(displacement)),
            kendall_tau: mean(queries.iter().filter_map(|query| query.kendall_tau)),
            top_changed: mean(queries.iter().map(|query| f64::from(u8::from(query.top_changed)))),
        },
    }
}

/// `None` where no query is judged.
fn comparison(measure: String, pairs: &[(f64, f64)], seed: u64) -> Option<Comparison> {
    let differences: Vec<f64> = pairs.iter().map(|(before, after)| after - before).collect();
    Some(Comparison {
        measure,
        before: Some(mean(pairs.iter().map(|pair| pair.0))?),
        after: mean(pairs.iter().map(|pair| pair.1)),
        difference: mean(differences.iter().copied()),
        interval: bootstrap::mean_interval(&differences, seed),
        better: differences.iter().filter(|difference| **difference > 0.0).count(),
        worse: differences.iter().filter(|difference| **difference < 0.0).count(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::{super::trial::test_support::trial, *};

    pub(crate) fn rules(judgments: Option<&Judgments>) -> Rules<'_> {
        Rules {
            judgments,
            k: 10,
            seed: 1,
            billing: Billing::SearchUnits,
            window: 50,
            deadline: 1000.0,
            price: Some(2.0),
        }
    }

    fn sample() -> (Vec<Trial>, Judgments) {
        let mut judgments = Judgments::default();
        let mut trials = Vec::new();
        for (query, category, good) in [("up", "faq", "b"), ("down", "faq", "a"), ("same", "code", "z")] {
            judgments.queries.insert(query.to_owned(), Grades::from([(good.to_owned(), 2)]));
            let mut trial = trial(query, &[("a", 0.9, 0.1), ("b", 0.8, 0.7), ("c", 0.7, 0.05)]);
            trial.category = Some(category.to_owned());
            trial.search_units = 1.0;
            trial.times.rerank = 1500.0;
            trials.push(trial);
        }
        (trials, judgments)
    }

    #[test]
    fn before_and_after_are_compared_over_all_and_by_category() {
        let (trials, judgments) = sample();
        let evaluation = Evaluation::of(&trials, &rules(Some(&judgments)));
        let names: Vec<_> = evaluation.groups.iter().map(|group| group.category.as_deref()).collect();
        assert_eq!(names, [None, Some("code"), Some("faq")]);
        let ndcg = &evaluation.groups[0].measures[0];
        assert_eq!((ndcg.measure.as_str(), ndcg.better, ndcg.worse), ("nDCG@10", 1, 1));
        assert!(ndcg.difference.unwrap().abs() < 1e-12 && ndcg.interval.is_some());
        assert_eq!(evaluation.groups[1].measures[0].interval, None, "of one query");
        assert_eq!(evaluation.groups[0].change.top_changed, Some(1.0));
        let (gains, losses) = evaluation.extremes(5);
        assert_eq!((gains[0].query.as_str(), losses[0].query.as_str(), gains.len()), ("up", "down", 1));
        assert_eq!((evaluation.cost.search_units, evaluation.cost.price_per_1000), (3.0, Some(2.0)));
        assert_eq!((evaluation.latency.past_deadline, evaluation.latency.database.mean), (3, None));
    }

    #[test]
    fn without_judgments_only_change_is_measured() {
        let (trials, _) = sample();
        let evaluation = Evaluation::of(&trials, &rules(None));
        assert!(!evaluation.judged && evaluation.groups[0].measures.is_empty());
        assert_eq!(evaluation.groups[0].change.overlap, Some(1.0));
        assert_eq!(evaluation.extremes(5), (vec![], vec![]));
    }

    #[test]
    fn nothing_at_all_gives_no_number_that_is_not_one() {
        for judgments in [None, Some(&Judgments::default())] {
            let evaluation = Evaluation::of(&[], &rules(judgments));
            let json = serde_json::to_string(&evaluation).unwrap();
            assert!(!json.contains("NaN") && json.contains(r#""overlap":null"#), "{json}");
            assert_eq!(evaluation.cost.search_units_per_1000, None);
        }
        let empty =
            Trial { query: "q".into(), outcome: "kept".into(), reason: "no_text".into(), ..Trial::default() };
        let evaluation = Evaluation::of(&[empty], &rules(None));
        assert_eq!(evaluation.outcomes["kept; reason=no_text"], 1);
        assert_eq!(evaluation.cost.search_units_per_1000, Some(0.0));
    }
}
