use std::sync::Arc;

use super::{
    RerankMetrics, ScoreStore,
    limits::{Ledger, Rates},
    retry::RetryBudget,
    words::Words,
};

/// What all providers share, for the whole life of the program.
#[derive(Clone)]
pub struct StackShared {
    /// Scores that are known.
    pub store: Arc<ScoreStore>,
    /// The metrics of the stack.
    pub metrics: Arc<RerankMetrics>,
    /// How rare words are in the collections, for `lexical`.
    pub words: Arc<Words>,
    pub(super) budget: Arc<RetryBudget>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) rates: Arc<Rates>,
    /// How many workers make calls.
    pub(super) workers: usize,
}

impl StackShared {
    /// For the whole life of the program.
    pub fn new(store: Arc<ScoreStore>, metrics: Arc<RerankMetrics>) -> Self {
        let (budget, ledger, rates) = Default::default();
        let words = Arc::new(Words::new(&store));
        Self { store, metrics, words, budget, ledger, rates, workers: 0 }
    }

    /// The same for so many workers.
    pub fn for_workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// The same with another cache. Learned words are dropped: their keys derive from the old cache's secret.
    pub fn with_store(&self, store: Arc<ScoreStore>) -> Self {
        let words = Arc::new(Words::new(&store));
        Self { store, words, ..self.clone() }
    }
}
