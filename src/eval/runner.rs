//! Runs the queries, some at a time, until all are done or the run is stopped.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use futures_util::{StreamExt, stream};
use tokio::time::{Duration, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    checkpoint::{Checkpoint, CheckpointError, Done},
    progress::Progress,
    queries::Query,
    report::Failure,
    trial::{Candidate, Scorer, TextLook, Times, Trial},
    twins::Twins,
};
use crate::{
    pipeline::{HitRecord, Outcome, ScoredBy, SearchRecord, Unscored},
    probe::{Probe, ProbeError, ProbeResponse},
    rerank::tokens,
    search::KeepReason,
};

/// After this many failures in a row the rest is not sent.
const MOST_FAILURES: usize = 5;
/// Delays between retries, where a limit asks for one. Together over a minute.
const WAITS: [Duration; 4] =
    [Duration::from_secs(3), Duration::from_secs(10), Duration::from_secs(20), Duration::from_secs(35)];

/// Time for queries in flight when the run is stopped.
const GRACE: Duration = Duration::from_secs(5);

/// How to run the queries.
#[derive(Clone, Copy, Debug)]
pub struct RunSettings {
    /// Queries at a time.
    pub concurrency: usize,
    /// The most search units to spend, with what an earlier run has spent.
    pub max_search_units: Option<u64>,
}

/// The result of a run.
#[derive(Default)]
pub struct Ran {
    /// Results, in the order of the queries.
    pub trials: Vec<Trial>,
    /// Queries without one.
    pub failed: Vec<Failure>,
    /// Why it ended early.
    pub stopped: Option<String>,
}

/// Why a query has no result.
#[derive(Clone, Debug, PartialEq)]
enum Lost {
    /// The database failed.
    Database(ProbeError),
    /// It failed after a rerank that has cost so many search units.
    Paid(ProbeError, f64),
    /// The rerank failed.
    Rerank(KeepReason),
    /// The run was stopped by the user.
    Stopped,
}

impl Lost {
    fn reason(&self) -> String {
        match self {
            Self::Database(error) | Self::Paid(error, _) => error.to_string(),
            Self::Rerank(reason) => reason.as_str().to_owned(),
            Self::Stopped => "stopped".to_owned(),
        }
    }

    /// What it has cost.
    fn search_units(&self) -> f64 {
        if let Self::Paid(_, units) = self { *units } else { 0.0 }
    }

    /// Whether the next query would fail in the same way.
    fn is_final(&self) -> bool {
        use KeepReason::{Auth, Billing, Budget, NoProvider, NotFound, QuotaExhausted};
        matches!(self, Self::Rerank(Auth | Billing | Budget | NoProvider | NotFound | QuotaExhausted))
    }
}

/// Runs every query that `done` does not hold. `stop` ends it early, with what is there.
pub async fn run(
    probe: &Probe,
    queries: &[Query],
    done: Done,
    mut checkpoint: Option<&mut Checkpoint>,
    settings: &RunSettings,
    stop: CancellationToken,
) -> Result<Ran, CheckpointError> {
    let mut tally = Tally::of(done, queries);
    tally.look_at_budget(settings, queries.len());
    let mut progress = Progress::new(tally.done.len(), queries.len());
    let ending = AtomicBool::new(tally.stopped.is_some());
    let twins = &Twins::of(queries);
    let todo: Vec<(usize, &Query)> =
        queries.iter().enumerate().filter(|(_, query)| !tally.done.contains_key(&query.id)).collect();
    let asked = stream::iter(todo)
        .take_while(|_| std::future::ready(!ending.load(Ordering::Relaxed) && !stop.is_cancelled()))
        .map(|(at, query)| {
            let stop = stop.clone();
            async move {
                (
                    query,
                    ask_with_deadline(&Asking { probe, twins }, query, at % 2 == 0, settings, &stop).await,
                )
            }
        });
    let mut responses = std::pin::pin!(asked.buffer_unordered(settings.concurrency.max(1)));
    let mut given_up = std::pin::pin!(async {
        stop.cancelled().await;
        sleep(GRACE).await;
    });
    loop {
        let (query, response) = tokio::select! {
            next = responses.next() => match next {
                Some(answered) => answered,
                None => break,
            },
            () = &mut given_up => break,
        };
        if let Some(checkpoint) = &mut checkpoint {
            match &response {
                Ok(trial) => checkpoint.add(trial)?,
                Err(lost) => checkpoint.lost(lost.search_units())?,
            }
        }
        tally.count(query, response, settings, queries.len());
        ending.store(tally.stopped.is_some(), Ordering::Relaxed);
        progress.step();
    }
    progress.end();
    Ok(tally.ran(queries, stop.is_cancelled()))
}

/// What has come so far.
#[derive(Default)]
struct Tally {
    done: HashMap<String, Trial>,
    failed: Vec<Failure>,
    stopped: Option<String>,
    search_units: f64,
    failures_in_a_row: usize,
}

impl Tally {
    /// From an earlier run, as far as it is about these queries; all of its cost.
    fn of(earlier: Done, queries: &[Query]) -> Self {
        let search_units = earlier.search_units();
        let mut done = earlier.trials;
        done.retain(|id, _| queries.iter().any(|query| query.id == *id));
        Self { done, search_units, ..Self::default() }
    }

    /// Sets `stopped` if nothing is left to spend on the rest.
    fn look_at_budget(&mut self, settings: &RunSettings, all: usize) {
        let spent = self.search_units;
        if settings.max_search_units.is_some_and(|most| spent >= most as f64) && self.done.len() < all {
            self.stop(format!("{spent} search units are spent (--max-search-units)"));
        }
    }

    /// Adds one result; sets `stopped` if it was to be the last.
    fn count(&mut self, query: &Query, response: Result<Trial, Lost>, settings: &RunSettings, all: usize) {
        match response {
            Ok(trial) => {
                self.failures_in_a_row = 0;
                self.search_units += trial.search_units;
                self.done.insert(trial.query.clone(), trial);
                self.look_at_budget(settings, all);
            }
            Err(lost) => {
                self.search_units += lost.search_units();
                self.look_at_budget(settings, all);
                self.failures_in_a_row += usize::from(lost != Lost::Stopped);
                if lost.is_final() || self.failures_in_a_row >= MOST_FAILURES {
                    self.stop(lost.reason());
                }
                self.failed.push(Failure { query: query.id.clone(), reason: lost.reason() });
            }
        }
    }

    /// The first reason stands.
    fn stop(&mut self, why: String) {
        self.stopped.get_or_insert(why);
    }

    /// Everything in the order of the queries.
    fn ran(mut self, queries: &[Query], by_signal: bool) -> Ran {
        if by_signal && self.done.len() < queries.len() {
            self.stop("stopped by a signal".to_owned());
        }
        let mut trials = Vec::new();
        for query in queries {
            match self.done.remove(&query.id) {
                Some(trial) => trials.push(trial),
                None if self.failed.iter().any(|failure| failure.query == query.id) => {}
                None => self.failed.push(Failure { query: query.id.clone(), reason: "not asked".to_owned() }),
            }
        }
        Ran { trials, failed: self.failed, stopped: self.stopped }
    }
}

/// What is needed to ask.
struct Asking<'a> {
    probe: &'a Probe,
    twins: &'a Twins,
}

/// Retries where a limit says to come back later.
async fn ask_with_deadline(
    asking: &Asking<'_>,
    query: &Query,
    plain_first: bool,
    settings: &RunSettings,
    stop: &CancellationToken,
) -> Result<Trial, Lost> {
    use KeepReason::{Budget, CircuitOpen, Overloaded, RateLimited};
    for wait in WAITS {
        match ask(asking, query, plain_first).await {
            Err(Lost::Rerank(RateLimited | Overloaded | CircuitOpen)) => {}
            // Perhaps the budget of the minute. The one of this run does not come back.
            Err(Lost::Rerank(Budget)) if settings.max_search_units.is_none() => {}
            response => return response,
        }
        tokio::select! {
            () = sleep(wait) => {}
            () = stop.cancelled() => return Err(Lost::Stopped),
        }
    }
    ask(asking, query, plain_first).await
}

/// Sends it both ways; which comes first changes from query to query, so that the database's caches favour neither.
async fn ask(asking: &Asking<'_>, query: &Query, plain_first: bool) -> Result<Trial, Lost> {
    let Asking { probe, twins } = asking;
    let (plain, reranked) = if plain_first {
        let plain = probe.plain(&query.ask).await.map_err(Lost::Database)?;
        (plain, probe.reranked(&query.ask).await.map_err(Lost::Database)?)
    } else {
        let reranked = probe.reranked(&query.ask).await.map_err(Lost::Database)?;
        let units = reranked.record.report.billed_units;
        (probe.plain(&query.ask).await.map_err(|error| Lost::Paid(error, units))?, reranked)
    };
    match reranked.kept() {
        Some(reason) if is_failure(reason) => Err(Lost::Rerank(reason)),
        _ => Ok(trial(query, twins, plain, reranked.response, &reranked.record)),
    }
}

/// Whether the order was kept for a reason that says nothing of the query: such a search is not measured.
fn is_failure(reason: KeepReason) -> bool {
    use KeepReason::*;
    match reason {
        UpstreamError | NoProvider | Deadline | RateLimited | Budget | CircuitOpen | Overloaded | Auth
        | Billing | NotFound | QuotaExhausted | ProviderUnavailable | Timeout | BadResponse => true,
        Off | NoQuery | AmbiguousQuery | StaleQuery | NoText | NotRanked | PastWindow | Unsupported
        | Malformed | Shadow | NotSampled | Skipped | Margin | InvalidRequest | TooLarge => false,
    }
}

fn trial(
    query: &Query,
    twins: &Twins,
    plain: ProbeResponse,
    reranked: ProbeResponse,
    record: &SearchRecord,
) -> Trial {
    let report = &record.report;
    let text = record.asked.as_ref().and_then(|asked| asked.query.as_deref());
    let asked = record.asked.as_ref();
    let scorer = report.provider.as_ref().map(|provider| Scorer {
        provider: provider.to_string(),
        model: report.model.as_deref().unwrap_or_default().to_owned(),
    });
    let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
    Trial {
        query: query.id.clone(),
        category: query.category.clone(),
        collections: asked.map(|asked| asked.collections.clone()).unwrap_or_default(),
        before: plain.ids,
        after: reranked.ids,
        outcome: report.outcome.as_str().to_owned(),
        reason: report.outcome.reason().to_owned(),
        scorer: scorer.filter(|_| !matches!(report.outcome, Outcome::Kept(_))),
        candidates: candidates(record),
        fused: report.fusion.map(Into::into),
        text: text.map(|text| TextLook::of(text, twins.mark(text))),
        query_tokens: text.map_or(0, tokens),
        cache_lookups: report.cache_lookups,
        cache_hits: report.cache_hits,
        search_units: report.billed_units,
        tokens: report.billed_tokens,
        times: Times {
            database: milliseconds(plain.took),
            widened: milliseconds(record.timings.upstream),
            rerank: milliseconds(record.timings.rerank),
            whole: milliseconds(reranked.took),
        },
    }
}

/// The hits of a plain search. The groups of a grouped one have no order in common.
fn candidates(record: &SearchRecord) -> Vec<Candidate> {
    let [list] = record.lists.as_slice() else { return Vec::new() };
    let candidate = |hit: &HitRecord| Candidate {
        id: hit.id.id.clone(),
        database_score: hit.database_score.as_ref().and_then(|score| score.parse().ok()),
        relevance: hit.relevance.map(f64::from),
        boosted: hit.boosted.as_ref().map(|boosted| boosted.score),
        holds: matches!(hit.scored_by, ScoredBy::Nobody(Unscored::Holds(_))),
        tokens: hit.document.as_ref().map_or(0, |document| tokens(&document.text).max(1)),
    };
    list.hits.iter().map(candidate).collect()
}
