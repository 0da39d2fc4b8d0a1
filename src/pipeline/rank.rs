//! From hits to an order: documents, one rerank call per query text, the ranking of every list.

use std::{sync::Arc, time::SystemTime};

use futures_util::future::join_all;
use tokio::{
    task::yield_now,
    time::{Instant, timeout_at},
};
use tower::ServiceExt;

use super::{
    Judged, Outcome, Pipeline, PlannedSearch, Profile, Report,
    boosted::boosted,
    confidence::BestHits,
    list_order::{Places, Scored as Asked, database_order, rank_list, rule},
    outcome::Moves,
    passages::{Cut, PassageSettings, Signs, told},
    plan::Work,
    record::Capture,
    trace::{ListTrace, RankTrace},
    window::in_window,
};
use crate::{
    bounds::Permit,
    document,
    rerank::{CallLog, FailureClass, RerankError, RerankRequest, Scores, Siblings, SpanRequest},
    search::Document,
    search::{Boosted, FusedBy, Fusion, Got, HitAt, HitList, KeepReason, Passage, Ranking, lead},
    traces::{OpenSpan, TraceParent},
    wire::Page,
};

/// Documents of so many bytes take about a millisecond.
const CUT_IN_A_ROW: usize = 64 << 10;

/// The rankings of a response, and how each search ended.
pub struct RankedPage {
    /// One per list of the page; `None` leaves the list as it is.
    pub rankings: Vec<Option<Ranking>>,
    /// One per search.
    pub reports: Vec<Report>,
    /// What was done, hit by hit; `None` at [`Capture::Off`].
    pub trace: Option<RankTrace>,
}

/// The documents of one list: which hit each belongs to.
struct ListDocuments {
    list: usize,
    search: usize,
    /// The collections that the search names, joined to one name.
    collection: Arc<str>,
    hits: Vec<usize>,
    documents: Arc<[Document]>,
    /// There is one of each hit of the window that can be moved.
    is_whole: bool,
}

/// Lists that share query text, profile and settings, and so one call.
struct Call<'a> {
    work: &'a Work,
    profile: &'a Arc<Profile>,
    lists: Vec<ListDocuments>,
}

/// Whether a client waits for a ranking.
#[derive(Clone, Copy, Debug)]
pub enum Waiting {
    /// A client, whose request came at this moment.
    Client(Instant),
    /// None: its response has been sent.
    Nobody,
}

impl Waiting {
    /// When the rerank step has to end: at its deadline, or when the client's own timeout for the whole search is
    /// over.
    fn respond_by(self, work: &Work, now: Instant) -> Instant {
        let own = now + work.deadline;
        match (self, work.timeout) {
            // A time too long for the clock counts as none.
            (Waiting::Client(asked_at), Some(timeout)) => {
                asked_at.checked_add(timeout).map_or(own, |theirs| own.min(theirs))
            }
            _ => own,
        }
    }
}

/// What a call has come to.
struct Scored {
    /// One for each document.
    scores: Scores,
    /// The best passage of each that was cut; empty where none are.
    passages: Vec<Option<Passage>>,
    /// What boosts have made of each score; empty where there are none.
    boosted: Vec<Option<Boosted>>,
}

impl Scored {
    fn of(scores: Scores, passages: Vec<Option<Passage>>) -> Self {
        Self { scores, passages, boosted: Vec::new() }
    }
}

type CallResult = Result<Scored, KeepReason>;

/// Where the calls of a page are noted.
struct Noting {
    calls: Option<CallLog>,
    siblings: Siblings,
    trace: Option<TraceParent>,
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
        let score = |call| self.score(&**page, call, waiting, &held, noting());
        let mut results = join_all(calls.iter().map(score)).await;
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

    fn collect_calls<'a>(
        &self,
        judged: &'a Judged<'_>,
        page: &Arc<dyn Page>,
    ) -> (Vec<Call<'a>>, Vec<Report>) {
        let searches = &*judged.searches;
        let mut calls: Vec<Call<'a>> = Vec::new();
        let mut reports: Vec<Report> = searches
            .iter()
            .enumerate()
            .map(|(at, search)| match &search.work {
                Err(reason) => Report::kept(*reason),
                Ok(work) => {
                    let failed = has_failed(&**page, at);
                    let reason = if failed { KeepReason::UpstreamError } else { KeepReason::NotRanked };
                    Report { source: Some(work.source), ..Report::kept(reason) }
                }
            })
            .collect();
        for (at, list) in page.lists().iter().enumerate() {
            let Some(search) = searches.get(list.search) else { continue };
            let held = judged.holding.count(at);
            reports[list.search].held.add(held);
            let (Ok(work), true) = (&search.work, list.hits > 0) else { continue };
            let free = list.hits - held.all();
            // One hit has no order, and a client continues from the values that hits are sorted by.
            if free == 0 || free < work.fewest || list.sorted {
                continue;
            }
            if search.intent.offset >= work.window && !search.intent.grouped {
                reports[list.search].outcome = Outcome::Kept(KeepReason::PastWindow);
                continue;
            }
            let window = free_in_window(search, work, (at, list), judged);
            if is_clear(search, &**page, window) {
                reports[list.search].outcome = Outcome::Kept(KeepReason::Margin);
                continue;
            }
            let documents = list_documents(search, work, (at, list), judged, page);
            if documents.documents.is_empty() {
                if reports[list.search].documents == 0 {
                    // Which fields there are says nothing where the database has refused to show them.
                    if search.fetch.fields.is_none() && !document::wanted_fields(&work.fields).is_none() {
                        reports[list.search].outcome = Outcome::Kept(KeepReason::UpstreamError);
                        continue;
                    }
                    reports[list.search].outcome = Outcome::Kept(KeepReason::NoText);
                    let mut all = (0..list.hits).map(|hit| HitAt { list: at, hit });
                    let first = all.find(|&at| judged.holding.of(at).is_none());
                    let keys = first.map(|at| document::top_level_keys(&**page, at).join(", "));
                    reports[list.search].fields_seen = keys.map(Into::into);
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

    async fn score(
        &self,
        page: &dyn Page,
        call: &Call<'_>,
        waiting: Waiting,
        held: &Arc<Permit>,
        noting: Noting,
    ) -> CallResult {
        let respond_by = waiting.respond_by(call.work, Instant::now());
        let mut documents: Arc<[Document]> = match call.lists.as_slice() {
            [only] => only.documents.clone(),
            lists => lists.iter().flat_map(|list| list.documents.iter().cloned()).collect(),
        };
        let mut lists: Arc<[usize]> = call.lists.iter().map(|list| list.documents.len()).collect();
        let cut = match call.work.passages {
            Some(settings) => {
                let cut = timeout_at(respond_by, cut(page, call, &documents, settings)).await;
                Some(cut.map_err(|_| KeepReason::Deadline)?)
            }
            None => None,
        };
        if let Some(cut) = &cut {
            (documents, lists) = (cut.documents(), cut.lists(&lists));
        }
        let count = documents.len();
        let spans = call.work.spans.then_some(SpanRequest { threshold: None, max_spans: Some(1) });
        let mut request = RerankRequest::new(call.work.query.clone(), documents, respond_by);
        request.model = call.work.model.clone();
        request.instruction = call.work.instruction.clone();
        request.model_of = call.profile.first_provider.clone().map(|first| [first].into());
        request.searches = call.searches();
        (request.calls, request.siblings, request.trace) =
            (noting.calls, Some(noting.siblings), noting.trace);
        (request.lists, request.spans) = (lists, spans);
        let collections = call.lists.iter().map(|list| list.collection.clone());
        request.collections = collections.collect();
        request.background = matches!(waiting, Waiting::Nobody);
        request.held = Some(held.clone());
        let scores = call.profile.reranker.clone().oneshot(request);
        let response = timeout_at(respond_by, scores).await.unwrap_or(Err(RerankError::Deadline));
        let (scores, passages) = match response {
            Ok(scores) if scores.scores.len() != count => return Err(KeepReason::BadResponse),
            Ok(scores) => match &cut {
                Some(cut) => cut.joined(scores),
                None => {
                    let told = told(&scores);
                    (scores, told)
                }
            },
            Err(error) => return Err(error.class().reason()),
        };
        match scores.failure {
            // A few texts that no provider accepts are no reason to leave all others unranked.
            Some(FailureClass::TooLarge) if scores.are_most() => Ok(Scored::of(scores, passages)),
            Some(failure) if !call.profile.partial => Err(failure.reason()),
            _ => Ok(Scored::of(scores, passages)),
        }
    }
}

/// Cuts long documents, and lets others have their turn meanwhile: looking for sentences takes its time.
async fn cut(page: &dyn Page, call: &Call<'_>, documents: &[Document], settings: PassageSettings) -> Cut {
    let (mut cut, mut in_a_row) = (Cut::new(settings), 0);
    for (document, at) in documents.iter().zip(call.hits()) {
        in_a_row += document.size();
        if in_a_row > CUT_IN_A_ROW {
            yield_now().await;
            in_a_row = 0;
        }
        cut.add(document, Signs { query: &call.work.query, fragments: || page.highlights(at) });
    }
    yield_now().await;
    cut
}

impl Call<'_> {
    /// The hit of each document.
    fn hits(&self) -> impl Iterator<Item = HitAt> {
        self.lists.iter().flat_map(|of| of.hits.iter().map(|&hit| HitAt { list: of.list, hit }))
    }

    /// How many searches of the request share this call.
    fn searches(&self) -> usize {
        let mut searches: Vec<usize> = self.lists.iter().map(|list| list.search).collect();
        searches.dedup();
        searches.len()
    }

    fn shares(&self, search: &PlannedSearch, work: &Work) -> bool {
        Arc::ptr_eq(self.profile, &search.profile)
            && self.work.query == work.query
            && self.work.model == work.model
            && self.work.instruction == work.instruction
            && self.work.passages == work.passages
            && self.work.deadline == work.deadline
            && self.work.timeout == work.timeout
    }
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
