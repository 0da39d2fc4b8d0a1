//! The texts of searches that carry only vectors, from the embedding calls that gave them.

use super::handler::SearchHandler;
use crate::{
    bounds::Permit,
    dialect::SearchRequest,
    embedding::{LookUp, Recall},
    pipeline::{CallerHeaders, PlannedSearch},
    search::KeepReason,
    tenant::Claim,
};

/// The searches of one request, planned by what they say themselves.
pub(super) struct Said<'a> {
    pub(super) request: &'a dyn SearchRequest,
    /// What reading it takes each time.
    pub(super) working_bytes: usize,
    pub(super) caller: &'a CallerHeaders,
}

impl SearchHandler {
    /// What may know the texts of these searches; `None` where none lacks a text, and where nothing is remembered.
    pub(super) fn recalls(&self, searches: &[PlannedSearch]) -> Option<&Recall> {
        let recall = self.recall.as_deref().filter(|recall| !recall.is_empty())?;
        searches.iter().any(PlannedSearch::lacks_text).then_some(recall)
    }

    /// Plans those searches again whose vectors are known to be of a text. What is found is counted against `permit`.
    pub(super) async fn plan_recalled(
        &self,
        recall: &Recall,
        said: Said<'_>,
        searches: &mut Vec<PlannedSearch>,
        permit: &mut Permit,
    ) {
        let lacking = |(_, search): &(usize, &PlannedSearch)| search.lacks_text();
        let lacking: Vec<usize> = searches.iter().enumerate().filter(lacking).map(|(at, _)| at).collect();
        let Some(working) = self.bounds.request_bytes.take(said.working_bytes) else {
            for search in searches.iter_mut().filter(|search| search.lacks_text()) {
                search.work = Err(KeepReason::Overloaded);
            }
            return;
        };
        let tenant = searches.first().and_then(|search| search.profile.tenant.as_ref());
        // Where only its collections say whose a search is, its client's embedding calls were nobody's.
        let is_known = said.caller.tenant != Claim::Nobody;
        let apart = tenant.filter(|tenant| tenant.apart && is_known).map(|tenant| tenant.name.clone());
        let mut look_up = LookUp::new(recall, permit).of(apart.as_deref());
        // What has been read once can be read again.
        let _ = said.request.vectors(&lacking, &mut |search, vector| look_up.vector(search, vector));
        drop(working);
        look_up.ask().await;
        let mut texts = look_up.texts().peekable();
        if texts.peek().is_none() {
            return;
        }
        let planned = std::mem::take(searches).into_iter().enumerate();
        *searches = planned
            .map(|(at, mut search)| match texts.next_if(|(of, _)| *of == at) {
                Some((_, Ok(text))) => self.pipeline.plan_recalled(search, text, said.caller),
                Some((_, Err(reason))) => {
                    search.work = Err(reason);
                    search
                }
                None => search,
            })
            .collect();
    }
}
