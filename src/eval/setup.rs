//! The configuration to measure with: the server's own, except that every query is reranked and waited for.

use std::time::Duration;

use wildmatch::WildMatch;

use super::trial::Way;
use crate::{
    config::{Config, Mode, RerankConfig},
    pipeline::ScoreMode,
    rerank::{Billing, LexicalSettings, ProviderKind, ProviderSettings, Scoring, provider_facts},
    search::{NothingRelevant, SkipRule},
};

/// The least time to wait for a rerank: what exceeds the configured deadline is reported, not lost.
const DEADLINE: Duration = Duration::from_secs(30);
/// The provider that replaces the others where only the cost is counted.
const COUNTING: &str = "dry-run";

/// What a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Before and after, as configured.
    Evaluate,
    /// Scores of so many candidates of every query, with no floor and no margin gate.
    Calibrate {
        /// The largest window.
        window: u64,
    },
}

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    /// What for.
    pub purpose: Purpose,
    /// Call no provider.
    pub dry_run: bool,
    /// The most search units of each provider.
    pub max_search_units: Option<u64>,
}

/// `config` for measuring.
pub fn measuring(config: &Config, means: &Means) -> Config {
    let mut config = config.clone();
    for section in config.sections_mut() {
        adapt(section, means);
    }
    if means.dry_run {
        config
            .providers
            .push(ProviderSettings::new(COUNTING, ProviderKind::Lexical(LexicalSettings::default())));
    }
    if let Some(most) = means.max_search_units {
        for provider in &mut config.providers {
            let own = provider.limits.search_units.per_day.unwrap_or(most);
            provider.limits.search_units.per_day = Some(own.min(most));
        }
        // The limit is of this run alone.
        if let Some(redis) = &mut config.cache.redis {
            redis.share_limits = false;
        }
    }
    config
}

fn adapt(section: &mut RerankConfig, means: &Means) {
    section.mode = Mode::On;
    section.sample = 1.0;
    section.deadline = section.deadline.max(DEADLINE);
    // What is measured is the floor, whatever the queries are.
    section.drift_model = None;
    if let Purpose::Calibrate { window } = means.purpose {
        section.window = window.min(section.max_window).max(1);
        section.min_score = None;
        section.on_nothing_relevant = NothingRelevant::Keep;
        section.margin_gate = None;
        section.skip_when = SkipRule::default();
        // It looks at every way to fuse.
        section.score = ScoreMode::Keep;
    }
    if means.dry_run {
        section.providers = vec![COUNTING.to_owned()];
        section.min_score = None;
    }
}

/// What a provider of this name charges for, and whether it scores a list as a whole.
pub fn charges(config: &Config, provider: &str) -> (Billing, bool) {
    let kind = config.providers.iter().find(|each| each.name == provider).map(|each| &each.kind);
    match kind {
        Some(ProviderKind::Http(http)) => {
            let facts = provider_facts(http);
            (facts.billing, facts.scoring == Scoring::Listwise)
        }
        // How rare a word is depends on the other documents.
        Some(ProviderKind::Lexical(_)) => (Billing::Free, true),
        None => (Billing::Free, false),
    }
}

/// The order and the window, of so many candidates at most, that these collections have: those of the first route that
/// matches all of their names, else those of the section `rerank`.
pub fn in_use(config: &Config, collections: &[String], most: usize) -> (Way, usize) {
    let matches = |pattern: &str| {
        let pattern = WildMatch::new(pattern);
        collections.iter().all(|name| pattern.matches(name))
    };
    let own = config.routes.iter().find(|route| !collections.is_empty() && matches(&route.collection));
    let section = own.map_or(&config.rerank, |route| &route.rerank);
    let way = match section.score {
        ScoreMode::Fuse(fusion) => Way::Fused(fusion.into()),
        ScoreMode::Keep | ScoreMode::Replace | ScoreMode::ReplaceAsElasticsearch => Way::AsRun,
    };
    (way, usize::try_from(section.window).unwrap_or(usize::MAX).min(most))
}

/// The provider that is called first: the first of the chain that has the key that it needs.
pub fn first_provider(config: &Config) -> Option<&str> {
    let usable = |name: &&String| {
        config.providers.iter().any(|provider| provider.name == **name && !provider.lacks_key())
    };
    config.rerank.providers.iter().find(usable).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{self, Flags},
        search::Fusion,
    };

    const FILE: &str = "listeners: [{ upstream: { url: 'http://db' } }]
rerank: { mode: shadow, sample: 10%, min_score: 0.3, margin_gate: 0.5, deadline: 200ms, skip_when: { words: 1 } }
routes: [{ collection: a, mode: off, window: 20 }]
providers: { cohere: { kind: cohere, max_search_units_per_day: 1000 } }
";

    fn loaded() -> Config {
        let secret = concat!(env!("CARGO_MANIFEST_DIR"), "/LICENSE");
        let redis = format!(
            "cache: {{ secret_file: '{secret}', redis: {{ url: 'redis://r', share_limits: true }} }}"
        );
        let file = format!("{FILE}{redis}\n");
        config::load(Some((std::path::Path::new("f"), &file)), &Default::default(), &Flags::default())
            .unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn every_query_is_reranked_and_waited_for_as_configured_otherwise() {
        let means = Means { purpose: Purpose::Evaluate, dry_run: false, max_search_units: None };
        let config = measuring(&loaded(), &means);
        let route = &config.routes[0].rerank;
        assert_eq!((config.rerank.mode, route.mode, config.rerank.sample), (Mode::On, Mode::On, 1.0));
        assert_eq!(
            (config.rerank.min_score, config.rerank.margin_gate, route.window),
            (Some(0.3), Some(0.5), 20)
        );
        assert_eq!(config.rerank.deadline, Duration::from_secs(30));
        assert_eq!(config.providers[0].limits.search_units.per_day, Some(1000));
    }

    #[test]
    fn a_calibration_has_no_floor_no_gate_and_its_own_window() {
        let means =
            Means { purpose: Purpose::Calibrate { window: 500 }, dry_run: false, max_search_units: Some(40) };
        let config = measuring(&loaded(), &means);
        assert_eq!(
            (config.rerank.min_score, config.rerank.margin_gate, config.rerank.window),
            (None, None, 200)
        );
        assert_eq!(config.rerank.skip_when, SkipRule::default(), "which kinds to skip is to be learned");
        assert_eq!(config.providers[0].limits.search_units.per_day, Some(40));
        assert!(config.cache.redis.is_some_and(|redis| !redis.share_limits));
    }

    #[test]
    fn the_order_in_use_is_that_of_the_collections_own_route() {
        let mut config = loaded();
        assert_eq!(in_use(&config, &["a".to_owned()], 100), (Way::AsRun, 20));
        assert_eq!(in_use(&config, &["b".to_owned()], 30), (Way::AsRun, 30));
        config.rerank.score = ScoreMode::Fuse(Fusion::USUAL);
        let way = Way::Fused(Fusion::USUAL.into());
        assert_eq!(in_use(&config, &["a".to_owned(), "b".to_owned()], 100), (way, 50));
        config.routes[0].collection = "a*".to_owned();
        assert_eq!(in_use(&config, &["a1".to_owned(), "a2".to_owned()], 100), (Way::AsRun, 20));
    }

    #[test]
    fn a_dry_run_names_no_provider_that_is_paid() {
        let means = Means { purpose: Purpose::Evaluate, dry_run: true, max_search_units: None };
        let config = measuring(&loaded(), &means);
        for section in [&config.rerank, &config.routes[0].rerank] {
            assert_eq!(section.providers, [COUNTING]);
        }
        assert_eq!(charges(&loaded(), "cohere"), (Billing::SearchUnits, false));
        assert_eq!(charges(&config, COUNTING), (Billing::Free, true));
        assert_eq!(first_provider(&loaded()), None, "no key");
    }
}
