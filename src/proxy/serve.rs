//! One client's connection from its handshake to its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::header::UPGRADE;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant};

use super::client_io::{ClientIo, ClientPatience};
use super::connection::ConnectionHandle;
use super::listener::ListenerSettings;
use super::tied::Tied;
use super::{ProxyError, respond, target};
use crate::bounds::{Permit, Wait};
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

/// How the connections are served that begin with the same settings.
pub(super) struct Server {
    settings: ListenerSettings,
    http: auto::Builder<TokioExecutor>,
}

/// What a connection is told.
#[derive(Clone, Copy, PartialEq)]
enum Signal {
    /// Finish what is open.
    Finish,
    /// End, with what is open.
    Cut,
}

impl Server {
    pub(super) fn new(settings: ListenerSettings) -> Self {
        Self { http: http_server(&settings), settings }
    }

    /// Counts a connection until it is over.
    pub(super) fn count_connection(&self) -> Option<Permit> {
        self.settings.traffic.connections.take(1)
    }

    /// Serves one client until its connection ends; TLS first where there is any.
    pub(super) async fn serve<S, F>(self: Arc<Self>, stream: TcpStream, service: S, handle: ConnectionHandle)
    where
        S: Fn(Request<Incoming>) -> F + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        stream.set_nodelay(true).ok();
        let Some(tls) = &self.settings.tls else {
            return self.requests(stream, service, handle).await;
        };
        let accepted = tokio::select! {
            accepted = tls.accept(stream) => accepted,
            () = handle.cut() => None,
        };
        if let Some(stream) = accepted {
            self.requests(stream, service, handle).await;
        }
    }

    async fn requests<I, S, F>(&self, stream: I, service: S, handle: ConnectionHandle)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Fn(Request<Incoming>) -> F + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let settings = &self.settings;
        let patience = ClientPatience { head: settings.head_timeout, write: settings.write_timeout };
        let stream = ClientIo::new(stream, handle.clone(), patience, settings.waits.clone());
        let (own, requests) = (handle.clone(), settings.traffic.requests.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            let exchange = own.begin(requests.take(1));
            // For a tunnel.
            if request.headers().contains_key(UPGRADE) {
                request.extensions_mut().insert(own.clone());
            }
            let well = exchange.odd_target().is_none_or(|odd| target::put_on(&mut request, &odd));
            // Boxed: hyper moves it several times.
            let answer = well.then(|| Box::pin(service(request)));
            async move {
                let answer = match answer {
                    Some(answer) => answer.await,
                    None => respond::failure(&ProxyError::Unforwardable, None),
                };
                Ok::<_, Infallible>(answer.map(|body| Tied::new(body, exchange)))
            }
        });
        let mut signals = self.signals(&handle);
        let mut connection = pin!(self.http.serve_connection_with_upgrades(TokioIo::new(stream), service));
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    // The error may quote what was received; its kind is said by hyper's own answer.
                    if ended.is_err() {
                        tracing::debug!("a client's connection ended early");
                    }
                    return;
                }
                Some(signal) = signals.next() => match signal {
                    // An idle connection closes at once, any other after the answer that it is at.
                    Signal::Finish => connection.as_mut().graceful_shutdown(),
                    Signal::Cut => return,
                },
            }
        }
    }

    /// When the connection is told what. Each is looked at only when it wakes, not with every byte.
    fn signals<'a>(&self, handle: &'a ConnectionHandle) -> FuturesUnordered<BoxFuture<'a, Signal>> {
        let (idle, waits) = (self.settings.idle_timeout, self.settings.waits.clone());
        let opened = Instant::now();
        let signals = FuturesUnordered::<BoxFuture<'a, Signal>>::new();
        signals.push(Box::pin(async move {
            handle.draining(opened).await;
            Signal::Finish
        }));
        signals.push(Box::pin(async move {
            handle.idle(idle).await;
            waits.given_up(Wait::IdleConnection);
            Signal::Finish
        }));
        signals.push(Box::pin(async move {
            handle.cut().await;
            Signal::Cut
        }));
        signals
    }
}

fn http_server(settings: &ListenerSettings) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .preserve_header_case(true)
        .auto_date_header(false)
        // Room for a head that is too large, so that it can be told in the database's own shape.
        .max_buf_size(settings.max_head_bytes.saturating_mul(2).max(SMALLEST_BUFFER))
        .timer(TokioTimer::new())
        // Heads and idle connections are timed by the socket and the task of the connection.
        .header_read_timeout(None)
        .http2()
        .auto_date_header(false)
        .max_header_list_size(u32::try_from(settings.max_head_bytes.saturating_mul(2)).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS)
        .max_send_buf_size(SEND_BUFFER)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .timer(TokioTimer::new());
    if settings.max_headers != FREE_HEADERS {
        server.http1().max_headers(settings.max_headers);
    }
    server
}
