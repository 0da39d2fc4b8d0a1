//! A run to report on.

use std::sync::LazyLock;

use super::{Failure, ReportDocument, Setup, yaml};
use crate::eval::input::InputFile;
use crate::{
    eval::{
        calibration::Calibration,
        evaluation::{Evaluation, Rules},
        floor::Objective,
        judgments::Judgments,
        measures::Grades,
        trial::{Trial, test_support::trial},
        window::Setting,
    },
    rerank::Billing,
};

/// `count` queries whose relevant hit stands at 16 and scores best.
fn sample(count: usize) -> (Vec<Trial>, Judgments) {
    let mut judgments = Judgments::default();
    let ids: Vec<String> = (0..60).map(|at| format!("d{at}")).collect();
    let trials = (0..count).map(|at| {
        let relevance =
            |place: usize| if place == 15 { 0.6 + at as f64 / 200.0 } else { 0.3 - place as f64 / 300.0 };
        let candidates: Vec<(&str, f64, f64)> = ids
            .iter()
            .enumerate()
            .map(|(at, id)| (id.as_str(), 0.5 / (at as f64 + 1.0), relevance(at)))
            .collect();
        let query = format!("q{at}");
        judgments.queries.insert(query.clone(), Grades::from([("d15".to_owned(), 3)]));
        let mut trial = trial(&query, &candidates);
        trial.category = Some("faq".to_owned());
        trial.search_units = 1.0;
        trial.times = crate::eval::trial::Times { database: 3.0, widened: 4.0, rerank: 120.0, whole: 125.0 };
        trial
    });
    (trials.collect(), judgments)
}

fn calibrated(trials: &[Trial], judgments: Option<&Judgments>) -> Calibration {
    let setting = |_: &str, _: &[String]| Setting {
        judgments,
        k: 10,
        largest: 100,
        billing: Billing::SearchUnits,
        listwise: false,
        min_queries: 30,
        seed: 1,
        way: Default::default(),
        configured: (Default::default(), 50),
    };
    Calibration::of(trials, &setting, Objective::Recall(0.95))
}

/// Suggestions from so many queries.
pub(crate) fn calibration(count: usize) -> Calibration {
    let (trials, judgments) = sample(count);
    calibrated(&trials, Some(&judgments))
}

/// A whole report.
pub(crate) fn document(judged: bool) -> ReportDocument {
    static BOTH: LazyLock<[ReportDocument; 2]> = LazyLock::new(|| [false, true].map(made));
    BOTH[usize::from(judged)].clone()
}

fn made(judged: bool) -> ReportDocument {
    let (trials, judgments) = sample(40);
    let judgments = judged.then_some(&judgments);
    let rules = Rules {
        judgments,
        k: 10,
        seed: 1,
        billing: Billing::SearchUnits,
        window: 50,
        deadline: 1000.0,
        price: None,
    };
    let calibration = calibrated(&trials, judgments);
    let yaml = yaml::fragment(&calibration, "cohere", 100);
    ReportDocument {
        command: "calibrate",
        version: "0.1.0",
        date: "2026-02-03T04:05:06Z".into(),
        complete: false,
        stopped: None,
        setup: Setup {
            source: "http://127.0.0.1:6333".into(),
            providers: vec!["cohere".into()],
            models: vec!["cohere / rerank".into()],
            files: vec![InputFile {
                role: "Queries",
                name: "queries.jsonl".into(),
                bytes: 0,
                sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into(),
            }],
            window: 100,
            seed: 1,
            caveat: None,
        },
        queries: 41,
        done: 40,
        failed: vec![Failure { query: "<q41>".into(), reason: "upstream_error".into() }],
        notes: vec!["1 query: z & co has a note that is long enough to be wrapped, since it goes on and on until the end".into()],
        evaluation: Evaluation::of(&trials, &rules),
        calibration: Some(calibration),
        yaml: Some(yaml),
    }
}
