use std::sync::Arc;

use tower::util::BoxCloneSyncService;

use super::{
    BuildError, ProviderKind, ProviderSettings, RerankMetrics, Reranker, ScoreStore, Scoring,
    batch::Batch,
    cache::{Cached, KeyBase},
    chain::Chain,
    hold::{Hold, HoldOff},
    limit::{ConcurrencyLimit, RateLimit},
    provider::{HttpProvider, Lexical},
    retry::{Retry, RetryBudget},
    timed::Timed,
};

/// Builds the stack: the only place that shows the order of layers, here from the inside out.
///
/// `cache` and `metrics` outlive a reload; hold-offs and limits begin anew with each stack.
pub fn reranker(
    providers: Vec<ProviderSettings>,
    cache: Option<Arc<ScoreStore>>,
    metrics: Arc<RerankMetrics>,
) -> Result<Reranker, BuildError> {
    let budget = Arc::new(RetryBudget::default());
    let chain = providers
        .into_iter()
        .map(|settings| provider(settings, cache.clone(), &budget, &metrics))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(BoxCloneSyncService::new(Chain::new(chain, metrics)))
}

fn provider(
    settings: ProviderSettings,
    cache: Option<Arc<ScoreStore>>,
    budget: &Arc<RetryBudget>,
    metrics: &Arc<RerankMetrics>,
) -> Result<Reranker, BuildError> {
    let name: Arc<str> = settings.name.into();
    match settings.kind {
        ProviderKind::Http(http) => {
            let hold = Arc::new(Hold::default());
            let call = HttpProvider::new(name.clone(), &http)?;
            let (facts, provider) = (call.facts().clone(), call.clone());
            let call = Timed::new(call, name.clone(), metrics.clone());
            let call = RateLimit::new(call, settings.requests_per_minute);
            let call = Retry::new(call, budget.clone(), name.clone(), metrics.clone());
            let call = HoldOff::new(call, hold);
            let call = ConcurrencyLimit::new(call, settings.max_concurrency);
            // Listwise: a score depends on the other documents, so neither cached nor split.
            if facts.scoring == Scoring::Listwise {
                return Ok(BoxCloneSyncService::new(call));
            }
            let call = Batch::new(call, Arc::new(move || provider.max_documents()));
            let base = KeyBase::new(&name, &facts);
            let call = Cached::new(call, cache, base, metrics.clone());
            Ok(BoxCloneSyncService::new(call))
        }
        // Listwise: a score depends on the other documents, so neither cached nor split.
        ProviderKind::Lexical => {
            let call = Lexical::new(name.clone());
            let call = Timed::new(call, name, metrics.clone());
            let call = RateLimit::new(call, settings.requests_per_minute);
            let call = ConcurrencyLimit::new(call, settings.max_concurrency);
            Ok(BoxCloneSyncService::new(call))
        }
    }
}

#[cfg(test)]
#[path = "stack_tests.rs"]
mod tests;
