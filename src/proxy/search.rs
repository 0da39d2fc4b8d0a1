//! A search on its way: read, plan, widen, send, rank, respond. Every way out that is not a rerank is the database's
//! own response.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, request};
use http_body_util::BodyExt;
use tokio::time::Instant;
use tracing::Instrument;

use super::{
    Forwarder, ProxyError,
    exchange::{Exchange, FIRST_OF_RESPONSE, ReportedResponse},
    forward::detach,
    framing,
    handler::SearchHandler,
    kept_order::{changes_response, is_not_response, kept},
    notes::Notes,
    recalled::Said,
    report, scratch,
    search_request::send_own,
    spelling::Spelling,
    traced,
    unranked::pass_on,
};
use crate::{
    body::{self, Body, BodyRead, BoxError, Stalled},
    bounds::{Permit, TimeoutKind},
    dialect::{Dialect, Endpoint, SearchRequest, Verdict},
    pipeline::{self, CallerHeaders, Ignored, PlannedSearch, Report, Timings, strip_own},
    search::KeepReason,
    upstream::Turn,
};

/// A request that has been read.
struct ReadSearch<'a> {
    forwarder: &'a Forwarder,
    dialect: &'a Arc<dyn Dialect>,
    endpoint: &'a Arc<dyn Endpoint>,
    caller: CallerHeaders,
    parts: request::Parts,
    raw: Bytes,
    /// When its head arrived.
    at: Instant,
}

/// A request that has been understood.
struct Planned {
    request: Arc<dyn SearchRequest>,
    working_bytes: usize,
    searches: Vec<PlannedSearch>,
    /// The permit for what was read and for the searches.
    permit: Permit,
}

impl SearchHandler {
    /// Responds to one search; logs and counts how it ended.
    pub(super) async fn respond(
        self: &Arc<Self>,
        forwarder: &Forwarder,
        dialect: &Arc<dyn Dialect>,
        endpoint: &Arc<dyn Endpoint>,
        request: Request<Body>,
    ) -> Result<Response<Body>, ProxyError> {
        let trace = traced::parent(request.extensions());
        let span = report::span(request.headers(), trace.as_ref());
        self.respond_inside(forwarder, dialect, endpoint, request).instrument(span).await
    }

    async fn respond_inside(
        self: &Arc<Self>,
        forwarder: &Forwarder,
        dialect: &Arc<dyn Dialect>,
        endpoint: &Arc<dyn Endpoint>,
        request: Request<Body>,
    ) -> Result<Response<Body>, ProxyError> {
        let (started, kind) = (Instant::now(), endpoint.kind());
        let mut timings = Timings::default();
        let witness = request.extensions().get().cloned();
        let trace = traced::parent(request.extensions());
        let mut notes = Notes::begin(&self.records, request.headers(), trace, witness);
        if let Some(trace) = &notes.trace {
            trace.goes_to(dialect.name());
        }
        let response =
            self.exchange(forwarder, (dialect, endpoint), request, (&mut timings, &mut notes)).await;
        timings.total = started.elapsed();
        let (mut response, reports) = match response {
            Ok(response) => response,
            Err(error) => {
                notes.failed(&error, &self.records, dialect, kind, timings);
                return Err(error);
            }
        };
        let status = response.status();
        self.ended((dialect, kind), notes, &reports, timings, (status, response.headers_mut()));
        Ok(response)
    }

    async fn exchange(
        self: &Arc<Self>,
        forwarder: &Forwarder,
        (dialect, endpoint): (&Arc<dyn Dialect>, &Arc<dyn Endpoint>),
        request: Request<Body>,
        (timings, notes): (&mut Timings, &mut Notes),
    ) -> Result<ReportedResponse, ProxyError> {
        let at = Instant::now();
        let mut caller = CallerHeaders::read(request.headers());
        if self.pipeline.has_tenants() {
            caller.tenant = self.claim(request.headers(), request.extensions());
            notes.tenant = self.pipeline.tenant(caller.tenant);
        }
        notes.ignored = Ignored::of(&caller, &[]);
        let (mut parts, stream) = request.into_parts();
        parts.headers = strip_own(parts.headers);
        let (limit, max_wait) = (self.limits.request_bytes, self.limits.body_timeout);
        let permit = self.bounds.request_bytes.nothing();
        let read = body::read_up_to(stream, limit, permit, max_wait).await;
        let (stream, reason) = match read.map_err(|error| self.unread(error))? {
            BodyRead::Whole { bytes: raw, .. } => {
                detach(&mut parts);
                // Whoever has read the head itself has looked already.
                let unread = match notes.is_watched() || parts.extensions.get::<Spelling>().is_some() {
                    true => None,
                    false => self.unranked(&**endpoint, &caller, &parts.headers, &raw),
                };
                if let Some(search) = unread {
                    notes.tenant = self.pipeline.tenant_unread(caller.tenant, search);
                    if let Some(trace) = &notes.trace {
                        trace.searches(endpoint.kind().as_str(), report::names(search.collections.iter()));
                    }
                    // Boxed, as all that few searches need: the future of every search would be as large.
                    return Box::pin(pass_on(forwarder, search, (parts, raw), (timings, notes))).await;
                }
                let asked = ReadSearch { forwarder, dialect, endpoint, caller, parts, raw, at };
                return self.respond_whole(asked, (timings, notes)).await;
            }
            BodyRead::TooLarge(stream) => (stream, KeepReason::TooLarge),
            BodyRead::NoRoom(stream) => (stream, KeepReason::Overloaded),
        };
        let response = match parts.extensions.get::<Spelling>() {
            // All of it has come, and goes on in the names that it came with.
            Some(_) => {
                detach(&mut parts);
                let raw = stream.collect().await.map_err(|_| ProxyError::Unforwardable)?.to_bytes();
                Box::pin(send_own(forwarder, &parts, raw, None)).await?
            }
            None => Box::pin(forwarder.forward(Request::from_parts(parts, stream))).await?,
        };
        Ok((response, vec![Report::kept(reason)]))
    }

    async fn respond_whole(
        self: &Arc<Self>,
        asked: ReadSearch<'_>,
        (timings, notes): (&mut Timings, &mut Notes),
    ) -> Result<ReportedResponse, ProxyError> {
        let ReadSearch { forwarder, dialect, endpoint, ref caller, ref parts, ref raw, at } = asked;
        let planned = match self.plan(endpoint, caller, parts, raw) {
            Ok(planned) => planned,
            Err(reason) => {
                let overloaded = reason == KeepReason::Overloaded;
                let own = overloaded.then(|| self.own_request(endpoint, caller, parts, raw));
                let response = send_own(forwarder, parts, raw.clone(), own.flatten()).await?;
                return Ok((response, vec![Report::kept(reason)]));
            }
        };
        let Planned { request, working_bytes, mut searches, mut permit } = planned;
        if let Some(recall) = self.recalls(&searches) {
            let said = Said { request: &*request, working_bytes, caller };
            // Boxed: few searches come here, and the future of every search would be as large.
            Box::pin(self.plan_recalled(recall, said, &mut searches, &mut permit)).await;
        }
        notes.ignored = Ignored::of(caller, &searches);
        if let Some(trace) = &notes.trace {
            let collections = searches.iter().flat_map(|search| &search.intent.collections);
            trace.searches(endpoint.kind().as_str(), report::names(collections));
        }
        let mut exchange = Exchange {
            handler: self.clone(),
            forwarder: forwarder.clone(),
            dialect: dialect.clone(),
            endpoint: endpoint.clone(),
            parts: asked.parts,
            raw: asked.raw,
            request,
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
        if response.as_ref().is_ok_and(|(response, _)| exchange.is_success(response)) {
            exchange.follow(&searches);
        }
        let response = match response {
            Ok(reported) if exchange.has_answer_block(&searches, &reported) => {
                Box::pin(exchange.with_answer_block(&searches, reported)).await
            }
            response => response,
        };
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
        endpoint: &Arc<dyn Endpoint>,
        caller: &CallerHeaders,
        parts: &request::Parts,
        raw: &Bytes,
    ) -> Result<Planned, KeepReason> {
        let (limit, budget) = (self.limits.request_bytes, &self.bounds.request_bytes);
        let body = framing::unpack(endpoint.framing(), &parts.headers, raw, limit, budget)?;
        let working_bytes = endpoint.working_bytes(&body);
        let _working = budget.take(working_bytes).ok_or(KeepReason::Overloaded)?;
        let request = endpoint.clone().read(body).map_err(|error| error.reason())?;
        let intents = request.intents().map_err(|error| error.reason())?;
        let held = request.held_bytes().saturating_add(pipeline::plan_bytes(&intents, caller));
        let permit = budget.take(held).ok_or(KeepReason::Overloaded)?;
        let searches = self.pipeline.plan(intents, caller, request.body());
        Ok(Planned { request, working_bytes, searches, permit })
    }
}

impl Exchange {
    async fn run(&mut self, searches: &[PlannedSearch]) -> Result<ReportedResponse, ProxyError> {
        if searches.iter().all(|search| search.work.is_err()) {
            return self.keep(searches, None).await;
        }
        let bounds = &self.handler.bounds;
        // First what is the tenant's own: one that has too many takes nothing from the others.
        let Ok(_share) = pipeline::share(searches) else {
            return self.keep(searches, Some(KeepReason::Overloaded)).await;
        };
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
        // Boxed: what it needs of the upstream is larger than all the rest.
        let rejection = match Box::pin(self.ask(&rewrite, turn)).await {
            Ok(response) if self.is_success(&response) => {
                return self.rank(searches, rewrite, response, permit, changed).await;
            }
            Ok(response) if changed && self.verdict(&response) == Verdict::Rejected => Ok(response),
            Ok(response) => return Ok((response, kept(searches, Some(KeepReason::UpstreamError)))),
            Err(error) if changed && is_not_response(&error) => Err(error),
            Err(error) => return Err(error),
        };
        Box::pin(self.rank_as_asked(searches, rewrite, rejection, permit)).await
    }

    /// The client's own search, less the proxy's own members, its response streamed.
    ///
    /// Boxed, since it is called from everywhere, and mostly is not: the future of every search would have room for it.
    pub(super) fn keep<'a>(
        &'a mut self,
        searches: &'a [PlannedSearch],
        reason: Option<KeepReason>,
    ) -> BoxFuture<'a, Result<ReportedResponse, ProxyError>> {
        Box::pin(async move {
            let started = Instant::now();
            let response = self.own_response(searches).await?;
            self.timings.upstream += started.elapsed();
            Ok((response, kept(searches, reason)))
        })
    }

    async fn own_response(&mut self, searches: &[PlannedSearch]) -> Result<Response<Body>, ProxyError> {
        let own: Vec<PlannedSearch> = searches.iter().map(PlannedSearch::as_asked).collect();
        match self.as_it_came(&own).map_or_else(|| self.rewrite(&own), Ok) {
            Ok(rewrite) => self.asked_own(&rewrite).await,
            Err(KeepReason::Overloaded) => {
                match scratch::own_searches(&*self.endpoint, &*self.request, &own) {
                    Some(rewrite) => self.asked_own(&rewrite).await,
                    None => send_own(&self.forwarder, &self.parts, self.raw.clone(), None).await,
                }
            }
            Err(_) => send_own(&self.forwarder, &self.parts, self.raw.clone(), None).await,
        }
    }
}
