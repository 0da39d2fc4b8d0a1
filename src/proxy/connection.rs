//! One client's connection: what is open on it, and the task that serves it to its end.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http_body::{Frame, SizeHint};
use hyper_util::server::graceful::GracefulConnection;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::bounds::Permit;
use crate::upstream::body::{Body, BoxError};

/// A client's connection, as its socket, its exchanges and a tunnel see it; its place under the cap is free when
/// all have let go of it.
#[derive(Debug, Clone)]
pub(super) struct ConnectionHandle(Arc<Connection>);

#[derive(Debug)]
struct Connection {
    start: Instant,
    /// Milliseconds from `start` to the last sign of use while nothing is open.
    quiet_since: AtomicU64,
    begun: AtomicUsize,
    ended: AtomicUsize,
    tunnel: AtomicBool,
    _place: OwnedSemaphorePermit,
    _counted: Option<Permit>,
}

impl ConnectionHandle {
    /// A connection that has just been accepted.
    pub(super) fn new(place: OwnedSemaphorePermit, counted: Option<Permit>) -> Self {
        Self(Arc::new(Connection {
            start: Instant::now(),
            quiet_since: AtomicU64::new(0),
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            tunnel: AtomicBool::new(false),
            _place: place,
            _counted: counted,
        }))
    }

    /// Begins an exchange; it is open until what this gives is dropped.
    pub(super) fn begin(&self, counted: Option<Permit>) -> Exchange {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Exchange { handle: self.clone(), _counted: counted }
    }

    /// How many exchanges have begun so far.
    pub(super) fn begun(&self) -> usize {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// Whether bytes that come now belong to a request that has not begun.
    pub(super) fn is_between_requests(&self) -> bool {
        self.begun() == self.0.ended.load(Ordering::Relaxed) && !self.0.tunnel.load(Ordering::Relaxed)
    }

    /// Notes a sign of use.
    pub(super) fn touch(&self) {
        let now = u64::try_from(self.0.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.quiet_since.store(now, Ordering::Relaxed);
    }

    /// From here on no request comes: bytes are a tunnel's.
    pub(super) fn becomes_tunnel(&self) {
        self.0.tunnel.store(true, Ordering::Relaxed);
    }

    /// Ends when nothing has been open for `limit`.
    pub(super) async fn idle(&self, limit: Option<Duration>) {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            let now = Instant::now();
            let since = match self.is_between_requests() {
                true => self.0.start + Duration::from_millis(self.0.quiet_since.load(Ordering::Relaxed)),
                false => now,
            };
            if since + limit <= now {
                return;
            }
            sleep_until(since + limit).await;
        }
    }
}

/// A request and its answer, until the last byte of that is handed over or the client has left.
#[derive(Debug)]
pub(super) struct Exchange {
    handle: ConnectionHandle,
    _counted: Option<Permit>,
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.handle.touch();
        self.handle.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// An answer's body, which keeps its exchange open.
pub(super) struct ExchangeBody {
    body: Body,
    _exchange: Exchange,
}

impl ExchangeBody {
    pub(super) fn new(body: Body, exchange: Exchange) -> Self {
        Self { body, _exchange: exchange }
    }
}

impl http_body::Body for ExchangeBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// When the task of a connection has to end.
pub(super) struct Ends {
    /// Asks it to finish what is open.
    pub(super) finish: Vec<BoxFuture<'static, ()>>,
    /// Drops it with what is open.
    pub(super) abandon: CancellationToken,
}

/// Serves a connection until it ends.
pub(super) async fn serve<C: GracefulConnection>(connection: C, ends: Ends) -> Result<(), C::Error> {
    #[derive(Clone, Copy, PartialEq)]
    enum Signal {
        Finish,
        Abandon,
    }
    // Each is looked at only when it wakes, not with every byte of the connection.
    let signals = FuturesUnordered::<BoxFuture<'static, Signal>>::new();
    for finish in ends.finish {
        signals.push(Box::pin(async move {
            finish.await;
            Signal::Finish
        }));
    }
    signals.push(Box::pin(async move {
        ends.abandon.cancelled().await;
        Signal::Abandon
    }));
    let mut connection = pin!(connection);
    let mut signals = pin!(signals);
    loop {
        tokio::select! {
            ended = connection.as_mut() => return ended,
            Some(signal) = signals.next() => match signal {
                Signal::Finish => connection.as_mut().graceful_shutdown(),
                Signal::Abandon => return Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_a_limit_after_its_last_exchange_and_never_during_one() {
        let places = Arc::new(Semaphore::new(1));
        let handle = ConnectionHandle::new(places.clone().acquire_owned().await.unwrap(), None);
        let limit = Duration::from_secs(120);
        let start = Instant::now();
        let exchanges = async {
            let first = handle.begin(None);
            tokio::time::sleep(Duration::from_secs(1000)).await;
            let second = handle.begin(None);
            drop(first);
            tokio::time::sleep(Duration::from_secs(1000)).await;
            drop(second);
            std::future::pending::<()>().await;
        };
        tokio::select! { () = handle.idle(Some(limit)) => {}, () = exchanges => {} }
        assert_eq!(start.elapsed().as_secs(), 2120);
        drop(handle);
        assert_eq!(places.available_permits(), 1);
    }
}
