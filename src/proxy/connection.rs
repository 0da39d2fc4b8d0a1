//! The open connections of a listener, and how they end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use super::listener::ClientAddr;
use super::tls::ServerTls;
use crate::upstream::body::Body;

/// A connection that is this young when draining begins may have its first request on its way.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// Every connection of one listener. Dropping it cuts what is still open.
pub(super) struct Connections {
    draining: CancellationToken,
    cut: DropGuard,
    open: TaskTracker,
}

/// A connection's place under the cap and among those that draining waits for; a tunnel holds on to it.
#[derive(Debug, Clone)]
pub(super) struct ConnectionSlot(Arc<Held>);

#[derive(Debug)]
struct Held {
    draining: CancellationToken,
    cut: CancellationToken,
    _permit: OwnedSemaphorePermit,
    _open: TaskTrackerToken,
}

impl Connections {
    pub(super) fn new() -> Self {
        Self {
            draining: CancellationToken::new(),
            cut: CancellationToken::new().drop_guard(),
            open: TaskTracker::new(),
        }
    }

    pub(super) fn slot(&self, permit: OwnedSemaphorePermit) -> ConnectionSlot {
        ConnectionSlot(Arc::new(Held {
            draining: self.draining.clone(),
            cut: self.cut.token().clone(),
            _permit: permit,
            _open: self.open.token(),
        }))
    }

    /// Lets open requests, streams and tunnels finish within `grace`, then cuts what is left.
    pub(super) async fn finish(self, grace: Duration) {
        self.draining.cancel();
        self.open.close();
        if tokio::time::timeout(grace, self.open.wait()).await.is_err() {
            tracing::warn!(
                open = self.open.len(),
                "the grace time is over: cutting the connections that are left"
            );
        }
    }
}

impl ConnectionSlot {
    /// When whatever still goes on here has to end.
    pub(super) async fn cut(&self) {
        self.0.cut.cancelled().await;
    }
}

/// Serves one client until its connection ends; TLS first where there is any.
pub(super) async fn serve<S, F>(
    stream: TcpStream,
    client: SocketAddr,
    tls: Option<ServerTls>,
    server: auto::Builder<TokioExecutor>,
    service: S,
    slot: ConnectionSlot,
) where
    S: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    stream.set_nodelay(true).ok();
    let cut = slot.0.cut.clone();
    let whole = async {
        match tls {
            None => http(stream, client, &server, service, slot).await,
            Some(tls) => {
                if let Some(stream) = tls.accept(stream).await {
                    http(stream, client, &server, service, slot).await;
                }
            }
        }
    };
    tokio::select! {
        () = whole => {}
        () = cut.cancelled() => {}
    }
}

async fn http<I, S, F>(
    stream: I,
    client: SocketAddr,
    server: &auto::Builder<TokioExecutor>,
    service: S,
    slot: ConnectionSlot,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Fn(Request<Incoming>) -> F + Send + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let opened = Instant::now();
    let draining = slot.0.draining.clone();
    let asked = Arc::new(Notify::new());
    let asks = asked.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        asks.notify_one();
        request.extensions_mut().insert(ClientAddr(client));
        request.extensions_mut().insert(slot.clone());
        let answer = service(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut connection = pin!(server.serve_connection_with_upgrades(TokioIo::new(stream), service));
    let end = async {
        draining.cancelled().await;
        // At once if there ever was a request.
        timeout_at(opened + FIRST_REQUEST, asked.notified()).await.ok();
    };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = end => {
            // An idle connection closes at once, any other after the answer that it is at.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The error may quote what was received; its kind is said by hyper's own answer.
        drop(error);
        tracing::debug!("a client's connection ended early");
    }
}
