//! From hits to an order: documents, one rerank call per query text, the ranking of every list.

use std::{sync::Arc, time::SystemTime};

use futures_util::future::join_all;

use super::{
    Judged, Outcome, Pipeline, PlannedSearch, Report,
    boosted::boosted,
    confidence::BestHits,
    list_order::{Places, Scored as Asked, database_order, rank_list, rule},
    outcome::Moves,
    plan::Work,
    record::Capture,
    scoring::{Call, CallResult, ListDocuments, Noting, Scored, Waiting},
    trace::{ListTrace, RankTrace},
    window::in_window,
};
use crate::{
    bounds::Permit,
    document,
    rerank::{CallLog, FailureClass, Scores, Siblings},
    search::{FusedBy, Fusion, Got, HitAt, HitList, KeepReason, Passage, Ranking, lead},
    traces::{OpenSpan, TraceParent},
    wire::Page,
};

/// The rankings of a response, and how each search ended.
pub struct RankedPage {
    /// One per list of the page; `None` leaves the list as it is.
    pub rankings: Vec<Option<Ranking>>,
    /// One per search.
    pub reports: Vec<Report>,
    /// What was done, hit by hit; `None` at [`Capture::Off`].
    pub trace: Option<RankTrace>,
}

impl Pipeline {
    /// Ranks the lists of `page`, as it was judged, while a client waits for it or after the response.
    /// `held` is the permit for the documents: it is released when the last call that uses some of them is over. At
    /// any level of `capture` but off it also keeps what [`RankTrace::lists`] is made of. `parent`: what the spans of
    /// its steps hang on.
    pub async fn rank(
        &self,
        judged: &Judged<'_>,
        page: &Arc<dyn Page>,
        waiting: Waiting,
        held: Permit,
        (capture, parent): (Capture, Option<&TraceParent>),
    ) -> RankedPage {
        let searches = &*judged.searches;
        let (calls, mut reports) = self.collect_calls(judged, page);
        let (held, log) = (Arc::new(held), (capture >= Capture::Calls).then(CallLog::default));
        let siblings = Siblings::default();
        let span = parent.filter(|_| !calls.is_empty()).map(|parent| parent.child("rerank"));
        let noting = || Noting {
            calls: log.clone(),
            siblings: siblings.clone(),
            trace: span.as_ref().map(OpenSpan::parent),
        };
        let results = calls.iter().map(|call| call.score(&**page, waiting, &held, noting()));
        let mut results = join_all(results).await;
        if let Some(span) = span {
            describe(span, &results);
        }
        for (call, result) in calls.iter().zip(&mut results) {
            if let (Some(boosts), Ok(scored)) = (&call.profile.boosts, result) {
                let scores = &scored.scores.scores;
                scored.boosted = boosted(&**page, call.hits(), scores, boosts, SystemTime::now());
            }
        }
        let own = |list: &HitList| searches.get(list.search).and_then(|s| database_order(s, list));
        let mut rankings: Vec<Option<Ranking>> = page.lists().iter().map(own).collect();
        let recorded = if capture == Capture::Off { 0 } else { page.lists().len() };
        let mut places: Vec<Option<Places>> = vec![None; recorded];
        for (call, result) in calls.iter().zip(&results) {
            apply_call(judged, &**page, call, result, &mut rankings, &mut reports, &mut places);
        }
        let trace = (capture != Capture::Off).then(|| RankTrace {
            lists: trace(calls, &results, &mut places),
            holding: judged.holding.clone(),
            calls: log,
        });
        RankedPage { rankings, reports, trace }
    }

    /// The database's own order of every list, cut back to the client's page, for a `reason`.
    pub fn keep_order(&self, searches: &[PlannedSearch], page: &dyn Page, reason: KeepReason) -> RankedPage {
        let own = |list: &HitList| searches.get(list.search).and_then(|s| database_order(s, list));
        let why = |search: &PlannedSearch| search.work.as_ref().err().copied().unwrap_or(reason);
        RankedPage {
            rankings: page.lists().iter().map(own).collect(),
            reports: searches.iter().map(|search| Report::kept(why(search))).collect(),
            trace: None,
        }
    }

    /// The calls that are needed, and how each search has ended that needs none.
    fn collect_calls<'a>(
        &self,
        judged: &'a Judged<'_>,
        page: &Arc<dyn Page>,
    ) -> (Vec<Call<'a>>, Vec<Report>) {
        let searches = &*judged.searches;
        let mut calls: Vec<Call<'a>> = Vec::new();
        let mut reports: Vec<Report> =
            searches.iter().enumerate().map(|(at, search)| report_before(&**page, at, search)).collect();
        for (at, list) in page.lists().iter().enumerate() {
            let Some(search) = searches.get(list.search) else { continue };
            let report = &mut reports[list.search];
            let held = judged.holding.count(at);
            report.held.add(held);
            let (Ok(work), true) = (&search.work, list.hits > 0) else { continue };
            let free = list.hits - held.all();
            // One hit has no order, and a client continues from the values that hits are sorted by.
            if free == 0 || free < work.fewest || list.sorted {
                continue;
            }
            if let Some(reason) = reason_to_keep(search, work, (at, list), judged, &**page) {
                report.outcome = Outcome::Kept(reason);
                continue;
            }
            let documents = list_documents(search, work, (at, list), judged, page);
            if documents.documents.is_empty() {
                without_text(search, work, (at, list), judged, &**page, report);
                continue;
            }
            report.documents += documents.documents.len();
            match calls.iter_mut().find(|call| call.shares(search, work)) {
                Some(call) => call.lists.push(documents),
                None => calls.push(Call { work, profile: &search.profile, lists: vec![documents] }),
            }
        }
        (calls, reports)
    }
}

/// What is said of a search of which no list comes to a call.
fn report_before(page: &dyn Page, at: usize, search: &PlannedSearch) -> Report {
    match &search.work {
        Err(reason) => Report::kept(*reason),
        Ok(work) => {
            let failed = has_failed(page, at);
            let reason = if failed { KeepReason::UpstreamError } else { KeepReason::NotRanked };
            Report { source: Some(work.source), ..Report::kept(reason) }
        }
    }
}

/// Why a list is not worth a call, before its documents are looked at.
fn reason_to_keep(
    search: &PlannedSearch,
    work: &Work,
    (at, list): (usize, &HitList),
    judged: &Judged<'_>,
    page: &dyn Page,
) -> Option<KeepReason> {
    if search.intent.offset >= work.window && !search.intent.grouped {
        return Some(KeepReason::PastWindow);
    }
    let window = free_in_window(search, work, (at, list), judged);
    is_clear(search, page, window).then_some(KeepReason::Margin)
}

/// Notes that no hit of a list has text, unless another list of the search has.
fn without_text(
    search: &PlannedSearch,
    work: &Work,
    (at, list): (usize, &HitList),
    judged: &Judged<'_>,
    page: &dyn Page,
    report: &mut Report,
) {
    if report.documents > 0 {
        return;
    }
    // Which fields there are says nothing where the database has refused to show them.
    if search.fetch.fields.is_none() && !document::wanted_fields(&work.fields).is_none() {
        report.outcome = Outcome::Kept(KeepReason::UpstreamError);
        return;
    }
    report.outcome = Outcome::Kept(KeepReason::NoText);
    let mut all = (0..list.hits).map(|hit| HitAt { list: at, hit });
    let first = all.find(|&at| judged.holding.of(at).is_none());
    let keys = first.map(|at| document::top_level_keys(page, at).join(", "));
    report.fields_seen = keys.map(Into::into);
}

/// Whether a search got an error, or hits but not of everything.
fn has_failed(page: &dyn Page, search: usize) -> bool {
    let is_whole = |got| matches!(got, Got::NoList | Got::Short);
    page.failed().iter().any(|failure| failure.search == search && !is_whole(failure.got))
}

fn list_documents(
    search: &PlannedSearch,
    work: &Work,
    (at, list): (usize, &HitList),
    judged: &Judged<'_>,
    page: &Arc<dyn Page>,
) -> ListDocuments {
    let free = free_in_window(search, work, (at, list), judged).map(|at| at.hit);
    let (hits, documents) = document::documents(page, at, free, &work.fields, search.profile.document_bytes);
    let collection = search.intent.collections.join(",").into();
    let is_whole = search.profile.confidence.is_some()
        && free_in_window(search, work, (at, list), judged).count() == hits.len();
    ListDocuments { list: at, search: list.search, collection, hits, documents: documents.into(), is_whole }
}

/// Whether the database's best hit of the `window` leads so far that an order change at the top is improbable.
fn is_clear(search: &PlannedSearch, page: &dyn Page, window: impl Iterator<Item = HitAt>) -> bool {
    let Some(gate) = search.profile.margin_gate else { return false };
    let scores: Option<Vec<f64>> = window.map(|at| page.score(at)?.number()).collect();
    scores.and_then(|scores| lead(&scores)).is_some_and(|lead| lead >= gate)
}

/// The hits of the window that do not keep their place. The others are never read.
fn free_in_window<'a>(
    search: &'a PlannedSearch,
    work: &'a Work,
    (nth, list): (usize, &'a HitList),
    judged: &'a Judged<'_>,
) -> impl Iterator<Item = HitAt> + 'a {
    let window = (0..list.hits).take_while(|&hit| in_window(search, work, hit));
    window.map(move |hit| HitAt { list: nth, hit }).filter(|&at| judged.holding.of(at).is_none())
}

/// Says in the span of the rerank step what it came to.
fn describe(mut span: OpenSpan, results: &[CallResult]) {
    let scores = || results.iter().filter_map(|result| result.as_ref().ok()).map(|scored| &scored.scores);
    let total = |of: fn(&Scores) -> i64| scores().map(of).sum::<i64>();
    span.set("rerankd.documents", total(|scores| scores.scores.len() as i64));
    span.set("rerankd.cache.lookups", total(|scores| i64::from(scores.cache_lookups)));
    span.set("rerankd.cache.hits", total(|scores| i64::from(scores.cache_hits)));
    if let Some(first) = scores().next() {
        span.set("rerankd.provider", first.provider.to_string());
        span.set("gen_ai.response.model", first.model.to_string());
    }
    match results.iter().find_map(|result| result.as_ref().err()) {
        Some(reason) => span.fail(reason.as_str()),
        None => span.end(),
    }
}

/// What the calls came to, list by list.
fn trace(calls: Vec<Call<'_>>, results: &[CallResult], places: &mut [Option<Places>]) -> Vec<ListTrace> {
    let mut lists = Vec::new();
    for (call, result) in calls.into_iter().zip(results) {
        let mut from = 0;
        for ListDocuments { list, hits, documents, .. } in call.lists {
            let own = from..from + hits.len();
            from = own.end;
            let places = places.get_mut(list).and_then(Option::take);
            let mut trace = ListTrace { list, hits, documents, places, ..ListTrace::default() };
            if let Ok(Scored { scores, passages, boosted }) = result {
                trace.boosted = boosted.get(own.clone()).map(<[_]>::to_vec).unwrap_or_default();
                trace.passages = passages.get(own.clone()).map(<[_]>::to_vec).unwrap_or_default();
                trace.from_cache = own.clone().map(|at| scores.is_from_cache(at)).collect();
                trace.scores = scores.scores.get(own).map(<[_]>::to_vec).unwrap_or_default();
                trace.sent_bytes = scores.sent_bytes;
                trace.failure = scores.failure;
            }
            lists.push(trace);
        }
    }
    lists
}

/// Notes the best passages of documents with the hits that they are of.
fn tell(ranking: &mut Ranking, hits: &[usize], passages: &[Option<Passage>]) {
    for ranked in ranking.hits.iter_mut().filter(|_| !passages.is_empty()) {
        let at = hits.binary_search(&ranked.hit).ok();
        ranked.passage = at.and_then(|at| passages.get(at).copied().flatten());
    }
}

/// The floor is meant for the first provider.
fn floor(search: &PlannedSearch, work: &Work, scores: &Scores) -> Option<f32> {
    let meant = search.profile.first_provider.as_ref().is_none_or(|first| *first == scores.provider);
    work.min_score.filter(|_| meant)
}

/// The database's scores of the hits that were asked about, where the fusion needs them.
fn database_scores(page: &dyn Page, documents: &ListDocuments, fuse: Option<Fusion>) -> Vec<Option<f64>> {
    let score = |&hit: &usize| page.score(HitAt { list: documents.list, hit })?.number();
    match fuse {
        Some(Fusion { by: FusedBy::Scores, .. }) => documents.hits.iter().map(score).collect(),
        _ => Vec::new(),
    }
}

/// The best scores of a call's searches.
fn best_hits<'c>(call: &'c Call<'_>, scores: &Scores) -> BestHits<'c> {
    let mut from = 0;
    let own = |list: &ListDocuments| {
        let range = from..from + list.hits.len();
        from = range.end;
        (list.search, scores.scores.get(range).unwrap_or_default(), list.is_whole)
    };
    BestHits::of(call.profile, scores, call.lists.iter().map(own))
}

fn apply_call(
    judged: &Judged<'_>,
    page: &dyn Page,
    call: &Call<'_>,
    result: &CallResult,
    rankings: &mut [Option<Ranking>],
    reports: &mut [Report],
    places: &mut [Option<Places>],
) {
    let best = result.as_ref().ok().map(|scored| best_hits(call, &scored.scores));
    let mut from = 0;
    for (nth, documents) in call.lists.iter().enumerate() {
        let list = &page.lists()[documents.list];
        let report = &mut reports[list.search];
        let Scored { scores, passages, boosted } = match result {
            Ok(scored) => scored,
            Err(reason) => {
                report.outcome = Outcome::Kept(*reason);
                continue;
            }
        };
        let own = &scores.scores[from..from + documents.hits.len()];
        let passages = passages.get(from..from + documents.hits.len()).unwrap_or_default();
        let boosted = boosted.get(from..from + documents.hits.len()).unwrap_or_default();
        from += documents.hits.len();
        let search = &judged.searches[list.search];
        // Searches of one call may differ in window and floor.
        let work = search.work.as_ref().unwrap_or(call.work);
        if own.iter().all(Option::is_none) {
            report.outcome = Outcome::Kept(scores.failure.map_or(KeepReason::Budget, FailureClass::reason));
            continue;
        }
        let mut rule = rule(search, work, floor(search, work, scores), scores.fusion);
        if let Some(best) = &best {
            best.tell(list.search, &mut rule, report);
        }
        let places = places.get_mut(documents.list);
        let held_list = (documents.list, list, &judged.holding);
        let database = database_scores(page, documents, rule.fuse);
        let asked = Asked { hits: &documents.hits, scores: own, database: &database, boosted };
        let (mut ranking, unscored) = rank_list(search, work, held_list, asked, &rule, places);
        tell(&mut ranking, &documents.hits, passages);
        report.outcome = match scores.failure {
            Some(failure) => Outcome::Partial(failure.reason()),
            None => Outcome::Applied,
        };
        report.unscored += unscored;
        report.cut += passages.iter().flatten().filter(|_| call.work.passages.is_some()).count();
        report.boosted +=
            boosted.iter().flatten().filter(|hit| hit.parts.iter().any(|part| *part != 0.0)).count();
        report.fusion = rule.fuse;
        report.learned = scores.learned;
        report.model = Some(scores.model.clone());
        report.provider = Some(scores.provider.clone());
        report.moves = Moves::of(&ranking.hits.iter().map(|ranked| ranked.hit).collect::<Vec<_>>());
        if nth == 0 {
            report.cache_lookups += scores.cache_lookups;
            report.cache_hits += scores.cache_hits;
            report.billed_units += scores.billed_units;
            report.billed_tokens += scores.billed_tokens;
        }
        rankings[documents.list] = Some(ranking);
    }
}
