use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::SystemTime,
};

use secrecy::ExposeSecret;
use tokio::time::Instant;
use tower::Service;

use super::{
    cohere::{self, Format},
    http::HttpClient,
};
use crate::rerank::{
    Answer, AnswerFuture, BuildError, CohereSettings, FailureClass, RerankError, RerankRequest, Scores,
    hold::{Hold, minute_left},
};

/// One timed HTTP call to a Cohere-shaped service.
#[derive(Clone)]
pub(in crate::rerank) struct CohereCall(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    http: HttpClient,
    format: Format,
    hold: Arc<Hold>,
    refusal_told: AtomicBool,
}

impl CohereCall {
    pub(in crate::rerank) fn new(
        name: Arc<str>,
        settings: &CohereSettings,
        hold: Arc<Hold>,
    ) -> Result<Self, BuildError> {
        let http = HttpClient::new(
            &name,
            &settings.base_url,
            "v2/rerank",
            settings.api_key.expose_secret(),
            settings.ca_file.as_deref(),
        )?;
        let format = Format {
            model: settings.model.as_str().into(),
            max_tokens_per_doc: settings.max_tokens_per_doc,
            priority: settings.priority,
        };
        Ok(Self(Arc::new(Inner { name, http, format, hold, refusal_told: AtomicBool::new(false) })))
    }
}

impl Inner {
    async fn run(&self, request: RerankRequest) -> Answer {
        let model = request.model.clone().unwrap_or_else(|| self.format.model.clone());
        if request.documents.is_empty() {
            return Ok(Scores { provider: self.name.clone(), model, ..Scores::default() });
        }
        if request.answer_by <= Instant::now() {
            return Err(RerankError::Deadline);
        }
        let body = self.format.body(&model, &request.query, &request.documents);
        let answer = self.http.post(body, request.answer_by).await?;
        let now = SystemTime::now();
        if cohere::trial_calls_left(&answer.headers) == Some(0) {
            self.hold.extend(Instant::now() + minute_left(now), FailureClass::RateLimited);
        }
        if !answer.status.is_success() {
            let error = cohere::classify(answer.status, &answer.headers, &answer.body, now);
            self.tell(&error);
            return Err(error);
        }
        self.refusal_told.store(false, Ordering::Relaxed);
        let (scores, billed_units) = cohere::parse(&answer.body, request.documents.len())?;
        let scores = scores.into_iter().map(Some).collect();
        Ok(Scores { scores, provider: self.name.clone(), model, billed_units, ..Scores::default() })
    }

    /// Says once, until a call succeeds again, what only the operator can mend.
    fn tell(&self, error: &RerankError) {
        let RerankError::Status { status, class, .. } = error else { return };
        let what = match class {
            FailureClass::Auth => "the provider refuses the API key: searches are NOT reranked by it",
            FailureClass::Billing | FailureClass::QuotaExhausted => "the provider's allowance is spent",
            _ => return,
        };
        if !self.refusal_told.swap(true, Ordering::Relaxed) {
            tracing::error!(provider = %self.name, status, "{what}");
        }
    }
}

impl Service<RerankRequest> for CohereCall {
    type Response = Scores;
    type Error = RerankError;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> AnswerFuture {
        let inner = self.0.clone();
        Box::pin(async move { inner.run(request).await })
    }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
