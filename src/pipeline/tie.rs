//! Cuts through equal scores: which of such hits a database returns, and in what order, depends on how many are
//! requested.

use super::{Outcome, PlannedSearch, Report};
use crate::search::{Hit, HitList, HitPage};

/// Whether a list that was widened and not reranked is cut between two hits of the same score, so that the client's own
/// search may have other hits than what is left of this one.
pub fn cuts_a_tie(searches: &[PlannedSearch], page: &HitPage, reports: &[Report]) -> bool {
    page.lists.iter().any(|list| {
        let kept = |report: &Report| matches!(report.outcome, Outcome::Kept(_));
        let was_kept = reports.get(list.search).is_some_and(kept);
        was_kept && searches.get(list.search).is_some_and(|search| is_cut_at_a_tie(search, list, &page.body))
    })
}

fn is_cut_at_a_tie(search: &PlannedSearch, list: &HitList, body: &[u8]) -> bool {
    let (from, limit) = (search.intent.offset, search.intent.limit);
    let to = from.saturating_add(limit);
    // Requested no further than its own page reaches, it is the client's own search; and a sort leaves nothing open.
    if list.sorted || search.fetch.hits.is_none_or(|hits| hits <= to) {
        return false;
    }
    // A page behind the last hit is empty either way.
    let hits = list.hits.len() as u64;
    from < hits && [from, to].into_iter().any(|place| is_tie(list, place, body))
}

/// Whether the hits before and behind a place have one score.
fn is_tie(list: &HitList, place: u64, body: &[u8]) -> bool {
    let Ok(place) = usize::try_from(place) else { return false };
    let before = place.checked_sub(1).and_then(|before| list.hits.get(before));
    let (Some(before), Some(after)) = (before, list.hits.get(place)) else { return false };
    let text = |hit: &Hit| std::str::from_utf8(body.get(hit.score.clone()?)?).ok();
    let (before, after) = (text(before), text(after));
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<f64>().ok());
    // Two that are not numbers count as equal too: nothing says which of them comes first.
    before == after || number(before).is_some_and(|score| Some(score) == number(after))
}
