//! Accepts clients' connections and serves HTTP/1.1 and cleartext HTTP/2 on them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::upstream::body::Body;

/// Limits of a listener.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// At this many open connections accepting pauses; the kernel's backlog holds the rest.
    pub max_connections: usize,
    /// A connection on which no complete request head comes for so long is closed, also between requests.
    pub head_timeout: Duration,
    /// How long open requests may take to finish on shutdown.
    pub drain_timeout: Duration,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            head_timeout: Duration::from_secs(120),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// Where a request came from; in the extensions of every request.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddr(pub SocketAddr);

/// A connection's place under the cap; a tunnel holds on to it.
#[derive(Debug, Clone)]
pub(super) struct ConnectionSlot(#[allow(dead_code)] Arc<OwnedSemaphorePermit>);

/// A bound socket, ready to serve.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    settings: ListenerSettings,
}

impl Listener {
    /// Binds the address; port 0 takes a free one.
    pub async fn bind(addr: SocketAddr, settings: ListenerSettings) -> std::io::Result<Self> {
        Ok(Self { socket: TcpListener::bind(addr).await?, settings })
    }

    /// The address that was bound.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `shutdown`, then lets open requests finish within the drain time-out.
    pub async fn serve<S, F>(self, service: S, shutdown: CancellationToken)
    where
        S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let server = server(&self.settings);
        let slots = Arc::new(Semaphore::new(self.settings.max_connections));
        let draining = GracefulShutdown::new();
        let abandon = CancellationToken::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = accept(&self.socket, &slots) => accepted,
            };
            let Some((stream, client, slot)) = accepted else { continue };
            stream.set_nodelay(true).ok();
            let slot = ConnectionSlot(Arc::new(slot));
            let service = service.clone();
            let service_slot = slot.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(ClientAddr(client));
                request.extensions_mut().insert(service_slot.clone());
                let answer = service(request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let connection =
                server.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
            let connection = draining.watch(connection);
            let abandon = abandon.clone();
            tokio::spawn(async move {
                let ended = tokio::select! {
                    ended = connection => ended,
                    () = abandon.cancelled() => Ok(()),
                };
                if let Err(error) = ended {
                    // The error may quote what was received; its kind is said by hyper's own answer.
                    drop(error);
                    tracing::debug!("a client's connection ended early");
                }
                drop(slot);
            });
        }
        drop(self.socket);
        if tokio::time::timeout(self.settings.drain_timeout, draining.shutdown()).await.is_err() {
            tracing::info!("drain time-out: closing the connections that are left");
        }
        abandon.cancel();
    }
}

fn server(settings: &ListenerSettings) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .preserve_header_case(true)
        .auto_date_header(false)
        .timer(TokioTimer::new())
        .header_read_timeout(settings.head_timeout)
        .http2()
        .auto_date_header(false)
        .adaptive_window(true)
        .timer(TokioTimer::new());
    server
}

/// Waits for a place first, so that a connection is not taken before it can be served.
async fn accept(
    socket: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, client)) => Some((stream, client, slot)),
        Err(error) => {
            // Out of file descriptors, usually: without a pause the loop would spin.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
