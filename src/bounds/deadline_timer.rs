//! [`DeadlineTimer`]: the lazily created timer of a socket.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer for waits that are mostly short: created at the first long one, reused for the others.
#[derive(Debug, Default)]
pub struct DeadlineTimer {
    sleep: Option<Pin<Box<Sleep>>>,
    set: bool,
}

impl DeadlineTimer {
    /// Ready at `until`.
    pub fn poll_at(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.deadline() != until {
            sleep.as_mut().reset(until);
        }
        self.set = true;
        sleep.as_mut().poll(cx)
    }

    /// Ready at `until`, for waits of which each has another end and few are over late: it is set anew only where that
    /// is too late, or has come.
    pub fn poll_by(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.deadline() > until {
            sleep.as_mut().reset(until);
        }
        self.set = false;
        loop {
            // The timer may not be polled beside a peer that always has more; the clock is checked.
            let is_set = sleep.as_mut().poll(cx).is_pending();
            if until <= Instant::now() {
                return Poll::Ready(());
            }
            if is_set {
                return Poll::Pending;
            }
            sleep.as_mut().reset(until);
        }
    }

    /// Ready when it has been polled for `limit` without a silence.
    pub fn poll_after(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.sleep {
            Some(sleep) if self.set => sleep.as_mut().poll(cx),
            _ => self.poll_at(Instant::now() + limit, cx),
        }
    }

    /// Ends a wait; the next begins anew.
    pub fn silence(&mut self) {
        self.set = false;
    }
}
