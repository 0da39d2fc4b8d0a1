//! The bytes both ways after a switch of protocols, until both sides have ended or the tunnel is idle for too long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::time::{Instant, sleep_until};

use super::connection::ConnectionHandle;
use crate::bounds::{TimeoutKind, Timeouts};

/// Limits of a tunnel.
#[derive(Debug, Clone)]
pub struct TunnelSettings {
    /// A tunnel is closed when no byte has passed for this long; `None`: unlimited.
    pub timeout: Option<Duration>,
    /// Counts the timeouts that expired.
    pub waits: Timeouts,
}

impl Default for TunnelSettings {
    fn default() -> Self {
        Self { timeout: Some(Duration::from_secs(60 * 60)), waits: Timeouts::default() }
    }
}

/// Carries bytes both ways; counts as one connection until it is over, and is closed as one.
pub(super) async fn run(
    client: OnUpgrade,
    upstream: OnUpgrade,
    handle: Option<ConnectionHandle>,
    settings: TunnelSettings,
) {
    let carried = async {
        if let (Ok(client), Ok(upstream)) = tokio::join!(client, upstream) {
            carry(TokioIo::new(client), TokioIo::new(upstream), &settings).await;
        }
    };
    match &handle {
        Some(handle) => tokio::select! { () = carried => {}, () = handle.cut() => {} },
        None => carried.await,
    }
}

async fn carry(
    client: impl AsyncRead + AsyncWrite + Unpin,
    mut upstream: impl AsyncRead + AsyncWrite + Unpin,
    settings: &TunnelSettings,
) {
    let activity = Activity::new();
    let mut client = Active { inner: client, activity: activity.clone() };
    tokio::select! {
        copied = copy_bidirectional(&mut client, &mut upstream) => {
            if let Err(error) = copied {
                tracing::debug!(%error, "tunnel ended");
            }
        }
        () = activity.rest(settings.timeout) => settings.waits.given_up(TimeoutKind::Tunnel),
    }
}

/// When something moved last, either way.
#[derive(Clone)]
struct Activity {
    start: Instant,
    /// Milliseconds from `start`.
    moved: Arc<AtomicU64>,
}

impl Activity {
    fn new() -> Self {
        Self { start: Instant::now(), moved: Arc::default() }
    }

    fn moved(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(now, Ordering::Relaxed);
    }

    /// Ends when nothing has moved for `limit`.
    async fn rest(&self, limit: Option<Duration>) {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            let until = self.start + Duration::from_millis(self.moved.load(Ordering::Relaxed)) + limit;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }
}

/// A side of a tunnel that notes every byte that passes.
struct Active<S> {
    inner: S,
    activity: Activity,
}

impl<S: AsyncRead + Unpin> AsyncRead for Active<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_read(cx, into))?;
        self.activity.moved();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Active<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?;
        self.activity.moved();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test(start_paused = true)]
    async fn a_tunnel_is_closed_when_nothing_moves_and_never_while_something_does() {
        let minute = Duration::from_secs(60);
        let settings = TunnelSettings { timeout: Some(minute), waits: Timeouts::default() };
        let ((mut client, near), (far, mut upstream)) = (duplex(64), duplex(64));
        let start = Instant::now();
        let moving = async {
            let mut byte = [0];
            for _ in 0..3 {
                tokio::time::sleep(minute - Duration::from_secs(1)).await;
                client.write_all(b"x").await.unwrap();
                upstream.read_exact(&mut byte).await.unwrap();
                tokio::time::sleep(minute - Duration::from_secs(1)).await;
                upstream.write_all(b"y").await.unwrap();
                client.read_exact(&mut byte).await.unwrap();
            }
            // Both ends stay open and silent.
            std::future::pending::<()>().await;
        };
        tokio::select! { () = carry(near, far, &settings) => {}, () = moving => {} }
        assert_eq!(start.elapsed().as_secs(), 6 * 59 + 60);
        assert_eq!(settings.waits.count(TimeoutKind::Tunnel), 1);
    }
}
