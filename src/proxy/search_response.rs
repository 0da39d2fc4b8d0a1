//! A search's response on its way to the client: collect, find the hits, rank, join.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRAILER, TRANSFER_ENCODING},
    response,
};
use tokio::time::Instant;

use super::{
    ProxyError,
    again::{Mended, unsure},
    headers,
    kept_order::{is_changed, kept, must_replay, replayed},
    search::{Exchange, ReportedResponse, coding_reason},
    target::head,
};
use crate::{
    body::{self, Body, BodyRead, coding},
    bounds::{Permit, counted},
    dialect::splitting_bytes,
    pipeline::{self, PlannedSearch, RankedPage, Waiting},
    search::{HitPage, KeepReason, Rewrite, Strip},
    upstream::UpstreamError,
};

/// Memory for documents beside the response: their texts, and the call that they are written into, escaped.
const DOCUMENT_COPIES: usize = 3;
/// What one hit may add to a joined response: its new score, `rerank_score`, `rerank_from`, and the edits of it.
const JOINED_HIT: usize = 128;

/// A response that has been read.
pub(super) struct Came {
    pub(super) parts: response::Parts,
    pub(super) raw: Bytes,
    pub(super) page: HitPage,
    /// The permit for the positions of the hits.
    pub(super) places: Permit,
}

/// The result of joining a response again.
enum Joined {
    /// Every byte is the same.
    AsItCame,
    Anew(Bytes),
    /// The budget has no room for it.
    NoRoom,
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
            Ok(BodyRead::Whole { bytes, .. }) => {
                return self.rank_whole(searches, rewrite, parts, bytes, changed).await;
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
        parts: response::Parts,
        raw: Bytes,
        changed: bool,
    ) -> Result<ReportedResponse, ProxyError> {
        let (page, places) = match self.page(searches.len(), &parts, &raw) {
            Ok(page) => page,
            Err(reason) if !changed => {
                return Ok((Response::from_parts(parts, body::full(raw)), kept(searches, Some(reason))));
            }
            Err(KeepReason::Overloaded) => return self.keep(searches, Some(KeepReason::Overloaded)).await,
            Err(KeepReason::TooLarge) => return self.keep_instead(searches, KeepReason::TooLarge).await,
            Err(reason) => {
                let unreadable = UpstreamError::Malformed(reason.as_str().into());
                let permit = self.handler.bounds.response_bytes.nothing();
                return Box::pin(self.rank_as_asked(searches, rewrite, Err(unreadable.into()), permit)).await;
            }
        };
        // A page may be too large for one index of several, or for one search of a batch.
        if changed && (!page.failed.is_empty() || !unsure(searches, &rewrite.strips, &page).is_empty()) {
            let mended = Box::pin(self.mended(searches, &rewrite.strips, &parts, &page)).await;
            if let Some(Mended { searches, strips, came }) = mended {
                let still = |(at, search)| is_changed(search, strips.get(at));
                let changed = searches.iter().enumerate().any(still);
                return self.rank_page(&searches, &strips, came, changed).await;
            }
        }
        self.rank_page(searches, &rewrite.strips, Came { parts, raw, page, places }, changed).await
    }

    async fn rank_page(
        &mut self,
        searches: &[PlannedSearch],
        strips: &[Strip],
        came: Came,
        changed: bool,
    ) -> Result<ReportedResponse, ProxyError> {
        let Came { parts, raw, mut page, places } = came;
        let ranked = self.ranked(searches, &mut page, Waiting::Client(self.asked_at)).await;
        if must_replay(searches, &ranked.reports, &page)
            || pipeline::cuts_a_tie(searches, &page, &ranked.reports)
        {
            // A replay that fails leaves the response that is there, cut back: a success stays one.
            match self.keep(searches, None).await {
                Ok((response, _)) if response.status() == StatusCode::OK => {
                    return Ok((response, replayed(ranked.reports)));
                }
                _ => {}
            }
        }
        let joined = self.joined(&page, strips, &ranked);
        drop(places);
        match joined {
            Joined::AsItCame => Ok((Response::from_parts(parts, body::full(raw)), ranked.reports)),
            Joined::Anew(joined) => Ok((with_body(parts, joined), ranked.reports)),
            Joined::NoRoom if changed => self.keep(searches, Some(KeepReason::Overloaded)).await,
            Joined::NoRoom => {
                let reports = kept(searches, Some(KeepReason::Overloaded));
                Ok((Response::from_parts(parts, body::full(raw)), reports))
            }
        }
    }

    /// The hits of a response, with a permit for their positions. `searches`: how many it has to answer.
    pub(super) fn page(
        &self,
        searches: usize,
        parts: &response::Parts,
        raw: &Bytes,
    ) -> Result<(HitPage, Permit), KeepReason> {
        if !is_json(&parts.headers) {
            return Err(KeepReason::Unsupported);
        }
        let (limit, budget) = (self.handler.limits.response_bytes, &self.handler.bounds.response_bytes);
        let body = coding::decode(&parts.headers, raw, limit, budget).map_err(coding_reason)?;
        let mut permit = budget.take(splitting_bytes(&body)).ok_or(KeepReason::Overloaded)?;
        let page = self.dialect.split(&head(&self.parts), body).map_err(|error| error.reason())?;
        // Where a filter leaves out whole responses of a batch, it cannot be determined which search the others
        // belong to.
        if searches > 1 && page.responses() > 0 && page.responses() != searches {
            return Err(KeepReason::Unsupported);
        }
        permit.shrink(page.place_bytes());
        Ok((page, permit))
    }

    pub(super) async fn ranked(
        &mut self,
        searches: &[PlannedSearch],
        page: &mut HitPage,
        waiting: Waiting,
    ) -> RankedPage {
        let pipeline = &self.handler.pipeline;
        let searches = &*pipeline.judge(searches, page, |body, hit| self.dialect.id(body, hit));
        let documents = pipeline::document_bytes(searches, page).saturating_mul(DOCUMENT_COPIES);
        let Some(held) = self.handler.bounds.response_bytes.take(documents) else {
            return pipeline.keep_order(searches, page, KeepReason::Overloaded);
        };
        let started = Instant::now();
        let mut ranked = pipeline.rank(searches, page, waiting, held, self.notes.capture).await;
        self.notes.ranked(searches, page, ranked.trace.take());
        self.timings.rerank += started.elapsed();
        ranked
    }

    fn joined(&self, page: &HitPage, strips: &[Strip], ranked: &RankedPage) -> Joined {
        // The new text of the lists, then the whole.
        let most = page.body.len().saturating_add(page.hits().saturating_mul(JOINED_HIT)).saturating_mul(2);
        let Some(mut permit) = self.handler.bounds.response_bytes.take(most) else { return Joined::NoRoom };
        let joined = self.dialect.join(page, strips, &ranked.rankings);
        if joined == page.body {
            return Joined::AsItCame;
        }
        permit.shrink(joined.len());
        Joined::Anew(counted(joined, permit))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || media_type.ends_with("+json")
}

/// The response with a new body: length and codings are those of the new bytes.
pub(super) fn with_body(mut parts: response::Parts, body: Bytes) -> Response<Body> {
    for name in [CONTENT_ENCODING, TRANSFER_ENCODING, TRAILER] {
        headers::replace(&mut parts.headers, &name, None);
    }
    let length = HeaderValue::from(body.len());
    headers::replace(&mut parts.headers, &CONTENT_LENGTH, Some(length));
    Response::from_parts(parts, body::full(body))
}
