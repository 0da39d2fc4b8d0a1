//! `rerankd check --connect`: calls the databases, the providers, Redis and embedding services of the user's own, and reports each problem with its remedy.

mod database;
mod embeddings;
mod facts;
mod provider;
mod report;
mod shared;

use std::{
    collections::HashMap,
    io::{self, Write},
};

use futures_util::future::{BoxFuture, FutureExt, join_all};

use super::{ConfigArgs, EXIT_FAILURE, EXIT_OK};
use crate::{
    app::{self, Offline},
    config::{Config, load_path},
    telemetry::chain,
};
use report::{Marks, Section};

/// Calls everything that the configuration names, concurrently, each with its timeout; 1 if anything is a problem.
pub fn connect(args: &ConfigArgs, env: &HashMap<String, String>, out: &mut dyn Write) -> io::Result<u8> {
    let Ok(config) = load_path(args.config.as_deref(), env, &args.flags()) else { return Ok(EXIT_FAILURE) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sections = runtime.block_on(sections(&config, env));
    // A name lookup that hangs must not keep the process.
    runtime.shutdown_background();
    match sections {
        Ok(sections) => {
            write!(out, "\n{}", report::text(&sections, Marks::of(env)))?;
            out.flush()?;
            Ok(if report::has_problem(&sections) { EXIT_FAILURE } else { EXIT_OK })
        }
        Err(error) => {
            writeln!(out, "{}", chain(&error))?;
            Ok(EXIT_FAILURE)
        }
    }
}

async fn sections(config: &Config, env: &HashMap<String, String>) -> Result<Vec<Section>, app::StartError> {
    let Offline { proxies, services, keys, .. } = app::offline(config)?;
    let mut checks: Vec<BoxFuture<'_, Section>> = Vec::new();
    for (at, (listener, proxy)) in config.listeners.iter().zip(&proxies).enumerate() {
        let keys = keys.get(at).and_then(Option::as_ref);
        checks.push(database::check(at, listener, (proxy, keys)).boxed());
    }
    for each in config.used_providers() {
        checks.push(provider::check(config, each, env).boxed());
    }
    if let Some(redis) = &config.cache.redis {
        checks.push(shared::redis(&config.cache, redis).boxed());
    }
    for each in services.iter().filter(|each| embeddings::is_called(&each.config)) {
        checks.push(embeddings::check(each).boxed());
    }
    let mut found = join_all(checks).await;
    found.extend(shared::rerank_api(config));
    found.extend(embeddings::served(config));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_cannot_be_reached_is_a_numbered_problem_with_the_cause_and_what_to_do() {
        let args = ConfigArgs { upstream: Some("http://127.0.0.1:9".to_owned()), ..ConfigArgs::default() };
        let mut out = Vec::new();
        assert_eq!(connect(&args, &HashMap::new(), &mut out).unwrap(), EXIT_FAILURE);
        let out = String::from_utf8(out).unwrap();
        let said = "2 problems:\n1. listeners[0], reached: http://127.0.0.1:9: cannot connect to the upstream (connection_refused)\n   \
                    Nothing listens there: ";
        assert!(out.contains(said), "{out}");
        assert!(out.contains("2. providers.cohere, key: none: nothing is reranked"), "{out}");
    }
}
