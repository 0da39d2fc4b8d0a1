//! Redis or Valkey, and the rerank endpoint.

use std::time::{Duration, SystemTime};

use super::{facts, report::Section};
use crate::{
    app,
    config::{CacheConfig, Config, RedisConfig},
};

/// Timeout of the connection and all commands.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Checks Redis as the server would use it.
pub(super) async fn redis(cache: &CacheConfig, redis: &RedisConfig) -> Section {
    let mut section = Section::new("cache.redis", redis.fleet.address.to_string());
    let look = match app::redis(cache, redis, MAX_WAIT).await {
        Ok(look) => look,
        Err(error) => {
            section.problem("reached", error.to_string(), error.remedy());
            return section;
        }
    };
    let said = format!("{}, PING in {:.1} ms", look.product, look.took.as_secs_f64() * 1000.0);
    if look.took > redis.fleet.timeout {
        let said =
            format!("{said}: longer than cache.redis.timeout ({} ms)", redis.fleet.timeout.as_millis());
        section.warning(
            "reached",
            said,
            "Run it closer, or raise cache.redis.timeout: what comes later is a miss.",
        );
    } else {
        section.good("reached", said);
    }
    for (what, said, error) in
        [("reads", "scores can be read", look.no_reads), ("writes", "scores can be written", look.no_writes)]
    {
        match error {
            None => section.good(what, said),
            Some(error) => section.problem(what, error.to_string(), error.remedy()),
        }
    }
    match look.no_scripts {
        None => section.good("scripts", "they run"),
        Some(error) if redis.share_limits => section.problem("scripts", error.to_string(), error.remedy()),
        Some(error) => section.note("scripts", format!("{error}; only share_limits needs them")),
    }
    facts::clock(&mut section, look.clock, SystemTime::now());
    section
}

/// The endpoint that clients of Cohere's SDK call; `None` where it is off.
pub(super) fn rerank_api(config: &Config) -> Option<Section> {
    let listen = config.rerank_api.listen?;
    let mut section = Section::new("rerank_api", listen.to_string());
    let providers = config.rerank_api_providers();
    let usable =
        |name: &&String| config.providers.iter().any(|each| each.name == **name && !each.lacks_key());
    let named: Vec<&str> = providers.iter().filter(usable).map(String::as_str).collect();
    if named.is_empty() {
        section.problem(
            "providers",
            "none has a key: it can only answer 503",
            "Give one of its providers a key.",
        );
    } else {
        section.good("providers", named.join(", "));
    }
    match (&config.rerank_api.token, listen.ip().is_loopback()) {
        (Some(_), _) => section.good("token", "clients have to show it"),
        (None, true) => section.note("token", "none: for this machine only"),
        (None, false) => section.warning(
            "token",
            "none: it serves whoever reaches it, on your key",
            "Set rerank_api.token_file, or listen on a loopback address.",
        ),
    }
    Some(section)
}
