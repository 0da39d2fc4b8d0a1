//! [`RankTrace`]: what ranking keeps for records, and how their lists are made of it, after the response.

use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc};

use super::{
    Holding, Outcome, PlannedSearch, Report,
    list_order::Places,
    plan::Work,
    record::{Capture, DocumentRecord, HitRecord, ListRecord, NewPlace, ScoredBy, Unscored},
    window::{first_place, in_window},
    witness::field_names,
};
use crate::{
    document,
    rerank::{CallLog, FailureClass},
    search::{Boosted, Document, HitAt, HitId, HitList, KeepReason, Passage},
    wire::{Page, Score},
};

/// What ranking keeps for the records of a page.
#[derive(Clone, Default)]
pub struct RankTrace {
    /// Only lists that have documents.
    pub(super) lists: Vec<ListTrace>,
    /// The hits that kept their place.
    pub(super) holding: Holding,
    /// The calls to providers, from [`Capture::Calls`] on.
    pub calls: Option<CallLog>,
}

/// The rerank call's part of one list: parallel to its documents.
#[derive(Clone, Default)]
pub(super) struct ListTrace {
    pub(super) list: usize,
    /// The hits that have documents.
    pub(super) hits: Vec<usize>,
    pub(super) documents: Arc<[Document]>,
    /// None where the call failed.
    pub(super) scores: Vec<Option<f32>>,
    /// The best ones of documents that were cut; empty where none are.
    pub(super) passages: Vec<Option<Passage>>,
    /// What boosts have made of the scores; empty where there are none.
    pub(super) boosted: Vec<Option<Boosted>>,
    pub(super) from_cache: Vec<bool>,
    pub(super) sent_bytes: Option<usize>,
    pub(super) failure: Option<FailureClass>,
    /// Where the hits of the list went; `None` where it was not ranked.
    pub(super) places: Option<Places>,
}

impl RankTrace {
    /// The names of the fields that each hit of `page` came with, except of those that may not be read.
    pub fn field_names(&self, page: &dyn Page) -> HashMap<HitId, Vec<String>> {
        field_names(page, &self.holding)
    }

    /// The records of the lists of `page`, each with the number of its search. `reports` are the final ones: where
    /// the order was kept after all, no hit has moved.
    pub fn lists(
        &self,
        searches: &[PlannedSearch],
        page: &dyn Page,
        reports: &[Report],
        capture: Capture,
    ) -> Vec<(usize, ListRecord)> {
        let lists = page.lists().iter().enumerate().filter_map(|(at, list)| {
            let (search, report) = (searches.get(list.search)?, reports.get(list.search)?);
            let none = ListTrace::default();
            let trace = self.lists.iter().find(|trace| trace.list == at).unwrap_or(&none);
            let view = ListView { search, report, page, at, list, trace, holding: &self.holding, capture };
            Some((list.search, ListRecord { hits: view.hits() }))
        });
        lists.collect()
    }
}

/// Everything that is known of one list.
struct ListView<'a> {
    search: &'a PlannedSearch,
    report: &'a Report,
    page: &'a dyn Page,
    at: usize,
    list: &'a HitList,
    trace: &'a ListTrace,
    holding: &'a Holding,
    capture: Capture,
}

impl ListView<'_> {
    fn hits(&self) -> Vec<HitRecord> {
        let first = first_place(self.search);
        let places = self.places();
        let known = self.by_place(self.trace.hits.iter().enumerate().map(|(at, &hit)| (hit, at)));
        let known = |place: usize| known.get(place).copied().flatten();
        let record = |place: usize| {
            let (hit, at) = (self.hit(place), known(place));
            HitRecord {
                id: self.page.id(hit),
                from: first.saturating_add(place as u64),
                to: places
                    .get(place)
                    .copied()
                    .flatten()
                    .map_or(NewPlace::BelowFloor, |new| self.new_place(new)),
                database_score: self.page.score(hit).and_then(Score::text).map(Into::into),
                relevance: at.and_then(|at| self.score(at)),
                scored_by: self.scored_by(place, at),
                boosted: at.and_then(|at| self.trace.boosted.get(at).cloned().flatten()).map(Box::new),
                passage: at.and_then(|at| self.trace.passages.get(at).copied().flatten()),
                document: at.filter(|_| self.capture >= Capture::Text).and_then(|at| self.document(hit, at)),
            }
        };
        (0..self.list.hits).map(record).collect()
    }

    fn hit(&self, place: usize) -> HitAt {
        HitAt { list: self.at, hit: place }
    }

    /// From old to new places in the list, less those of hits that were dropped.
    fn places(&self) -> Vec<Option<usize>> {
        match (&self.trace.places, self.report.outcome) {
            (Some(places), Outcome::Applied | Outcome::Partial(_)) => self.by_place(places.iter().copied()),
            _ => (0..self.list.hits).map(Some).collect(),
        }
    }

    /// What belongs to each hit of the list.
    fn by_place(&self, pairs: impl Iterator<Item = (usize, usize)>) -> Vec<Option<usize>> {
        let mut all = vec![None; self.list.hits];
        for (hit, of_hit) in pairs {
            if let Some(place) = all.get_mut(hit) {
                *place = Some(of_hit);
            }
        }
        all
    }

    fn new_place(&self, new: usize) -> NewPlace {
        let (search, intent) = (self.search, &self.search.intent);
        let place = first_place(search).saturating_add(new as u64);
        let page = intent.offset..intent.offset.saturating_add(intent.limit);
        if !search.widened() || page.contains(&place) {
            NewPlace::Response(place)
        } else {
            NewPlace::OffPage(place)
        }
    }

    fn scored_by(&self, place: usize, at: Option<usize>) -> ScoredBy {
        if let Some(at) = at.filter(|&at| self.score(at).is_some()) {
            return if self.is_from_cache(at) { ScoredBy::Cache } else { ScoredBy::Provider };
        }
        let hit = self.hit(place);
        if let Some(why) = self.holding.of(hit) {
            return ScoredBy::Nobody(Unscored::Holds(why));
        }
        let unscored = match &self.search.work {
            Ok(work) if !in_window(self.search, work, place) => Unscored::PastWindow,
            Ok(work) if at.is_none() && self.whole_document(hit, work).is_none() => Unscored::NoText,
            _ => Unscored::Reason(self.reason(at.is_some())),
        };
        ScoredBy::Nobody(unscored)
    }

    /// Why a hit has no score although it has text; `asked`: its document was in a call.
    fn reason(&self, asked: bool) -> KeepReason {
        match (self.report.outcome, self.trace.failure) {
            (_, Some(failure)) => failure.reason(),
            (Outcome::Kept(reason) | Outcome::Partial(reason), None) => reason,
            // A call that succeeded leaves out only what would cost too much.
            (Outcome::Applied, None) if asked => KeepReason::Budget,
            // Another group of the same search was ranked.
            (Outcome::Applied, None) if self.search.profile.margin_gate.is_some() => KeepReason::Margin,
            (Outcome::Applied, None) => KeepReason::NotRanked,
        }
    }

    fn score(&self, at: usize) -> Option<f32> {
        self.trace.scores.get(at).copied().flatten()
    }

    fn is_from_cache(&self, at: usize) -> bool {
        self.trace.from_cache.get(at).copied().unwrap_or(false)
    }

    fn whole_document<'b>(&'b self, hit: HitAt, work: &'b Work) -> Option<Cow<'b, str>> {
        document::document(self.page, hit, &work.fields, usize::MAX)
    }

    fn document(&self, hit: HitAt, at: usize) -> Option<DocumentRecord> {
        let (text, work) = (self.trace.documents.get(at)?.text(), self.search.work.as_ref().ok()?);
        let sent = self.trace.sent_bytes.filter(|&bytes| !self.is_from_cache(at) && bytes < text.len());
        Some(match sent {
            Some(bytes) => DocumentRecord { text: text[..text.floor_char_boundary(bytes)].into(), cut: true },
            None => {
                let cut = self.whole_document(hit, work).is_some_and(|whole| whole.len() > text.len());
                DocumentRecord { text: text.into(), cut }
            }
        })
    }
}

impl fmt::Debug for RankTrace {
    /// Shows how many lists only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RankTrace").field("lists", &self.lists.len()).finish()
    }
}

#[cfg(test)]
#[path = "trace_tests.rs"]
mod tests;
