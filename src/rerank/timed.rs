use std::{
    sync::Arc,
    task::{Context, Poll},
};

use prometheus::IntGauge;
use tokio::time::Instant;
use tower::{Service, ServiceExt};

use super::{Rerank, RerankError, RerankFuture, RerankMetrics, RerankRequest, Scores};

/// Counts and times every single call to a provider, retries included.
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

/// A call under way. One that is dropped before its end is counted too.
struct InFlight {
    gauge: IntGauge,
    provider: Arc<str>,
    metrics: Arc<RerankMetrics>,
    begun: Instant,
    ended: bool,
}

impl InFlight {
    fn new(provider: Arc<str>, metrics: Arc<RerankMetrics>) -> Self {
        let gauge = metrics.in_flight(&provider);
        gauge.inc();
        Self { gauge, provider, metrics, begun: Instant::now(), ended: false }
    }

    fn end(mut self, response: &Result<Scores, RerankError>) {
        self.ended = true;
        self.metrics.call(&self.provider, response, self.begun.elapsed());
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.dec();
        if !self.ended {
            self.metrics.given_up(&self.provider, self.begun.elapsed());
        }
    }
}

impl<S: Rerank> Service<RerankRequest> for Timed<S> {
    type Response = Scores;
    type Error = RerankError;
    type Future = RerankFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> RerankFuture {
        let Self { inner, provider, metrics } = self.clone();
        Box::pin(async move {
            let call = InFlight::new(provider, metrics);
            let response = inner.oneshot(request).await;
            call.end(&response);
            response
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rerank::test_support::request;

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_given_up_is_counted_too() {
        let registry = prometheus::Registry::new();
        let metrics = Arc::new(RerankMetrics::register(&registry).unwrap());
        let hang =
            tower::service_fn(|_: RerankRequest| std::future::pending::<Result<Scores, RerankError>>());
        let call = Timed::new(hang, "p".into(), metrics).oneshot(request(&["a"]));
        assert!(tokio::time::timeout(std::time::Duration::from_secs(1), call).await.is_err());
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        assert!(text.contains(r#"rerankd_provider_call_duration_seconds_count{provider="p"} 1"#), "{text}");
    }
}
