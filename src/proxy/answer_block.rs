//! `answer_block`: what the headers of a response say of its searches, also as a member of its body. Many clients show no
//! headers to whoever calls them.

use http::Response;
use serde::Serialize;
use tokio::time::Instant;

use super::{
    ProxyError,
    exchange::{Exchange, Received, ReportedResponse},
    framing,
};
use crate::{
    body::{self, Body, BodyRead},
    bounds::counted,
    pipeline::{BlockResult, Ignored, Mode, Outcome, PlannedSearch, Report, Timings},
    search::KeepReason,
    wire::json::{BlockPlace, NoBlock, with_blocks},
};

/// What a member says, in this order. What is not known is left out.
#[derive(Serialize)]
struct Block<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    confidence: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nothing_relevant: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_hits: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_lookups: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unscored: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<usize>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    ignored: &'a [String],
    upstream_ms: f64,
    rerank_ms: f64,
}

impl<'a> Block<'a> {
    /// As [`super::report::write_headers`] says it; the times are those of the whole request.
    fn of(report: &'a Report, ignored: &'a Ignored, timings: &Timings) -> Self {
        let scored = !matches!(report.outcome, Outcome::Kept(_));
        Self {
            status: report.outcome.as_str(),
            reason: (report.outcome != Outcome::Applied).then(|| report.outcome.reason()),
            query_source: report.source.map(|source| source.as_str()),
            provider: report.provider.as_deref(),
            model: report.model.as_deref(),
            confidence: report.confidence.map(|share| (f64::from(share) * 1e3).round() / 1e3),
            nothing_relevant: report.says_nothing_relevant().then_some(true),
            cache_hits: scored.then_some(report.cache_hits),
            cache_lookups: scored.then_some(report.cache_lookups),
            unscored: scored.then_some(report.unscored),
            held: Some(report.held.all()).filter(|held| *held > 0),
            ignored: ignored.names(),
            upstream_ms: ms(timings.upstream),
            rerank_ms: ms(timings.rerank),
        }
    }

    fn json(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }
}

/// To a tenth of a millisecond.
fn ms(duration: std::time::Duration) -> f64 {
    (duration.as_secs_f64() * 1e4).round() / 10.0
}

/// Whether anything is said of a search in the body: where reranking is off, or behind the response, that is the
/// database's, byte for byte.
fn is_told((search, report): (&PlannedSearch, &Report)) -> bool {
    let untouched = matches!(report.outcome, Outcome::Kept(KeepReason::Off | KeepReason::Shadow));
    // Under `shadow` also where nothing is reranked behind it: not sampled, without a query, past the window.
    search.answer_block && !untouched && search.profile.mode != Mode::Shadow
}

impl Exchange {
    /// Whether the body of a response is to say how these searches ended.
    pub(super) fn has_answer_block(
        &self,
        searches: &[PlannedSearch],
        (response, reports): &ReportedResponse,
    ) -> bool {
        searches.iter().any(|search| search.answer_block)
            && searches.iter().zip(reports).any(is_told)
            && self.is_success(response)
    }

    /// The response with what is said of its searches. Where it cannot be read, or has no room for that, it stays as it is.
    pub(super) async fn with_answer_block(
        &mut self,
        searches: &[PlannedSearch],
        (response, reports): ReportedResponse,
    ) -> Result<ReportedResponse, ProxyError> {
        let place = self.request.block_place();
        if place == BlockPlace::Nowhere {
            self.handler.metrics.answer_block(BlockResult::NoPlace);
            return Ok((response, reports));
        }
        let (started, permit) = (Instant::now(), self.handler.bounds.response_bytes.nothing());
        let (parts, stream) = response.into_parts();
        let received = match body::read_up_to(stream, self.handler.limits.response_bytes, permit, None).await
        {
            Ok(BodyRead::Whole { bytes, trailers }) => Received::new(parts, bytes, trailers),
            Ok(BodyRead::TooLarge(stream) | BodyRead::NoRoom(stream)) => {
                self.handler.metrics.answer_block(BlockResult::Unread);
                return Ok((Response::from_parts(parts, stream), reports));
            }
            // It broke off: without the member the client would have seen that. It is asked once more, and streamed.
            Err(_) => return Ok((self.keep(searches, None).await?.0, reports)),
        };
        self.timings.upstream += started.elapsed();
        let (response, result) = self.told_in(received, &place, searches, &reports);
        self.handler.metrics.answer_block(result);
        Ok((response, reports))
    }

    fn told_in(
        &self,
        received: Received,
        place: &BlockPlace,
        searches: &[PlannedSearch],
        reports: &[Report],
    ) -> (Response<Body>, BlockResult) {
        let (headers, framing) = (&received.parts.headers, self.endpoint.framing());
        let (limit, budget) = (self.handler.limits.response_bytes, &self.handler.bounds.response_bytes);
        let is_read = self.request.can_read(headers) && self.has_succeeded(&received);
        let body = match framing::unpack(framing, headers, &received.raw, limit, budget) {
            Ok(body) if is_read => body,
            _ => return (received.into_response(), BlockResult::Unread),
        };
        let (all, each) = self.blocks(searches, reports);
        let more: usize = all.len() + each.iter().flatten().map(|block| block.len() + 16).sum::<usize>();
        let Some(mut permit) = budget.take(body.len().saturating_add(more + 64)) else {
            return (received.into_response(), BlockResult::Unread);
        };
        match with_blocks(&body, place, &all, &each) {
            Ok(told) => {
                permit.shrink(told.len());
                let told = received.with_message(counted(told, permit), framing);
                (told.into_response(), BlockResult::Written)
            }
            Err(none) => (received.into_response(), none.into()),
        }
    }

    /// What is said of all searches together, and of each.
    fn blocks(&self, searches: &[PlannedSearch], reports: &[Report]) -> (String, Vec<Option<String>>) {
        let json = |report| Block::of(report, &self.notes.ignored, &self.timings).json();
        let of_all = Report::of_all(reports);
        let each = searches.iter().zip(reports).map(|both| is_told(both).then(|| json(both.1)).flatten());
        (of_all.as_ref().and_then(json).unwrap_or_default(), each.collect())
    }
}

impl From<NoBlock> for BlockResult {
    fn from(none: NoBlock) -> Self {
        match none {
            NoBlock::Unread => Self::Unread,
            NoBlock::NoPlace => Self::NoPlace,
            NoBlock::Taken => Self::Taken,
        }
    }
}
