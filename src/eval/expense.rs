//! What searches take: time and money.

use serde::Serialize;

use super::{
    evaluation::Rules,
    measures::{mean, quantile},
    trial::Trial,
};
use crate::rerank::Billing;

/// How a duration is spread, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: Option<f64>,
    /// The median.
    pub p50: Option<f64>,
    /// Exceeded by one in twenty.
    pub p95: Option<f64>,
}

/// How long each step took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// The search as the client sent it.
    pub database: Spread,
    /// The search as it was widened.
    pub widened: Spread,
    /// Documents, cache and provider.
    pub rerank: Spread,
    /// The whole response through the pipeline.
    pub whole: Spread,
    /// Searches whose rerank took longer than the configured deadline: served, they would have kept the database's order.
    pub past_deadline: usize,
}

/// What it cost, and would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cost {
    /// Search units that the provider billed.
    pub search_units: f64,
    /// Tokens that it billed.
    pub tokens: u64,
    /// Scores that came from the cache.
    pub cache_hits: u64,
    /// Scores looked up there.
    pub cache_lookups: u64,
    /// Search units for 1,000 such searches with an empty cache, from the lengths of their documents.
    pub search_units_per_1000: Option<f64>,
    /// The same in tokens, where the provider bills tokens.
    pub tokens_per_1000: Option<f64>,
    /// What that costs at the given price.
    pub price_per_1000: Option<f64>,
}

/// How long the steps of these searches took.
pub(super) fn latency(trials: &[Trial], deadline: f64) -> Latency {
    let spread = |of: &dyn Fn(&Trial) -> f64| {
        let mut values: Vec<f64> = trials.iter().map(of).filter(|value| *value > 0.0).collect();
        values.sort_unstable_by(f64::total_cmp);
        Spread {
            mean: mean(values.iter().copied()),
            p50: quantile(&values, 0.5),
            p95: quantile(&values, 0.95),
        }
    };
    Latency {
        database: spread(&|trial| trial.times.database),
        widened: spread(&|trial| trial.times.widened),
        rerank: spread(&|trial| trial.times.rerank),
        whole: spread(&|trial| trial.times.whole),
        past_deadline: trials.iter().filter(|trial| trial.times.rerank > deadline).count(),
    }
}

/// What they cost.
pub(super) fn cost(trials: &[Trial], rules: &Rules<'_>) -> Cost {
    // What was not reranked costs nothing, and its share stays as it is.
    let bill =
        |trial: &Trial| if trial.scored() == 0 { 0.0 } else { trial.bill(rules.window, rules.billing) };
    let per_1000 = mean(trials.iter().map(bill)).map(|bill| bill * 1000.0);
    let (units, tokens) = match rules.billing {
        Billing::SearchUnits => (per_1000, None),
        Billing::Tokens => (None, per_1000),
        Billing::Free => (None, None),
    };
    let priced = units.map(|units| units / 1000.0).or(tokens.map(|tokens| tokens / 1_000_000.0));
    Cost {
        search_units: trials.iter().map(|trial| trial.search_units).sum(),
        tokens: trials.iter().map(|trial| trial.tokens).sum(),
        cache_hits: trials.iter().map(|trial| u64::from(trial.cache_hits)).sum(),
        cache_lookups: trials.iter().map(|trial| u64::from(trial.cache_lookups)).sum(),
        search_units_per_1000: units,
        tokens_per_1000: tokens,
        price_per_1000: priced.zip(rules.price).map(|(amount, price)| amount * price),
    }
}
