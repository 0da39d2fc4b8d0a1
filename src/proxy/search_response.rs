//! A search's response on its way to the client: collect, find the hits, rank, join.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use tokio::time::Instant;

use super::{
    ProxyError,
    again::{Mended, unsure},
    exchange::{Came, Exchange, FoundPage, Received, ReportedResponse, responses},
    framing,
    kept_order::{is_changed, kept, must_replay, replayed},
};
use crate::{
    body::{self, Body, BodyRead},
    bounds::{Permit, counted},
    dialect::DialectError,
    pipeline::{self, Finding, PlannedSearch, RankedPage, Waiting},
    search::{FetchPlan, KeepReason, Rewrite, Strip},
    upstream::UpstreamError,
    wire::Page,
};

/// Memory for documents beside the response: their texts, and the call that they are written into, escaped.
const DOCUMENT_COPIES: usize = 3;
/// What one hit may add to a joined response: its new score, `rerank_score`, `rerank_from`, `rerank_passage`, and the edits of it.
const JOINED_HIT: usize = 192;

/// The result of joining a response again.
enum Joined {
    /// Every byte is the same.
    AsItCame,
    Anew(Bytes),
    /// The budget has no room for it.
    NoRoom,
}

/// Why the hits of a response are not known.
pub(super) enum UnreadPage {
    /// The order is kept, for this reason.
    Kept(KeepReason),
    /// With the fields that were added the database has left out what the client has named.
    LacksNamed,
}

impl From<KeepReason> for UnreadPage {
    fn from(reason: KeepReason) -> Self {
        Self::Kept(reason)
    }
}

impl From<UnreadPage> for KeepReason {
    fn from(unread: UnreadPage) -> Self {
        match unread {
            UnreadPage::Kept(reason) => reason,
            UnreadPage::LacksNamed => KeepReason::Unsupported,
        }
    }
}

impl Exchange {
    /// Answers with the response to `rewrite`, reranked if it can be. `permit` covers what it is collected into;
    /// `changed` says that the client's own request was another one.
    pub(super) async fn rank(
        &mut self,
        searches: &[PlannedSearch],
        rewrite: Rewrite,
        response: Response<Body>,
        permit: Permit,
        changed: bool,
    ) -> Result<ReportedResponse, ProxyError> {
        let (parts, stream) = response.into_parts();
        let limit = self.handler.limits.response_bytes;
        let (stream, reason) = match body::read_up_to(stream, limit, permit, None).await {
            Ok(BodyRead::Whole { bytes, trailers }) => {
                let received = Received::new(parts, bytes, trailers);
                return self.rank_whole(searches, rewrite, received, changed).await;
            }
            // The response broke off: a search may be sent again, and the response to that is streamed.
            Err(_) if changed => return self.keep_instead(searches, KeepReason::UpstreamError).await,
            Err(_) => return self.keep(searches, Some(KeepReason::UpstreamError)).await,
            Ok(BodyRead::TooLarge(stream)) => (stream, KeepReason::TooLarge),
            Ok(BodyRead::NoRoom(stream)) => (stream, KeepReason::Overloaded),
        };
        if !changed {
            return Ok((Response::from_parts(parts, stream), kept(searches, Some(reason))));
        }
        drop(stream);
        match reason {
            KeepReason::TooLarge => self.keep_instead(searches, reason).await,
            _ => self.keep(searches, Some(reason)).await,
        }
    }

    async fn rank_whole(
        &mut self,
        searches: &[PlannedSearch],
        rewrite: Rewrite,
        received: Received,
        changed: bool,
    ) -> Result<ReportedResponse, ProxyError> {
        if !self.has_succeeded(&received) {
            // It is said in the trailers only.
            return self.rank_failed(searches, rewrite, received, changed).await;
        }
        let (page, places) = match self.page_of(searches, &received) {
            Ok(page) => page,
            Err(unread) if !changed => {
                return Ok((received.into_response(), kept(searches, Some(unread.into()))));
            }
            Err(UnreadPage::LacksNamed) => return Box::pin(self.rank_without_fields(searches)).await,
            Err(UnreadPage::Kept(KeepReason::Overloaded)) => {
                return self.keep(searches, Some(KeepReason::Overloaded)).await;
            }
            Err(UnreadPage::Kept(KeepReason::TooLarge)) => {
                return self.keep_instead(searches, KeepReason::TooLarge).await;
            }
            Err(UnreadPage::Kept(reason)) => {
                let unreadable = UpstreamError::Malformed(reason.as_str().into());
                let permit = self.handler.bounds.response_bytes.nothing();
                return Box::pin(self.rank_as_asked(searches, rewrite, Err(unreadable.into()), permit)).await;
            }
        };
        // A page may be too large for one index of several, or for one search of a batch.
        if changed && (!page.failed().is_empty() || !unsure(searches, &rewrite.strips, &*page).is_empty()) {
            let mended = Box::pin(self.mended(searches, &rewrite.strips, &received, &*page)).await;
            if let Some(Mended { searches, strips, came }) = mended {
                let still = |(at, search)| is_changed(search, strips.get(at));
                let changed = searches.iter().enumerate().any(still);
                return Box::pin(self.rank_page(&searches, &strips, came, changed)).await;
            }
        }
        self.rank_page(searches, &rewrite.strips, Came { received, page, places }, changed).await
    }

    /// A response whose trailers say that it failed: as one whose status does.
    async fn rank_failed(
        &mut self,
        searches: &[PlannedSearch],
        rewrite: Rewrite,
        received: Received,
        changed: bool,
    ) -> Result<ReportedResponse, ProxyError> {
        let response = received.into_response();
        if !changed {
            return Ok((response, kept(searches, Some(KeepReason::UpstreamError))));
        }
        let permit = self.handler.bounds.response_bytes.nothing();
        Box::pin(self.rank_as_asked(searches, rewrite, Ok(response), permit)).await
    }

    async fn rank_page(
        &mut self,
        searches: &[PlannedSearch],
        strips: &[Strip],
        came: Came,
        changed: bool,
    ) -> Result<ReportedResponse, ProxyError> {
        let Came { received, page, places } = came;
        let ranked = self.ranked(searches, &page, Waiting::Client(self.asked_at)).await;
        if must_replay(searches, &ranked.reports, &*page)
            || pipeline::cuts_a_tie(searches, &*page, &ranked.reports)
        {
            // A replay that fails leaves the response that is there, cut back: a success stays one.
            match self.keep(searches, None).await {
                Ok((response, _)) if self.is_success(&response) => {
                    return Ok((response, replayed(ranked.reports)));
                }
                _ => {}
            }
        }
        let joined = self.joined(&*page, strips, &ranked);
        self.know(searches, &*page, &ranked.reports);
        drop(places);
        match joined {
            Joined::AsItCame => Ok((received.into_response(), ranked.reports)),
            Joined::Anew(joined) => {
                let response = received.with_message(joined, self.endpoint.framing()).into_response();
                Ok((response, ranked.reports))
            }
            Joined::NoRoom if changed => self.keep(searches, Some(KeepReason::Overloaded)).await,
            Joined::NoRoom => {
                let reports = kept(searches, Some(KeepReason::Overloaded));
                Ok((received.into_response(), reports))
            }
        }
    }

    /// The hits of a response, with a permit for their positions. `plans`: what was requested for each search.
    pub(super) fn page(&self, plans: &[&FetchPlan], received: &Received) -> Result<FoundPage, UnreadPage> {
        self.read_page(plans, self.unpacked(received)?)
    }

    /// The message of a response.
    pub(super) fn unpacked(&self, received: &Received) -> Result<Bytes, KeepReason> {
        let headers = &received.parts.headers;
        if !self.request.can_read(headers) {
            return Err(KeepReason::Unsupported);
        }
        let (limit, budget) = (self.handler.limits.response_bytes, &self.handler.bounds.response_bytes);
        framing::unpack(self.endpoint.framing(), headers, &received.raw, limit, budget)
    }

    /// The hits of a message.
    pub(super) fn read_page(&self, plans: &[&FetchPlan], body: Bytes) -> Result<FoundPage, UnreadPage> {
        let budget = &self.handler.bounds.response_bytes;
        let mut permit = budget.take(self.request.page_bytes(&body)).ok_or(KeepReason::Overloaded)?;
        let page = self.request.page_for(body, plans).map_err(|error| match error {
            DialectError::LacksNamed => UnreadPage::LacksNamed,
            error => error.reason().into(),
        })?;
        // Where a filter leaves out whole responses of a batch, it cannot be determined which search the others
        // belong to.
        let responses = responses(&*page);
        if plans.len() > 1 && responses > 0 && responses != plans.len() {
            return Err(KeepReason::Unsupported.into());
        }
        permit.shrink(page.held_bytes());
        self.handler.metrics.page(Finding::Read);
        Ok((page, permit))
    }

    pub(super) async fn ranked(
        &mut self,
        searches: &[PlannedSearch],
        page: &Arc<dyn Page>,
        waiting: Waiting,
    ) -> RankedPage {
        let pipeline = &self.handler.pipeline;
        let judged = pipeline.judge(searches, &**page);
        let documents = pipeline::document_bytes(&judged, &**page).saturating_mul(DOCUMENT_COPIES);
        let Some(held) = self.handler.bounds.response_bytes.take(documents) else {
            return pipeline.keep_order(&judged.searches, &**page, KeepReason::Overloaded);
        };
        let started = Instant::now();
        let mut ranked = pipeline
            .rank(&judged, page, waiting, held, (self.notes.capture, self.notes.trace.as_ref()))
            .await;
        self.notes.ranked(&judged.searches, page, ranked.trace.take());
        self.timings.rerank += started.elapsed();
        ranked
    }

    fn joined(&self, page: &dyn Page, strips: &[Strip], ranked: &RankedPage) -> Joined {
        // The new text of the lists, then the whole.
        let hits: usize = page.lists().iter().map(|list| list.hits).sum();
        let most = page.body().len().saturating_add(hits.saturating_mul(JOINED_HIT)).saturating_mul(2);
        let Some(mut permit) = self.handler.bounds.response_bytes.take(most) else { return Joined::NoRoom };
        let joined = page.reordered(strips, &ranked.rankings);
        if joined == page.body() {
            return Joined::AsItCame;
        }
        permit.shrink(joined.len());
        Joined::Anew(counted(joined, permit))
    }
}
