//! Searches of which is known before they are read that they are not reranked: passed on as they came, their responses
//! streamed. The body is looked through for one word only, since the proxy's own members never reach the database.

use std::sync::Arc;

use bytes::Bytes;
use http::{Extensions, HeaderMap, StatusCode, request};
use tokio::time::Instant;
use tracing::Span;

use super::{
    Forwarder, ProxyError, SearchHandler, exchange::ReportedResponse, framing, notes::Notes, report,
    search_request::send_own,
};
use crate::{
    dialect::{Dialect, Endpoint, Framing, Routed, SearchKind},
    pipeline::{CallerHeaders, Ignored, Report, Timings},
    search::{KeepReason, Unread},
    traces::TraceParent,
};

impl SearchHandler {
    /// The search of a request that can be passed on unread; `None` where it has to be read first.
    pub(super) fn unranked<'a>(
        &self,
        endpoint: &'a dyn Endpoint,
        caller: &CallerHeaders,
        headers: &HeaderMap,
        raw: &[u8],
    ) -> Option<Unread<'a>> {
        let packing = endpoint.framing();
        if !self.pipeline.may_leave_alone(caller)
            || packing != Framing::Http
            || headers.contains_key(framing::coding_header(packing))
        {
            return None;
        }
        endpoint.unread(raw).filter(|search| self.pipeline.leaves_alone(caller, *search))
    }
}

/// A search that somebody else sends as it came.
pub(super) struct PassedOn {
    handler: Arc<SearchHandler>,
    dialect: Arc<dyn Dialect>,
    kind: SearchKind,
    notes: Notes,
    span: Span,
    at: Instant,
}

impl SearchHandler {
    /// The same of a request with this body that is all there, and whose own headers do not go on: a search that may be
    /// sent by whoever asks.
    pub(super) fn passed_on(
        self: &Arc<Self>,
        Routed { dialect, route }: &Routed,
        (headers, extensions): (&HeaderMap, &Extensions),
        body: &[u8],
    ) -> Option<PassedOn> {
        let mut caller = CallerHeaders::read(headers);
        if self.pipeline.has_tenants() {
            caller.tenant = self.claim(headers, extensions);
        }
        let (endpoint, at) = (&*route.endpoint, Instant::now());
        if body.len() > self.limits.request_bytes {
            return None;
        }
        let search = self.unranked(endpoint, &caller, headers, body)?;
        let mut notes = Notes::begin(&self.records, headers, None, None);
        notes.ignored = Ignored::of(&caller, &[]);
        notes.collections = report::names(search.collections.iter());
        notes.tenant = self.pipeline.tenant_unread(caller.tenant, search);
        let (handler, span) = (self.clone(), report::span(headers, None));
        Some(PassedOn { handler, dialect: dialect.clone(), kind: endpoint.kind(), notes, span, at })
    }
}

impl PassedOn {
    /// Notes that the request is traced.
    pub(super) fn traced(&mut self, trace: TraceParent) {
        trace.goes_to(self.dialect.name());
        trace.searches(self.kind.as_str(), self.notes.collections.clone());
        self.span = report::span(&HeaderMap::new(), Some(&trace));
        self.notes.trace = Some(trace);
    }

    /// Says that its response has begun, with this status. Returns the headers that this gets.
    pub(super) fn responded(self, status: StatusCode) -> HeaderMap {
        let Self { handler, dialect, kind, notes, span, at } = self;
        let (took, mut headers) = (at.elapsed(), HeaderMap::new());
        let timings = Timings { upstream: took, total: took, ..Timings::default() };
        let kept = [Report::kept(KeepReason::Off)];
        span.in_scope(|| handler.ended((&dialect, kind), notes, &kept, timings, (status, &mut headers)));
        headers
    }
}

/// Sends it as it came.
pub(super) async fn pass_on(
    forwarder: &Forwarder,
    search: Unread<'_>,
    (parts, raw): (request::Parts, Bytes),
    (timings, notes): (&mut Timings, &mut Notes),
) -> Result<ReportedResponse, ProxyError> {
    notes.collections = report::names(search.collections.iter());
    let started = Instant::now();
    let response = send_own(forwarder, &parts, raw, None).await;
    timings.upstream += started.elapsed();
    Ok((response?, vec![Report::kept(KeepReason::Off)]))
}
