//! What a text-embeddings-inference server says of itself at `/info`.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{Either, select};
use serde::Deserialize;
use tokio::time::Instant;

use super::http::HttpClient;

/// A server that did not say it is asked again no sooner.
const PAUSE: Duration = Duration::from_secs(10);

/// What it said holds for so long: it may have been restarted with another model since.
const REFRESH: Duration = Duration::from_secs(60);

/// A server that is slow to say it must not hold up a call.
const PATIENCE: Duration = Duration::from_millis(250);

/// No server takes more; a larger number is no limit but a mistake.
const MOST: usize = 100_000;

/// What is known of the server by now.
#[derive(Debug, Default)]
pub(super) struct Server(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    info: Option<Info>,
    ask_again: Option<Instant>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct Info {
    max_client_batch_size: usize,
    model_id: Option<String>,
}

impl Server {
    /// The most documents of one call, if it is known.
    pub(super) fn max_documents(&self) -> Option<usize> {
        self.with(|known| known.info.as_ref().map(|info| info.max_client_batch_size))
    }

    /// The model that it serves, if it is known.
    pub(super) fn model(&self) -> Option<Arc<str>> {
        self.with(|known| known.info.as_ref()?.model_id.as_deref().map(Arc::from))
    }

    /// Runs a call and asks beside it, if it is time to: the call is never held up.
    pub(super) async fn beside<T>(
        &self,
        http: &HttpClient,
        until: Instant,
        call: impl Future<Output = T>,
    ) -> T {
        if !self.take_turn() {
            return call.await;
        }
        match select(pin!(call), pin!(self.ask(http, until))).await {
            Either::Left((answer, _)) => answer,
            Either::Right(((), call)) => call.await,
        }
    }

    /// Asks now: the server has said that what is known is wrong.
    pub(super) async fn ask(&self, http: &HttpClient, until: Instant) {
        let until = Instant::now().checked_add(PATIENCE).map_or(until, |patience| patience.min(until));
        let Ok(answer) = http.get("info", until).await else { return };
        if let Some(info) = read(answer.status.is_success(), &answer.body) {
            self.said(info);
        }
    }

    fn said(&self, info: Info) {
        let ask_again = Instant::now().checked_add(REFRESH);
        self.with(|known| *known = Known { info: Some(info), ask_again });
    }

    /// Whether this caller is to ask.
    fn take_turn(&self) -> bool {
        let now = Instant::now();
        self.with(|known| {
            let due = known.ask_again.is_none_or(|at| at <= now);
            if due {
                known.ask_again = now.checked_add(PAUSE);
            }
            due
        })
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Known) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read(success: bool, body: &[u8]) -> Option<Info> {
    let mut info = serde_json::from_slice::<Info>(body).ok().filter(|_| success)?;
    info.model_id = info.model_id.filter(|id| super::answer::is_name(id));
    (1..=MOST).contains(&info.max_client_batch_size).then_some(info)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_is_asked_again_for_its_model_each_minute() {
        let server = Server::default();
        assert!(server.take_turn() && !server.take_turn(), "one of the callers asks");
        server.said(Info { max_client_batch_size: 64, model_id: None });
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(!server.take_turn());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(server.take_turn() && !server.take_turn());
    }

    #[test]
    fn only_a_sane_limit_is_believed() {
        let info = |batch: &str| {
            read(true, format!(r#"{{"model_id":"BAAI/b","max_client_batch_size":{batch}}}"#).as_bytes())
        };
        let known = Info { max_client_batch_size: 64, model_id: Some("BAAI/b".into()) };
        assert_eq!(info("64"), Some(known));
        for odd in ["0", "-1", "1e9", "100001", "null", "\"64\""] {
            assert_eq!(info(odd), None, "{odd}");
        }
        assert_eq!(read(false, br#"{"max_client_batch_size":64}"#), None);
        assert_eq!(read(true, b"<html>"), None);
    }
}
