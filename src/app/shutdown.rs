//! Shutdown: not ready → a delay → listeners closed → what is open finishes → over.

use std::{future::pending, pin::pin, time::Duration};

use tokio::time;

use super::App;

/// Time for scores that are still to be written to Redis, and at least for spans that are still to be exported.
const LAST_WRITES: Duration = Duration::from_secs(1);

impl App {
    /// Like [`App::drain`], without a second signal.
    pub async fn stop(self) {
        self.drain(pending()).await;
    }

    /// `/readyz` fails at once. After `shutdown.delay` the listeners close; open requests, streams and tunnels have
    /// `shutdown.grace` to finish, and responses on connections that stay open say `connection: close`. Returns when
    /// all is over, or at once, closing what is open, when `hurry` does. `/livez` and `/metrics` answer until then.
    pub async fn drain(self, hurry: impl Future<Output = ()>) {
        let mut hurry = pin!(hurry);
        self.serving.set(false);
        let mut live = self.running.live.lock().await;
        let settings = live.config.shutdown.clone();
        tracing::info!(delay = ?settings.delay, grace = ?settings.grace, "stopping: open requests may finish");
        let stop = live.stop.clone();
        let tasks = &mut live.tasks;
        let in_time = async {
            wait(settings.delay).await;
            let until = time::Instant::now() + settings.grace;
            stop.cancel();
            while tasks.join_next().await.is_some() {}
            until
        };
        let until = tokio::select! {
            until = in_time => Some(until),
            () = &mut hurry => None,
        };
        match until {
            None => {
                tracing::warn!("a second signal: ending at once");
                // A listener that is dropped closes its connections.
                live.tasks.shutdown().await;
            }
            Some(until) => {
                let shared = live.shared().load_full();
                shared.stack.store.flush(LAST_WRITES).await;
                if let Some(tracer) = &shared.tracer {
                    let within = until.saturating_duration_since(time::Instant::now()).max(LAST_WRITES);
                    tokio::select! {
                        () = tracer.finish(within) => {}
                        () = &mut hurry => tracing::warn!("a second signal: spans that wait are not exported"),
                    }
                }
            }
        }
        live.shared().load().search_log.flush();
        tracing::info!("stopped");
        self.admin_task.abort();
    }
}

/// No delay at all is not even a tick of the timer.
async fn wait(delay: Duration) {
    if !delay.is_zero() {
        time::sleep(delay).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::app::test_support::config;

    #[tokio::test]
    async fn a_second_signal_ends_the_wait_for_a_collector_that_hangs() {
        let collector = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", collector.local_addr().unwrap());
        let config = config(&format!("telemetry: {{ otlp: {{ endpoint: '{endpoint}' }} }}\n"));
        let app = App::start(&config).await.unwrap();
        let tracer = app.running.live.lock().await.shared().load_full().tracer.clone().unwrap();
        drop(tracer.begin(&http::HeaderMap::new(), || false).unwrap());
        let began = Instant::now();
        app.drain(time::sleep(Duration::from_millis(500))).await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn the_listeners_stay_open_for_the_configured_wait() {
        let mut config = config("");
        config.shutdown.delay = Duration::from_secs(7);
        let app = App::start(&config).await.unwrap();
        let began = Instant::now();
        app.stop().await;
        assert_eq!(began.elapsed().as_secs(), 7);
    }
}
