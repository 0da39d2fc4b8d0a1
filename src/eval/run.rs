//! A whole run: read, check, send, measure.

use std::{collections::BTreeMap, path::PathBuf};

use tokio_util::sync::CancellationToken;

use super::{
    calibration::Calibration,
    checkpoint::{Checkpoint, CheckpointError, Done},
    evaluation::{Evaluation, Rules},
    findings,
    floor::Objective,
    input::{Input, InputFile, InputProblem, InputProblems},
    judgments::Judgments,
    queries::{Defaults, Queries},
    report::{ReportDocument, Setup, yaml},
    run_file,
    runner::{self, Ran, RunSettings},
    setup::{self, Means, Purpose},
    trial::{Scorer, Trial, Way},
    window::Setting,
};
use crate::{
    config::{Config, to_yaml},
    probe::{Probe, ProbeError},
    rerank::Billing,
};

/// How to measure, whatever is measured.
#[derive(Clone, Debug)]
pub struct MeasureSettings {
    /// How many hits count.
    pub k: usize,
    /// For the bootstrap.
    pub seed: u64,
    /// What 1,000 search units, or a million tokens, cost.
    pub price: Option<f64>,
}

/// What to run.
pub struct RunRequest {
    /// The configuration, the server's own.
    pub config: Config,
    /// Which listener's database, from 0.
    pub listener: usize,
    /// What for.
    pub means: Means,
    /// The queries.
    pub queries: Input,
    /// Which documents are relevant.
    pub judgments: Option<Input>,
    /// What the lines of queries leave open.
    pub defaults: Defaults,
    /// Queries at a time.
    pub concurrency: usize,
    /// Where results are kept, and whether to go on from there.
    pub checkpoint: Option<(PathBuf, bool)>,
    /// Whether the checkpoint stays when all is done.
    pub keep_checkpoint: bool,
    /// How to measure.
    pub measure: MeasureSettings,
    /// What a floor is to reach.
    pub objective: Objective,
    /// Fewer queries are too small a sample.
    pub min_queries: usize,
    /// Said of every figure.
    pub caveat: Option<String>,
}

/// Why nothing was run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The files have problems.
    #[error("{0}")]
    Input(#[from] InputProblems),
    /// What is configured cannot be built.
    #[error(transparent)]
    Start(#[from] crate::app::StartError),
    /// The listener is not there.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// No provider has a key.
    #[error("no provider can be used: set CO_API_KEY, or name another one in rerank.providers")]
    NoProvider,
    /// The checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Reads everything, runs every query, measures. Bad files are reported before anything is sent.
pub async fn run(request: RunRequest, stop: CancellationToken) -> Result<ReportDocument, RunError> {
    let judgments = request.judgments.as_ref().map(|file| Judgments::read(&file.name, &file.bytes));
    let queries = Queries::read(&request.queries.name, &request.queries.bytes, &request.defaults);
    let (queries, judgments) = both(queries, judgments.transpose())?;
    let first = setup::first_provider(&request.config).map(str::to_owned);
    if first.is_none() && !request.means.dry_run {
        return Err(RunError::NoProvider);
    }
    let run = fingerprint(&request);
    let done = match &request.checkpoint {
        Some((path, resume)) => Checkpoint::read(path, &run, *resume)?,
        None => Done::default(),
    };
    let config = setup::measuring(&request.config, &left(&request.means, &done));
    let probe = Probe::new(&config, request.listener)??;
    check(&probe, &request.queries.name, &queries)?;
    let path = request.checkpoint.as_ref().map(|(path, _)| path);
    let mut checkpoint = path.map(|path| Checkpoint::open(path, &run, &done)).transpose()?;
    let settings =
        RunSettings { concurrency: request.concurrency, max_search_units: request.means.max_search_units };
    let ran = runner::run(&probe, &queries.queries, done, checkpoint.as_mut(), &settings, stop).await?;
    let complete = ran.failed.is_empty();
    if let Some(checkpoint) = checkpoint.filter(|_| complete && !request.keep_checkpoint) {
        checkpoint.remove()?;
    }
    Ok(document(&request, &config, first.as_deref(), &queries, judgments.as_ref(), ran))
}

/// Both files' problems are reported together.
fn both(
    queries: Result<Queries, InputProblems>,
    judgments: Result<Option<Judgments>, InputProblems>,
) -> Result<(Queries, Option<Judgments>), InputProblems> {
    match (queries, judgments) {
        (Ok(queries), Ok(judgments)) => Ok((queries, judgments)),
        (Err(mut problems), Err(more)) => {
            problems.0.extend(more.0);
            Err(problems)
        }
        (Err(problems), Ok(_)) | (Ok(_), Err(problems)) => Err(problems),
    }
}

/// That every request is one search; nothing is sent.
fn check(probe: &Probe, file: &str, queries: &Queries) -> Result<(), InputProblems> {
    let problem = |query: &super::queries::Query| {
        let error = probe.check(&query.ask).err()?;
        let expected = format!("expected one search in the listener's dialect: {error}");
        Some(InputProblem { file: file.to_owned(), line: query.line, expected })
    };
    InputProblems(queries.queries.iter().filter_map(problem).collect()).or(())
}

/// What an earlier run has spent counts.
fn left(means: &Means, done: &Done) -> Means {
    let left = |most: u64| (most as f64 - done.search_units()).max(0.0) as u64;
    Means { max_search_units: means.max_search_units.map(left), ..*means }
}

/// Equal for runs that may resume from each other. Judgments, measures and the budget may differ.
fn fingerprint(request: &RunRequest) -> String {
    let config = &setup::measuring(&request.config, &Means { max_search_units: None, ..request.means });
    let mut hasher = blake3::Hasher::new();
    let defaults = &request.defaults;
    for part in [
        to_yaml(config).as_bytes(),
        format!("{:?} {} {defaults:?}", request.means.purpose, request.listener).as_bytes(),
        &request.queries.bytes,
    ] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.finalize().to_hex().to_string()
}

fn document(
    request: &RunRequest,
    config: &Config,
    first: Option<&str>,
    queries: &Queries,
    judgments: Option<&Judgments>,
    ran: Ran,
) -> ReportDocument {
    let measure = &request.measure;
    // A dry run is billed as the provider that it replaces would be.
    let (billing, _) = setup::charges(&request.config, first.or(named(&request.config)).unwrap_or_default());
    let window = usize::try_from(config.rerank.window).unwrap_or(usize::MAX);
    let rules = Rules {
        judgments,
        k: measure.k,
        seed: measure.seed,
        billing,
        window,
        deadline: request.config.rerank.deadline.as_secs_f64() * 1000.0,
        price: measure.price,
    };
    let mut evaluation = Evaluation::of(&ran.trials, &rules);
    let calibration = match request.means.purpose {
        Purpose::Calibrate { .. } if !request.means.dry_run => {
            Some(calibration(request, config, judgments, &ran.trials, window))
        }
        _ => None,
    };
    let yaml = calibration
        .as_ref()
        .map(|calibration| yaml::fragment(calibration, first.unwrap_or_default(), window));
    let mut notes = findings::of_input(queries, judgments);
    notes.extend(findings::of_trials(&ran.trials, judgments, measure.k));
    if request.means.dry_run {
        evaluation.groups.clear();
        notes.push(
            "a dry run: no provider was called, and nothing is measured but what it would cost".to_owned(),
        );
    }
    if billing == Billing::Tokens && request.means.max_search_units.is_some() {
        notes.push("--max-search-units limits search units; this provider bills tokens".to_owned());
    }
    let listener = config.listeners.get(request.listener);
    ReportDocument {
        command: match request.means.purpose {
            Purpose::Evaluate => "eval",
            Purpose::Calibrate { .. } => "calibrate",
        },
        version: env!("CARGO_PKG_VERSION"),
        date: now(),
        complete: ran.failed.is_empty(),
        stopped: ran.stopped,
        setup: Setup {
            source: listener.map(|listener| listener.upstream.url.to_string()).unwrap_or_default(),
            providers: config.rerank.providers.clone(),
            models: models(&ran.trials),
            files: std::iter::once(request.queries.described("Queries file"))
                .chain(request.judgments.as_ref().map(|file| file.described("Judgments file")))
                .collect(),
            window,
            seed: measure.seed,
            caveat: request.caveat.clone(),
        },
        queries: queries.queries.len(),
        done: ran.trials.len(),
        failed: ran.failed,
        notes,
        evaluation,
        calibration,
        yaml,
    }
}

/// To a second.
fn now() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}

/// Who scored, the most frequent first.
fn models(trials: &[Trial]) -> Vec<String> {
    let mut counts: BTreeMap<&Scorer, usize> = BTreeMap::new();
    for scorer in trials.iter().filter_map(|trial| trial.scorer.as_ref()) {
        *counts.entry(scorer).or_default() += 1;
    }
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all.into_iter().map(|(scorer, _)| format!("{} / {}", scorer.provider, scorer.model)).collect()
}

/// The files of a comparison.
fn read_from(runs: &[Input], judgments: &Input) -> Vec<InputFile> {
    let run = |(at, file): (usize, &Input)| file.described(if at == 0 { "Run before" } else { "Run after" });
    runs.iter().enumerate().map(run).chain([judgments.described("Judgments file")]).collect()
}

/// The first provider of the chain, with a key or without.
fn named(config: &Config) -> Option<&str> {
    config.rerank.providers.first().map(String::as_str)
}

fn calibration(
    request: &RunRequest,
    config: &Config,
    judgments: Option<&Judgments>,
    trials: &[Trial],
    window: usize,
) -> Calibration {
    let setting = |provider: &str, collections: &[String]| {
        let (billing, listwise) = setup::charges(config, provider);
        Setting {
            judgments,
            k: request.measure.k,
            largest: window,
            billing,
            listwise,
            min_queries: request.min_queries,
            seed: request.measure.seed,
            way: Way::AsRun,
            configured: setup::in_use(&request.config, collections, window),
        }
    };
    Calibration::of(trials, &setting, request.objective)
}

/// Measures one or two runs made elsewhere; nothing is sent. Judged queries that a run lacks count as empty
/// responses, as in `ir-measures`.
pub fn compare(
    runs: &[Input],
    judgments_file: &Input,
    measure: &MeasureSettings,
) -> Result<ReportDocument, InputProblems> {
    let mut read: Vec<BTreeMap<String, Vec<String>>> = Vec::new();
    let mut problems = InputProblems::default();
    for file in runs {
        match run_file::read(&file.name, &file.bytes) {
            Ok(run) => read.push(run),
            Err(more) => problems.0.extend(more.0),
        }
    }
    let judgments = match Judgments::read(&judgments_file.name, &judgments_file.bytes) {
        Ok(judgments) => judgments,
        Err(more) => {
            problems.0.extend(more.0);
            Judgments::default()
        }
    };
    let read = problems.or(read)?;
    let mut ids: Vec<&String> = judgments.queries.keys().collect();
    ids.sort_unstable();
    let of = |run: Option<&BTreeMap<String, Vec<String>>>, id: &String| {
        run.and_then(|run| run.get(id)).cloned().unwrap_or_default()
    };
    let trial = |id: &String| Trial {
        query: id.clone(),
        before: of(read.first(), id),
        after: of(read.last(), id),
        outcome: "applied".to_owned(),
        ..Trial::default()
    };
    let trials: Vec<Trial> = ids.into_iter().map(trial).collect();
    let rules = Rules {
        judgments: Some(&judgments),
        k: measure.k,
        seed: measure.seed,
        billing: Billing::Free,
        window: 0,
        deadline: f64::INFINITY,
        price: None,
    };
    let mut notes = Vec::new();
    let unjudged = read.iter().flat_map(|run| run.keys()).filter(|id| !judgments.queries.contains_key(*id));
    let unjudged: std::collections::BTreeSet<&String> = unjudged.collect();
    if !unjudged.is_empty() {
        notes.push(format!("{} queries of the runs have no judgments and are left out", unjudged.len()));
    }
    let missing = trials.iter().filter(|trial| trial.before.is_empty() || trial.after.is_empty()).count();
    if missing > 0 {
        notes.push(format!("{missing} judged queries are missing in a run: they count as empty responses"));
    }
    Ok(ReportDocument {
        command: "eval",
        version: env!("CARGO_PKG_VERSION"),
        date: now(),
        complete: true,
        stopped: None,
        setup: Setup {
            source: runs.iter().map(|file| file.name.as_str()).collect::<Vec<_>>().join(" and "),
            seed: measure.seed,
            files: read_from(runs, judgments_file),
            ..Setup::default()
        },
        queries: trials.len(),
        done: trials.len(),
        failed: Vec::new(),
        notes,
        evaluation: Evaluation::of(&trials, &rules),
        calibration: None,
        yaml: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(text: &str) -> Input {
        Input { name: "f".to_owned(), bytes: text.as_bytes().to_vec() }
    }

    const MEASURE: MeasureSettings = MeasureSettings { k: 10, seed: 1, price: None };

    #[test]
    fn two_runs_are_compared_and_what_is_missing_counts_as_empty() {
        let before = input("q1 0 a 1 2 x\nq1 0 b 2 1 x\nzz 0 a 1 1 x\n");
        let after = input("q1 0 b 1 2 x\nq1 0 a 2 1 x\n");
        let document = compare(&[before, after], &input("q1 0 b 1\nq2 0 a 1\n"), &MEASURE)
            .unwrap_or_else(|e| panic!("{e}"));
        let mrr = &document.evaluation.groups[0].measures[1];
        assert_eq!((mrr.before, mrr.after, document.done), (Some(0.25), Some(0.5), 2));
        assert_eq!(document.notes.len(), 2, "{:?}", document.notes);
    }

    #[test]
    fn problems_of_all_files_are_reported_together() {
        let problems = compare(&[input("q1 0 a"), input("?")], &input("q1"), &MEASURE).unwrap_err();
        assert_eq!(problems.0.len(), 3);
    }
}
