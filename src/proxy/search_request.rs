//! A search's requests to the database: as rewritten, as the client's own, or unchanged.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING},
    request,
};
use tokio::time::Instant;

use super::{
    Forwarder, ProxyError, headers,
    search::Exchange,
    target::{self, head},
};
use crate::{
    body::Body,
    bounds::counted,
    pipeline::PlannedSearch,
    search::{FetchPlan, KeepReason, Rewrite},
    upstream::Turn,
};

/// More than a request's new limit and field names take.
const ADDED_TO_REQUEST: usize = 16 << 10;

impl Exchange {
    /// The client's own searches, their response streamed.
    pub(super) async fn asked_own(&mut self, rewrite: &Rewrite) -> Result<Response<Body>, ProxyError> {
        let started = Instant::now();
        let response = self.send(rewrite, false, Turn::Last).await;
        self.notes.asked(rewrite, rewrite.body == self.reading.body(), &response, started.elapsed());
        response
    }

    /// What to send for these searches; its body holds its permit.
    pub(super) fn rewrite(&self, searches: &[PlannedSearch]) -> Result<Rewrite, KeepReason> {
        let plans: Vec<FetchPlan> = searches.iter().map(|search| search.fetch.clone()).collect();
        let most =
            self.working_bytes.saturating_add(self.reading.body().len()).saturating_add(ADDED_TO_REQUEST);
        let mut permit = self.handler.bounds.request_bytes.take(most).ok_or(KeepReason::Overloaded)?;
        let rewrite = self.dialect.widen(&head(&self.parts), &self.reading, &plans);
        let rewrite = rewrite.map_err(|_| KeepReason::Malformed)?;
        if rewrite.body == self.reading.body() {
            return Ok(rewrite);
        }
        permit.shrink(rewrite.body.len());
        Ok(Rewrite { body: counted(rewrite.body, permit), ..rewrite })
    }

    /// What to send for some of these searches, by their numbers; `None` where they cannot be sent apart from the
    /// others.
    pub(super) fn pick(&self, searches: &[PlannedSearch], some: &[usize]) -> Option<Rewrite> {
        let plans: Vec<FetchPlan> = searches.iter().map(|search| search.fetch.clone()).collect();
        let most = self.working_bytes.saturating_add(self.reading.body().len());
        let mut permit = self.handler.bounds.request_bytes.take(most)?;
        let rewrite = self.dialect.pick(&head(&self.parts), &self.reading, &plans, some)?;
        permit.shrink(rewrite.body.len());
        Some(Rewrite { body: counted(rewrite.body, permit), ..rewrite })
    }

    /// Candidates to rerank, in no content coding.
    pub(super) async fn ask(&mut self, rewrite: &Rewrite, turn: Turn) -> Result<Response<Body>, ProxyError> {
        let started = Instant::now();
        let response = self.send(rewrite, true, turn).await;
        self.timings.upstream += started.elapsed();
        self.notes.asked(rewrite, rewrite.body == self.reading.body(), &response, started.elapsed());
        response
    }

    async fn send(
        &self,
        rewrite: &Rewrite,
        uncompressed: bool,
        turn: Turn,
    ) -> Result<Response<Body>, ProxyError> {
        let unchanged = rewrite.body == self.reading.body();
        let body = if unchanged { self.raw.clone() } else { rewrite.body.clone() };
        let edit = |headers: &mut HeaderMap| {
            if !unchanged {
                headers::replace(headers, &CONTENT_ENCODING, None);
            }
            if uncompressed {
                let identity = HeaderValue::from_static("identity");
                headers::replace(headers, &ACCEPT_ENCODING, Some(identity));
            }
        };
        self.forwarder.send_buffered(&self.parts, &rewrite.target, body, turn, edit).await
    }
}

/// Sends a request that is not planned: unchanged, or as `own` has it.
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
    forwarder.send_buffered(parts, target, body, Turn::Last, |_| {}).await
}
