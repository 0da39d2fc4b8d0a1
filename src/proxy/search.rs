//! A search on its way: read, plan, widen, ask, rank, answer. Every way out that is not a rerank is the
//! database's own answer.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, request};
use tokio::{sync::Semaphore, time::Instant};
use tracing::Instrument;

use super::{
    Forwarder, ProxyError,
    asked::send_own,
    coding,
    forward::detach,
    kept::{changes_answer, is_no_answer, kept, may_be_ours},
    notes::Notes,
    report, scratch, shadow,
    target::head,
};
use crate::{
    bounds::{Bounds, Permit, Wait, Waits},
    dialect::{Dialect, Reading, SearchKind, working_bytes},
    pipeline::{
        self, CallerHeaders, Ignored, Pipeline, PlannedSearch, RecordRing, Report, SearchMetrics, Timings,
        strip_own,
    },
    search::KeepReason,
    upstream::{
        Turn,
        body::{self, Body, BoxError, Read, Stalled},
    },
};

/// Limits on what is held in memory for one search.
#[derive(Clone, Copy, Debug)]
pub struct SearchLimits {
    /// Larger request bodies are forwarded unread.
    pub request_bytes: usize,
    /// Larger answers, unpacked, are passed on as they came, or asked for again as the client did.
    pub response_bytes: usize,
    /// How long the client may send nothing of its body.
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
    /// Counts the waits that were given up.
    pub waits: Waits,
    /// Counts what happened.
    pub metrics: SearchMetrics,
    /// Whether answers carry `x-rerank-*` and `server-timing`.
    pub answer_headers: bool,
    /// What searches did is kept here, where that is wanted.
    pub records: Arc<RecordRing>,
    /// Places for the work behind answers.
    pub(super) shadow_places: Arc<Semaphore>,
    /// That paths look like searches below a prefix has been told.
    pub(super) told_of_prefix: AtomicBool,
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
struct Asked<'a> {
    forwarder: &'a Forwarder,
    dialect: &'a Arc<dyn Dialect>,
    caller: CallerHeaders,
    parts: request::Parts,
    raw: Bytes,
    /// When its head had come.
    at: Instant,
}

/// A request that has been understood.
struct Planned {
    reading: Reading,
    working_bytes: usize,
    searches: Vec<PlannedSearch>,
    /// For the reading and the searches.
    permit: Permit,
}

/// An answer with what to say about it.
pub(super) type Answer = (Response<Body>, Vec<Report>);

/// Taken for an answer before it is asked for: where there is not even so much, the client's own request saves the
/// database a second one.
pub(super) const FIRST_OF_ANSWER: usize = 64 << 10;

impl SearchHandler {
    /// Plans and ranks with `pipeline`, within `limits` and `bounds`.
    pub fn new(
        pipeline: Pipeline,
        limits: SearchLimits,
        bounds: Bounds,
        waits: Waits,
        metrics: SearchMetrics,
        answer_headers: bool,
        records: Arc<RecordRing>,
    ) -> Self {
        let shadow_places = Arc::new(Semaphore::new(shadow::MAX_IN_FLIGHT));
        let told_of_prefix = AtomicBool::new(false);
        Self {
            pipeline,
            limits,
            bounds,
            waits,
            metrics,
            answer_headers,
            records,
            shadow_places,
            told_of_prefix,
        }
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
        let (collections, ignored) =
            (std::mem::take(&mut notes.collections), std::mem::take(&mut notes.ignored));
        notes.write(&self.records, dialect, kind, &reports, timings);
        if let Some(all) = Report::of_all(&reports) {
            for report in &reports {
                self.metrics.search(dialect.name(), kind.as_str(), report);
            }
            self.metrics.request(all.outcome, &timings);
            report::log(dialect.name(), kind, &collections, &all, &timings);
            if self.answer_headers {
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
    ) -> Result<Answer, ProxyError> {
        let at = Instant::now();
        let caller = CallerHeaders::read(request.headers());
        notes.ignored = Ignored::of(&caller, &[]);
        let (mut parts, stream) = request.into_parts();
        parts.headers = strip_own(parts.headers);
        let (limit, patience) = (self.limits.request_bytes, self.limits.body_timeout);
        let permit = self.bounds.request_bytes.nothing();
        let read = body::read_up_to(stream, limit, permit, patience).await;
        let (stream, reason) = match read.map_err(|error| self.unread(error))? {
            Read::Whole { bytes: raw, .. } => {
                detach(&mut parts);
                let asked = Asked { forwarder, dialect, caller, parts, raw, at };
                return self.answer_whole(asked, kind, (timings, notes)).await;
            }
            Read::TooLarge(stream) => (stream, KeepReason::TooLarge),
            Read::NoRoom(stream) => (stream, KeepReason::Overloaded),
        };
        let response = forwarder.forward(Request::from_parts(parts, stream)).await?;
        Ok((response, vec![Report::kept(reason)]))
    }

    async fn answer_whole(
        self: &Arc<Self>,
        asked: Asked<'_>,
        kind: SearchKind,
        (timings, notes): (&mut Timings, &mut Notes),
    ) -> Result<Answer, ProxyError> {
        let Asked { forwarder, dialect, ref caller, ref parts, ref raw, at } = asked;
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
        let answer = match exchange.is_reranked_upstream(&searches) {
            true => exchange.as_it_came(&searches).await,
            false => exchange.run(&searches).await,
        };
        let answer = exchange.or_as_it_came(answer, &searches).await;
        if answer.as_ref().is_ok_and(|(response, _)| response.status() == StatusCode::OK) {
            exchange.follow(kind, &searches);
        }
        exchange.notes.planned(&searches);
        (*timings, *notes) = (exchange.timings, exchange.notes);
        answer
    }

    fn unread(&self, error: BoxError) -> ProxyError {
        if !error.is::<Stalled>() {
            return ProxyError::RequestBody;
        }
        self.waits.given_up(Wait::RequestBody);
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
    async fn run(&mut self, searches: &[PlannedSearch]) -> Result<Answer, ProxyError> {
        if searches.iter().all(|search| search.work.is_err()) {
            return self.keep(searches, None).await;
        }
        let bounds = &self.handler.bounds;
        let Some(_place) = bounds.searches.take(pipeline::calls(searches)) else {
            return self.keep(searches, Some(KeepReason::Overloaded)).await;
        };
        let Some(permit) = bounds.answer_bytes.take(FIRST_OF_ANSWER) else {
            return self.keep(searches, Some(KeepReason::Overloaded)).await;
        };
        let rewrite = match self.rewrite(searches) {
            Ok(rewrite) => rewrite,
            Err(reason) => return self.keep(searches, Some(reason)).await,
        };
        let changed = changes_answer(searches, &rewrite);
        let turn = if changed { Turn::First } else { Turn::Last };
        let refusal = match self.ask(&rewrite, turn).await {
            Ok(response) if response.status() == StatusCode::OK => {
                return self.rank(searches, rewrite, response, permit, changed).await;
            }
            Ok(response) if changed && may_be_ours(response.status()) => Ok(response),
            Ok(response) => return Ok((response, kept(searches, Some(KeepReason::UpstreamError)))),
            Err(error) if changed && is_no_answer(&error) => Err(error),
            Err(error) => return Err(error),
        };
        self.rank_as_asked(searches, rewrite, refusal, permit).await
    }

    /// The client's own search, less the proxy's own members, its answer streamed.
    pub(super) async fn keep(
        &mut self,
        searches: &[PlannedSearch],
        reason: Option<KeepReason>,
    ) -> Result<Answer, ProxyError> {
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
