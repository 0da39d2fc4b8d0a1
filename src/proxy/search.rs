//! A search on its way: read, plan, widen, ask, rank, answer. Every way out that is not a rerank is the
//! database's own answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRAILER, TRANSFER_ENCODING},
    request, response,
};
use tokio::{sync::Semaphore, time::Instant};
use tracing::Instrument;

use super::{Forwarder, ProxyError, coding, headers, notes::Notes, report, shadow};
use crate::{
    dialect::{Dialect, SearchKind},
    pipeline::{
        CallerHeaders, Outcome, Pipeline, PlannedSearch, RecordRing, Report, SearchMetrics, Timings, Waiting,
        strip_own,
    },
    search::{FetchPlan, Head, HitPage, KeepReason, Rewrite},
    upstream::body::{self, Body, Read},
};

/// Limits on what is held in memory for one search.
#[derive(Clone, Copy, Debug)]
pub struct SearchLimits {
    /// Larger request bodies are forwarded unread.
    pub request_bytes: usize,
    /// Larger answers are passed on unread.
    pub response_bytes: usize,
}

/// Answers searches.
pub struct SearchHandler {
    /// Plans and ranks.
    pub pipeline: Pipeline,
    /// Limits on memory.
    pub limits: SearchLimits,
    /// Counts what happened.
    pub metrics: SearchMetrics,
    /// Whether answers carry `x-rerank-*` and `server-timing`.
    pub answer_headers: bool,
    /// What searches did is kept here, where that is wanted.
    pub records: Arc<RecordRing>,
    /// Places for the work behind answers.
    pub(super) shadow_places: Arc<Semaphore>,
}

/// One search being answered.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) handler: Arc<SearchHandler>,
    forwarder: Forwarder,
    pub(super) dialect: Arc<dyn Dialect>,
    parts: request::Parts,
    /// The body as the client sent it.
    raw: Bytes,
    /// The body without content codings.
    body: Bytes,
    asked_at: Instant,
    pub(super) timings: Timings,
    pub(super) notes: Notes,
}

/// An answer with what to say about it.
type Answer = (Response<Body>, Vec<Report>);

impl SearchHandler {
    /// Plans and ranks with `pipeline`, within `limits`.
    pub fn new(
        pipeline: Pipeline,
        limits: SearchLimits,
        metrics: SearchMetrics,
        answer_headers: bool,
        records: Arc<RecordRing>,
    ) -> Self {
        let shadow_places = Arc::new(Semaphore::new(shadow::MAX_IN_FLIGHT));
        Self { pipeline, limits, metrics, answer_headers, records, shadow_places }
    }

    /// Answers one search, and says and counts how it ended.
    pub async fn answer(
        self: &Arc<Self>,
        forwarder: &Forwarder,
        dialect: &Arc<dyn Dialect>,
        kind: SearchKind,
        request: Request<Body>,
    ) -> Result<Response<Body>, ProxyError> {
        let span = report::span(request.headers());
        self.answer_inside(forwarder, dialect, kind, request).instrument(span).await
    }

    async fn answer_inside(
        self: &Arc<Self>,
        forwarder: &Forwarder,
        dialect: &Arc<dyn Dialect>,
        kind: SearchKind,
        request: Request<Body>,
    ) -> Result<Response<Body>, ProxyError> {
        let started = Instant::now();
        let mut timings = Timings::default();
        let mut notes = Notes::begin(&self.records, &request);
        let answer = self.exchange(forwarder, dialect, kind, request, (&mut timings, &mut notes)).await;
        let (mut response, reports) = match answer {
            Ok(answer) => answer,
            Err(error) => {
                notes.failed(&error);
                return Err(error);
            }
        };
        timings.total = started.elapsed();
        notes.write(&self.records, dialect, kind, &reports, timings);
        if let Some(all) = Report::of_all(&reports) {
            for report in &reports {
                self.metrics.search(dialect.name(), kind.as_str(), report);
            }
            self.metrics.request(all.outcome, &timings);
            report::log(dialect.name(), kind, &all, &timings);
            if self.answer_headers {
                report::write_headers(response.headers_mut(), &all, &timings);
            }
        }
        Ok(response)
    }

    async fn exchange(
        self: &Arc<Self>,
        forwarder: &Forwarder,
        dialect: &Arc<dyn Dialect>,
        kind: SearchKind,
        request: Request<Body>,
        (timings, notes): (&mut Timings, &mut Notes),
    ) -> Result<Answer, ProxyError> {
        let asked_at = Instant::now();
        let caller = CallerHeaders::read(request.headers());
        let (mut parts, stream) = request.into_parts();
        parts.headers = strip_own(parts.headers);
        let read = body::read_up_to(stream, self.limits.request_bytes).await;
        let raw = match read.map_err(|_| ProxyError::RequestBody)? {
            Read::Whole { bytes, .. } => bytes,
            Read::TooLarge(stream) => {
                let response = forwarder.forward(Request::from_parts(parts, stream)).await?;
                return Ok((response, vec![Report::kept(KeepReason::TooLarge)]));
            }
        };
        let body = match coding::decode(&parts.headers, &raw, self.limits.request_bytes) {
            Ok(body) => body,
            Err(error) => return forward_as_is(forwarder, &parts, raw, coding_reason(error)).await,
        };
        let intents = dialect.parse(&head(&parts), &body);
        let intents = match intents {
            Ok(intents) => intents,
            Err(error) => return forward_as_is(forwarder, &parts, raw, error.reason()).await,
        };
        let searches = self.pipeline.plan(intents, &caller, &body);
        let (handler, forwarder, dialect) = (self.clone(), forwarder.clone(), dialect.clone());
        let mut exchange = Exchange {
            handler,
            forwarder,
            dialect,
            parts,
            raw,
            body,
            asked_at,
            timings: *timings,
            notes: notes.clone(),
        };
        let answer = exchange.run(&searches).await;
        if answer.as_ref().is_ok_and(|(response, _)| response.status() == StatusCode::OK) {
            exchange.follow(kind, &searches);
        }
        exchange.notes.planned(&searches);
        (*timings, *notes) = (exchange.timings, exchange.notes);
        answer
    }
}

impl Exchange {
    async fn run(&mut self, searches: &[PlannedSearch]) -> Result<Answer, ProxyError> {
        if searches.iter().all(|search| search.work.is_err()) {
            return self.keep(searches, None).await;
        }
        let Ok(rewrite) = self.rewrite(searches) else {
            return self.keep(searches, Some(KeepReason::Malformed)).await;
        };
        let response = self.ask(&rewrite).await?;
        let changed = searches.iter().any(|search| search.fetch != FetchPlan::as_asked());
        if response.status() == StatusCode::OK {
            return self.rank(searches, rewrite, response, changed).await;
        }
        if !changed || !may_be_ours(response.status()) {
            return Ok((response, kept(searches, Some(KeepReason::UpstreamError))));
        }
        self.rank_as_asked(searches, rewrite, response).await
    }

    /// The database refused `asked`: the client's own search, its page reranked as it is.
    async fn rank_as_asked(
        &mut self,
        searches: &[PlannedSearch],
        asked: Rewrite,
        refusal: Response<Body>,
    ) -> Result<Answer, ProxyError> {
        if searches.iter().any(PlannedSearch::reranks_upstream_as_asked) {
            return self.keep(searches, Some(KeepReason::UpstreamError)).await;
        }
        let own: Vec<PlannedSearch> = searches.iter().map(PlannedSearch::as_asked).collect();
        let Ok(rewrite) = self.rewrite(&own) else {
            return self.keep(searches, Some(KeepReason::Malformed)).await;
        };
        if (&rewrite.target, &rewrite.body) == (&asked.target, &asked.body) {
            return Ok((refusal, kept(searches, Some(KeepReason::UpstreamError))));
        }
        let response = self.ask(&rewrite).await?;
        if response.status() != StatusCode::OK {
            return Ok((response, kept(&own, Some(KeepReason::UpstreamError))));
        }
        self.handler.pipeline.change_refused(searches);
        self.rank(&own, rewrite, response, false).await
    }

    async fn rank(
        &mut self,
        searches: &[PlannedSearch],
        rewrite: Rewrite,
        response: Response<Body>,
        changed: bool,
    ) -> Result<Answer, ProxyError> {
        let (parts, stream) = response.into_parts();
        let raw = match body::read_up_to(stream, self.handler.limits.response_bytes).await {
            Ok(Read::Whole { bytes, .. }) => bytes,
            // The answer broke off: a search may be asked again, and what comes then is passed on as it comes.
            Err(_) => return self.keep(searches, Some(KeepReason::UpstreamError)).await,
            Ok(Read::TooLarge(_)) if changed => {
                return self.keep(searches, Some(KeepReason::TooLarge)).await;
            }
            Ok(Read::TooLarge(stream)) => {
                let response = Response::from_parts(parts, stream);
                return Ok((response, kept(searches, Some(KeepReason::TooLarge))));
            }
        };
        let page = match self.page(&parts, &raw) {
            Ok(page) => page,
            Err(reason) if changed => return self.keep(searches, Some(reason)).await,
            Err(reason) => {
                return Ok((Response::from_parts(parts, body::full(raw)), kept(searches, Some(reason))));
            }
        };
        // A page may be too large for one index of several, or for one search of a batch.
        let refused = |&search: &usize| searches.get(search).is_some_and(PlannedSearch::widened);
        if changed && page.failed.iter().any(refused) {
            let refusal = Response::from_parts(parts, body::full(raw));
            return Box::pin(self.rank_as_asked(searches, rewrite, refusal)).await;
        }
        let started = Instant::now();
        let (waiting, capture) = (Waiting::Client(self.asked_at), self.notes.capture);
        let mut ranked = self.handler.pipeline.rank(searches, &page, waiting, capture).await;
        self.notes.ranked(searches, &page, ranked.trace.take());
        self.timings.rerank += started.elapsed();
        if must_replay(searches, &ranked.reports) {
            // A replay that goes wrong leaves the answer that is there, cut back: a success stays one.
            match self.keep(searches, None).await {
                Ok((response, _)) if response.status() == StatusCode::OK => {
                    return Ok((response, replayed(ranked.reports)));
                }
                _ => {}
            }
        }
        let joined = self.dialect.join(&page, &rewrite.strips, &ranked.rankings);
        let response = if joined == page.body {
            Response::from_parts(parts, body::full(raw))
        } else {
            with_body(parts, joined)
        };
        Ok((response, ranked.reports))
    }

    pub(super) fn page(&self, parts: &response::Parts, raw: &Bytes) -> Result<HitPage, KeepReason> {
        if !is_json(&parts.headers) {
            return Err(KeepReason::Unsupported);
        }
        let limit = self.handler.limits.response_bytes;
        let body = coding::decode(&parts.headers, raw, limit).map_err(coding_reason)?;
        self.dialect.split(&head(&self.parts), body).map_err(|error| error.reason())
    }

    /// The client's own search, less the proxy's own members, its answer streamed.
    async fn keep(
        &mut self,
        searches: &[PlannedSearch],
        reason: Option<KeepReason>,
    ) -> Result<Answer, ProxyError> {
        let own: Vec<PlannedSearch> = searches.iter().map(PlannedSearch::as_asked).collect();
        let started = Instant::now();
        let response = match self.rewrite(&own) {
            Ok(rewrite) => {
                let response = self.send(&rewrite, false).await;
                self.notes.asked(&rewrite, rewrite.body == self.body, &response, started.elapsed());
                response?
            }
            Err(_) => send_raw(&self.forwarder, &self.parts, self.raw.clone()).await?,
        };
        self.timings.upstream += started.elapsed();
        Ok((response, kept(searches, reason)))
    }

    pub(super) fn rewrite(
        &self,
        searches: &[PlannedSearch],
    ) -> Result<Rewrite, crate::dialect::DialectError> {
        let plans: Vec<FetchPlan> = searches.iter().map(|search| search.fetch.clone()).collect();
        self.dialect.widen(&head(&self.parts), &self.body, &plans)
    }

    pub(super) async fn ask(&mut self, rewrite: &Rewrite) -> Result<Response<Body>, ProxyError> {
        let started = Instant::now();
        let response = self.send(rewrite, true).await;
        self.timings.upstream += started.elapsed();
        self.notes.asked(rewrite, rewrite.body == self.body, &response, started.elapsed());
        response
    }

    async fn send(&self, rewrite: &Rewrite, uncompressed: bool) -> Result<Response<Body>, ProxyError> {
        let unchanged = rewrite.body == self.body;
        let body = if unchanged { self.raw.clone() } else { rewrite.body.clone() };
        let edit = |headers: &mut HeaderMap| {
            if !unchanged {
                *headers = headers::replace(headers, &CONTENT_ENCODING, None);
            }
            if uncompressed {
                let identity = HeaderValue::from_static("identity");
                *headers = headers::replace(headers, &ACCEPT_ENCODING, Some(identity));
            }
        };
        self.forwarder.send_buffered(&self.parts, &rewrite.target, body, edit).await
    }
}

async fn forward_as_is(
    forwarder: &Forwarder,
    parts: &request::Parts,
    raw: Bytes,
    reason: KeepReason,
) -> Result<Answer, ProxyError> {
    let response = send_raw(forwarder, parts, raw).await?;
    Ok((response, vec![Report::kept(reason)]))
}

async fn send_raw(
    forwarder: &Forwarder,
    parts: &request::Parts,
    raw: Bytes,
) -> Result<Response<Body>, ProxyError> {
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    forwarder.send_buffered(parts, target, raw, |_| {}).await
}

fn head(parts: &request::Parts) -> Head<'_> {
    Head { method: &parts.method, path: parts.uri.path(), query: parts.uri.query(), headers: &parts.headers }
}

fn kept(searches: &[PlannedSearch], reason: Option<KeepReason>) -> Vec<Report> {
    let why = |search: &PlannedSearch| match (&search.work, reason) {
        (Err(own), _) => *own,
        (Ok(_), Some(reason)) => reason,
        (Ok(_), None) => KeepReason::NotRanked,
    };
    searches.iter().map(|search| Report::kept(why(search))).collect()
}

/// A status that widening may have caused. The others say nothing of the search itself.
fn may_be_ours(status: StatusCode) -> bool {
    (status.is_client_error() || status.is_server_error())
        && !matches!(status.as_u16(), 401 | 404 | 429 | 502..=504)
}

/// Whether a search failed whose widened answer, cut back, may not be the client's own.
fn must_replay(searches: &[PlannedSearch], reports: &[Report]) -> bool {
    searches.iter().zip(reports).any(|(search, report)| {
        // Of one hit or none there is no other order.
        let kept = matches!(report.outcome, Outcome::Kept(reason) if reason != KeepReason::NotRanked);
        kept && search.work.is_ok() && search.must_replay()
    })
}

/// The reports of searches whose answer is the client's own after all: none was applied.
fn replayed(reports: Vec<Report>) -> Vec<Report> {
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

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || media_type.ends_with("+json")
}

fn coding_reason(error: coding::CodingError) -> KeepReason {
    match error {
        coding::CodingError::Unknown => KeepReason::Unsupported,
        coding::CodingError::Broken => KeepReason::Malformed,
        coding::CodingError::TooLarge => KeepReason::TooLarge,
    }
}

/// The answer with a new body: length and codings are those of the new bytes.
fn with_body(mut parts: response::Parts, body: Bytes) -> Response<Body> {
    for name in [CONTENT_ENCODING, TRANSFER_ENCODING, TRAILER] {
        parts.headers = headers::replace(&parts.headers, &name, None);
    }
    let length = HeaderValue::from(body.len());
    parts.headers = headers::replace(&parts.headers, &CONTENT_LENGTH, Some(length));
    Response::from_parts(parts, body::full(body))
}
