use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;
use tower::{Service, ServiceExt};

use super::circuit::{Circuit, CircuitSettings, CircuitState, Permit, Verdict};
use crate::rerank::{
    FailureClass, Rerank, RerankError, RerankFuture, RerankMetrics, RerankRequest, RerankResult, Scores,
};
use crate::trouble::{self, Lines};

/// Makes no calls to a provider while its circuit is open.
#[derive(Clone)]
pub(in crate::rerank) struct Breaker<S> {
    inner: S,
    switch: Arc<Switch>,
}

/// A circuit with the log and metrics of its changes.
pub(in crate::rerank) struct Switch {
    circuit: Mutex<Circuit>,
    provider: Arc<str>,
    slow_call: Duration,
    metrics: Arc<RerankMetrics>,
    lines: Lines,
}

impl<S: Rerank> Breaker<S> {
    pub(in crate::rerank) fn new(
        inner: S,
        settings: CircuitSettings,
        provider: Arc<str>,
        metrics: Arc<RerankMetrics>,
    ) -> Self {
        let slow_call = settings.slow_call;
        let circuit = Mutex::new(Circuit::new(settings, Instant::now()));
        Self {
            inner,
            switch: Arc::new(Switch { circuit, provider, slow_call, metrics, lines: Lines::default() }),
        }
    }

    /// The circuit itself, for its readers.
    pub(in crate::rerank) fn switch(&self) -> Arc<Switch> {
        self.switch.clone()
    }

    async fn run(self, request: RerankRequest) -> RerankResult {
        let permit = match self.switch.step(|circuit| circuit.admit(Instant::now())) {
            Ok(permit) => permit,
            Err(class) => return Err(RerankError::Held { class }),
        };
        let own_model = request.model.is_none();
        let mut call = Call { switch: self.switch, permit: Some(permit), begun: Instant::now() };
        let response = self.inner.oneshot(request).await;
        call.ended(verdict(&response, own_model));
        response
    }
}

impl Switch {
    /// Whether a call would be let through now, and if not, why.
    pub(in crate::rerank) fn would_admit(&self) -> Result<(), FailureClass> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner).would_admit(Instant::now())
    }

    /// In what time an open circuit lets probes through.
    pub(in crate::rerank) fn asked_again(&self) -> Option<Duration> {
        let until = self.circuit.lock().unwrap_or_else(PoisonError::into_inner).open_until();
        until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Brings the gauge up to date.
    pub(in crate::rerank) fn observe(&self) {
        let state = self.circuit.lock().unwrap_or_else(PoisonError::into_inner).state();
        self.metrics.circuit(&self.provider, state);
    }

    /// One step of the circuit; a change of state is counted, and logged: one line for each state and minute.
    fn step<T>(&self, step: impl FnOnce(&mut Circuit) -> T) -> T {
        let (result, before, after) = {
            let mut circuit = self.circuit.lock().unwrap_or_else(PoisonError::into_inner);
            let before = circuit.state();
            let result = step(&mut circuit);
            (result, before, circuit.state())
        };
        if before != after {
            self.changed(after);
        }
        result
    }

    fn changed(&self, state: CircuitState) {
        self.metrics.circuit_changed(&self.provider, state);
        let provider = self.provider.clone();
        match state {
            CircuitState::Closed => {
                self.lines.say("closed", || {
                    move |left_out: Option<u64>| {
                        let provider = &*provider;
                        tracing::info!(provider, left_out, "circuit closed: the provider works again");
                    }
                });
            }
            CircuitState::HalfOpen => {
                tracing::debug!(provider = &*provider, "circuit half open: probing the provider");
            }
            CircuitState::Open(class) => {
                let reason = class.reason();
                let until = self.asked_again().map(trouble::after);
                self.lines.say(reason.as_str(), || {
                    move |left_out: Option<u64>| {
                        tracing::warn!(
                            provider = &*provider,
                            reason = reason.as_str(),
                            until,
                            left_out,
                            help = reason.help(),
                            "circuit open: no calls to the provider until then"
                        );
                    }
                });
            }
        }
    }
}

/// A call in flight. If it is dropped without a response, its permit is returned: dropped early it says nothing about
/// the provider, dropped late it counts as slow.
struct Call {
    switch: Arc<Switch>,
    permit: Option<Permit>,
    begun: Instant,
}

impl Call {
    fn ended(&mut self, verdict: Verdict) {
        let Some(permit) = self.permit.take() else { return };
        let now = Instant::now();
        let took = now - self.begun;
        self.switch.step(|circuit| circuit.record(&permit, verdict, took, now));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let slow = self.begun.elapsed() >= self.switch.slow_call;
        self.ended(if slow { Verdict::Bad } else { Verdict::Silent });
    }
}

/// What a response shows of the provider's health.
fn verdict(response: &RerankResult, own_model: bool) -> Verdict {
    let Err(error) = response else { return Verdict::Good };
    match error.class() {
        FailureClass::ProviderUnavailable | FailureClass::Timeout | FailureClass::BadResponse => Verdict::Bad,
        class @ FailureClass::Auth => Verdict::Rejected(class, Duration::from_secs(30)),
        // A caller's unknown model says nothing about the configured one.
        class @ FailureClass::NotFound if own_model => Verdict::Rejected(class, Duration::from_secs(30)),
        class @ (FailureClass::Billing | FailureClass::QuotaExhausted) => {
            Verdict::Rejected(class, Duration::from_secs(300))
        }
        _ => Verdict::Silent,
    }
}

impl<S: Rerank> Service<RerankRequest> for Breaker<S> {
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
    use crate::rerank::test_support::{half_for_each, metrics, request, scripted};

    fn breaker<S: Rerank>(inner: S) -> Breaker<S> {
        let settings = CircuitSettings { min_calls: 2, ..CircuitSettings::default() };
        Breaker::new(inner, settings, "p".into(), metrics())
    }

    fn status(status: u16, class: FailureClass) -> RerankError {
        RerankError::Status { status, class, retry_after: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_failing_provider_is_left_alone_and_then_probed() {
        let (inner, calls) =
            scripted(|n, r| if n < 2 { Err(RerankError::Timeout) } else { half_for_each(r) });
        let service = breaker(inner);
        for _ in 0..2 {
            assert!(service.clone().oneshot(request(&["a"])).await.is_err());
        }
        let held = service.clone().oneshot(request(&["a"])).await.unwrap_err();
        assert_eq!(held, RerankError::Held { class: FailureClass::CircuitOpen });
        assert_eq!(calls.load(Ordering::SeqCst), 2, "an open circuit makes no call");
        tokio::time::advance(Duration::from_secs(5)).await;
        for _ in 0..4 {
            assert!(service.clone().oneshot(request(&["a"])).await.is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_401_the_provider_is_left_alone_for_thirty_seconds() {
        let (inner, calls) =
            scripted(|n, r| if n == 0 { Err(status(401, FailureClass::Auth)) } else { half_for_each(r) });
        let service = breaker(inner);
        assert!(service.clone().oneshot(request(&["a"])).await.is_err());
        assert_eq!(service.switch().asked_again(), Some(Duration::from_secs(30)));
        tokio::time::advance(Duration::from_secs(29)).await;
        assert_eq!(service.switch().asked_again(), Some(Duration::from_secs(1)));
        let held = service.clone().oneshot(request(&["a"])).await.unwrap_err();
        assert_eq!(held, RerankError::Held { class: FailureClass::Auth });
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(service.oneshot(request(&["a"])).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_model_of_one_caller_holds_nobody_off() {
        let (inner, calls) = scripted(|_, _| Err(status(404, FailureClass::NotFound)));
        let service = breaker(inner);
        for _ in 0..3 {
            let asked = RerankRequest { model: Some("other".into()), ..request(&["a"]) };
            assert!(service.clone().oneshot(asked).await.is_err());
        }
        assert_eq!(calls.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_given_up_early_says_nothing_and_one_given_up_late_counts() {
        let hang = tower::service_fn(|_: RerankRequest| std::future::pending::<RerankResult>());
        let service = breaker(hang);
        for millis in [100, 100, 100, 1000, 1000] {
            let asked = service.clone().oneshot(request(&["a"]));
            assert!(tokio::time::timeout(Duration::from_millis(millis), asked).await.is_err(), "it hangs");
        }
        let held = service.oneshot(request(&["a"])).await.unwrap_err();
        assert_eq!(held, RerankError::Held { class: FailureClass::CircuitOpen });
    }

    #[test]
    fn each_class_means_what_the_policy_says() {
        let of = |class| verdict(&Err(status(0, class)), true);
        use FailureClass::*;
        for class in [InvalidRequest, TooLarge, RateLimited, Deadline, Overloaded, Budget] {
            assert_eq!(of(class), Verdict::Silent, "{class:?}");
        }
        for class in [ProviderUnavailable, Timeout, BadResponse] {
            assert_eq!(of(class), Verdict::Bad, "{class:?}");
        }
        for (class, seconds) in [(Auth, 30), (NotFound, 30), (Billing, 300), (QuotaExhausted, 300)] {
            assert_eq!(of(class), Verdict::Rejected(class, Duration::from_secs(seconds)));
        }
    }
}
