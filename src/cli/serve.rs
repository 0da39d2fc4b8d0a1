//! `rerankd serve`: until a signal.

use std::{collections::HashMap, io};

use super::{
    EXIT_FAILURE, EXIT_OK, OnBadConfig, ServeArgs,
    output::say,
    signals::{Stop, drains, hangups},
};
use crate::{
    app::App,
    config::{Fingerprint, Source},
    system::Resources,
    telemetry::chain,
    workers::Workers,
};

/// Serves until a signal; returns the exit code.
pub fn serve(args: &ServeArgs, env: &HashMap<String, String>) -> u8 {
    let source = Source::new(args.source.config.clone(), env.clone(), args.source.flags());
    block_on(async {
        match until_signal(args, source).await {
            Ok(code) => code,
            Err(error) => {
                say(format_args!("rerankd: no signals or threads: {error}"));
                EXIT_FAILURE
            }
        }
    })
}

async fn until_signal(args: &ServeArgs, source: Source) -> io::Result<u8> {
    let (mut stop, mut drains, hangups) = (Stop::listen()?, drains()?, hangups()?);
    let workers = Workers::start(Resources::detect().cpus)?;
    let Some((app, files)) = start(workers, args, &source).await else { return Ok(EXIT_FAILURE) };
    let reloads = tokio::spawn(app.reloader(source, files).run(hangups));
    loop {
        tokio::select! {
            () = stop.next() => break,
            Some(()) = drains.recv() => app.drain(),
        }
    }
    // Nothing new is loaded while stopping.
    reloads.abort();
    app.end(stop.next()).await;
    Ok(EXIT_OK)
}

/// Starts what is configured, or the plain proxy if it is bad and that is wanted.
async fn start(workers: Workers, args: &ServeArgs, source: &Source) -> Option<(App, Fingerprint)> {
    let loaded = source.load();
    match loaded.config {
        Ok(config) => match App::start_on(workers.clone(), &config).await {
            Ok(app) => return Some((app, loaded.fingerprint)),
            Err(error) => {
                tell(&error);
                if !error.is_configuration() {
                    return None;
                }
            }
        },
        Err(problems) => say(format_args!("{problems}")),
    }
    match args.on_bad_config {
        OnBadConfig::Exit => None,
        OnBadConfig::Passthrough => Some((passthrough(workers, source).await?, loaded.fingerprint)),
    }
}

async fn passthrough(workers: Workers, source: &Source) -> Option<App> {
    let Ok(config) = source.passthrough() else {
        say(format_args!(
            "rerankd: passthrough needs good listeners in the file, or the upstream's URL by --upstream or \
             RERANKD_UPSTREAM__URL"
        ));
        return None;
    };
    App::passthrough(workers, &config).await.inspect_err(|error| tell(error)).ok()
}

/// Runs a future on a runtime of its own, in this thread; returns its exit code, or that of a failure.
pub(super) fn block_on(future: impl Future<Output = u8>) -> u8 {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(future);
            // A read from a file system that hangs must not keep the process.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            say(format_args!("rerankd: no runtime: {error}"));
            EXIT_FAILURE
        }
    }
}

/// Prints an error with its causes.
pub(super) fn tell(error: &dyn std::error::Error) {
    say(format_args!("rerankd: {}", chain(error)));
}
