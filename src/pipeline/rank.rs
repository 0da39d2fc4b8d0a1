//! From hits to an order: documents, one rerank call per query text, the ranking of every list.

use std::sync::Arc;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt;

use super::{Outcome, Pipeline, PlannedSearch, Profile, Report, ScoreMode, outcome::Moves, plan::Work};
use crate::{
    document,
    rerank::{RerankError, RerankRequest, Scores},
    search::{Candidate, HitList, HitPage, KeepReason, OrderRule, Ranked, Ranking, order},
};

/// The rankings of an answer, and how each search ended.
pub struct RankedPage {
    /// One per list of the page; `None` leaves the list as it is.
    pub rankings: Vec<Option<Ranking>>,
    /// One per search.
    pub reports: Vec<Report>,
}

/// The documents of one list: which hit each belongs to.
struct ListDocuments {
    list: usize,
    hits: Vec<usize>,
    documents: Vec<Arc<str>>,
}

/// Lists that share query text, profile and settings, and so one call.
struct Call<'a> {
    work: &'a Work,
    profile: &'a Arc<Profile>,
    lists: Vec<ListDocuments>,
}

type CallResult = Result<Scores, KeepReason>;

impl Pipeline {
    /// Ranks the lists of `page`, the answer to `searches`.
    pub async fn rank(&self, searches: &[PlannedSearch], page: &HitPage) -> RankedPage {
        let (calls, mut reports) = self.collect_calls(searches, page);
        let results = join_all(calls.iter().map(|call| self.score(call))).await;
        let mut rankings: Vec<Option<Ranking>> = page
            .lists
            .iter()
            .map(|list| searches.get(list.search).and_then(|s| database_order(s, list)))
            .collect();
        for (call, result) in calls.iter().zip(&results) {
            apply_call(searches, page, call, result, &mut rankings, &mut reports);
        }
        RankedPage { rankings, reports }
    }

    /// The database's own order of every list, cut back to the client's page, for a `reason`.
    pub fn keep_order(&self, searches: &[PlannedSearch], page: &HitPage, reason: KeepReason) -> RankedPage {
        let own = |list: &HitList| searches.get(list.search).and_then(|s| database_order(s, list));
        let why = |search: &PlannedSearch| search.work.as_ref().err().copied().unwrap_or(reason);
        RankedPage {
            rankings: page.lists.iter().map(own).collect(),
            reports: searches.iter().map(|search| Report::kept(why(search))).collect(),
        }
    }

    fn collect_calls<'a>(
        &self,
        searches: &'a [PlannedSearch],
        page: &HitPage,
    ) -> (Vec<Call<'a>>, Vec<Report>) {
        let mut calls: Vec<Call<'a>> = Vec::new();
        let mut reports: Vec<Report> = searches
            .iter()
            .map(|search| match &search.work {
                Err(reason) => Report::kept(*reason),
                Ok(work) => Report { source: Some(work.source), ..Report::kept(KeepReason::NotRanked) },
            })
            .collect();
        for (at, list) in page.lists.iter().enumerate() {
            let Some(search) = searches.get(list.search) else { continue };
            let (Ok(work), true) = (&search.work, list.hits.len() > 1) else { continue };
            let documents = list_documents(search, work, at, list, page);
            if documents.documents.is_empty() {
                if reports[list.search].documents == 0 {
                    reports[list.search].outcome = Outcome::Kept(KeepReason::NoText);
                    let keys = || document::top_level_keys(&page.body, &list.hits[0]);
                    self.tell_no_text(&search.intent.collections, keys);
                }
                continue;
            }
            reports[list.search].documents += documents.documents.len();
            match calls.iter_mut().find(|call| call.shares(search, work)) {
                Some(call) => call.lists.push(documents),
                None => calls.push(Call { work, profile: &search.profile, lists: vec![documents] }),
            }
        }
        (calls, reports)
    }

    async fn score(&self, call: &Call<'_>) -> CallResult {
        let answer_by = Instant::now() + call.work.deadline;
        let documents: Arc<[Arc<str>]> =
            call.lists.iter().flat_map(|list| list.documents.iter().cloned()).collect();
        let count = documents.len();
        let request = RerankRequest {
            query: call.work.query.clone(),
            documents,
            model: call.work.model.clone(),
            answer_by,
            background: false,
        };
        let scores = call.profile.reranker.clone().oneshot(request);
        let answer = timeout_at(answer_by, scores).await.unwrap_or(Err(RerankError::Deadline));
        match answer {
            Ok(scores) if scores.scores.len() != count => Err(KeepReason::BadResponse),
            Ok(Scores { failure: Some(failure), .. }) => Err(failure.reason()),
            Ok(scores) => Ok(scores),
            Err(error) => Err(error.class().reason()),
        }
    }
}

impl Call<'_> {
    fn shares(&self, search: &PlannedSearch, work: &Work) -> bool {
        Arc::ptr_eq(self.profile, &search.profile)
            && self.work.query == work.query
            && self.work.model == work.model
            && self.work.deadline == work.deadline
    }
}

fn list_documents(
    search: &PlannedSearch,
    work: &Work,
    at: usize,
    list: &HitList,
    page: &HitPage,
) -> ListDocuments {
    let mut found = ListDocuments { list: at, hits: Vec::new(), documents: Vec::new() };
    for (place, hit) in list.hits.iter().enumerate() {
        if !in_window(search, work, place) {
            break;
        }
        if let Some(text) = document::document(&page.body, hit, &work.fields, search.profile.document_bytes) {
            found.hits.push(place);
            found.documents.push(text.into());
        }
    }
    found
}

/// Whether the hit at `place` of an answer is among the best candidates of the whole search.
pub(super) fn in_window(search: &PlannedSearch, work: &Work, place: usize) -> bool {
    let first = if search.widened() || search.intent.grouped { 0 } else { search.intent.offset };
    first.saturating_add(place as u64) < work.window
}

fn apply_call(
    searches: &[PlannedSearch],
    page: &HitPage,
    call: &Call<'_>,
    result: &CallResult,
    rankings: &mut [Option<Ranking>],
    reports: &mut [Report],
) {
    let mut from = 0;
    for (place, documents) in call.lists.iter().enumerate() {
        let list = &page.lists[documents.list];
        let report = &mut reports[list.search];
        let scores = match result {
            Ok(scores) => scores,
            Err(reason) => {
                report.outcome = Outcome::Kept(*reason);
                continue;
            }
        };
        let own = &scores.scores[from..from + documents.hits.len()];
        from += documents.hits.len();
        let search = &searches[list.search];
        let (ranking, unscored) = rank_list(search, call.work, list, &documents.hits, own);
        report.outcome = Outcome::Applied;
        report.unscored += unscored;
        report.model = Some(scores.model.clone());
        report.moves = Moves::of(&ranking.hits.iter().map(|ranked| ranked.hit).collect::<Vec<_>>());
        if place == 0 {
            report.cache_lookups += scores.cache_lookups;
            report.cache_hits += scores.cache_hits;
        }
        rankings[documents.list] = Some(ranking);
    }
}

fn rank_list(
    search: &PlannedSearch,
    work: &Work,
    list: &HitList,
    hits: &[usize],
    scores: &[Option<f32>],
) -> (Ranking, usize) {
    let mut candidates: Vec<Candidate> = (0..list.hits.len())
        .map(|place| Candidate { score: None, in_window: in_window(search, work, place) })
        .collect();
    for (&hit, &score) in hits.iter().zip(scores) {
        candidates[hit].score = score;
    }
    let unscored = candidates.iter().filter(|c| c.in_window && c.score.is_none()).count();
    let profile = &search.profile;
    let rule = OrderRule {
        min_score: work.min_score,
        min_keep: profile.min_keep,
        fuse: profile.score == ScoreMode::Rrf,
    };
    let ordered = order(&candidates, &rule);
    let best = ordered.iter().filter_map(|ranked| ranked.score).reduce(f32::max);
    let ranking = Ranking {
        hits: cut(search, ordered),
        replace_scores: profile.score == ScoreMode::Replace,
        annotate: profile.annotate,
        best,
        offset: search.intent.offset,
    };
    (ranking, unscored)
}

/// The client's page of a widened list.
fn cut(search: &PlannedSearch, hits: Vec<Ranked>) -> Vec<Ranked> {
    if !search.widened() {
        return hits;
    }
    let clamp = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    hits.into_iter().skip(clamp(search.intent.offset)).take(clamp(search.intent.limit)).collect()
}

/// The database's own order of a widened list, cut back to the client's page; `None` where nothing was widened.
fn database_order(search: &PlannedSearch, list: &HitList) -> Option<Ranking> {
    search.widened().then(|| Ranking {
        hits: cut(search, (0..list.hits.len()).map(|hit| Ranked { hit, score: None }).collect()),
        replace_scores: false,
        annotate: false,
        best: None,
        offset: search.intent.offset,
    })
}
