//! [`Connection`]: one HTTP/2 connection, its calls, and the task that keeps it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Ping, PingPong};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, timeout};

use crate::upstream::Corked;
use crate::upstream::connect::Io;

/// A peer from which nothing has come for so long, while it owes a response, is pinged. Qdrant's own Go client pings as
/// often, so that whatever stands between takes it.
const PING_AFTER: Duration = Duration::from_secs(10);
/// One that does not acknowledge a ping within this is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to the upstream, as the pool and the calls on it have it. Clones are the same one.
#[derive(Clone)]
pub(super) struct Connection {
    sender: SendRequest<Bytes>,
    state: Arc<State>,
}

struct State {
    opened: Instant,
    calls: AtomicUsize,
    /// Milliseconds from `opened` to the end of the last call.
    quiet_since: AtomicU64,
    /// How often something has been read.
    heard: AtomicU64,
    /// It does not acknowledge, so far.
    in_doubt: AtomicBool,
    /// No new call begins on it.
    retired: AtomicBool,
}

/// A call on a connection, until it is dropped.
pub(super) struct Call(Arc<State>);

impl Connection {
    /// Over a socket that has just been connected. It lives in a task of its own on this runtime, until it is over or
    /// nobody has it any more. `retired` is called when it is to have no new call, as after `idle_timeout` without one.
    pub(super) async fn new(
        io: Io,
        http: &Builder,
        idle_timeout: Duration,
        retired: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, h2::Error> {
        let state = Arc::new(State {
            opened: Instant::now(),
            calls: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(0),
            heard: AtomicU64::new(0),
            in_doubt: AtomicBool::new(false),
            retired: AtomicBool::new(false),
        });
        let io = Corked::new(Heard { stream: TokioIo::new(io), state: state.clone() }, |_| true);
        let (sender, mut connection) = http.handshake::<_, Bytes>(io).await?;
        let (pings, kept) = (connection.ping_pong(), state.clone());
        // There is one: this is called in it.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                tokio::select! {
                    // Its error has been given to the calls on it.
                    _ = &mut connection => {}
                    () = kept.keep(pings, idle_timeout, &retired) => {
                        tracing::debug!("a connection to the upstream does not acknowledge a ping: it is given up");
                    }
                }
                kept.retired.store(true, Ordering::Relaxed);
                retired();
            });
        }
        Ok(Self { sender, state })
    }

    /// Begins a call, unless the connection is at `most` of them or at what the upstream allows, or is not to have
    /// another one.
    pub(super) fn begin(&self, most: usize) -> Option<(SendRequest<Bytes>, Call)> {
        let allowed = self.sender.current_max_send_streams().clamp(1, most);
        let has_room = self.is_usable() && self.calls() < allowed;
        has_room.then(|| self.begin_anyway())
    }

    /// Begins a call; over what the upstream allows it waits its turn.
    pub(super) fn begin_anyway(&self) -> (SendRequest<Bytes>, Call) {
        self.state.calls.fetch_add(1, Ordering::Relaxed);
        (self.sender.clone(), Call(self.state.clone()))
    }

    /// How many calls are open on it.
    pub(super) fn calls(&self) -> usize {
        self.state.calls.load(Ordering::Relaxed)
    }

    /// Whether it may have another call.
    pub(super) fn is_usable(&self) -> bool {
        !self.is_retired() && !self.state.in_doubt.load(Ordering::Relaxed)
    }

    /// Whether it will never have another call.
    pub(super) fn is_retired(&self) -> bool {
        self.state.retired.load(Ordering::Relaxed)
    }
}

impl Call {
    /// The connection is to have no new call: what is open on it goes on.
    pub(super) fn retire(&self) {
        self.0.retired.store(true, Ordering::Relaxed);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let since = self.0.opened.elapsed().as_millis();
        self.0.quiet_since.store(u64::try_from(since).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    /// Retires a connection that is idle for too long; ends when the peer of one that owes a response is gone.
    async fn keep(&self, mut pings: Option<PingPong>, idle_timeout: Duration, retired: &(impl Fn() + Sync)) {
        let tick = PING_AFTER.min(idle_timeout).max(Duration::from_millis(10));
        let mut heard = self.heard.load(Ordering::Relaxed);
        loop {
            sleep(tick).await;
            let before = std::mem::replace(&mut heard, self.heard.load(Ordering::Relaxed));
            if self.calls.load(Ordering::Relaxed) == 0 {
                let quiet_since = Duration::from_millis(self.quiet_since.load(Ordering::Relaxed));
                if self.opened + quiet_since + idle_timeout <= Instant::now() {
                    self.retired.store(true, Ordering::Relaxed);
                    retired();
                }
            } else if heard == before && tick >= PING_AFTER && self.is_gone(pings.as_mut()).await {
                return;
            }
        }
    }

    /// Whether nothing comes for a while after a ping. Until something does, no new call is begun.
    async fn is_gone(&self, pings: Option<&mut PingPong>) -> bool {
        let Some(pings) = pings else { return false };
        let before = self.heard.load(Ordering::Relaxed);
        if pings.send_ping(Ping::opaque()).is_err() {
            return false;
        }
        self.in_doubt.store(true, Ordering::Relaxed);
        let acknowledged =
            timeout(PING_TIMEOUT, std::future::poll_fn(|cx| pings.poll_pong(cx))).await.is_ok();
        let heard = acknowledged || self.heard.load(Ordering::Relaxed) != before;
        self.in_doubt.store(!heard, Ordering::Relaxed);
        !heard
    }
}

/// A socket that counts its reads.
struct Heard {
    stream: TokioIo<Io>,
    state: Arc<State>,
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if read.is_ready() {
            self.state.heard.fetch_add(1, Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for Heard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
