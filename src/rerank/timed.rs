use std::{
    sync::Arc,
    task::{Context, Poll},
};

use prometheus::IntGauge;
use tokio::time::Instant;
use tower::{Service, ServiceExt};

use super::{AnswerFuture, Rerank, RerankError, RerankMetrics, RerankRequest, Scores};

/// Counts and times every single call to a provider.
#[derive(Clone)]
pub(super) struct Timed<S> {
    inner: S,
    provider: Arc<str>,
    metrics: Arc<RerankMetrics>,
}

impl<S: Rerank> Timed<S> {
    pub(super) fn new(inner: S, provider: Arc<str>, metrics: Arc<RerankMetrics>) -> Self {
        Self { inner, provider, metrics }
    }
}

/// Goes down also when the call is dropped.
struct InFlight(IntGauge);

impl InFlight {
    fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl<S: Rerank> Service<RerankRequest> for Timed<S> {
    type Response = Scores;
    type Error = RerankError;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> AnswerFuture {
        let Self { inner, provider, metrics } = self.clone();
        Box::pin(async move {
            let _in_flight = InFlight::new(metrics.in_flight(&provider));
            let begun = Instant::now();
            let answer = inner.oneshot(request).await;
            metrics.call(&provider, &answer, begun.elapsed());
            answer
        })
    }
}
