//! Where the hits of a response stand in the whole search.

use super::{PlannedSearch, plan::Work};

/// Whether the hit at `place` of a response is among the best candidates of the whole search.
pub(super) fn in_window(search: &PlannedSearch, work: &Work, place: usize) -> bool {
    first_place(search).saturating_add(place as u64) < work.window
}

/// The place in the whole search of the first hit of a response.
pub(super) fn first_place(search: &PlannedSearch) -> u64 {
    if search.widened() || search.intent.grouped { 0 } else { search.intent.offset }
}
