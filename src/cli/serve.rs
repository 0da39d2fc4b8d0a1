//! `rerankd serve`: until a signal.

use std::collections::HashMap;

use tokio::signal::unix::{SignalKind, signal};

use super::{EXIT_FAILURE, EXIT_OK, OnBadConfig, ServeArgs};
use crate::{
    app::App,
    config::{self, Config, Mode},
    system::Resources,
};

/// Serves until a signal; returns the exit code.
pub fn serve(args: &ServeArgs, env: &HashMap<String, String>) -> u8 {
    let Some(config) = load(args, env) else { return EXIT_FAILURE };
    block_on(async move {
        let app = match App::start(&config).await {
            Ok(app) => app,
            Err(error) => {
                tell(&error);
                return EXIT_FAILURE;
            }
        };
        until_signal().await;
        tracing::info!("stopping: open requests may finish");
        app.stop().await;
        EXIT_OK
    })
}

/// Runs a future on a runtime of its own, with a thread for each CPU that this process may use; returns its exit
/// code, or that of a failure.
pub(super) fn block_on(future: impl Future<Output = u8>) -> u8 {
    let threads = Resources::detect().cpus;
    match tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build() {
        Ok(runtime) => runtime.block_on(future),
        Err(error) => {
            eprintln!("rerankd: no runtime: {error}");
            EXIT_FAILURE
        }
    }
}

/// Prints an error with its causes.
pub(super) fn tell(error: &dyn std::error::Error) {
    let mut line = format!("rerankd: {error}");
    let mut cause = error.source();
    while let Some(inner) = cause {
        line.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    eprintln!("{line}");
}

/// Waits for SIGINT or SIGTERM.
pub(super) async fn until_signal() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

fn load(args: &ServeArgs, env: &HashMap<String, String>) -> Option<Config> {
    let problems = match config::load_path(args.config.as_deref(), env, &args.flags()) {
        Ok(config) => return Some(config),
        Err(problems) => problems,
    };
    eprintln!("{problems}");
    match args.on_bad_config {
        OnBadConfig::Exit => None,
        OnBadConfig::Passthrough => passthrough(args, env),
    }
}

/// A plain proxy for the upstream that flags or environment name: better than a pod that does not start.
fn passthrough(args: &ServeArgs, env: &HashMap<String, String>) -> Option<Config> {
    let addresses = ["RERANKD_LISTEN", "RERANKD_UPSTREAM__URL", "RERANKD_ADMIN__LISTEN"];
    let env = env.iter().filter(|(name, _)| addresses.contains(&name.as_str()));
    let env = env.map(|(name, value)| (name.clone(), value.clone())).collect();
    match config::load(None, &env, &args.flags()) {
        Ok(mut config) => {
            config.rerank.mode = Mode::Off;
            tracing::error!("BAD CONFIGURATION: serving as a plain proxy, nothing is reranked");
            Some(config)
        }
        Err(_) => {
            eprintln!("rerankd: passthrough needs the upstream's URL by --upstream or RERANKD_UPSTREAM__URL");
            None
        }
    }
}
