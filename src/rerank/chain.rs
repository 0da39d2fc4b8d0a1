use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};
use tower::{Service, ServiceExt};

use super::{Answer, AnswerFuture, RerankError, RerankMetrics, RerankRequest, Reranker};

/// Kept back from a provider's time for those that follow it.
const RESERVE: Duration = Duration::from_millis(100);

/// Providers in order: the first that scores everything wins, whole. Owns `answer_by`.
#[derive(Clone)]
pub(super) struct Chain {
    providers: Arc<[Reranker]>,
    metrics: Arc<RerankMetrics>,
}

impl Chain {
    pub(super) fn new(providers: Vec<Reranker>, metrics: Arc<RerankMetrics>) -> Self {
        Self { providers: providers.into(), metrics }
    }

    async fn run(self, request: RerankRequest) -> Answer {
        let mut failure = None;
        for (at, provider) in self.providers.iter().enumerate() {
            let last = at + 1 == self.providers.len();
            let answer_by = if last {
                request.answer_by
            } else {
                request.answer_by.checked_sub(RESERVE).unwrap_or(request.answer_by)
            };
            if answer_by <= Instant::now() {
                failure.get_or_insert(RerankError::Deadline);
                continue;
            }
            let narrowed = RerankRequest { answer_by, ..request.clone() };
            match timeout_at(answer_by, provider.clone().oneshot(narrowed)).await {
                Ok(Ok(scores)) => {
                    self.metrics.relevance(&scores);
                    return Ok(scores);
                }
                Ok(Err(error)) => failure = Some(error),
                Err(_) => failure = Some(RerankError::Deadline),
            }
        }
        Err(failure.unwrap_or(RerankError::NoProvider))
    }
}

impl Service<RerankRequest> for Chain {
    type Response = super::Scores;
    type Error = RerankError;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> AnswerFuture {
        Box::pin(self.clone().run(request))
    }
}
