use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;
use tower::{
    Service, ServiceExt,
    retry::budget::{Budget, TpsBudget},
};

use super::{
    FailureClass, Rerank, RerankError, RerankFuture, RerankMetrics, RerankRequest, RerankResult, Scores,
    limits::Gate,
};

const PAUSE: Duration = Duration::from_millis(25);
const JITTER_MILLIS: u64 = 75;

/// The window in which calls earn retries.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Retries that are allowed however few calls there are, so that the first failures are retried too.
const MIN_PER_SECOND: u32 = 1;
/// Retries earned by each call.
const SHARE: f32 = 0.1;

/// Keeps retries from doubling the load on a failing provider. Shared by all providers.
pub(super) struct RetryBudget(TpsBudget);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(TpsBudget::new(REMEMBERED, MIN_PER_SECOND, SHARE))
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RetryBudget")
    }
}

/// The delay before a retry; `None` if one cannot help.
fn pause(error: &RerankError, jitter: Duration) -> Option<Duration> {
    let said = match error {
        RerankError::Status { retry_after, .. } => *retry_after,
        _ => None,
    };
    match error.class() {
        FailureClass::ProviderUnavailable => Some(said.unwrap_or_default().max(PAUSE + jitter)),
        FailureClass::RateLimited => said.filter(|said| !said.is_zero()).map(|said| said.max(PAUSE + jitter)),
        _ => None,
    }
}

/// A retry, when it can help, begins while a caller waits for it, and both the retry budget and the provider's rate
/// limit allow it.
#[derive(Clone)]
pub(super) struct Retry<S> {
    inner: S,
    budget: Arc<RetryBudget>,
    gate: Arc<Gate>,
    provider: Arc<str>,
    metrics: Arc<RerankMetrics>,
}

impl<S: Rerank> Retry<S> {
    pub(super) fn new(
        inner: S,
        budget: Arc<RetryBudget>,
        gate: Arc<Gate>,
        provider: Arc<str>,
        metrics: Arc<RerankMetrics>,
    ) -> Self {
        Self { inner, budget, gate, provider, metrics }
    }

    async fn run(self, request: RerankRequest) -> RerankResult {
        self.budget.0.deposit();
        let response = self.inner.clone().oneshot(request.clone()).await;
        // A 429 counts for all callers, and at once.
        self.gate.learn(&response);
        let Err(error) = response else { return response };
        let jitter = Duration::from_millis(fastrand::u64(0..=JITTER_MILLIS));
        let Some(pause) = pause(&error, jitter) else { return Err(error) };
        let fits = Instant::now()
            .checked_add(pause)
            .is_some_and(|start| start < request.retry_by() && !self.gate.is_paused_at(start));
        if !fits {
            return Err(error);
        }
        if !self.budget.0.withdraw() {
            self.metrics.retry_rejected(&self.provider);
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        if !self.gate.take_retry().await {
            self.metrics.retry_rejected(&self.provider);
            return Err(error);
        }
        self.metrics.retries(&self.provider);
        self.inner.oneshot(request).await
    }
}

impl<S: Rerank> Service<RerankRequest> for Retry<S> {
    type Response = Scores;
    type Error = RerankError;
    type Future = RerankFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> RerankFuture {
        Box::pin(self.clone().run(request))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::rerank::{
        Billing, LimitSettings,
        limits::Ledger,
        test_support::{half_for_each, metrics, request, scripted},
    };

    fn retry<S: Rerank>(inner: S, requests_per_minute: Option<u32>) -> Retry<S> {
        let settings = LimitSettings { requests_per_minute, ..LimitSettings::default() };
        let gate =
            Arc::new(Gate::new("p".into(), Billing::SearchUnits, &settings, &Ledger::default(), metrics()));
        Retry::new(inner, Arc::default(), gate, "p".into(), metrics())
    }

    async fn tries(error: RerankError) -> usize {
        let (inner, calls) = scripted(move |_, _| Err(error.clone()));
        let service = retry(inner, None);
        assert!(service.oneshot(request(&["a"])).await.is_err());
        calls.load(Ordering::SeqCst)
    }

    fn status(class: FailureClass, retry_after: Option<u64>) -> RerankError {
        RerankError::Status { status: 0, class, retry_after: retry_after.map(Duration::from_secs) }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_can_pass_is_tried_a_second_time() {
        assert_eq!(tries(status(FailureClass::ProviderUnavailable, None)).await, 2);
        assert_eq!(tries(RerankError::Unreachable("reset")).await, 2);
        assert_eq!(tries(status(FailureClass::Auth, None)).await, 1);
        assert_eq!(tries(status(FailureClass::InvalidRequest, None)).await, 1);
        assert_eq!(tries(RerankError::Timeout).await, 1);
        assert_eq!(tries(RerankError::BadResponse("x")).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_is_tried_again_only_if_its_retry_after_fits() {
        assert_eq!(tries(status(FailureClass::RateLimited, None)).await, 1);
        assert_eq!(tries(status(FailureClass::RateLimited, Some(2))).await, 2);
        assert_eq!(tries(status(FailureClass::RateLimited, Some(20))).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_retry_takes_a_rate_token_or_is_not_made() {
        let (inner, calls) = scripted(|_, _| Err(RerankError::Unreachable("reset")));
        let service = retry(inner, Some(1));
        let rejected = service.metrics.retries_rejected.with_label_values(&["p"]);
        assert!(service.clone().oneshot(request(&["a"])).await.is_err());
        assert_eq!(calls.load(Ordering::SeqCst), 2, "the one token went to the retry");
        assert_eq!(rejected.get(), 0);
        assert!(service.oneshot(request(&["a"])).await.is_err());
        assert_eq!((calls.load(Ordering::SeqCst), rejected.get()), (3, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn no_retry_starts_after_the_deadline() {
        let (inner, calls) = scripted(|_, _| Err(RerankError::Unreachable("reset")));
        let service = retry(inner, None);
        let hasty =
            RerankRequest { respond_by: Instant::now() + Duration::from_millis(20), ..request(&["a"]) };
        assert!(service.oneshot(hasty).await.is_err());
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_try_that_works_is_the_response() {
        let (inner, _) =
            scripted(|n, r| if n == 0 { Err(RerankError::Unreachable("reset")) } else { half_for_each(r) });
        let begun = Instant::now();
        let service = retry(inner, None);
        assert!(service.oneshot(request(&["a"])).await.is_ok());
        let waited = begun.elapsed().as_millis();
        assert!((25..=102).contains(&waited), "{waited} ms");
    }

    #[tokio::test(start_paused = true)]
    async fn retries_stay_at_a_tenth_of_the_calls_and_one_a_second() {
        let (inner, calls) = scripted(|_, _| Err(RerankError::Unreachable("reset")));
        let service = retry(inner, None);
        let begun = Instant::now();
        for _ in 0..1000 {
            let _ = service.clone().oneshot(request(&["a"])).await;
        }
        let (retries, seconds) = (calls.load(Ordering::SeqCst) - 1000, begun.elapsed().as_secs());
        assert!((100..=120 + seconds as usize).contains(&retries), "{retries} in {seconds} s");
        let rejected = service.metrics.retries_rejected.with_label_values(&["p"]).get();
        assert_eq!(rejected, 1000 - retries as u64, "the others are counted");
    }
}
