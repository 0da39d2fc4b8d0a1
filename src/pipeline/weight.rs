//! The memory and calls that reranking some searches will take, before it begins.

use std::{collections::HashSet, sync::Arc};

use super::{CallerHeaders, Judged, PlannedSearch, window::in_window};
use crate::{
    search::{HitAt, HitList, SearchIntent},
    wire::Page,
};

/// What planning one search takes, in bytes: the intent again, the plan with its fields, what is sent and taken out
/// for it, its report.
const PLANNED_SEARCH: usize = 4096;
/// A short name and its allocation.
const NAME: usize = 48;

/// The most bytes that the plans for these searches take until they are answered.
pub fn plan_bytes(intents: &[SearchIntent], caller: &CallerHeaders) -> usize {
    let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    // Once more for planning again what depends on its hits.
    let shared = length(&caller.query) + length(&caller.baggage) + length(&caller.instruction);
    let one = |intent: &SearchIntent| {
        let native = intent.native.bytes();
        let names: usize = intent.collections.iter().map(|name| name.len() + NAME).sum();
        let reranker = intent.reranker.as_ref().map_or(0, |own| own.inference_id.len() + own.query.len());
        let own = length(&intent.caller.query) + length(&intent.caller.instruction);
        PLANNED_SEARCH + 4 * (names + native + reranker + own) + 2 * shared
    };
    intents.iter().map(one).fold(shared, usize::saturating_add)
}

/// How many rerank calls these searches need: those of the same text and settings share one.
pub fn calls(searches: &[PlannedSearch]) -> usize {
    let call = |search: &PlannedSearch| {
        let work = search.work.as_ref().ok()?;
        let profile = Arc::as_ptr(&search.profile);
        let asked = (work.query.clone(), work.model.clone(), work.instruction.clone(), work.passages);
        Some((profile, asked, work.deadline, work.timeout))
    };
    searches.iter().filter_map(call).collect::<HashSet<_>>().len()
}

/// The most bytes of text that the documents of `page` have: a document is no longer than its hit.
pub fn document_bytes(judged: &Judged<'_>, page: &dyn Page) -> usize {
    let of_list = |(nth, list): (usize, &HitList)| {
        let Some(search) = judged.searches.get(list.search) else { return 0 };
        let Ok(work) = &search.work else { return 0 };
        let window = (0..list.hits).take_while(|&hit| in_window(search, work, hit));
        let free = window.map(|hit| HitAt { list: nth, hit }).filter(|&at| judged.holding.of(at).is_none());
        let bytes: usize = free.map(|at| page.hit_bytes(at).min(search.profile.document_bytes)).sum();
        // Passages overlap by half at most.
        if work.passages.is_some() { bytes.saturating_mul(2) } else { bytes }
    };
    page.lists().iter().enumerate().map(of_list).fold(0, usize::saturating_add)
}
