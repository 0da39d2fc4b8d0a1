//! [`Kept`]: idle connections to one upstream. The one used last is taken first, so that surplus ones grow old and are
//! closed.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::UpstreamError;

/// A connection closed by the upstream is found when it would be used, or after this.
const SWEEP: Duration = Duration::from_secs(1);

/// A connection that can be kept without a request on it.
pub(super) trait Keepable: Send + 'static {
    /// From now on no task is woken by it.
    fn rest(&mut self) {}

    /// Whether the upstream has closed it.
    fn is_over(&mut self) -> bool;

    /// Closes it in whatever way its protocol has.
    fn close(self);
}

/// The idle connections of one kind.
pub(super) struct Kept<C> {
    idle_timeout: Duration,
    idle: Mutex<Idle<C>>,
}

struct Idle<C> {
    /// With the time when its last response ended; the oldest first.
    connections: VecDeque<(Instant, C)>,
    /// Requests for which a connection is being made; any other that becomes free will do as well.
    waiting: VecDeque<oneshot::Sender<C>>,
    swept: bool,
}

impl<C: Keepable> Kept<C> {
    /// `idle_timeout`: connections without a request are closed after this.
    pub(super) fn new(idle_timeout: Duration) -> Arc<Self> {
        let idle = Idle { connections: VecDeque::new(), waiting: VecDeque::new(), swept: false };
        Arc::new(Self { idle_timeout, idle: Mutex::new(idle) })
    }

    fn idle(&self) -> MutexGuard<'_, Idle<C>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.idle().connections.len()
    }

    /// The idle connection that was used last.
    pub(super) fn take(&self, now: Instant) -> Option<C> {
        let mut idle = self.idle();
        let (since, connection) = idle.connections.pop_back()?;
        if now.saturating_duration_since(since) < self.idle_timeout {
            return Some(connection);
        }
        // The others are older.
        let old = std::mem::take(&mut idle.connections);
        drop(idle);
        connection.close();
        old.into_iter().for_each(|(_, connection)| connection.close());
        None
    }

    /// Returns a free connection, for a request that waits for one, or for later.
    pub(super) fn put(self: &Arc<Self>, mut connection: C, now: Instant) {
        connection.rest();
        let mut idle = self.idle();
        while let Some(first) = idle.waiting.pop_front() {
            match first.send(connection) {
                Ok(()) => return,
                Err(back) => connection = back,
            }
        }
        idle.connections.push_back((now, connection));
        let swept = std::mem::replace(&mut idle.swept, true);
        drop(idle);
        if !swept {
            let sweeper = Sweeper(Arc::downgrade(self));
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(sweeper.sweep());
            }
        }
    }

    /// The connection that `making` gives by `until`, or one that becomes free meanwhile. Returns whether it was used
    /// before.
    pub(super) async fn new_or_freed(
        self: Arc<Self>,
        making: impl Future<Output = Result<C, UpstreamError>> + Send + 'static,
        until: Option<Instant>,
    ) -> Result<(C, bool), UpstreamError> {
        let made = self.made_or_freed(making);
        match until {
            Some(until) => timeout_at(until, made).await.map_err(|_| UpstreamError::Silent)?,
            None => made.await,
        }
    }

    async fn made_or_freed(
        self: Arc<Self>,
        making: impl Future<Output = Result<C, UpstreamError>> + Send + 'static,
    ) -> Result<(C, bool), UpstreamError> {
        let (give, mut given) = oneshot::channel();
        {
            let mut idle = self.idle();
            while idle.waiting.front().is_some_and(oneshot::Sender::is_closed) {
                idle.waiting.pop_front();
            }
            idle.waiting.push_back(give);
        }
        let mut making = Box::pin(making);
        tokio::select! {
            biased;
            Ok(connection) = &mut given => {
                // The other one will be used by another request.
                tokio::spawn(async move {
                    if let Ok(connection) = making.await {
                        self.put(connection, Instant::now());
                    }
                });
                Ok((connection, true))
            }
            made = &mut making => {
                given.close();
                if let Ok(connection) = given.try_recv() {
                    self.put(connection, Instant::now());
                }
                made.map(|connection| (connection, false))
            }
        }
    }

    /// Closes those that are old, and those closed by the upstream. Returns when the next one grows old; `None` if
    /// there is none.
    fn sweep(&self) -> Option<Instant> {
        let mut idle = self.idle();
        let now = Instant::now();
        let is_old = |since: &Instant| now.saturating_duration_since(*since) >= self.idle_timeout;
        let (mut gone, mut kept) = (Vec::new(), VecDeque::with_capacity(idle.connections.len()));
        for (since, mut connection) in idle.connections.drain(..) {
            if is_old(&since) {
                gone.push(connection);
            } else if !connection.is_over() {
                kept.push_back((since, connection));
            }
        }
        idle.connections = kept;
        let grows_old = |since: &Instant| since.checked_add(self.idle_timeout).unwrap_or(now + SWEEP);
        let oldest = idle.connections.front().map(|(since, _)| grows_old(since));
        idle.swept = oldest.is_some();
        drop(idle);
        gone.into_iter().for_each(Keepable::close);
        oldest
    }
}

/// Closes idle connections as long as there are any.
struct Sweeper<C: Keepable>(Weak<Kept<C>>);

impl<C: Keepable> Sweeper<C> {
    async fn sweep(mut self) {
        let mut oldest = Instant::now();
        loop {
            let now = Instant::now();
            sleep_until(oldest.clamp(now + SWEEP / 8, now + SWEEP)).await;
            match self.0.upgrade().and_then(|kept| kept.sweep()) {
                Some(next) => oldest = next,
                None => break,
            }
        }
        // None is idle; the next idle one starts a sweeper of its own.
        self.0 = Weak::new();
    }
}

impl<C: Keepable> Drop for Sweeper<C> {
    fn drop(&mut self) {
        // Its runtime may have ended before the pool.
        if let Some(kept) = self.0.upgrade() {
            let mut idle = kept.idle();
            idle.swept = false;
        }
    }
}
