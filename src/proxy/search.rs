//! A search on its way: read, plan, widen, send, rank, respond. Every way out that is not a rerank is the database's
//! own response.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request};
use tokio::{sync::Semaphore, time::Instant};
use tracing::Instrument;

use super::{
    Forwarder, ProxyError,
    forward::detach,
    kept_order::{changes_response, is_not_response, kept, may_be_ours},
    log::{SearchLog, Searched},
    notes::Notes,
    report, scratch,
    search_request::send_own,
    shadow,
    target::head,
};
use crate::{
    body::{self, Body, BodyRead, BoxError, Stalled, coding},
    bounds::{Bounds, Permit, TimeoutKind, Timeouts},
    dialect::{Dialect, Reading, SearchKind, working_bytes},
    pipeline::{
        self, CallerHeaders, Ignored, Pipeline, PlannedSearch, RecordRing, Report, SearchMetrics, Timings,
        strip_own,
    },
    search::KeepReason,
    upstream::Turn,
};

/// Limits on what is held in memory for one search.
#[derive(Clone, Copy, Debug)]
pub struct SearchLimits {
    /// Larger request bodies are forwarded unread.
    pub request_bytes: usize,
    /// Larger responses, unpacked, are passed on unchanged, or the client's own request is sent again.
    pub response_bytes: usize,
    /// Timeout for the next bytes of the client's body.
    pub body_timeout: Option<Duration>,
}

/// Answers searches.
pub struct SearchHandler {
    /// Plans and ranks.
    pub pipeline: Pipeline,
    /// Limits on each search.
    pub limits: SearchLimits,
    /// Limits on all searches together.
    pub bounds: Bounds,
    /// Counts the timeouts that expired.
    pub waits: Timeouts,
    /// Counts what happened.
    pub metrics: SearchMetrics,
    /// Whether responses carry `x-rerank-*` and `server-timing`.
    pub response_headers: bool,
    /// Where records of searches are kept, if any are wanted.
    pub records: Arc<RecordRing>,
    /// Permits for the work after responses (shadow).
    pub(super) shadow_places: Arc<Semaphore>,
    /// Says how searches ended.
    pub(super) log: SearchLog,
    /// The address of the listener, for the log.
    pub(super) listener: Arc<str>,
}

/// One search being answered.
#[derive(Clone)]
pub(super) struct Exchange {
    pub(super) handler: Arc<SearchHandler>,
    pub(super) forwarder: Forwarder,
    pub(super) dialect: Arc<dyn Dialect>,
    pub(super) parts: request::Parts,
    /// The body as the client sent it.
    pub(super) raw: Bytes,
    /// The body without content codings, read.
    pub(super) reading: Arc<Reading>,
    /// What reading the body takes each time.
    pub(super) working_bytes: usize,
    pub(super) asked_at: Instant,
    pub(super) timings: Timings,
    pub(super) notes: Notes,
    _plans: Arc<Permit>,
}

/// A request that has been read.
struct ReadSearch<'a> {
    forwarder: &'a Forwarder,
    dialect: &'a Arc<dyn Dialect>,
    caller: CallerHeaders,
    parts: request::Parts,
    raw: Bytes,
    /// When its head arrived.
    at: Instant,
}

/// A request that has been understood.
struct Planned {
    reading: Reading,
    working_bytes: usize,
    searches: Vec<PlannedSearch>,
    /// The permit for the reading and the searches.
    permit: Permit,
}

/// A response with what to say about it.
pub(super) type ReportedResponse = (Response<Body>, Vec<Report>);

/// Reserved for a response before it is requested: where there is not even this much, sending the client's own
/// request saves the database a second one.
pub(super) const FIRST_OF_RESPONSE: usize = 64 << 10;

impl SearchHandler {
    /// Plans and ranks with `pipeline`, within `limits` and `bounds`.
    pub fn new(
        pipeline: Pipeline,
        limits: SearchLimits,
        bounds: Bounds,
        waits: Timeouts,
        metrics: SearchMetrics,
        response_headers: bool,
        records: Arc<RecordRing>,
    ) -> Self {
        let shadow_places = Arc::new(Semaphore::new(shadow::MAX_IN_FLIGHT));
        Self {
            pipeline,
            limits,
            bounds,
            waits,
            metrics,
            response_headers,
            records,
            shadow_places,
            log: SearchLog::default(),
            listener: "".into(),
        }
    }

    /// The same, saying in `log` how the searches of this listener end.
    pub fn logging(self, log: SearchLog, listener: Arc<str>) -> Self {
        Self { log, listener, ..self }
    }

    /// Responds to one search; logs and counts how it ended.
    pub async fn respond(
        self: &Arc<Self>,
        forwarder: &Forwarder,
        dialect: &Arc<dyn Dialect>,
        kind: SearchKind,
        request: Request<Body>,
    ) -> Result<Response<Body>, ProxyError> {
        let span = report::span(request.headers());
        self.respond_inside(forwarder, dialect, kind, request).instrument(span).await
    }

    async fn respond_inside(
        self: &Arc<Self>,
        forwarder: &Forwarder,
        dialect: &Arc<dyn Dialect>,
        kind: SearchKind,
        request: Request<Body>,
    ) -> Result<Response<Body>, ProxyError> {
        let started = Instant::now();
        let mut timings = Timings::default();
        let mut notes = Notes::begin(&self.records, &request);
        let response = self.exchange(forwarder, dialect, kind, request, (&mut timings, &mut notes)).await;
        timings.total = started.elapsed();
        let (mut response, reports) = match response {
            Ok(response) => response,
            Err(error) => {
                notes.failed(&error, &self.records, dialect, kind, timings);
                return Err(error);
            }
        };
        notes.responded(response.status());
        let (collections, ignored) =
            (std::mem::take(&mut notes.collections), std::mem::take(&mut notes.ignored));
        let profile = notes.profile.take();
        notes.write(&self.records, dialect, kind, &reports, timings);
        if let Some(all) = Report::of_all(&reports) {
            for report in &reports {
                self.metrics.search(dialect.name(), kind.as_str(), report);
            }
            self.metrics.request(all.outcome, &timings);
            let searched = Searched {
                dialect: dialect.name(),
                kind,
                listener: &self.listener,
                collections: &collections,
                report: &all,
                timings,
                below_prefix: false,
            };
            self.log.ended(&searched, |reason| {
                profile.as_ref().and_then(|profile| (profile.asked_again)(reason))
            });
            if self.response_headers {
                report::write_headers(response.headers_mut(), &all, &ignored, &timings);
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
    ) -> Result<ReportedResponse, ProxyError> {
        let at = Instant::now();
        let caller = CallerHeaders::read(request.headers());
        notes.ignored = Ignored::of(&caller, &[]);
        let (mut parts, stream) = request.into_parts();
        parts.headers = strip_own(parts.headers);
        let (limit, max_wait) = (self.limits.request_bytes, self.limits.body_timeout);
        let permit = self.bounds.request_bytes.nothing();
        let read = body::read_up_to(stream, limit, permit, max_wait).await;
        let (stream, reason) = match read.map_err(|error| self.unread(error))? {
            BodyRead::Whole { bytes: raw, .. } => {
                detach(&mut parts);
                let asked = ReadSearch { forwarder, dialect, caller, parts, raw, at };
                return self.respond_whole(asked, kind, (timings, notes)).await;
            }
            BodyRead::TooLarge(stream) => (stream, KeepReason::TooLarge),
            BodyRead::NoRoom(stream) => (stream, KeepReason::Overloaded),
        };
        let response = forwarder.forward(Request::from_parts(parts, stream)).await?;
        Ok((response, vec![Report::kept(reason)]))
    }

    async fn respond_whole(
        self: &Arc<Self>,
        asked: ReadSearch<'_>,
        kind: SearchKind,
        (timings, notes): (&mut Timings, &mut Notes),
    ) -> Result<ReportedResponse, ProxyError> {
        let ReadSearch { forwarder, dialect, ref caller, ref parts, ref raw, at } = asked;
        let planned = match self.plan(dialect.as_ref(), caller, parts, raw) {
            Ok(planned) => planned,
            Err(reason) => {
                let overloaded = reason == KeepReason::Overloaded;
                let own = overloaded.then(|| self.own_request(dialect.as_ref(), caller, parts, raw));
                let response = send_own(forwarder, parts, raw.clone(), own.flatten()).await?;
                return Ok((response, vec![Report::kept(reason)]));
            }
        };
        let Planned { reading, working_bytes, searches, permit } = planned;
        notes.ignored = Ignored::of(caller, &searches);
        let mut exchange = Exchange {
            handler: self.clone(),
            forwarder: forwarder.clone(),
            dialect: dialect.clone(),
            parts: asked.parts,
            raw: asked.raw,
            reading: Arc::new(reading),
            working_bytes,
            asked_at: at,
            timings: *timings,
            notes: notes.clone(),
            _plans: Arc::new(permit),
        };
        let response = match exchange.is_reranked_upstream(&searches) {
            true => exchange.unchanged_form(&searches).await,
            false => exchange.run(&searches).await,
        };
        let response = exchange.or_unchanged(response, &searches).await;
        if response.as_ref().is_ok_and(|(response, _)| response.status() == StatusCode::OK) {
            exchange.follow(kind, &searches);
        }
        exchange.notes.planned(&searches);
        (*timings, *notes) = (exchange.timings, exchange.notes);
        response
    }

    fn unread(&self, error: BoxError) -> ProxyError {
        if !error.is::<Stalled>() {
            return ProxyError::RequestBody;
        }
        self.waits.given_up(TimeoutKind::RequestBody);
        ProxyError::RequestStalled
    }

    fn plan(
        &self,
        dialect: &dyn Dialect,
        caller: &CallerHeaders,
        parts: &request::Parts,
        raw: &Bytes,
    ) -> Result<Planned, KeepReason> {
        let (limit, budget) = (self.limits.request_bytes, &self.bounds.request_bytes);
        let body = coding::decode(&parts.headers, raw, limit, budget).map_err(coding_reason)?;
        let working_bytes = working_bytes(parts.uri.path(), &body);
        let _working = budget.take(working_bytes).ok_or(KeepReason::Overloaded)?;
        let reading = dialect.read(&head(parts), body).map_err(|error| error.reason())?;
        let intents = dialect.parse(&head(parts), &reading).map_err(|error| error.reason())?;
        let held = reading.held_bytes().saturating_add(pipeline::plan_bytes(&intents, caller));
        let permit = budget.take(held).ok_or(KeepReason::Overloaded)?;
        let searches = self.pipeline.plan(intents, caller, reading.body());
        Ok(Planned { reading, working_bytes, searches, permit })
    }
}

impl Exchange {
    async fn run(&mut self, searches: &[PlannedSearch]) -> Result<ReportedResponse, ProxyError> {
        if searches.iter().all(|search| search.work.is_err()) {
            return self.keep(searches, None).await;
        }
        let bounds = &self.handler.bounds;
        let Some(_place) = bounds.searches.take(pipeline::calls(searches)) else {
            return self.keep(searches, Some(KeepReason::Overloaded)).await;
        };
        let Some(permit) = bounds.response_bytes.take(FIRST_OF_RESPONSE) else {
            return self.keep(searches, Some(KeepReason::Overloaded)).await;
        };
        let rewrite = match self.rewrite(searches) {
            Ok(rewrite) => rewrite,
            Err(reason) => return self.keep(searches, Some(reason)).await,
        };
        let changed = changes_response(searches, &rewrite);
        let turn = if changed { Turn::First } else { Turn::Last };
        let rejection = match self.ask(&rewrite, turn).await {
            Ok(response) if response.status() == StatusCode::OK => {
                return self.rank(searches, rewrite, response, permit, changed).await;
            }
            Ok(response) if changed && may_be_ours(response.status()) => Ok(response),
            Ok(response) => return Ok((response, kept(searches, Some(KeepReason::UpstreamError)))),
            Err(error) if changed && is_not_response(&error) => Err(error),
            Err(error) => return Err(error),
        };
        self.rank_as_asked(searches, rewrite, rejection, permit).await
    }

    /// The client's own search, less the proxy's own members, its response streamed.
    pub(super) async fn keep(
        &mut self,
        searches: &[PlannedSearch],
        reason: Option<KeepReason>,
    ) -> Result<ReportedResponse, ProxyError> {
        let own: Vec<PlannedSearch> = searches.iter().map(PlannedSearch::as_asked).collect();
        let started = Instant::now();
        let response = match self.rewrite(&own) {
            Ok(rewrite) => self.asked_own(&rewrite).await?,
            Err(KeepReason::Overloaded) => {
                match scratch::own_searches(self.dialect.as_ref(), &self.parts, &self.reading, &own) {
                    Some(rewrite) => self.asked_own(&rewrite).await?,
                    None => send_own(&self.forwarder, &self.parts, self.raw.clone(), None).await?,
                }
            }
            Err(_) => send_own(&self.forwarder, &self.parts, self.raw.clone(), None).await?,
        };
        self.timings.upstream += started.elapsed();
        Ok((response, kept(searches, reason)))
    }
}

pub(super) fn coding_reason(error: coding::CodingError) -> KeepReason {
    match error {
        coding::CodingError::Unknown => KeepReason::Unsupported,
        coding::CodingError::Broken => KeepReason::Malformed,
        coding::CodingError::TooLarge => KeepReason::TooLarge,
        coding::CodingError::NoRoom => KeepReason::Overloaded,
    }
}
