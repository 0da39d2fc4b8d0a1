//! Accepts clients' connections and serves HTTP/1.1 and cleartext HTTP/2 on them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::client_io::{ClientIo, ClientPatience};
use super::connection::{self, ConnectionHandle, Ends, ExchangeBody};
use crate::bounds::{Traffic, Wait, Waits};
use crate::upstream::FREE_HEADERS;
use crate::upstream::body::Body;

/// hyper takes no smaller one.
const SMALLEST_BUFFER: usize = 8 << 10;
/// Of one HTTP/2 connection.
const MAX_STREAMS: u32 = 200;
/// Streams that the client has reset before they were looked at; more end the connection (CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 20;
/// Streams that were reset for errors of the client's; more end the connection (RUSTSEC-2024-0003).
const MAX_ERROR_RESETS: usize = 1024;
/// What one HTTP/2 stream may have queued towards the client, and what it and its connection may have on the way
/// to us.
const SEND_BUFFER: usize = 256 << 10;
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;
/// A client that answers no ping has gone.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Limits of a listener. A time of `None` is without end.
#[derive(Debug, Clone)]
pub struct ListenerSettings {
    /// At this many open connections accepting pauses; the kernel's backlog holds the rest.
    pub max_connections: usize,
    /// The most headers of a request.
    pub max_headers: usize,
    /// The largest head of a request, in bytes; at least 8 KiB. A connection buffers twice as much each way.
    pub max_head_bytes: usize,
    /// From the first byte of a request's head to its last.
    pub head_timeout: Option<Duration>,
    /// A connection with no open request is closed after this.
    pub idle_timeout: Option<Duration>,
    /// While the client takes no byte of an answer.
    pub write_timeout: Option<Duration>,
    /// How long open requests may take to finish on shutdown.
    pub drain_timeout: Duration,
    /// Counts what is open.
    pub traffic: Traffic,
    /// Counts the waits that were given up.
    pub waits: Waits,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            max_headers: FREE_HEADERS,
            max_head_bytes: 64 << 10,
            head_timeout: Some(Duration::from_secs(10)),
            idle_timeout: Some(Duration::from_secs(120)),
            write_timeout: Some(Duration::from_secs(60)),
            drain_timeout: Duration::from_secs(30),
            traffic: Traffic::default(),
            waits: Waits::default(),
        }
    }
}

/// Where a request came from; in the extensions of every request.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddr(pub SocketAddr);

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
        let server = self.settings.server();
        let slots = Arc::new(Semaphore::new(self.settings.max_connections));
        let connections = TaskTracker::new();
        let abandon = CancellationToken::new();
        loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                accepted = accept(&self.socket, &slots) => accepted,
            };
            let Some((stream, client, slot)) = accepted else { continue };
            stream.set_nodelay(true).ok();
            let handle = ConnectionHandle::new(slot, self.settings.traffic.connections.take(1));
            let stream = self.settings.client_io(stream, handle.clone());
            let (service, own, requests) =
                (service.clone(), handle.clone(), self.settings.traffic.requests.clone());
            let service = service_fn(move |mut request: Request<Incoming>| {
                let exchange = own.begin(requests.take(1));
                request.extensions_mut().insert(ClientAddr(client));
                request.extensions_mut().insert(own.clone());
                let answer = service(request);
                async move { Ok::<_, Infallible>(answer.await.map(|body| ExchangeBody::new(body, exchange))) }
            });
            let connection =
                server.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
            let ends = self.settings.ends(handle, shutdown.clone(), abandon.clone());
            connections.spawn(async move {
                // The error may quote what was received; its kind is said by hyper's own answer.
                if connection::serve(connection, ends).await.is_err() {
                    tracing::debug!("a client's connection ended early");
                }
            });
        }
        drop(self.socket);
        connections.close();
        if tokio::time::timeout(self.settings.drain_timeout, connections.wait()).await.is_err() {
            tracing::info!("drain time-out: closing the connections that are left");
        }
        abandon.cancel();
    }
}

impl ListenerSettings {
    fn client_io<S>(&self, stream: S, handle: ConnectionHandle) -> ClientIo<S> {
        let patience = ClientPatience { head: self.head_timeout, write: self.write_timeout };
        ClientIo::new(stream, handle, patience, self.waits.clone())
    }

    /// A connection is asked to finish on shutdown and when it has been idle for too long.
    fn ends(
        &self,
        handle: ConnectionHandle,
        shutdown: CancellationToken,
        abandon: CancellationToken,
    ) -> Ends {
        let (limit, waits) = (self.idle_timeout, self.waits.clone());
        let idle = async move {
            handle.idle(limit).await;
            waits.given_up(Wait::IdleConnection);
        };
        let finish: Vec<BoxFuture<'static, ()>> = vec![Box::pin(shutdown.cancelled_owned()), Box::pin(idle)];
        Ends { finish, abandon }
    }

    fn server(&self) -> auto::Builder<TokioExecutor> {
        let mut server = auto::Builder::new(TokioExecutor::new());
        server
            .http1()
            .preserve_header_case(true)
            .auto_date_header(false)
            // Room for a head that is too large, so that it can be told in the database's own shape.
            .max_buf_size(self.max_head_bytes.saturating_mul(2).max(SMALLEST_BUFFER))
            .timer(TokioTimer::new())
            // Heads and idle connections are timed by the socket and the task of the connection.
            .header_read_timeout(None)
            .http2()
            .auto_date_header(false)
            .max_header_list_size(u32::try_from(self.max_head_bytes.saturating_mul(2)).unwrap_or(u32::MAX))
            .max_concurrent_streams(MAX_STREAMS)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(MAX_ERROR_RESETS)
            .max_send_buf_size(SEND_BUFFER)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .timer(TokioTimer::new());
        if self.max_headers != FREE_HEADERS {
            server.http1().max_headers(self.max_headers);
        }
        server
    }
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
