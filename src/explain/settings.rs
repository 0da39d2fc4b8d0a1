//! The configuration to explain with: the server's own, except that the scores are waited for.

use std::time::Duration;

use crate::{
    config::{Config, Mode, RerankConfig, TenantConfig},
    pipeline::Profile,
};

/// The least time to wait for scores: what arrives after the configured deadline is reported, not lost.
const DEADLINE: Duration = Duration::from_secs(30);

/// `config` for explaining; `fresh`: without the scores that a fleet has in its Redis.
pub fn explaining(config: &Config, fresh: bool) -> Config {
    let mut config = config.clone();
    for section in config.sections_mut() {
        section.deadline = section.deadline.max(DEADLINE);
        if section.mode == Mode::Shadow {
            section.mode = Mode::On;
        }
    }
    if fresh {
        config.cache.redis = None;
    }
    config
}

/// The section that a search with this profile is reranked by.
pub fn section<'a>(config: &'a Config, profile: &Profile) -> &'a RerankConfig {
    let route = profile.route.as_deref();
    let route = config.routes.iter().position(|each| Some(each.collection.as_str()) == route);
    let is_its =
        |tenant: &&TenantConfig| profile.tenant.as_ref().is_some_and(|own| *own.name == *tenant.name);
    let (base, routes) = match config.tenants.each.iter().find(is_its) {
        Some(tenant) => (&tenant.rerank, route.and_then(|at| tenant.routes.get(at))),
        None => (&config.rerank, route.and_then(|at| config.routes.get(at)).map(|route| &route.rerank)),
    };
    routes.unwrap_or(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_waited_for_and_shadows_are_seen() {
        let mut config = Config::default();
        config.rerank.mode = Mode::Shadow;
        config.rerank.deadline = Duration::from_millis(50);
        let reported = explaining(&config, false);
        assert_eq!((reported.rerank.mode, reported.rerank.deadline), (Mode::On, DEADLINE));
        config.rerank.mode = Mode::Off;
        assert_eq!(explaining(&config, true).rerank.mode, Mode::Off);
    }
}
