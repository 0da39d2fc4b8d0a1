//! `rerankd eval` and `rerankd calibrate`: from flags to a run, from what it found to the terminal and files.

use std::{
    collections::HashMap,
    fmt, fs,
    io::Write,
    path::{Path, PathBuf},
};

use tokio_util::sync::CancellationToken;

use super::{
    CalibrateArgs, EXIT_FAILURE, EXIT_OK, EXIT_PARTIAL, EXIT_USAGE, EvalArgs, MeasureArgs,
    output::{is_cut_off, say},
    serve::{block_on, tell},
    signals::Stop,
};
use crate::{
    config::{self, Config, Flags, Source},
    demo,
    eval::{
        self, Input, MeasureSettings, RunError, RunRequest,
        floor::{MIN_QUERIES, Objective},
        input::InputProblems,
        queries::Defaults,
        report::{ReportDocument, html, table},
        setup::{Means, Purpose},
    },
};

/// The note on every figure of the demo without a key.
const DEMO_CAVEAT: &str = "The demo's embedding is a toy and its reranker counts words: the figures show the mechanism, not \
                           the quality to expect.";

/// Why a command ended without a report.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error("what is to be measured? --queries FILE, or --demo; see --help")]
    Nothing,
    #[error("{0}")]
    Config(config::Problems),
    #[error("{0}")]
    Input(#[from] InputProblems),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error("the demo database could not start")]
    Demo(#[source] std::io::Error),
    #[error("signals cannot be caught")]
    Signals(#[source] std::io::Error),
    #[error("the report cannot be written to {}", .0.display())]
    Report(PathBuf, #[source] std::io::Error),
    #[error("the report cannot be printed")]
    Print(#[source] std::io::Error),
}

/// Runs `rerankd eval`; returns the exit code.
pub fn eval(args: &EvalArgs, env: &HashMap<String, String>) -> u8 {
    if !args.run.is_empty() {
        return ended(compare(args).and_then(|document| give(&args.measure, &document)));
    }
    // Without a floor to suggest, what it is to reach does not matter.
    measured(&args.measure, env, Purpose::Evaluate, (Objective::Recall(1.0), MIN_QUERIES))
}

/// Runs `rerankd calibrate`; returns the exit code.
pub fn calibrate(args: &CalibrateArgs, env: &HashMap<String, String>) -> u8 {
    let purpose = Purpose::Calibrate { window: args.window };
    measured(&args.measure, env, purpose, (args.objective, args.min_queries))
}

fn measured(
    args: &MeasureArgs,
    env: &HashMap<String, String>,
    purpose: Purpose,
    floor: (Objective, usize),
) -> u8 {
    block_on(async {
        let document = run(args, env, purpose, floor).await;
        ended(document.and_then(|document| give(args, &document)))
    })
}

fn ended(code: Result<u8, CommandError>) -> u8 {
    code.unwrap_or_else(|error| {
        match &error {
            CommandError::Nothing => {
                tell(&error);
                return EXIT_USAGE;
            }
            CommandError::Print(error) if is_cut_off(error) => return EXIT_OK,
            // Lines of their own, as `rerankd check` prints them.
            CommandError::Config(_) | CommandError::Input(_) | CommandError::Run(RunError::Input(_)) => {
                say(format_args!("{error}"));
            }
            error => tell(error),
        }
        EXIT_FAILURE
    })
}

fn compare(args: &EvalArgs) -> Result<ReportDocument, CommandError> {
    let runs: Result<Vec<Input>, InputProblems> = args.run.iter().map(|path| Input::read(path)).collect();
    let Some(judgments) = &args.measure.judgments else { return Err(CommandError::Nothing) };
    let judgments = Input::read(judgments)?;
    Ok(eval::compare(&runs?, &judgments, &settings(&args.measure))?)
}

fn settings(args: &MeasureArgs) -> MeasureSettings {
    MeasureSettings { k: usize::from(args.k), seed: args.seed, price: args.price }
}

async fn run(
    args: &MeasureArgs,
    env: &HashMap<String, String>,
    purpose: Purpose,
    (objective, min_queries): (Objective, usize),
) -> Result<ReportDocument, CommandError> {
    let stop = stop_on_signal()?;
    // Dropped at the end of the run, and with it the database.
    let database = match args.demo {
        true => Some(demo::DemoDatabase::start().await.map_err(CommandError::Demo)?),
        false => None,
    };
    let (config, files) = match (&database, &args.queries) {
        (Some(database), _) => demonstration(database, env, args.provider)?,
        (None, Some(queries)) => own(args, queries, env)?,
        (None, None) => return Err(CommandError::Nothing),
    };
    let caveat = files.caveat.clone();
    let request = RunRequest {
        config,
        listener: usize::from(args.listener - 1),
        means: Means { purpose, dry_run: args.dry_run, max_search_units: args.max_search_units },
        queries: files.queries,
        judgments: files.judgments,
        defaults: Defaults { collection: args.collection.clone(), limit: args.limit },
        concurrency: usize::from(args.concurrency),
        checkpoint: checkpoint(args, purpose),
        keep_checkpoint: args.checkpoint.is_some(),
        measure: settings(args),
        objective,
        min_queries,
        caveat,
    };
    Ok(eval::run(request, stop).await?)
}

/// The queries, the judgments, and the note on them.
struct Files {
    queries: Input,
    judgments: Option<Input>,
    caveat: Option<String>,
}

fn own(
    args: &MeasureArgs,
    queries: &Path,
    env: &HashMap<String, String>,
) -> Result<(Config, Files), CommandError> {
    let flags = Flags { upstream: args.upstream.clone(), ..Flags::default() };
    let config =
        Source::new(args.config.clone(), env.clone(), flags).load().config.map_err(CommandError::Config)?;
    let queries = Input::read(queries)?;
    let judgments = args.judgments.as_deref().map(Input::read).transpose()?;
    Ok((config, Files { queries, judgments, caveat: None }))
}

fn demonstration(
    database: &demo::DemoDatabase,
    env: &HashMap<String, String>,
    scorer: demo::Scorer,
) -> Result<(Config, Files), CommandError> {
    let config = demo::configuration(database, env, scorer).map_err(CommandError::Config)?;
    let file = |name: &str, text: String| Input { name: name.to_owned(), bytes: text.into_bytes() };
    let files = Files {
        queries: file("the demo's questions", demo::queries_file()),
        judgments: Some(file("the demo's answers", demo::judgments_file())),
        caveat: (scorer == demo::Scorer::Lexical).then(|| DEMO_CAVEAT.to_owned()),
    };
    Ok((config, files))
}

/// Where results are kept; nowhere for what costs nothing to do again.
fn checkpoint(args: &MeasureArgs, purpose: Purpose) -> Option<(PathBuf, bool)> {
    if args.dry_run {
        return None;
    }
    let command = if purpose == Purpose::Evaluate { "eval" } else { "calibrate" };
    let beside = |queries: &PathBuf| {
        let mut path = queries.clone().into_os_string();
        path.push(format!(".{command}-checkpoint"));
        PathBuf::from(path)
    };
    let path = args.checkpoint.clone().or_else(|| args.queries.as_ref().map(beside))?;
    Some((path, args.resume))
}

/// Cancelled by the first signal: what is under way is finished. The second one ends the program.
fn stop_on_signal() -> Result<CancellationToken, CommandError> {
    let token = CancellationToken::new();
    let (mut signals, cancelled) = (Stop::listen().map_err(CommandError::Signals)?, token.clone());
    tokio::spawn(async move {
        signals.next().await;
        cancelled.cancel();
        say(format_args!("stopping: the report will be about what is done; again to stop at once"));
        signals.next().await;
        std::process::exit(i32::from(EXIT_PARTIAL));
    });
    Ok(token)
}

/// Prints and writes the report; returns the exit code.
fn give(args: &MeasureArgs, document: &ReportDocument) -> Result<u8, CommandError> {
    if let Some(path) = &args.report {
        fs::write(path, html::page(document)).map_err(|error| CommandError::Report(path.clone(), error))?;
    }
    let text = if args.json { json(document) } else { table::table(document) };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CommandError::Print)?;
    Ok(if document.complete { EXIT_OK } else { EXIT_PARTIAL })
}

/// What is not a number is null.
fn json(document: &ReportDocument) -> String {
    serde_json::to_string_pretty(document).map_or_else(|error| error.to_string(), |json| json + "\n")
}

impl fmt::Debug for Files {
    /// Without the queries' text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}
