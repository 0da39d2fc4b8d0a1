//! `mode: shadow`: the client gets the database's own response; what reranking would have done to the search is
//! measured afterwards, for the metrics alone.

use tokio::time::Instant;
use tracing::Instrument;

use super::exchange::{Exchange, FIRST_OF_RESPONSE, Received};
use crate::{
    body::{self, BodyRead},
    bounds::Permit,
    pipeline::{self, PlannedSearch, Report, Timings, Waiting},
    search::KeepReason,
    upstream::Turn,
};

impl Exchange {
    /// Begins the work after a response, if there is any. Returns at once.
    pub(super) fn follow(&self, searches: &[PlannedSearch]) {
        let shadowed: Vec<PlannedSearch> =
            searches.iter().filter(|search| search.shadow.is_some()).map(PlannedSearch::in_shadow).collect();
        if shadowed.is_empty() {
            return;
        }
        let (dialect, kind) = (self.dialect.name(), self.endpoint.kind());
        let bounds = &self.handler.bounds;
        let place = self.handler.shadow_places.clone().try_acquire_owned().ok();
        let room = place.and_then(|place| {
            let share = pipeline::share(&shadowed).ok()?;
            let search = bounds.searches.take(pipeline::calls(&shadowed))?;
            Some((place, (share, search), bounds.response_bytes.take(FIRST_OF_RESPONSE)?))
        });
        let Some((place, search, permit)) = room else {
            let lost = Report::kept(KeepReason::Overloaded);
            for _ in &shadowed {
                self.handler.metrics.shadow(dialect, kind.as_str(), &lost);
            }
            return;
        };
        let searches: Vec<PlannedSearch> = searches.iter().map(PlannedSearch::in_shadow).collect();
        let mut exchange = self.clone();
        exchange.timings = Timings::default();
        exchange.notes = self.notes.behind(&self.handler.records);
        let work = async move {
            let started = Instant::now();
            let reports = exchange
                .in_shadow(&searches, permit)
                .await
                .unwrap_or_else(|reason| searches.iter().map(|_| Report::kept(reason)).collect());
            for (report, _) in reports.iter().zip(&searches).filter(|(_, search)| search.work.is_ok()) {
                exchange.handler.metrics.shadow(dialect, kind.as_str(), report);
            }
            exchange.handler.metrics.shadow_times(&exchange.timings);
            let timings = Timings { total: started.elapsed(), ..exchange.timings };
            exchange.notes.planned(&searches);
            exchange.notes.write(&exchange.handler.records, &exchange.dialect, kind, &reports, timings);
            drop((place, search));
        };
        tokio::spawn(work.in_current_span());
    }

    /// Sends, ranks, and drops the result.
    async fn in_shadow(
        &mut self,
        searches: &[PlannedSearch],
        permit: Permit,
    ) -> Result<Vec<Report>, KeepReason> {
        let rewrite = self.rewrite(searches)?;
        let response = self.ask(&rewrite, Turn::Last).await.map_err(|_| KeepReason::UpstreamError)?;
        if !self.is_success(&response) {
            return Err(KeepReason::UpstreamError);
        }
        let (parts, stream) = response.into_parts();
        let limit = self.handler.limits.response_bytes;
        let received = match body::read_up_to(stream, limit, permit, None).await {
            Ok(BodyRead::Whole { bytes, trailers }) => Received::new(parts, bytes, trailers),
            Ok(BodyRead::TooLarge(_)) => return Err(KeepReason::TooLarge),
            Ok(BodyRead::NoRoom(_)) => return Err(KeepReason::Overloaded),
            Err(_) => return Err(KeepReason::UpstreamError),
        };
        if !self.has_succeeded(&received) {
            return Err(KeepReason::UpstreamError);
        }
        let (page, _places) = self.page_of(searches, &received)?;
        Ok(self.ranked(searches, &page, Waiting::Nobody).await.reports)
    }
}
