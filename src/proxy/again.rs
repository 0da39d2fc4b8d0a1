//! Second requests to the database, in the client's own form, for what it failed of the changed request.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Response, StatusCode};
use tokio::time::Instant;

use super::{
    ProxyError,
    exchange::{Came, Exchange, Received, ReportedResponse, responses},
    kept_order::{changes_response, is_changed, is_not_response, kept, plans},
    search_request::send_own,
};
use crate::{
    body::{self, Body, BodyRead},
    bounds::{Permit, counted},
    dialect::Verdict,
    pipeline::{self, Extra, Loss, PlannedSearch, Report},
    search::{FetchPlan, Got, HitList, KeepReason, MostHits, Rewrite, Strip},
    upstream::Turn,
    wire::Page,
};

/// The most bytes of an error that are read: errors are shorter.
const LONGEST_REFUSAL: usize = 64 << 10;

/// A response with what had been missing, and the searches that it belongs to.
pub(super) struct Mended {
    pub(super) searches: Vec<PlannedSearch>,
    pub(super) strips: Vec<Strip>,
    pub(super) came: Came,
}

/// Searches that ask for less than before, as they are sent, and what they are without.
type Less = (Vec<PlannedSearch>, Rewrite, Option<Extra>);

impl Exchange {
    /// The database rejected `asked`, or gave no response to it: sends the same without what the rejection is about,
    /// and finally the client's own search, its page reranked as it is.
    pub(super) async fn rank_as_asked(
        &mut self,
        searches: &[PlannedSearch],
        asked: Rewrite,
        rejection: Result<Response<Body>, ProxyError>,
        permit: Permit,
    ) -> Result<ReportedResponse, ProxyError> {
        if searches.iter().any(PlannedSearch::reranks_upstream_as_asked) {
            return self.keep_instead(searches, KeepReason::UpstreamError).await;
        }
        let (rejection, blamed) = self.blamed(searches, &asked, rejection).await;
        let failed = |rejection: Result<_, _>| {
            rejection.map(|response| (response, kept(searches, Some(KeepReason::UpstreamError))))
        };
        let (own, rewrite, blamed) = match self.taken_back(searches, &asked, blamed) {
            Ok(Some(less)) => less,
            Ok(None) => return failed(rejection),
            Err(reason) => return self.keep(searches, Some(reason)).await,
        };
        let changed = changes_response(&own, &rewrite);
        let turn = if changed { Turn::First } else { Turn::Last };
        let rejection = match self.ask(&rewrite, turn).await {
            Ok(response) if self.is_success(&response) => {
                self.learn(searches, blamed);
                return self.rank(&own, rewrite, response, permit, changed).await;
            }
            Ok(response) if changed && self.verdict(&response) == Verdict::Rejected => Ok(response),
            Ok(response) => return Ok((response, kept(&own, Some(KeepReason::UpstreamError)))),
            Err(error) if changed && is_not_response(&error) => Err(error),
            Err(error) => return failed(rejection.or(Err(error))),
        };
        Box::pin(self.rank_as_asked(&own, rewrite, rejection, permit)).await
    }

    /// The response lacks what the searches' own form names: asks once more without the fields that were added. Nothing is
    /// learned of it, since other searches of the collection are none the worse for it.
    pub(super) async fn rank_without_fields(
        &mut self,
        searches: &[PlannedSearch],
    ) -> Result<ReportedResponse, ProxyError> {
        let own: Vec<PlannedSearch> =
            searches.iter().map(|search| search.without(Some(Extra::Fields))).collect();
        let rewrite = match self.rewrite(&own) {
            Ok(rewrite) => rewrite,
            Err(reason) => return self.keep(searches, Some(reason)).await,
        };
        let changed = changes_response(&own, &rewrite);
        let turn = if changed { Turn::First } else { Turn::Last };
        let permit = self.handler.bounds.response_bytes.nothing();
        match self.ask(&rewrite, turn).await {
            Ok(response) if self.is_success(&response) => {
                self.rank(&own, rewrite, response, permit, changed).await
            }
            rejection if changed => self.rank_as_asked(&own, rewrite, rejection, permit).await,
            rejection => Ok((rejection?, kept(&own, Some(KeepReason::UpstreamError)))),
        }
    }

    /// The searches without what is `blamed`, or else in their clients' own form; `None` where that is what was `asked`.
    fn taken_back(
        &self,
        searches: &[PlannedSearch],
        asked: &Rewrite,
        blamed: Option<Extra>,
    ) -> Result<Option<Less>, KeepReason> {
        for blamed in [blamed, None] {
            let own: Vec<PlannedSearch> = searches.iter().map(|search| search.without(blamed)).collect();
            let rewrite = self.rewrite(&own)?;
            if (&rewrite.target, &rewrite.body) != (&asked.target, &asked.body) {
                return Ok(Some((own, rewrite, blamed)));
            }
        }
        Ok(None)
    }

    /// What a rejection is about, where the searches asked for more than one thing beyond their clients' own form.
    /// The rejection itself is passed on unchanged.
    async fn blamed(
        &self,
        searches: &[PlannedSearch],
        asked: &Rewrite,
        rejection: Result<Response<Body>, ProxyError>,
    ) -> (Result<Response<Body>, ProxyError>, Option<Extra>) {
        let adds_both = searches.iter().any(|search| search.widened() && !search.fetch.fields.is_none());
        let of_request =
            |response: &Response<Body>| matches!(response.status().as_u16(), 400 | 403 | 413 | 422);
        let response = match rejection {
            Ok(response) if adds_both && of_request(&response) => response,
            Ok(response) if adds_both => {
                let complaint = self.request.complaint(response.headers());
                let blamed = complaint.and_then(|complaint| pipeline::blamed(&complaint));
                return (Ok(response), blamed);
            }
            rejection => return (rejection, None),
        };
        // Where it says nothing, names are the likelier cause: the largest limit is known as a rule.
        let names = asked.strips.iter().any(|strip| !strip.paths.is_empty());
        let else_names = (names && self.request.may_reject_names()).then_some(Extra::Fields);
        let (parts, stream) = response.into_parts();
        let permit = self.handler.bounds.response_bytes.nothing();
        let (body, blamed) = match body::read_up_to(stream, LONGEST_REFUSAL, permit, None).await {
            Ok(BodyRead::Whole { bytes, .. }) => {
                let blamed = pipeline::blamed(&bytes).or(else_names);
                (body::full(bytes), blamed)
            }
            Ok(BodyRead::TooLarge(stream) | BodyRead::NoRoom(stream)) => (stream, None),
            // It is not returned to the client: another request follows.
            Err(_) => (body::full(Bytes::new()), None),
        };
        (Ok(Response::from_parts(parts, body)), blamed)
    }

    /// The client's own search, its response streamed, in place of one that could not be used as it was widened.
    pub(super) fn keep_instead<'a>(
        &'a mut self,
        searches: &'a [PlannedSearch],
        reason: KeepReason,
    ) -> BoxFuture<'a, Result<ReportedResponse, ProxyError>> {
        Box::pin(async move {
            let response = self.keep(searches, Some(reason)).await?;
            if self.is_success(&response.0) {
                self.learn(searches, None);
            }
            Ok(response)
        })
    }

    /// Whether the database reranks these searches itself, by what they say to the proxy.
    pub(super) fn is_reranked_upstream(&self, searches: &[PlannedSearch]) -> bool {
        let reranks = |search: &PlannedSearch| {
            search.intent.own_ext && self.handler.pipeline.reranks_upstream(&search.intent.collections)
        };
        searches.iter().any(reranks)
    }

    /// The request with all that it says to the proxy left in.
    pub(super) fn unchanged_form<'a>(
        &'a mut self,
        searches: &'a [PlannedSearch],
    ) -> BoxFuture<'a, Result<ReportedResponse, ProxyError>> {
        Box::pin(async move {
            let started = Instant::now();
            let response = send_own(&self.forwarder, &self.parts, self.raw.clone(), None).await?;
            self.timings.upstream += started.elapsed();
            let reports = searches.iter().map(|_| Report::kept(KeepReason::Unsupported));
            Ok((response, reports.collect()))
        })
    }

    /// An index may have a pipeline by default that reranks, and that fails without what the proxy has taken out
    /// of the request. Where all of the request succeeds, that is the response.
    pub(super) async fn or_unchanged(
        &mut self,
        response: Result<ReportedResponse, ProxyError>,
        searches: &[PlannedSearch],
    ) -> Result<ReportedResponse, ProxyError> {
        let [PlannedSearch { intent, .. }] = searches else { return response };
        let failed = response.as_ref().is_ok_and(|(response, _)| {
            matches!(response.status(), StatusCode::BAD_REQUEST | StatusCode::INTERNAL_SERVER_ERROR)
        });
        if !failed || !may_have_pipelines(&response) || !intent.own_ext || self.is_reranked_upstream(searches)
        {
            return response;
        }
        match self.unchanged_form(searches).await {
            Ok((response, reports)) if self.is_success(&response) => {
                self.handler.pipeline.reranked_upstream(&intent.collections);
                Ok((response, reports))
            }
            _ => response,
        }
    }

    /// The client's own request, or the changed one without what was `blamed`, has succeeded where the changed one had
    /// failed.
    fn learn(&self, searches: &[PlannedSearch], blamed: Option<Extra>) {
        self.handler.pipeline.change_rejected(searches, blamed);
        self.handler.metrics.widening_rejected(self.dialect.name());
    }

    /// Sends again the searches that failed, or lack something, in their changed form, and those whose total only
    /// their own form gives: only these. `None` where there are none, or the client's own are no better.
    pub(super) async fn mended(
        &mut self,
        searches: &[PlannedSearch],
        strips: &[Strip],
        received: &Received,
        page: &dyn Page,
    ) -> Option<Mended> {
        let (lacking, unsure) = (self.lacking(searches, strips, page), unsure(searches, strips, page));
        let again: Vec<usize> =
            (0..searches.len()).filter(|at| lacking.contains(at) || unsure.contains(at)).collect();
        if again.is_empty() {
            return None;
        }
        let own = |(at, search): (usize, &PlannedSearch)| match lacking.contains(&at) {
            true => search.as_asked(),
            false => search.without(Some(Extra::Hits)),
        };
        let own: Vec<PlannedSearch> = searches.iter().enumerate().map(own).collect();
        let rewrite = self.rewrite_some(&own, &again)?;
        let response = self.ask(&rewrite, Turn::Last).await.ok()?;
        let asked: Vec<&FetchPlan> =
            again.iter().filter_map(|at| own.get(*at)).map(|own| &own.fetch).collect();
        let theirs = self.read_whole(response, &asked).await?;
        if searches.len() > 1 && responses(&*theirs.page) != again.len() {
            return None;
        }
        let taken = self.compared(searches, page, &*theirs.page, (&again, &unsure));
        if taken.is_empty() {
            return None;
        }
        if searches.len() == 1 {
            return Some(Mended { searches: own, strips: rewrite.strips, came: theirs });
        }
        let merged = self.request.merge(page.body(), theirs.page.body(), &taken)?;
        let message = counted(merged.clone(), self.handler.bounds.response_bytes.take(merged.len())?);
        let received = Received::new(received.parts.clone(), Bytes::new(), received.trailers.clone());
        let received = received.with_message(message, self.endpoint.framing());
        let (mut searches, mut strips) = (searches.to_vec(), strips.to_vec());
        for &(search, place) in &taken {
            *searches.get_mut(search)? = own.get(search)?.clone();
            *strips.get_mut(search)? = rewrite.strips.get(place)?.clone();
        }
        let (page, places) = self.page(&plans(&searches), &received).ok()?;
        Some(Mended { searches, strips, came: Came { received, page, places } })
    }

    /// The searches that the database may have answered otherwise as their client wrote them.
    fn lacking(&self, searches: &[PlannedSearch], strips: &[Strip], page: &dyn Page) -> Vec<usize> {
        let mut lacking = Vec::new();
        for failure in page.failed() {
            let Some(search) = searches.get(failure.search) else { continue };
            let changed = is_changed(search, strips.get(failure.search));
            if !changed || search.reranks_upstream_as_asked() {
                continue;
            }
            let lacks = match failure.got {
                Got::Denied | Got::NoList => false,
                Got::Rejected | Got::Short => true,
                Got::Part { lost, timed_out } => {
                    let known = self.handler.pipeline.known_loss(&search.intent.collections);
                    let short =
                        hits_of(page, failure.search) < search.fetch.hits.unwrap_or(search.intent.limit);
                    lost > known.shards || (timed_out && short && !known.timed_out)
                }
            };
            lacking.extend(lacks.then_some(failure.search));
        }
        lacking
    }

    /// Which of the second responses are used: the number of the search, and the index of its second response.
    fn compared(
        &self,
        searches: &[PlannedSearch],
        first: &dyn Page,
        second: &dyn Page,
        (again, unsure): (&[usize], &[usize]),
    ) -> Vec<(usize, usize)> {
        let pipeline = &self.handler.pipeline;
        let (mut taken, mut learned) = (Vec::new(), false);
        for (place, &search) in again.iter().enumerate() {
            let (was, is) = (got(first, search), got(second, place));
            let Some(planned) = searches.get(search) else { continue };
            let brought = hits_of(first, search).saturating_sub(planned.intent.offset);
            let capped = was == Some(Got::Short) && is.is_none() && hits_of(second, place) > brought;
            let whole = capped || (unsure.contains(&search) && was.is_none() && is.is_none());
            if whole {
                pipeline.change_rejected(std::slice::from_ref(planned), Some(Extra::Hits));
                learned = true;
            } else if is_better(was, is) {
                pipeline.change_rejected(std::slice::from_ref(planned), None);
                learned = true;
            } else if let Some(Got::Part { lost, timed_out }) = is {
                let loss = Loss { shards: lost, timed_out };
                pipeline.lost_as_asked(&planned.intent.collections, loss);
            }
            // An error returned to the client has to be about its own search.
            let rejected = was == Some(Got::Rejected);
            taken.extend((whole || rejected || is_better(was, is)).then_some((search, place)));
        }
        if learned {
            self.handler.metrics.widening_rejected(self.dialect.name());
        }
        taken
    }

    /// The client's own form of some of its searches.
    fn rewrite_some(&self, own: &[PlannedSearch], some: &[usize]) -> Option<Rewrite> {
        if own.len() == 1 { self.rewrite(own).ok() } else { self.pick(own, some) }
    }

    /// All of a response to so many searches, if it is one and there is room for it.
    async fn read_whole(&self, response: Response<Body>, plans: &[&FetchPlan]) -> Option<Came> {
        if !self.is_success(&response) {
            return None;
        }
        let (parts, stream) = response.into_parts();
        let permit = self.handler.bounds.response_bytes.nothing();
        let limit = self.handler.limits.response_bytes;
        let Ok(BodyRead::Whole { bytes, trailers }) = body::read_up_to(stream, limit, permit, None).await
        else {
            return None;
        };
        let received = Received::new(parts, bytes, trailers);
        if !self.has_succeeded(&received) {
            return None;
        }
        let (page, places) = self.page(plans, &received).ok()?;
        Some(Came { received, page, places })
    }
}

/// Elasticsearch says in each response that it is not OpenSearch.
fn may_have_pipelines(response: &Result<ReportedResponse, ProxyError>) -> bool {
    response.as_ref().is_ok_and(|(response, _)| !response.headers().contains_key("x-elastic-product"))
}

/// The searches whose own total cannot be derived from what was counted for more candidates.
pub(super) fn unsure(searches: &[PlannedSearch], strips: &[Strip], page: &dyn Page) -> Vec<usize> {
    let unsure = |list: &HitList| {
        let asked = searches.get(list.search)?.fetch.hits?;
        let Some(MostHits::OnEachShard(most)) = strips.get(list.search)?.total_at_most else { return None };
        (!list.total.as_ref()?.tells(most, asked)).then_some(list.search)
    };
    page.lists().iter().filter_map(unsure).collect()
}

/// What a search got; `None` for a whole response.
fn got(page: &dyn Page, search: usize) -> Option<Got> {
    page.failed().iter().find(|failure| failure.search == search).map(|failure| failure.got)
}

fn hits_of(page: &dyn Page, search: usize) -> u64 {
    page.lists().iter().filter(|list| list.search == search).map(|list| list.hits as u64).sum()
}

/// Whether less is missing of the second response than of the first.
fn is_better(was: Option<Got>, is: Option<Got>) -> bool {
    match (was, is) {
        // Of lists only their lengths tell.
        (_, Some(Got::Denied | Got::Rejected)) | (None | Some(Got::Short), _) => false,
        (Some(Got::Part { lost, timed_out }), Some(Got::Part { lost: still, timed_out: again })) => {
            still < lost || (still == lost && timed_out && !again)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_better_that_lacks_less() {
        let part = |lost, timed_out| Some(Got::Part { lost, timed_out });
        for (was, is) in [
            (Some(Got::Rejected), None),
            (Some(Got::Rejected), part(1, false)),
            (part(2, false), part(1, true)),
            (part(1, true), part(1, false)),
            (part(1, false), None),
        ] {
            assert!(is_better(was, is), "{was:?} {is:?}");
        }
        for (was, is) in [
            (Some(Got::Rejected), Some(Got::Rejected)),
            (part(1, false), Some(Got::Rejected)),
            (part(1, false), part(1, false)),
            (part(1, false), part(1, true)),
            (part(0, true), part(1, false)),
        ] {
            assert!(!is_better(was, is), "{was:?} {is:?}");
        }
    }
}
