//! The open connections of a listener: what is open on each, and how they end.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::bounds::Permit;
use crate::tenant::Peer;

/// A connection this young when it is to finish may have its first request on its way.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// How much longer a connection for gRPC may be idle: with the default limit 20 minutes. Qdrant itself ends none, and
/// @qdrant/js-client-grpc fails a call that meets the end of its connection; it ends idle ones itself after 15 minutes.
/// That the client is there, pings tell.
const GRPC_PATIENCE: u32 = 10;

/// Every connection of one listener. Dropping it closes those still open.
pub(super) struct Connections {
    drain: CancellationToken,
    finishing: CancellationToken,
    cut: DropGuard,
    open: TaskTracker,
}

/// A client's connection, shared by its socket, its exchanges and a tunnel. When all of them have dropped it, its
/// slot under the cap is free and nobody waits for its end any more.
#[derive(Debug, Clone)]
pub(super) struct ConnectionHandle(Arc<Connection>);

#[derive(Debug)]
struct Connection {
    start: Instant,
    /// Milliseconds from `start` to the last activity while nothing is open.
    quiet_since: AtomicU64,
    /// Microseconds from `start` to the last bytes of HTTP/2 received; 0 if there are none.
    heard: AtomicU64,
    begun: AtomicUsize,
    ended: AtomicUsize,
    first: Notify,
    tunnel: AtomicBool,
    grpc: AtomicBool,
    /// The targets that a `Uri` cannot hold, of requests that have not begun; by the number of the request.
    odd_targets: Mutex<VecDeque<(usize, Vec<u8>)>>,
    has_odd_targets: AtomicBool,
    /// Who has opened it, once the handshake is done.
    peer: OnceLock<Peer>,
    /// It ends after the next response.
    leaves: AtomicBool,
    /// It ends, at once if it is idle.
    finishes: AtomicBool,
    drain: CancellationToken,
    finishing: CancellationToken,
    cut: CancellationToken,
    _place: OwnedSemaphorePermit,
    _open: TaskTrackerToken,
    _counted: Option<Permit>,
}

impl Connections {
    /// Clients are told to go elsewhere once `drain` is cancelled.
    pub(super) fn new(drain: CancellationToken) -> Self {
        Self {
            drain,
            finishing: CancellationToken::new(),
            cut: CancellationToken::new().drop_guard(),
            open: TaskTracker::new(),
        }
    }

    /// A connection that has just been accepted; `counted` is its count among those of all listeners.
    pub(super) fn open(&self, place: OwnedSemaphorePermit, counted: Option<Permit>) -> ConnectionHandle {
        ConnectionHandle(Arc::new(Connection {
            start: Instant::now(),
            quiet_since: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            begun: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            first: Notify::new(),
            tunnel: AtomicBool::new(false),
            grpc: AtomicBool::new(false),
            odd_targets: Mutex::default(),
            has_odd_targets: AtomicBool::new(false),
            peer: OnceLock::new(),
            leaves: AtomicBool::new(self.drain.is_cancelled()),
            finishes: AtomicBool::new(false),
            drain: self.drain.clone(),
            finishing: self.finishing.clone(),
            cut: self.cut.token().clone(),
            _place: place,
            _open: self.open.token(),
            _counted: counted,
        }))
    }

    /// Lets open requests, streams and tunnels finish within `grace`, then closes the rest.
    pub(super) async fn finish(self, grace: Duration) {
        self.finishing.cancel();
        self.open.close();
        if timeout(grace, self.open.wait()).await.is_err() {
            tracing::warn!(
                open = self.open.len(),
                "the grace time is over: cutting the connections that are left"
            );
        }
    }
}

impl ConnectionHandle {
    /// Begins an exchange; it is open until what this gives is dropped.
    pub(super) fn begin(&self, counted: Option<Permit>) -> Exchange {
        let before = self.0.begun.fetch_add(1, Ordering::Relaxed);
        if before == 0 {
            self.0.first.notify_one();
        }
        Exchange { handle: self.clone(), number: before + 1, _counted: counted }
    }

    /// It has been opened by this peer.
    pub(super) fn opened_by(&self, peer: Peer) {
        // It is said once.
        self.0.peer.set(peer).ok();
    }

    /// Who has opened it.
    pub(super) fn peer(&self) -> Option<&Peer> {
        self.0.peer.get()
    }

    /// The request of this number, from 1, has a target that its `Uri` does not hold.
    pub(super) fn has_odd_target(&self, number: usize, target: Vec<u8>) {
        self.odd_targets().push_back((number, target));
        self.0.has_odd_targets.store(true, Ordering::Relaxed);
    }

    fn odd_targets(&self) -> MutexGuard<'_, VecDeque<(usize, Vec<u8>)>> {
        self.0.odd_targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many exchanges have begun so far.
    pub(super) fn begun(&self) -> usize {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// Whether bytes that come now belong to a request that has not begun.
    pub(super) fn is_between_requests(&self) -> bool {
        self.begun() == self.0.ended.load(Ordering::Relaxed) && !self.0.tunnel.load(Ordering::Relaxed)
    }

    /// Notes activity at `now`.
    pub(super) fn touch(&self, now: Instant) {
        let since_start = now.saturating_duration_since(self.0.start).as_millis();
        self.0.quiet_since.store(u64::try_from(since_start).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Notes that bytes of HTTP/2 came.
    pub(super) fn hears_http2(&self, now: Instant) {
        let since_start = now.saturating_duration_since(self.0.start).as_micros();
        self.0.heard.store(u64::try_from(since_start).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }

    /// Ends when an HTTP/2 client with nothing open has sent nothing for `limit` from now on. A live one acknowledges
    /// that the connection is to end.
    pub(super) async fn frozen(&self, limit: Duration) {
        let begun = Instant::now();
        loop {
            let heard = self.0.heard.load(Ordering::Relaxed);
            if heard == 0 || self.0.start + Duration::from_micros(heard) > begun {
                return std::future::pending().await;
            }
            let quiet_since =
                self.0.start + Duration::from_millis(self.0.quiet_since.load(Ordering::Relaxed));
            let now = Instant::now();
            let since = if self.is_between_requests() { quiet_since.max(begun) } else { now };
            if since + limit <= now {
                return;
            }
            sleep_until(since + limit).await;
        }
    }

    /// From here on no request comes: bytes belong to a tunnel.
    pub(super) fn becomes_tunnel(&self) {
        self.0.tunnel.store(true, Ordering::Relaxed);
    }

    /// A client of gRPC's has it: one that keeps its connection, and may fail a call where the other side has ended it.
    pub(super) fn carries_grpc(&self) {
        self.0.grpc.store(true, Ordering::Relaxed);
    }

    /// Ends when nothing has been open for `limit`, or for gRPC many times as long.
    pub(super) async fn idle(&self, limit: Option<Duration>) {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            let grpc = self.0.grpc.load(Ordering::Relaxed);
            let limit = if grpc { limit.saturating_mul(GRPC_PATIENCE) } else { limit };
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

    /// When the client is to be told to go elsewhere.
    pub(super) async fn drained(&self) {
        self.0.drain.cancelled().await;
    }

    /// It ends after the response that is next, and is served until then.
    pub(super) fn leave(&self) {
        self.0.leaves.store(true, Ordering::Relaxed);
    }

    /// It ends: at once if it is idle, or after the response that it is at.
    pub(super) fn finish(&self) {
        self.0.finishes.store(true, Ordering::Relaxed);
    }

    /// Whether it is to end although nothing is open.
    pub(super) fn finishes(&self) -> bool {
        self.0.finishes.load(Ordering::Relaxed)
    }

    /// Whether a response that begins now is the last one.
    pub(super) fn closes(&self) -> bool {
        self.0.leaves.load(Ordering::Relaxed) || self.finishes()
    }

    /// Whether a client of HTTP/2 is to be told now that no more streams are wanted: one that leaves has had its first.
    pub(super) fn ends_http2(&self) -> bool {
        self.0.heard.load(Ordering::Relaxed) > 0 && self.begun() > 0 && self.closes()
    }

    /// When a connection whose requests can begin since `since` has to finish what is open: at once if there ever was
    /// a request.
    pub(super) async fn finishing(&self, since: Instant) {
        self.0.finishing.cancelled().await;
        timeout_at(since + FIRST_REQUEST, self.0.first.notified()).await.ok();
    }

    /// When everything still running here has to end.
    pub(super) async fn cut(&self) {
        self.0.cut.cancelled().await;
    }
}

/// A request and its response, until the last byte of that is handed over or the client has disconnected.
#[derive(Debug)]
pub(super) struct Exchange {
    handle: ConnectionHandle,
    /// From 1, in the order of the requests.
    number: usize,
    _counted: Option<Permit>,
}

impl Exchange {
    /// Whether the connection ends with its response.
    pub(super) fn closes(&self) -> bool {
        self.handle.closes()
    }

    /// The target as the client wrote it, where the request's `Uri` does not hold that.
    pub(super) fn odd_target(&self) -> Option<Vec<u8>> {
        if !self.handle.0.has_odd_targets.load(Ordering::Relaxed) {
            return None;
        }
        let mut targets = self.handle.odd_targets();
        while targets.front().is_some_and(|(number, _)| *number < self.number) {
            targets.pop_front();
        }
        let is_own = targets.front().is_some_and(|(number, _)| *number == self.number);
        let own = if is_own { targets.pop_front() } else { None };
        self.handle.0.has_odd_targets.store(!targets.is_empty(), Ordering::Relaxed);
        Some(own?.1)
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.handle.touch(Instant::now());
        self.handle.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_for_grpc_may_be_idle_ten_times_as_long() {
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let handle = Connections::new(CancellationToken::new()).open(place, None);
        let start = Instant::now();
        let call = async {
            tokio::time::sleep(Duration::from_secs(100)).await;
            let call = handle.begin(None);
            handle.carries_grpc();
            drop(call);
            std::future::pending::<()>().await;
        };
        tokio::select! { () = handle.idle(Some(Duration::from_secs(120))) => {}, () = call => {} }
        assert_eq!(start.elapsed().as_secs(), 1300);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_a_limit_after_its_last_exchange_and_never_during_one() {
        let places = Arc::new(Semaphore::new(1));
        let place = places.clone().acquire_owned().await.unwrap();
        let handle = Connections::new(CancellationToken::new()).open(place, None);
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
