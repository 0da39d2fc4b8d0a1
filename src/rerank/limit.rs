//! Limits that shed at once: a call that may not go now fails now, and the database's order stands.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};
use tower::{Service, ServiceExt};

use super::{AnswerFuture, FailureClass, Rerank, RerankError, RerankRequest, Scores};

/// At most so many calls in flight.
#[derive(Clone)]
pub(super) struct ConcurrencyLimit<S> {
    inner: S,
    free: Arc<Semaphore>,
}

impl<S: Rerank> ConcurrencyLimit<S> {
    pub(super) fn new(inner: S, max: usize) -> Self {
        Self { inner, free: Arc::new(Semaphore::new(max.clamp(1, Semaphore::MAX_PERMITS))) }
    }
}

impl<S: Rerank> Service<RerankRequest> for ConcurrencyLimit<S> {
    type Response = Scores;
    type Error = RerankError;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> AnswerFuture {
        let (inner, free) = (self.inner.clone(), self.free.clone());
        Box::pin(async move {
            let _permit = free.try_acquire_owned().map_err(|_| RerankError::Overloaded)?;
            inner.oneshot(request).await
        })
    }
}

/// At most so many calls in any minute. It is inside the retry, so that every try counts.
#[derive(Clone)]
pub(super) struct RateLimit<S> {
    inner: S,
    window: Option<Arc<Mutex<MinuteWindow>>>,
}

impl<S: Rerank> RateLimit<S> {
    pub(super) fn new(inner: S, per_minute: Option<u32>) -> Self {
        Self { inner, window: per_minute.map(|max| Arc::new(Mutex::new(MinuteWindow::new(max)))) }
    }
}

impl<S: Rerank> Service<RerankRequest> for RateLimit<S> {
    type Response = Scores;
    type Error = RerankError;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> AnswerFuture {
        let (inner, window) = (self.inner.clone(), self.window.clone());
        Box::pin(async move {
            let free = window.is_none_or(|window| {
                window.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
            });
            if !free {
                return Err(RerankError::HeldOff { class: FailureClass::RateLimited });
            }
            inner.oneshot(request).await
        })
    }
}

/// When the calls of the last minute were made: exact, where a bucket lets twice the limit through in one minute.
struct MinuteWindow {
    max: usize,
    calls: VecDeque<Instant>,
}

impl MinuteWindow {
    fn new(max: u32) -> Self {
        Self { max: usize::try_from(max).unwrap_or(usize::MAX), calls: VecDeque::new() }
    }

    fn take(&mut self, now: Instant) -> bool {
        while self.calls.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(60)) {
            self.calls.pop_front();
        }
        let free = self.calls.len() < self.max;
        if free {
            self.calls.push_back(now);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rerank::test_support::{half_for_each, request};

    #[tokio::test(start_paused = true)]
    async fn a_call_over_the_concurrency_limit_is_shed_at_once() {
        let slow = tower::service_fn(|r| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            half_for_each(r)
        });
        let limit = ConcurrencyLimit::new(slow, 1);
        let first = limit.clone().oneshot(request(&["a"]));
        let second = limit.clone().oneshot(request(&["a"]));
        let (first, second) = tokio::join!(first, second);
        assert!(first.is_ok());
        assert_eq!(second.unwrap_err(), RerankError::Overloaded);
        assert!(limit.oneshot(request(&["a"])).await.is_ok(), "the place is free again");
    }

    #[tokio::test(start_paused = true)]
    async fn no_minute_sees_more_calls_than_allowed() {
        let limit = RateLimit::new(tower::service_fn(|r| async move { half_for_each(r) }), Some(2));
        assert!(limit.clone().oneshot(request(&["a"])).await.is_ok());
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(limit.clone().oneshot(request(&["a"])).await.is_ok());
        let shed = limit.clone().oneshot(request(&["a"])).await.unwrap_err();
        assert_eq!(shed, RerankError::HeldOff { class: FailureClass::RateLimited });
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(limit.clone().oneshot(request(&["a"])).await.is_ok());
        assert!(limit.oneshot(request(&["a"])).await.is_err());
    }
}
