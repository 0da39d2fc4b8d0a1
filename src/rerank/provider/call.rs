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
    Answer, AnswerFuture, Billing, BuildError, CohereSettings, FailureClass, ProviderFacts, RerankError,
    RerankRequest, Scores, Scoring,
};

/// One timed HTTP call to a Cohere-shaped service.
#[derive(Clone)]
pub(in crate::rerank) struct CohereCall(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    http: HttpClient,
    format: Format,
    facts: ProviderFacts,
    max_documents: usize,
    refusal_told: AtomicBool,
}

impl CohereCall {
    pub(in crate::rerank) fn new(name: Arc<str>, settings: &CohereSettings) -> Result<Self, BuildError> {
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
        let base_url = settings.base_url.trim_end_matches('/');
        let facts = ProviderFacts {
            scoring: Scoring::Pairwise,
            billing: Billing::SearchUnits,
            model: format.model.clone(),
            score_settings: format!(
                "cohere-v2 {base_url} max_tokens_per_doc={:?}",
                settings.max_tokens_per_doc
            ),
        };
        let max_documents = settings.max_documents_per_call;
        let refusal_told = AtomicBool::new(false);
        Ok(Self(Arc::new(Inner { name, http, format, facts, max_documents, refusal_told })))
    }

    pub(in crate::rerank) fn facts(&self) -> &ProviderFacts {
        &self.0.facts
    }

    /// The most documents of one call, as far as known by now.
    pub(in crate::rerank) fn max_documents(&self) -> usize {
        self.0.max_documents
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
        let format = if request.background { &self.background() } else { &self.format };
        let body = format.body(&model, &request.query, &request.documents);
        let answer = self.http.post(body, request.answer_by).await?;
        let now = SystemTime::now();
        if !answer.status.is_success() {
            let error = cohere::classify(answer.status, &answer.headers, &answer.body, now);
            self.tell(&error);
            return Err(error);
        }
        self.refusal_told.store(false, Ordering::Relaxed);
        let (scores, billed_units) = cohere::parse(&answer.body, request.documents.len())?;
        let scores = scores.into_iter().map(Some).collect();
        let calls_left = cohere::trial_calls_left(&answer.headers);
        let provider = self.name.clone();
        Ok(Scores { scores, provider, model, billed_units, calls_left, ..Scores::default() })
    }

    /// What nobody waits for goes last.
    fn background(&self) -> Format {
        Format { priority: Some(cohere::LOWEST_PRIORITY), ..self.format.clone() }
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
