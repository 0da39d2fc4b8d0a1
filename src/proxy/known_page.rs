//! The hits of a response, read or known from one before.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    exchange::{Exchange, FoundPage, Received},
    kept_order::plans,
    known_lists::Asker,
    search_response::UnreadPage,
};
use crate::{
    pipeline::{Finding, PlannedSearch, Report},
    search::KeepReason,
    wire::Page,
};

impl Exchange {
    /// The hits of the response to these searches, with a permit for their positions.
    pub(super) fn page_of(
        &self,
        searches: &[PlannedSearch],
        received: &Received,
    ) -> Result<FoundPage, UnreadPage> {
        let body = self.unpacked(received)?;
        match self.known_page(searches, &body)? {
            Some(known) => Ok(known),
            None => self.read_page(&plans(searches), body),
        }
    }

    /// The same where the list of hits has been there before: it is not read again.
    fn known_page(&self, searches: &[PlannedSearch], body: &Bytes) -> Result<Option<FoundPage>, KeepReason> {
        let [search] = searches else { return Ok(None) };
        let asker = Asker::of(search, self.dialect.name());
        let Some(known) = asker.and_then(|asker| self.handler.known.find(&asker, body)) else {
            return Ok(None);
        };
        let budget = &self.handler.bounds.response_bytes;
        let take = |bytes| budget.take(bytes).ok_or(KeepReason::Overloaded);
        let rest = body.len().saturating_sub(known.list.array(known.start).len());
        let _copy = take(rest)?;
        let Some(left) = known.list.taken_out(body, known.start) else { return Ok(None) };
        let mut permit = take(self.request.page_bytes(&left).saturating_add(known.list.hits_bytes()))?;
        let page = self.request.page_without_hits(left);
        let page = page.and_then(|page| page.with_known(body.clone(), &known.list, known.start));
        Ok(page.map(|page| {
            permit.shrink(page.held_bytes());
            self.handler.metrics.page(Finding::Known);
            (Arc::new(page) as Arc<dyn Page>, permit)
        }))
    }

    /// Remembers where the hits of a page stand, if it is likely to come again: all its scores were there.
    pub(super) fn know(&self, searches: &[PlannedSearch], page: &dyn Page, reports: &[Report]) {
        if let ([search], [report]) = (searches, reports)
            && report.cache_lookups > 0
            && report.cache_hits == report.cache_lookups
            && let Some(asker) = Asker::of(search, self.dialect.name())
        {
            self.handler.known.add(&asker, page);
        }
    }
}
