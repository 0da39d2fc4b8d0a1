//! One client's connection from its handshake to its end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use http::header::UPGRADE;
use http::{Request, Response, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant};

use super::client_io::{ClientIo, ClientTimeouts};
use super::connection::{ConnectionHandle, Exchange};
use super::guarded_body::Tied;
use super::listener_settings::ListenerSettings;
use super::relay::{self, Client, Lent, Next, Relay};
use super::{ProxyError, grpc, respond, target};
use crate::body::Body;
use crate::bounds::TimeoutKind;
use crate::tenant::Peer;
use crate::tls;
use crate::upstream::{Begun, Corked, FREE_HEADERS};

/// hyper takes no smaller one.
const SMALLEST_BUFFER: usize = 8 << 10;
/// Where so many more messages were hyper's than others, all that follows is: a client that does little but search would
/// pay for setting hyper up with each.
const MOST_MORE: usize = 8;
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
/// A client that does not acknowledge a ping within this is disconnected.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// One with nothing open that does not acknowledge the end of its connection within this has frozen.
const LAST_WORD: Duration = Duration::from_secs(2);
/// A client that is to go elsewhere and has asked for nothing for so long is not waited for. Not at once: a request that is
/// on its way to a connection that closes is lost, and one that is in use says with its next response that it closes.
const LAST_REQUEST: Duration = Duration::from_secs(2);

/// How the connections are served that begin with the same settings.
pub(super) struct Server {
    settings: ListenerSettings,
    http: auto::Builder<TokioExecutor>,
    /// For single messages.
    http1: http1::Builder,
}

/// The response to a request, which keeps its exchange open.
type Exchanged = BoxFuture<'static, Result<Response<Tied<Exchange>>, Infallible>>;

/// The signals to a connection.
#[derive(Clone, Copy, PartialEq)]
enum Signal {
    /// Tell the client to go elsewhere, with the next response.
    Leave,
    /// Finish what is open.
    Finish,
    /// End at once, with what is open.
    Cut,
}

impl Server {
    pub(super) fn new(settings: ListenerSettings) -> Self {
        Self { http: http_server(&settings), http1: http1_server(&settings), settings }
    }

    /// Serves one client until its connection ends; TLS first where there is any.
    pub(super) async fn serve<S, F, R>(
        self: Arc<Self>,
        stream: TcpStream,
        (service, relay): (S, R),
        handle: ConnectionHandle,
    ) where
        S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
        R: Fn() -> Option<Arc<Relay>> + Send + Sync + 'static,
    {
        stream.set_nodelay(true).ok();
        let address = stream.peer_addr().ok().filter(|_| self.settings.tells_peers).map(|from| from.ip());
        let Some(tls) = &self.settings.tls else {
            address.into_iter().for_each(|address| handle.opened_by(Peer::new(address, Vec::new())));
            return self.requests(stream, (service, relay), handle).await;
        };
        let accepted = tokio::select! {
            accepted = tls.accept(stream) => accepted,
            () = handle.cut() => None,
        };
        if let Some(stream) = accepted {
            if let Some(address) = address {
                let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                handle.opened_by(Peer::new(address, shown.map(tls::names).unwrap_or_default()));
            }
            self.requests(stream, (service, relay), handle).await;
        }
    }

    async fn requests<I, S, F, R>(&self, stream: I, (service, relay): (S, R), handle: ConnectionHandle)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
        R: Fn() -> Option<Arc<Relay>> + Send + Sync + 'static,
    {
        let mut signals = self.signals(&handle);
        let mut connection = pin!(self.connection(stream, (service, relay), &handle));
        loop {
            tokio::select! {
                biased;
                () = connection.as_mut() => return,
                Some(signal) = signals.next() => match signal {
                    Signal::Leave => {
                        handle.leave();
                        signals.push(Box::pin(async {
                            handle.idle(Some(LAST_REQUEST)).await;
                            Signal::Finish
                        }));
                    }
                    Signal::Finish => {
                        handle.finish();
                        signals.push(Box::pin(async {
                            handle.frozen(LAST_WORD).await;
                            Signal::Cut
                        }));
                    }
                    Signal::Cut => return,
                },
            }
        }
    }

    /// Passes on the requests that go on as they are; hyper has every other one, and all that comes after one that may
    /// change what the connection is, or after many of its own.
    async fn connection<I, S, F, R>(&self, stream: I, (service, relay): (S, R), handle: &ConnectionHandle)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
        R: Fn() -> Option<Arc<Relay>> + Send + Sync + 'static,
    {
        let settings = &self.settings;
        let max_wait = ClientTimeouts { head: settings.head_timeout, write: settings.write_timeout };
        let mut client = Client::new(stream, max_wait, settings.waits.clone());
        let requests = &settings.traffic.requests;
        let mut more = 0_usize;
        while settings.relays && relay().is_some() && more < MOST_MORE {
            let begun_before = handle.begun();
            match relay::run(&mut client, &relay, (handle, requests)).await {
                Next::End => return client.end().await,
                Next::Over => return,
                Next::Rest => break,
                Next::Message(length, begun) => {
                    more = (more + 1).saturating_sub(handle.begun().wrapping_sub(begun_before));
                    let service = self.exchanges(service.clone(), handle, begun);
                    let message = self.message(&mut client, length, service, handle);
                    if !Box::pin(message).await {
                        return;
                    }
                }
                Next::Response(length, response) => {
                    let service = self.exchanges(ready(*response), handle, None);
                    let message = self.message(&mut client, length, service, handle);
                    if !Box::pin(message).await {
                        return;
                    }
                }
            }
        }
        let io = ClientIo::new(client.rewound(), handle.clone(), max_wait, settings.waits.clone());
        let io = TokioIo::new(Corked::new(io, ClientIo::is_http2));
        let service = self.exchanges(service, handle, None);
        let mut connection = Box::pin(self.http.serve_connection_with_upgrades(io, service_fn(service)));
        let mut is_told = false;
        let ended = poll_fn(|cx| {
            let ended = connection.as_mut().poll(cx);
            if ended.is_ready() || is_told || !(handle.finishes() || handle.ends_http2()) {
                return ended;
            }
            // Not before hyper has read what had come: it would let go of that.
            is_told = true;
            connection.as_mut().graceful_shutdown();
            connection.as_mut().poll(cx)
        });
        // The error may quote what was received; hyper's own response says its kind.
        if ended.await.is_err() {
            tracing::debug!("a client's connection ended early");
        }
    }

    /// Has hyper handle the next message, of this length; whether there may be another one.
    async fn message<I, S>(
        &self,
        client: &mut Client<I>,
        length: u64,
        service: S,
        handle: &ConnectionHandle,
    ) -> bool
    where
        I: AsyncRead + AsyncWrite + Unpin + Send,
        S: Fn(Request<Incoming>) -> Exchanged + Send,
    {
        let max_wait = ClientTimeouts { head: None, write: self.settings.write_timeout };
        let answered = AtomicBool::new(false);
        let io = Lent::new(client, length, handle.clone(), &answered);
        let io = TokioIo::new(ClientIo::new(io, handle.clone(), max_wait, self.settings.waits.clone()));
        let mut connection = pin!(self.http1.serve_connection(io, service_fn(service)));
        let mut is_told = false;
        poll_fn(|cx| {
            loop {
                match connection.as_mut().poll(cx) {
                    Poll::Ready(ended) => {
                        if ended.is_err() {
                            tracing::debug!("a client's connection ended early");
                        }
                        return Poll::Ready(false);
                    }
                    Poll::Pending if answered.load(Ordering::Relaxed) => return Poll::Ready(true),
                    Poll::Pending if is_told || !handle.finishes() => return Poll::Pending,
                    Poll::Pending => {}
                }
                // Not before hyper has read the message: it would let go of that.
                is_told = true;
                connection.as_mut().graceful_shutdown();
            }
        })
        .await
    }

    /// Handles requests as exchanges of this connection. `begun`: how far the first one has come already.
    fn exchanges<S, F>(
        &self,
        service: S,
        handle: &ConnectionHandle,
        begun: Option<Begun>,
    ) -> impl Fn(Request<Incoming>) -> Exchanged + Send + 'static
    where
        S: Fn(Request<Incoming>) -> F + Send + 'static,
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let (own, requests) = (handle.clone(), self.settings.traffic.requests.clone());
        move |mut request: Request<Incoming>| {
            let exchange = own.begin(requests.take(1));
            if let Some(peer) = own.peer() {
                request.extensions_mut().insert(peer.clone());
            }
            if grpc::is_call(&request) {
                own.carries_grpc();
            }
            // For a tunnel.
            if request.headers().contains_key(UPGRADE) {
                request.extensions_mut().insert(own.clone());
            }
            if let Some(begun) = &begun {
                request.extensions_mut().insert(begun.clone());
            }
            let version = request.version();
            let well = exchange.odd_target().is_none_or(|odd| target::put_on(&mut request, &odd));
            // Boxed by itself, since it is large and would be moved again into the other one.
            let response = well.then(|| Box::pin(service(request)));
            Box::pin(async move {
                let mut response = match response {
                    Some(response) => response.await,
                    None => respond::failure(&ProxyError::Unforwardable, None),
                };
                if version < Version::HTTP_2 && exchange.closes() {
                    respond::closing(&mut response, version);
                }
                Ok(response.map(|body| Tied::new(body, exchange)))
            })
        }
    }

    /// The signals to the connection. Each is checked only when it wakes, not with every byte.
    fn signals<'a>(&self, handle: &'a ConnectionHandle) -> FuturesUnordered<BoxFuture<'a, Signal>> {
        let (idle, waits) = (self.settings.idle_timeout, self.settings.waits.clone());
        let opened = Instant::now();
        let signals = FuturesUnordered::<BoxFuture<'a, Signal>>::new();
        signals.push(Box::pin(async move {
            handle.finishing(opened).await;
            Signal::Finish
        }));
        signals.push(Box::pin(async move {
            handle.idle(idle).await;
            waits.given_up(TimeoutKind::IdleConnection);
            Signal::Finish
        }));
        signals.push(Box::pin(async move {
            handle.drained().await;
            Signal::Leave
        }));
        signals.push(Box::pin(async move {
            handle.cut().await;
            Signal::Cut
        }));
        signals
    }
}

/// Gives this response to the message, which has come whole, that it is the response to.
fn ready(
    response: Response<Body>,
) -> impl Fn(Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Send {
    let response = Mutex::new(Some(response));
    move |request| {
        let response = response.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async move {
            request.into_body().collect().await.ok();
            response.unwrap_or_else(|| respond::failure(&ProxyError::Unforwardable, None))
        })
    }
}

/// Settings as of [`http_server`].
fn http1_server(settings: &ListenerSettings) -> http1::Builder {
    let mut server = http1::Builder::new();
    server
        .preserve_header_case(true)
        .auto_date_header(false)
        .max_buf_size(settings.max_head_bytes.saturating_mul(2).max(SMALLEST_BUFFER))
        .timer(TokioTimer::new())
        .header_read_timeout(None);
    if settings.max_headers != FREE_HEADERS {
        server.max_headers(settings.max_headers);
    }
    server
}

fn http_server(settings: &ListenerSettings) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .preserve_header_case(true)
        .auto_date_header(false)
        // Room for a head that is too large, so that it can be answered in the database's own shape.
        .max_buf_size(settings.max_head_bytes.saturating_mul(2).max(SMALLEST_BUFFER))
        .timer(TokioTimer::new())
        // Timeouts of heads and idle connections run in the socket and the task of the connection.
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::sync::Semaphore;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::body;
    use crate::proxy::connection::Connections;

    /// What a client of HTTP/2 begins with: its preface, and settings that change nothing.
    const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    const GRACE: Duration = Duration::from_secs(25);

    /// A client's end of a connection that is served, and what tells it to go elsewhere and to end.
    async fn serving() -> (DuplexStream, CancellationToken, Connections) {
        let drain = CancellationToken::new();
        let connections = Connections::new(drain.clone());
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let handle = connections.open(place, None);
        let (client, stream) = duplex(1 << 16);
        let server = Server::new(ListenerSettings::default());
        tokio::spawn(async move {
            let service = |_: Request<Incoming>| async { Response::new(body::full("ok")) };
            server.requests(stream, (service, || None), handle).await;
        });
        (client, drain, connections)
    }

    /// A client's end of a connection that is served, and how long it takes to end from when it is to.
    async fn served() -> (DuplexStream, impl Future<Output = u64>) {
        let (client, _, connections) = serving().await;
        let ended = async move {
            // Idle for long before.
            tokio::time::sleep(Duration::from_secs(30)).await;
            let begun = Instant::now();
            connections.finish(GRACE).await;
            begun.elapsed().as_secs()
        };
        (client, ended)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_goes_elsewhere_has_two_seconds_from_its_last_request() {
        let (mut client, drain, _connections) = serving().await;
        let ask = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        client.write_all(ask).await.unwrap();
        assert!(client.read(&mut [0; 1024]).await.unwrap() > 0);
        tokio::time::sleep(LAST_REQUEST / 2).await;
        drain.cancel();
        let told = Instant::now();
        assert_eq!(client.read(&mut [0; 1024]).await.unwrap(), 0, "it closes");
        assert_eq!(told.elapsed(), LAST_REQUEST / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_client_of_http2_that_has_frozen_does_not_hold_up_the_end() {
        let (mut client, ended) = served().await;
        client.write_all(BEGIN).await.unwrap();
        assert_eq!(ended.await, LAST_WORD.as_secs());
        drop(client);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_acknowledges_ends_at_once() {
        let (mut client, ended) = served().await;
        client.write_all(BEGIN).await.unwrap();
        let answering = async {
            loop {
                let mut head = [0; 9];
                if client.read_exact(&mut head).await.is_err() {
                    return;
                }
                let length = usize::from(head[1]) << 8 | usize::from(head[2]);
                let mut payload = vec![0; length];
                client.read_exact(&mut payload).await.unwrap();
                // A ping that is none of a response's gets one.
                if head[3] == 6 && head[4] & 1 == 0 {
                    head[4] |= 1;
                    client.write_all(&[&head[..], &payload].concat()).await.unwrap();
                }
            }
        };
        let (seconds, ()) = tokio::join!(ended, answering);
        assert_eq!(seconds, 0);
    }
}
