//! The configuration to explain with: the server's own, except that the scores are waited for.

use std::time::Duration;

use crate::config::{Config, Mode, RerankConfig};

/// The least time to wait for scores: what arrives after the configured deadline is reported, not lost.
const DEADLINE: Duration = Duration::from_secs(30);

/// `config` for explaining; `fresh`: without the scores that a fleet has in its Redis.
pub fn explaining(config: &Config, fresh: bool) -> Config {
    let mut config = config.clone();
    let routes = config.routes.iter_mut().map(|route| &mut route.rerank);
    for section in std::iter::once(&mut config.rerank).chain(routes) {
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

/// The section that holds for a search whose route has this pattern.
pub fn section<'a>(config: &'a Config, route: Option<&str>) -> &'a RerankConfig {
    let found = config.routes.iter().find(|each| Some(each.collection.as_str()) == route);
    found.map_or(&config.rerank, |route| &route.rerank)
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
