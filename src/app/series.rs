//! Which series of the metrics there are: those of what is configured, at zero from the start, so that a rate over the
//! first event is right. What a reload adds is added then. Of what it takes away the states go; what was counted stays
//! until the end of the process, so that sums over time do not lose it.

use std::sync::Arc;

use http::{Uri, uri::Scheme};

use super::{Shared, build};
use crate::{
    config::{Config, Mode, PartialScores, RerankConfig},
    pipeline::Endings,
    rerank::{FailureClass, ProviderKind},
    search::{KeepReason, SkipRule},
};

/// Puts the series of `config` there.
pub(super) fn declare(config: &Config, shared: &Shared, before: &Shared) {
    let endings = endings(config, shared);
    shared.search_metrics.drifts.keep(&build::watched(config));
    let dialects: Vec<_> =
        config.listeners.iter().flat_map(|each| build::dialects(each, &shared.names)).collect();
    for dialect in &dialects {
        for kind in dialect.kinds() {
            shared.search_metrics.declare(dialect.name(), kind.as_str(), &endings);
        }
    }
    if !config.listeners.is_empty() {
        let is_tls = |url: &Uri| url.scheme() == Some(&Scheme::HTTPS);
        let tls = config
            .listeners
            .iter()
            .any(|each| is_tls(&each.upstream.url) || each.grpc_url().as_ref().is_some_and(is_tls));
        let signs = config.listeners.iter().any(|each| each.upstream.sign.is_some());
        shared.proxy_metrics.declare(!dialects.is_empty(), tls, signs);
        if signs {
            shared.signing_metrics.declare();
        }
    }
    shared.tenancy.declare(&config.tenants);
    if config.rerank_api.listen.is_some() {
        shared.api_metrics.declare();
    }
    config.served_services().iter().for_each(|service| shared.call_metrics.declare(&service.name));
    match (&shared.recall, &before.recall) {
        // What is held already is counted already.
        (Some(recall), Some(before)) if Arc::ptr_eq(recall, before) => {}
        (Some(_), _) => {
            shared.embedding_metrics.declare(config.cache.redis.is_some() && config.embeddings.memory.shared);
        }
        (None, _) => shared.embedding_metrics.withdraw(),
    }
    match config.cache.redis {
        Some(_) => shared.fleet_metrics.declare(),
        None => shared.fleet_metrics.withdraw(),
    }
}

/// How searches can end.
fn endings(config: &Config, shared: &Shared) -> Endings {
    let sections = || config.sections();
    let any = |holds: &dyn Fn(&RerankConfig) -> bool| sections().any(holds);
    let usable = |section: &RerankConfig| section.providers.iter().any(|name| shared.providers.has(name));
    let asked: Vec<_> = config
        .providers
        .iter()
        .filter(|each| {
            shared.providers.has(&each.name) && any(&|section| section.providers.contains(&each.name))
        })
        .collect();
    let is_service = asked.iter().any(|each| matches!(each.kind, ProviderKind::Http(_)));
    let has_budget = asked.iter().any(|each| each.limits.has_budget())
        || config.tenants.each.iter().any(|each| each.limits.has_budget());
    let can_fail = |class: FailureClass| match class {
        FailureClass::Deadline | FailureClass::Overloaded | FailureClass::TooLarge => true,
        FailureClass::Budget => has_budget,
        _ => is_service,
    };
    let failures = FailureClass::OF_CHAIN.into_iter().filter(|class| can_fail(*class));
    let failures: Vec<KeepReason> = failures.map(FailureClass::reason).collect();
    let in_part = any(&|section| section.partial_scores == PartialScores::Partial);
    let may_be_kept = |reason: &KeepReason| match reason {
        KeepReason::Shadow => any(&|section| section.mode == Mode::Shadow),
        KeepReason::NotSampled => any(&|section| section.sample < 1.0),
        KeepReason::Skipped => any(&|section| section.skip_when != SkipRule::default()),
        KeepReason::Margin => any(&|section| section.margin_gate.is_some()),
        // Indices of several routes may have no provider in common.
        KeepReason::NoProvider => !config.routes.is_empty() || any(&|section| !usable(section)),
        reason if FailureClass::OF_CHAIN.iter().any(|class| class.reason() == *reason) => {
            failures.contains(reason)
        }
        _ => true,
    };
    let partial =
        failures.iter().filter(|reason| is_service && (in_part || **reason == KeepReason::TooLarge));
    Endings {
        partial: partial.copied().collect(),
        kept: KeepReason::ALL.into_iter().filter(may_be_kept).collect(),
        on: any(&|section| section.mode == Mode::On && usable(section)),
        confidence: any(&|section| section.confidence_model.is_some()).then(|| {
            let said = sections().filter(|section| section.confidence_least.is_some());
            said.map(|section| section.on_nothing_relevant).collect()
        }),
        blocks: any(&|section| section.answer_block),
        shadow: any(&|section| section.mode == Mode::Shadow && usable(section)),
    }
}
