//! [`Reloader`]: a change on disk or SIGHUP → load → check → build → swap; else the old stays.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Mutex, Notify},
    task::{JoinError, spawn_blocking},
    time,
};

use super::{
    Running, StartError,
    active_config::Ending,
    announce,
    live::{self, Built},
};
use crate::{
    config::{Config, Fingerprint, Loaded, Problem, Problems, Source, short_hash},
    telemetry::chain,
};

/// How often the files are checked. Their contents are read: network file systems, and files that are mounted alone,
/// send no notifications.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Keeps what runs in step with the files. The environment and the flags stay what they were at start.
pub struct Reloader {
    source: Source,
    running: Arc<Running>,
    last: Mutex<Last>,
}

/// The files that were loaded last, and whether they became active.
struct Last {
    files: Fingerprint,
    good: bool,
}

/// The result of a reload.
#[derive(Debug)]
pub enum Reload {
    /// It is active.
    Applied,
    /// The files hold what they held.
    Unchanged,
    /// The old one stays.
    Rejected(Rejection),
}

/// Why a configuration was rejected.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// It has problems.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// It could not be built.
    #[error(transparent)]
    Build(#[from] StartError),
    /// Building it was cancelled before it ended.
    #[error("the configuration could not be built")]
    Ended(#[from] JoinError),
}

impl Reloader {
    pub(super) fn new(source: Source, files: Fingerprint, good: bool, running: Arc<Running>) -> Self {
        Self { source, running, last: Mutex::new(Last { files, good }) }
    }

    /// Checks the files every second, and at once at each notification, which stands for SIGHUP. A change is loaded
    /// when two checks in a row see the same: by then it is not half written.
    pub async fn run(self, hangup: Arc<Notify>) {
        let mut changed = None;
        loop {
            tokio::select! {
                () = hangup.notified() => {
                    self.check_now().await;
                    changed = None;
                }
                () = time::sleep(LOOK_EVERY) => {
                    let Some(seen) = self.look().await else { continue };
                    if self.last.lock().await.files == seen {
                        changed = None;
                    } else if changed == Some(seen) {
                        self.check_now().await;
                        changed = None;
                    } else {
                        changed = Some(seen);
                    }
                }
            }
        }
    }

    /// Loads what the files hold now, if that is valid and not active already. What was rejected is tried again.
    pub async fn check_now(&self) -> Reload {
        let mut last = self.last.lock().await;
        let source = self.source.clone();
        let Loaded { config, fingerprint } = match spawn_blocking(move || source.load()).await {
            Ok(loaded) => loaded,
            Err(error) => return self.rejected(error.into()),
        };
        if last.good && last.files == fingerprint {
            self.running.active_config.ended(Ending::Unchanged);
            tracing::info!("the configuration is what it was");
            return Reload::Unchanged;
        }
        let taken = match config {
            Ok(config) => self.running.activate(config).await,
            Err(problems) => Err(problems.into()),
        };
        *last = Last { files: fingerprint, good: taken.is_ok() };
        match taken {
            Ok(()) => {
                self.running.active_config.ended(Ending::Applied);
                Reload::Applied
            }
            Err(rejection) => self.rejected(rejection),
        }
    }

    async fn look(&self) -> Option<Fingerprint> {
        let source = self.source.clone();
        spawn_blocking(move || source.fingerprint()).await.ok()
    }

    fn rejected(&self, rejection: Rejection) -> Reload {
        let problems = match &rejection {
            Rejection::Problems(problems) => problems.to_string().replace('\n', " | "),
            other => chain(other),
        };
        tracing::error!(problems, "BAD CONFIGURATION: the change is rejected, what was active stays");
        self.running.active_config.ended(Ending::Rejected);
        Reload::Rejected(rejection)
    }
}

impl Running {
    async fn activate(&self, config: Config) -> Result<(), Rejection> {
        let mut live = self.live.lock().await;
        if let Some(problem) = needs_restart(&live.config, &config) {
            return Err(Problems(vec![problem]).into());
        }
        let (before, hash, next) = (live.before(), short_hash(&config), Arc::new(config.clone()));
        let built: Built = spawn_blocking(move || live::build(config, &before)).await??;
        let certificates = live.activate(built).await?;
        self.active_config.set(hash.clone(), false, &certificates);
        self.config.store(next);
        announce::warn(&live.config, &live.shared().load().providers);
        tracing::info!(hash, "the changed configuration is active");
        Ok(())
    }
}

/// What cannot change while the program runs.
fn needs_restart(old: &Config, new: &Config) -> Option<Problem> {
    (old.admin.listen != new.admin.listen).then(|| Problem {
        path: "admin.listen".to_owned(),
        line: None,
        column: None,
        sentence: format!("this cannot change from {} while rerankd runs; restart it.", old.admin.listen),
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, fs, path::PathBuf};

    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::{
        app::{App, test_support::YAML},
        config::Flags,
    };

    struct Setup {
        app: App,
        hangup: Arc<Notify>,
        file: PathBuf,
        _folder: tempfile::TempDir,
    }

    impl Setup {
        /// The program with its reloader running.
        async fn start() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("rerankd.yaml");
            fs::write(&file, YAML).unwrap();
            let source = Source::new(Some(file.clone()), HashMap::new(), Flags::default());
            let loaded = source.load();
            let app = App::start(&loaded.config.unwrap()).await.unwrap();
            let hangup = Arc::new(Notify::new());
            tokio::spawn(app.reloader(source, loaded.fingerprint).run(hangup.clone()));
            Self { app, hangup, file, _folder: folder }
        }

        fn write(&self, window: u64) {
            fs::write(&self.file, format!("{YAML}rerank: {{ window: {window} }}\n")).unwrap();
        }

        /// Waits until the window is that, on the paused clock.
        async fn window(&self, window: u64) {
            for _ in 0..1000 {
                if self.app.running.live.lock().await.config.rerank.window == window {
                    return;
                }
                sleep(Duration::from_millis(10)).await;
            }
            panic!("the window never was {window}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_on_disk_is_loaded_once_two_looks_in_a_row_see_the_same() {
        let setup = Setup::start().await;
        for window in 1..=5 {
            setup.write(window);
            sleep(LOOK_EVERY).await;
            assert_eq!(setup.app.running.live.lock().await.config.rerank.window, 50, "still being written");
        }
        let settled = Instant::now();
        setup.window(5).await;
        assert!(settled.elapsed() <= 2 * LOOK_EVERY);
    }

    #[tokio::test(start_paused = true)]
    async fn sighup_is_heeded_at_once() {
        let setup = Setup::start().await;
        setup.write(7);
        let asked = Instant::now();
        setup.hangup.notify_one();
        setup.window(7).await;
        assert!(asked.elapsed() < LOOK_EVERY);
    }
}
