//! Cuts through equal scores: which of such hits a database returns, and in what order, depends on how many are
//! requested.

use super::{Outcome, PlannedSearch, Report};
use crate::{
    search::{HitAt, HitList},
    wire::{Page, Score},
};

/// Whether a list that was widened and not reranked is cut between two hits of the same score, so that the client's own
/// search may have other hits than what is left of this one.
pub fn cuts_a_tie(searches: &[PlannedSearch], page: &dyn Page, reports: &[Report]) -> bool {
    page.lists().iter().enumerate().any(|(nth, list)| {
        let kept = |report: &Report| matches!(report.outcome, Outcome::Kept(_));
        let was_kept = reports.get(list.search).is_some_and(kept);
        was_kept
            && searches.get(list.search).is_some_and(|search| {
                is_cut_at_a_tie(search, list, |hit| page.score(HitAt { list: nth, hit }))
            })
    })
}

fn is_cut_at_a_tie<'p>(
    search: &PlannedSearch,
    list: &HitList,
    score: impl Fn(usize) -> Option<Score<'p>>,
) -> bool {
    let (from, limit) = (search.intent.offset, search.intent.limit);
    let to = from.saturating_add(limit);
    // Requested no further than its own page reaches, it is the client's own search; and a sort leaves nothing open.
    if list.sorted || search.fetch.hits.is_none_or(|hits| hits <= to) {
        return false;
    }
    // A page behind the last hit is empty either way.
    let hits = list.hits as u64;
    from < hits && [from, to].into_iter().any(|place| is_tie(list, place, &score))
}

/// Whether the hits before and behind a place have one score.
fn is_tie<'p>(list: &HitList, place: u64, score: &impl Fn(usize) -> Option<Score<'p>>) -> bool {
    let Ok(place) = usize::try_from(place) else { return false };
    let Some(before) = place.checked_sub(1).filter(|_| place < list.hits) else { return false };
    match (score(before), score(place)) {
        (None, None) => true,
        (Some(before), after) => before.ties_with(after),
        (None, Some(_)) => false,
    }
}
