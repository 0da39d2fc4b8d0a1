//! What a server reports about itself: text-embeddings-inference at `/info`, llama.cpp at `/props`, vLLM at
//! `/v1/models`.

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::{Either, select};
use serde_json::Value;
use tokio::time::Instant;

use super::http::HttpClient;
use crate::rerank::HttpKind;

/// The least time between two requests to a server that did not answer.
const PAUSE: Duration = Duration::from_secs(10);
/// The same for servers whose report only shortens texts: behind a gateway it is never answered.
const LONG_PAUSE: Duration = Duration::from_secs(600);

/// How long a report is valid: the server may have been restarted with another model since.
const REFRESH: Duration = Duration::from_secs(60);

/// Timeout of the report: it must not delay a call.
const MAX_WAIT: Duration = Duration::from_millis(250);

/// No server takes more; a larger number is no limit but a mistake.
const MOST: usize = 100_000;

/// No model reads more tokens of a text.
const MOST_TOKENS: u64 = 10_000_000;

/// More than a token takes in any script on average: the server's report is the most, not what it prefers.
const BYTES_PER_TOKEN: usize = 6;

/// What is known about the server so far.
#[derive(Debug)]
pub(super) struct Server {
    says: Says,
    known: Mutex<Known>,
}

/// Where a server reports it, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Tei,
    LlamaCpp,
    Vllm,
}

#[derive(Debug, Default)]
struct Known {
    info: Option<Info>,
    ask_again: Option<Instant>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Info {
    /// Of one call.
    max_documents: Option<usize>,
    /// Tokens of a query with one document.
    max_tokens: Option<usize>,
    model: Option<String>,
}

impl Says {
    fn path(self) -> &'static str {
        match self {
            Self::Tei => "info",
            Self::LlamaCpp => "props",
            Self::Vllm => "v1/models",
        }
    }

    fn pause(self) -> Duration {
        if self == Self::Tei { PAUSE } else { LONG_PAUSE }
    }
}

impl Server {
    /// For a kind whose servers report themselves.
    pub(super) fn of(kind: HttpKind) -> Option<Self> {
        let says = match kind {
            HttpKind::Tei => Says::Tei,
            HttpKind::LlamaCpp => Says::LlamaCpp,
            HttpKind::Vllm => Says::Vllm,
            _ => return None,
        };
        Some(Self { says, known: Mutex::default() })
    }

    /// The most documents of one call, if it is known.
    pub(super) fn max_documents(&self) -> Option<usize> {
        self.with(|known| known.info.as_ref()?.max_documents)
    }

    /// The most bytes of a text that can make a difference, if known.
    pub(super) fn max_bytes(&self) -> Option<usize> {
        self.with(|known| Some(known.info.as_ref()?.max_tokens?.saturating_mul(BYTES_PER_TOKEN)))
    }

    /// The model that it serves, if known.
    pub(super) fn model(&self) -> Option<Arc<str>> {
        self.with(|known| known.info.as_ref()?.model.as_deref().map(Arc::from))
    }

    /// Runs a call, and requests the report beside it if it is due: the call is never delayed.
    pub(super) async fn beside<T>(
        &self,
        http: &HttpClient,
        until: Instant,
        call: impl Future<Output = T>,
    ) -> T {
        // The others report nothing that a call needs before it is rejected.
        if self.says != Says::Tei || !self.take_turn() {
            return call.await;
        }
        match select(pin!(call), pin!(self.ask(http, until))).await {
            Either::Left((response, _)) => response,
            Either::Right(((), call)) => call.await,
        }
    }

    /// Requests it now: the server has rejected what seemed to be within its limits.
    pub(super) async fn rejected(&self, http: &HttpClient, until: Instant) {
        if self.says == Says::Tei || self.take_turn() {
            self.ask(http, until).await;
        }
    }

    async fn ask(&self, http: &HttpClient, until: Instant) {
        let until = Instant::now().checked_add(MAX_WAIT).map_or(until, |max_wait| max_wait.min(until));
        let Ok(response) = http.get(self.says.path(), until).await else { return };
        if let Some(info) = read(self.says, response.status.is_success(), &response.body) {
            self.said(info);
        }
    }

    fn said(&self, info: Info) {
        let ask_again = Instant::now().checked_add(REFRESH);
        self.with(|known| *known = Known { info: Some(info), ask_again });
    }

    /// Whether this caller is the one to request it.
    fn take_turn(&self) -> bool {
        let now = Instant::now();
        self.with(|known| {
            let due = known.ask_again.is_none_or(|at| at <= now);
            if due {
                known.ask_again = now.checked_add(self.says.pause());
            }
            due
        })
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Known) -> T) -> T {
        use_it(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read(says: Says, success: bool, body: &[u8]) -> Option<Info> {
    let response = serde_json::from_slice::<Value>(body).ok().filter(|_| success)?;
    let tokens = |pointer: &str| {
        let tokens =
            response.pointer(pointer)?.as_u64().filter(|tokens| (1..=MOST_TOKENS).contains(tokens))?;
        usize::try_from(tokens).ok()
    };
    match says {
        Says::Tei => {
            let documents = response.get("max_client_batch_size")?.as_u64()?;
            let documents = usize::try_from(documents).ok().filter(|most| (1..=MOST).contains(most))?;
            let model =
                response.get("model_id").and_then(Value::as_str).filter(|id| super::response::is_name(id));
            let (max_documents, max_tokens) = (Some(documents), tokens("/max_input_length"));
            Some(Info { max_documents, max_tokens, model: model.map(str::to_owned) })
        }
        // The physical batch may be smaller: that is only reported when it rejects.
        Says::LlamaCpp => {
            let max_tokens = tokens("/n_ubatch").or(tokens("/default_generation_settings/n_ctx"));
            max_tokens.map(|_| Info { max_tokens, ..Info::default() })
        }
        // Of several, the longest: the server corrects a cut that is too long, not one that is too short.
        Says::Vllm => {
            let models = response.get("data")?.as_array()?.iter();
            let lengths = models.filter_map(|model| model.get("max_model_len")?.as_u64());
            let longest = lengths.filter(|tokens| (1..=MOST_TOKENS).contains(tokens)).max()?;
            Some(Info { max_tokens: usize::try_from(longest).ok(), ..Info::default() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_is_asked_again_for_its_model_each_minute() {
        let server = Server::of(HttpKind::Tei).unwrap();
        assert!(server.take_turn() && !server.take_turn(), "one of the callers asks");
        server.said(Info { max_documents: Some(64), ..Info::default() });
        tokio::time::advance(Duration::from_secs(59)).await;
        assert!(!server.take_turn());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(server.take_turn() && !server.take_turn());
    }

    #[test]
    fn only_a_sane_limit_is_believed() {
        let info = |batch: &str| {
            let body =
                format!(r#"{{"model_id":"BAAI/b","max_input_length":512,"max_client_batch_size":{batch}}}"#);
            read(Says::Tei, true, body.as_bytes())
        };
        let known = Info { max_documents: Some(64), max_tokens: Some(512), model: Some("BAAI/b".into()) };
        assert_eq!(info("64"), Some(known));
        for odd in ["0", "-1", "1e9", "100001", "null", "\"64\""] {
            assert_eq!(info(odd), None, "{odd}");
        }
        assert_eq!(read(Says::Tei, false, br#"{"max_client_batch_size":64}"#), None);
        assert_eq!(read(Says::Tei, true, b"<html>"), None);
    }

    #[test]
    fn a_context_is_read_where_each_server_says_it() {
        let tokens = |says, body: &str| read(says, true, body.as_bytes()).map(|info| info.max_tokens);
        let props = r#"{"default_generation_settings":{"n_ctx":8192},"total_slots":4}"#;
        assert_eq!(tokens(Says::LlamaCpp, props), Some(Some(8192)));
        let models =
            r#"{"data":[{"id":"a","max_model_len":512},{"id":"b","max_model_len":1024},{"id":"c"}]}"#;
        assert_eq!(tokens(Says::Vllm, models), Some(Some(1024)));
        for odd in ["{}", "[]", r#"{"data":[{"max_model_len":0}]}"#, r#"{"data":7}"#, r#"{"n_ubatch":-1}"#] {
            assert_eq!((tokens(Says::LlamaCpp, odd), tokens(Says::Vllm, odd)), (None, None), "{odd}");
        }
    }
}
