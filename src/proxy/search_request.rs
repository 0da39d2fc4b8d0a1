//! A search's requests to the database: as rewritten, as the client's own, or unchanged.

use bytes::Bytes;
use http::{HeaderMap, Response, request};
use tokio::time::Instant;

use super::{Forwarder, ProxyError, exchange::Exchange, framing, headers, target};
use crate::{
    body::Body,
    bounds::counted,
    pipeline::PlannedSearch,
    search::{FetchPlan, KeepReason, Rewrite, Strip},
    upstream::{Begun, Turn},
};

/// More than a request's new limit and field names take.
const ADDED_TO_REQUEST: usize = 16 << 10;

impl Exchange {
    /// The client's own searches, their response streamed.
    pub(super) async fn asked_own(&mut self, rewrite: &Rewrite) -> Result<Response<Body>, ProxyError> {
        let started = Instant::now();
        let response = self.send(rewrite, false, Turn::Last).await;
        self.notes.asked(rewrite, rewrite.body == self.request.body(), &response, started.elapsed());
        response
    }

    /// What to send for these searches where that is what the client sent: nothing in it is the proxy's own, and nothing
    /// else is to be requested.
    pub(super) fn as_it_came(&self, searches: &[PlannedSearch]) -> Option<Rewrite> {
        let as_asked = FetchPlan::as_asked();
        let unchanged = |search: &PlannedSearch| !search.intent.own_members && search.fetch == as_asked;
        searches.iter().all(unchanged).then(|| Rewrite {
            target: target::as_str(&self.parts).to_owned(),
            body: self.request.body().clone(),
            strips: vec![Strip::default(); searches.len()],
        })
    }

    /// What to send for these searches; its body holds its permit.
    pub(super) fn rewrite(&self, searches: &[PlannedSearch]) -> Result<Rewrite, KeepReason> {
        let plans: Vec<FetchPlan> = searches.iter().map(|search| search.fetch.clone()).collect();
        let most =
            self.working_bytes.saturating_add(self.request.body().len()).saturating_add(ADDED_TO_REQUEST);
        let mut permit = self.handler.bounds.request_bytes.take(most).ok_or(KeepReason::Overloaded)?;
        let rewrite = self.request.rewrite(&plans);
        let rewrite = rewrite.map_err(|_| KeepReason::Malformed)?;
        if rewrite.body == self.request.body() {
            return Ok(rewrite);
        }
        permit.shrink(rewrite.body.len());
        Ok(Rewrite { body: counted(rewrite.body, permit), ..rewrite })
    }

    /// What to send for some of these searches, by their numbers; `None` where they cannot be sent apart from the
    /// others.
    pub(super) fn pick(&self, searches: &[PlannedSearch], some: &[usize]) -> Option<Rewrite> {
        let plans: Vec<FetchPlan> = searches.iter().map(|search| search.fetch.clone()).collect();
        let most = self.working_bytes.saturating_add(self.request.body().len());
        let mut permit = self.handler.bounds.request_bytes.take(most)?;
        let rewrite = self.request.pick(&plans, some)?;
        permit.shrink(rewrite.body.len());
        Some(Rewrite { body: counted(rewrite.body, permit), ..rewrite })
    }

    /// Candidates to rerank, in no content coding.
    pub(super) async fn ask(&mut self, rewrite: &Rewrite, turn: Turn) -> Result<Response<Body>, ProxyError> {
        let started = Instant::now();
        let response = self.send(rewrite, true, turn).await;
        self.timings.upstream += started.elapsed();
        self.notes.asked(rewrite, rewrite.body == self.request.body(), &response, started.elapsed());
        response
    }

    async fn send(
        &mut self,
        rewrite: &Rewrite,
        uncompressed: bool,
        turn: Turn,
    ) -> Result<Response<Body>, ProxyError> {
        let unchanged = rewrite.body == self.request.body();
        let packing = self.endpoint.framing();
        if !unchanged || rewrite.target != target::as_str(&self.parts) {
            // A response that has begun is none to this.
            self.parts.extensions.remove::<Begun>();
        }
        let body = if unchanged { self.raw.clone() } else { framing::pack(packing, &rewrite.body) };
        let edit = |headers: &mut HeaderMap| {
            if !unchanged {
                headers::replace(headers, &framing::coding_header(packing), None);
            }
            if uncompressed {
                framing::ask_uncompressed(packing, headers);
            }
        };
        self.forwarder.send_buffered(&self.parts, &rewrite.target, body, (turn, uncompressed), edit).await
    }
}

/// Sends a request that is not planned: unchanged, or with the target and the body that `own` has.
pub(super) async fn send_own(
    forwarder: &Forwarder,
    parts: &request::Parts,
    raw: Bytes,
    own: Option<Rewrite>,
) -> Result<Response<Body>, ProxyError> {
    let target = target::as_str(parts);
    let (target, body) = match &own {
        Some(own) => (own.target.as_str(), own.body.clone()),
        None => (target, raw),
    };
    forwarder.send_buffered(parts, target, body, (Turn::Last, false), |_| {}).await
}
