use std::sync::Arc;

use tower::util::BoxCloneSyncService;

use super::{
    ProviderFacts, Rerank, RerankMetrics, Reranker, ScoreStore, Scoring, SingleFlightSettings,
    batch::{Batch, BatchLimit},
    breaker::Switch,
    cache::{Fill, KeyBase, Lookup},
    limits::Trim,
    lists::Lists,
    single_flight::SingleFlight,
};

/// What the layers above an account of a service have to know of it. Whoever uses the account has layers of its own there.
#[derive(Clone)]
pub(super) struct Account {
    /// The provider's name.
    pub(super) name: Arc<str>,
    pub(super) facts: ProviderFacts,
    pub(super) size: BatchLimit,
    pub(super) single_flight: SingleFlightSettings,
    /// The most search units of one search.
    pub(super) per_search: Option<u32>,
    /// Whether a response need not wait for what can be done after it.
    pub(super) responds_first: bool,
    /// Its circuit: where that is open, nobody takes anything of his own limits either.
    pub(super) circuit: Option<Arc<Switch>>,
}

impl Account {
    /// The layers above `call`, which ends with the account's own limits, from the inside out; what is scored is kept in
    /// `store`.
    pub(super) fn above<S: Rerank>(
        &self,
        call: S,
        store: Arc<ScoreStore>,
        metrics: Arc<RerankMetrics>,
    ) -> Reranker {
        let Self { name, facts, size, single_flight, per_search, responds_first, circuit: _ } = self.clone();
        let base = Arc::new(KeyBase::new(name.clone(), &facts));
        let call = Fill::new(call, store.clone(), base.clone());
        let call = match facts.scoring {
            Scoring::Pointwise => BoxCloneSyncService::new(Batch::new(call, size)),
            // Parts of a list would be other lists.
            Scoring::Listwise => BoxCloneSyncService::new(call),
        };
        let call = SingleFlight::new(call, single_flight, name, metrics.clone());
        let call = call.responding_first(responds_first);
        let call = Lookup::new(call, store, base, metrics);
        let call = Trim::new(call, per_search);
        match facts.scoring {
            Scoring::Pointwise => BoxCloneSyncService::new(call),
            Scoring::Listwise => BoxCloneSyncService::new(Lists::new(call)),
        }
    }
}
