//! Shutdown: not ready, clients told to go elsewhere → a delay → listeners closed → what is open finishes → over.

use std::{future::pending, pin::pin, time::Duration};

use tokio::time;

use super::App;

/// Time for scores that are still to be written to Redis, and at least for spans that are still to be exported.
const LAST_WRITES: Duration = Duration::from_secs(1);

impl App {
    /// Lets clients go before [`App::end`] does: `/readyz` fails, each connection is closed after its next response, which
    /// says so (HTTP/2: GOAWAY), or once it has been idle for two seconds; streams and tunnels go on. The listeners stay
    /// open, and what a client sends over a new connection is answered so too. Nothing ends it, also no reload.
    pub fn drain(&self) {
        match self.draining.begin() {
            (_, true) => tracing::info!("draining: not ready, and clients are told to connect elsewhere"),
            (_, false) => tracing::debug!("draining already"),
        }
    }

    /// Like [`App::end`], without a second signal.
    pub async fn stop(self) {
        self.end(pending()).await;
    }

    /// Begins to drain, if [`App::drain`] has not. `shutdown.delay` after that the listeners close; open requests, streams
    /// and tunnels have `shutdown.grace` to finish. Returns when all is over, or at once, closing what is open, when
    /// `hurry` does. `/livez` and `/metrics` answer until then.
    pub async fn end(self, hurry: impl Future<Output = ()>) {
        let mut hurry = pin!(hurry);
        let (since, _) = self.draining.begin();
        let mut live = self.running.live.lock().await;
        let settings = live.config.shutdown.clone();
        tracing::info!(delay = ?settings.delay, grace = ?settings.grace, "stopping: open requests may finish");
        let stop = live.stop.clone();
        let tasks = &mut live.tasks;
        let in_time = async {
            wait(settings.delay.saturating_sub(since.elapsed())).await;
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
        app.end(time::sleep(Duration::from_millis(500))).await;
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

    #[tokio::test(start_paused = true)]
    async fn the_wait_counts_from_when_draining_began() {
        for (drained, left) in [(3, 4), (8, 0)] {
            let mut config = config("");
            config.shutdown.delay = Duration::from_secs(7);
            let app = App::start(&config).await.unwrap();
            app.drain();
            time::sleep(Duration::from_secs(drained)).await;
            // A second one changes nothing.
            app.drain();
            let began = Instant::now();
            app.stop().await;
            assert_eq!(began.elapsed().as_secs(), left);
        }
    }
}
