use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;
use tower::{Service, ServiceExt};

use super::{Answer, AnswerFuture, FailureClass, Rerank, RerankError, RerankRequest, Scores};

const MINUTE: Duration = Duration::from_secs(60);

/// Until when a provider is left alone, and why.
#[derive(Debug, Default)]
pub(super) struct Hold(Mutex<Option<(Instant, FailureClass)>>);

impl Hold {
    /// Holds until `until`; a longer hold stands.
    pub(super) fn extend(&self, until: Instant, class: FailureClass) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none_or(|(old, _)| old < until) {
            *held = Some((until, class));
        }
    }

    pub(super) fn at(&self, now: Instant) -> Option<FailureClass> {
        let held = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.and_then(|(until, class)| (now < until).then_some(class))
    }
}

/// How long an answer says to stay away.
fn how_long(error: &RerankError, minute_left: Duration) -> Option<Duration> {
    let RerankError::Status { class, retry_after, .. } = error else { return None };
    match class {
        FailureClass::Auth | FailureClass::NotFound => Some(Duration::from_secs(30)),
        FailureClass::Billing | FailureClass::QuotaExhausted => Some(Duration::from_secs(300)),
        FailureClass::RateLimited => Some(retry_after.unwrap_or(minute_left).min(MINUTE)),
        _ => None,
    }
}

/// What is left of the clock's minute: providers count per minute and do not say when it began.
fn minute_left(now: SystemTime) -> Duration {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    MINUTE.saturating_sub(Duration::from_secs(since.as_secs() % 60))
}

/// Leaves a provider alone after an answer that said so.
#[derive(Clone)]
pub(super) struct HoldOff<S> {
    inner: S,
    hold: Arc<Hold>,
}

impl<S: Rerank> HoldOff<S> {
    pub(super) fn new(inner: S, hold: Arc<Hold>) -> Self {
        Self { inner, hold }
    }

    async fn run(self, request: RerankRequest) -> Answer {
        if let Some(class) = self.hold.at(Instant::now()) {
            return Err(RerankError::HeldOff { class });
        }
        let own_model = request.model.is_none();
        let answer = self.inner.oneshot(request).await;
        if let Ok(Scores { calls_left: Some(0), .. }) = &answer {
            let until = Instant::now() + minute_left(SystemTime::now());
            self.hold.extend(until, FailureClass::RateLimited);
        }
        if let Err(error) = &answer {
            // A caller's unknown model says nothing about the configured one.
            let concerns_all = own_model || error.class() != FailureClass::NotFound;
            if let Some(time) = how_long(error, minute_left(SystemTime::now())).filter(|_| concerns_all) {
                self.hold.extend(Instant::now() + time, error.class());
            }
        }
        answer
    }
}

impl<S: Rerank> Service<RerankRequest> for HoldOff<S> {
    type Response = Scores;
    type Error = RerankError;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> AnswerFuture {
        Box::pin(self.clone().run(request))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::rerank::test_support::{half_for_each, request, scripted};

    fn status(status: u16, class: FailureClass, retry_after: Option<Duration>) -> RerankError {
        RerankError::Status { status, class, retry_after }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_401_the_provider_is_left_alone_for_thirty_seconds() {
        let (inner, calls) =
            scripted(
                |n, r| {
                    if n == 0 { Err(status(401, FailureClass::Auth, None)) } else { half_for_each(r) }
                },
            );
        let service = HoldOff::new(inner, Arc::default());
        assert!(service.clone().oneshot(request(&["a"])).await.is_err());
        tokio::time::advance(Duration::from_secs(29)).await;
        let held = service.clone().oneshot(request(&["a"])).await.unwrap_err();
        assert_eq!(held, RerankError::HeldOff { class: FailureClass::Auth });
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(service.oneshot(request(&["a"])).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_trial_call_of_a_minute_holds_the_provider_off() {
        let (inner, calls) = scripted(|_, r| Ok(Scores { calls_left: Some(0), ..half_for_each(r)? }));
        let service = HoldOff::new(inner, Arc::default());
        assert!(service.clone().oneshot(request(&["a"])).await.is_ok());
        let held = service.oneshot(request(&["a"])).await.unwrap_err();
        assert_eq!(held, RerankError::HeldOff { class: FailureClass::RateLimited });
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_model_of_one_caller_holds_nobody_off() {
        let (inner, calls) = scripted(|_, _| Err(status(404, FailureClass::NotFound, None)));
        let service = HoldOff::new(inner, Arc::default());
        for _ in 0..2 {
            let asked = RerankRequest { model: Some("other".into()), ..request(&["a"]) };
            assert!(service.clone().oneshot(asked).await.is_err());
        }
        assert_eq!(calls.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn each_class_holds_for_its_time() {
        let left = Duration::from_secs(42);
        let held = |class, after| how_long(&status(0, class, after), left).map(|d| d.as_secs());
        assert_eq!(held(FailureClass::NotFound, None), Some(30));
        assert_eq!(held(FailureClass::Billing, None), Some(300));
        assert_eq!(held(FailureClass::QuotaExhausted, None), Some(300));
        assert_eq!(held(FailureClass::RateLimited, None), Some(42));
        assert_eq!(held(FailureClass::RateLimited, Some(Duration::from_secs(2))), Some(2));
        assert_eq!(held(FailureClass::RateLimited, Some(Duration::from_secs(3600))), Some(60));
        assert_eq!(held(FailureClass::ProviderUnavailable, None), None);
        assert_eq!(how_long(&RerankError::Timeout, left), None);
    }

    #[test]
    fn the_minute_ends_within_sixty_seconds() {
        assert_eq!(minute_left(UNIX_EPOCH).as_secs(), 60);
        assert_eq!(minute_left(UNIX_EPOCH + Duration::from_secs(119)).as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_longer_hold_is_never_shortened() {
        let (hold, now) = (Hold::default(), Instant::now());
        hold.extend(now + Duration::from_secs(300), FailureClass::Billing);
        hold.extend(now + Duration::from_secs(1), FailureClass::RateLimited);
        assert_eq!(hold.at(now + Duration::from_secs(299)), Some(FailureClass::Billing));
        assert_eq!(hold.at(now + Duration::from_secs(300)), None);
    }
}
