//! How searches whose order was kept are reported, and when their own form has to be sent.

use super::ProxyError;
use crate::{
    pipeline::{Outcome, PlannedSearch, Report},
    search::{FetchPlan, KeepReason, Rewrite, Strip},
    upstream::UpstreamError,
    wire::Page,
};

pub(super) fn kept(searches: &[PlannedSearch], reason: Option<KeepReason>) -> Vec<Report> {
    let why = |search: &PlannedSearch| match (&search.work, reason) {
        (Err(own), _) => *own,
        (Ok(_), Some(reason)) => reason,
        (Ok(_), None) => KeepReason::NotRanked,
    };
    searches.iter().map(|search| Report::kept(why(search))).collect()
}

/// What is requested upstream for each search.
pub(super) fn plans(searches: &[PlannedSearch]) -> Vec<&FetchPlan> {
    searches.iter().map(|search| &search.fetch).collect()
}

/// Whether the response is one that the client did not ask for: more hits, other hits, or fields that are taken out
/// again.
pub(super) fn changes_response(searches: &[PlannedSearch], rewrite: &Rewrite) -> bool {
    let mut all = searches.iter().enumerate();
    all.any(|(at, search)| is_changed(search, rewrite.strips.get(at)))
}

/// Whether a search was sent in a form other than its client's. `strip`: what the rewrite added to it.
pub(super) fn is_changed(search: &PlannedSearch, strip: Option<&Strip>) -> bool {
    let added = strip.is_some_and(|strip| *strip != Strip::default());
    search.widened() || search.fetch.without_reranker || added
}

/// Whether the database was reachable, but gave no response that could be passed on.
pub(super) fn is_not_response(error: &ProxyError) -> bool {
    use UpstreamError::{RequestBody, RequestStalled, Unreachable};
    !matches!(error, ProxyError::Upstream(Unreachable(_) | RequestBody(_) | RequestStalled))
}

/// Whether a search failed whose widened response, cut back, may not be the client's own.
pub(super) fn must_replay(searches: &[PlannedSearch], reports: &[Report], page: &dyn Page) -> bool {
    let sorted = |at: usize| page.lists().iter().any(|list| list.search == at && list.sorted);
    searches.iter().zip(reports).enumerate().any(|(at, (search, report))| {
        // Of one hit or none there is no other order.
        let kept =
            matches!(report.outcome, Outcome::Kept(reason) if reason != KeepReason::NotRanked || sorted(at));
        kept && search.work.is_ok() && search.must_replay()
    })
}

/// The reports of searches whose response is the client's own after all: none was applied.
pub(super) fn replayed(reports: Vec<Report>) -> Vec<Report> {
    let failed = reports.iter().find_map(|report| match report.outcome {
        Outcome::Kept(reason) => Some(reason),
        _ => None,
    });
    let keep = |report: Report| match (report.outcome, failed) {
        (Outcome::Kept(_), _) | (_, None) => report,
        (_, Some(reason)) => Report { source: report.source, ..Report::kept(reason) },
    };
    reports.into_iter().map(keep).collect()
}
