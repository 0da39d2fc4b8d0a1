//! `rerankd check --connect`: whether the databases answer, or why not.

use std::{
    collections::HashMap,
    io::{self, Write},
    time::Duration,
};

use tokio::time::timeout;

use super::{ConfigArgs, EXIT_FAILURE, EXIT_OK};
use crate::{
    app::{self, Offline},
    config::{Config, load_path},
    telemetry::chain,
};

/// Timeout after the connection is made: the request is small.
const PATIENCE: Duration = Duration::from_secs(10);

/// Requests the root of every database of the configuration; 1 if one gives no response at all.
pub fn connect(args: &ConfigArgs, env: &HashMap<String, String>, out: &mut dyn Write) -> io::Result<u8> {
    let Ok(config) = load_path(args.config.as_deref(), env, &args.flags()) else { return Ok(EXIT_FAILURE) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(each(&config, out));
    // A name lookup that hangs must not keep the process.
    runtime.shutdown_background();
    code
}

async fn each(config: &Config, out: &mut dyn Write) -> io::Result<u8> {
    let Offline { proxies, .. } = match app::offline(config) {
        Ok(offline) => offline,
        Err(error) => {
            writeln!(out, "{}", chain(&error))?;
            return Ok(EXIT_FAILURE);
        }
    };
    let mut code = EXIT_OK;
    for (at, (listener, proxy)) in config.listeners.iter().zip(proxies).enumerate() {
        let url = listener.upstream.url.to_string();
        let url = url.trim_end_matches('/');
        let max_wait = listener.upstream.connect_timeout.saturating_add(PATIENCE);
        let said = match timeout(max_wait, proxy.reach()).await {
            Ok(Ok(status)) => format!("{url} responses with {}", status.as_u16()),
            Ok(Err(why)) => {
                code = EXIT_FAILURE;
                format!("{url}: {why}")
            }
            Err(_) => {
                code = EXIT_FAILURE;
                format!("{url} has not answered within {} s (silent)", max_wait.as_secs())
            }
        };
        writeln!(out, "# listeners[{at}].upstream: {said}.")?;
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_cannot_be_reached_is_told_with_the_cause_and_fails_the_check() {
        let args = ConfigArgs { upstream: Some("http://127.0.0.1:9".to_owned()), ..ConfigArgs::default() };
        let mut out = Vec::new();
        assert_eq!(connect(&args, &HashMap::new(), &mut out).unwrap(), EXIT_FAILURE);
        let out = String::from_utf8(out).unwrap();
        let said = "# listeners[0].upstream: http://127.0.0.1:9: cannot connect to the upstream (connection_refused): nobody";
        assert!(out.starts_with(said), "{out}");
    }
}
