//! A scriptable gRPC server, frame by frame, and a client that sees every frame.

mod client;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

pub use client::{Got, GrpcClient};

/// Names and values, in their order.
pub type Metadata = Vec<(&'static str, &'static str)>;

/// What the server does with a call.
#[derive(Clone, Debug)]
pub enum Move {
    /// A head, these DATA frames, and trailers.
    Answer(Metadata, Vec<Bytes>, Metadata),
    /// Trailers alone.
    TrailersOnly(Metadata),
    /// Gives each DATA frame back as it comes, and trailers once the client has ended.
    Echo,
    /// Trailers once the client has ended and the test says so.
    Wait(Arc<Notify>),
    /// Nothing.
    Hang,
    /// RST_STREAM.
    Reset(Reason),
    /// Announces the end of the connection, and answers this call.
    LastOne,
    /// A head and one DATA frame, and when the test says so a reset, or for want of a reason the connection is cut.
    Begin(Bytes, Arc<Notify>, Option<Reason>),
}

impl Move {
    /// One message, and success.
    pub fn message(bytes: impl AsRef<[u8]>) -> Self {
        Self::Answer(vec![], vec![framed(0, bytes)], vec![("grpc-status", "0")])
    }
}

/// A message with the five bytes before it: compressed or not, and the length.
pub fn framed(flag: u8, message: impl AsRef<[u8]>) -> Bytes {
    let message = message.as_ref();
    let mut bytes = BytesMut::new();
    bytes.put_u8(flag);
    bytes.put_u32(u32::try_from(message.len()).unwrap());
    bytes.put_slice(message);
    bytes.freeze()
}

pub fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &'static str)| {
        (HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

/// How the client's side of a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Not,
    Well,
    Reset(Reason),
    Lost,
}

/// A call as the server sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub authority: String,
    pub headers: HeaderMap,
    pub frames: Vec<Bytes>,
    pub ended: Ended,
}

#[derive(Default)]
struct State {
    moves: Mutex<VecDeque<Move>>,
    calls: Mutex<Vec<Seen>>,
    changed: Notify,
    connections: AtomicUsize,
}

/// Answers each call with the next of its moves, or by an echo where none is left. Stops when dropped.
pub struct GrpcServer {
    pub addr: SocketAddr,
    state: Arc<State>,
    task: AbortHandle,
}

impl GrpcServer {
    pub async fn start() -> Self {
        Self::with(|_| {}, None).await
    }

    pub async fn with(edit: impl FnOnce(&mut Builder), tls: Option<TlsAcceptor>) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let mut http = Builder::new();
        edit(&mut http);
        let state = Arc::<State>::default();
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                stream.set_nodelay(true).unwrap();
                let (http, state, tls) = (http.clone(), shared.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(http, stream, state).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(http, stream, state).await,
                            Err(error) => panic!("no handshake: {error}"),
                        },
                    }
                });
            }
        })
        .abort_handle();
        Self { addr, state, task }
    }

    /// What to do with the calls that come next.
    pub fn will(&self, moves: impl IntoIterator<Item = Move>) {
        self.state.moves.lock().unwrap().extend(moves);
    }

    /// Every call so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.calls.lock().unwrap().clone()
    }

    pub fn last(&self) -> Seen {
        self.seen().pop().expect("a call")
    }

    /// How many connections have been made.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Waits until what the server has seen is as wanted.
    pub async fn until(&self, holds: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let wait = async {
            loop {
                let changed = self.state.changed.notified();
                let seen = self.seen();
                if holds(&seen) {
                    return seen;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(60), wait).await {
            Ok(seen) => seen,
            Err(_) => panic!("the server saw {:?}", self.seen()),
        }
    }
}

impl Drop for GrpcServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn change(&self, at: usize, change: impl FnOnce(&mut Seen)) {
        change(&mut self.calls.lock().unwrap()[at]);
        self.changed.notify_waiters();
    }
}

async fn serve(http: Builder, stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<State>) {
    state.connections.fetch_add(1, Ordering::Relaxed);
    requests(http, stream, &state).await;
    state.changed.notify_waiters();
}

async fn requests(http: Builder, stream: impl AsyncRead + AsyncWrite + Unpin, state: &Arc<State>) {
    let Ok(mut connection) = http.handshake::<_, Bytes>(stream).await else { return };
    let cut = Arc::new(Notify::new());
    loop {
        let (request, respond) = tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok(accepted)) => accepted,
                _ => return,
            },
            () = cut.notified() => return,
        };
        let (parts, body) = request.into_parts();
        let seen = Seen {
            path: parts.uri.path().to_owned(),
            authority: parts.uri.authority().map(ToString::to_string).unwrap_or_default(),
            headers: parts.headers,
            frames: Vec::new(),
            ended: Ended::Not,
        };
        let at = {
            let mut calls = state.calls.lock().unwrap();
            calls.push(seen);
            calls.len() - 1
        };
        state.changed.notify_waiters();
        let next = state.moves.lock().unwrap().pop_front().unwrap_or(Move::Echo);
        if let Move::LastOne = next {
            connection.graceful_shutdown();
        }
        tokio::spawn(answer(next, body, respond, state.clone(), at, cut.clone()));
    }
}

async fn answer(
    next: Move,
    body: RecvStream,
    mut respond: SendResponse<Bytes>,
    state: Arc<State>,
    at: usize,
    cut: Arc<Notify>,
) {
    let mut head = Response::new(());
    head.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let ok = || headers(&[("grpc-status", "0")]);
    match next {
        Move::Answer(more, frames, trailers) => {
            head.headers_mut().extend(headers(&more));
            read(body, &state, at, None).await;
            let Ok(mut stream) = respond.send_response(head, false) else { return };
            for frame in frames {
                stream.send_data(frame, false).ok();
            }
            stream.send_trailers(headers(&trailers)).ok();
            // Kept until all of it is written.
            std::future::poll_fn(|cx| stream.poll_reset(cx)).await.ok();
        }
        Move::TrailersOnly(more) => {
            head.headers_mut().extend(headers(&more));
            read(body, &state, at, None).await;
            respond.send_response(head, true).ok();
        }
        Move::Echo | Move::LastOne => {
            let Ok(mut stream) = respond.send_response(head, false) else { return };
            read(body, &state, at, Some(&mut stream)).await;
            stream.send_trailers(ok()).ok();
        }
        Move::Wait(until) => {
            read(body, &state, at, None).await;
            until.notified().await;
            let Ok(mut stream) = respond.send_response(head, false) else { return };
            stream.send_data(framed(0, "late"), false).ok();
            stream.send_trailers(ok()).ok();
        }
        Move::Hang => {
            let gone = std::future::poll_fn(|cx| respond.poll_reset(cx));
            let reading = async {
                read(body, &state, at, None).await;
                std::future::pending::<()>().await;
            };
            let reason = tokio::select! { reason = gone => reason, () = reading => return };
            let ended = reason.map_or(Ended::Lost, Ended::Reset);
            state.change(at, |seen| seen.ended = ended);
        }
        Move::Reset(reason) => respond.send_reset(reason),
        Move::Begin(bytes, until, reason) => {
            let Ok(mut stream) = respond.send_response(head, false) else { return };
            stream.send_data(bytes, false).ok();
            until.notified().await;
            match reason {
                Some(reason) => stream.send_reset(reason),
                None => cut.notify_one(),
            }
            // Dropped before, it would be reset.
            std::future::poll_fn(|cx| stream.poll_reset(cx)).await.ok();
        }
    }
}

/// Reads a request to its end; gives it back where there is where to.
async fn read(mut body: RecvStream, state: &State, at: usize, mut echo: Option<&mut h2::SendStream<Bytes>>) {
    let ended = loop {
        match body.data().await {
            Some(Ok(data)) => {
                body.flow_control().release_capacity(data.len()).ok();
                state.change(at, |seen| seen.frames.push(data.clone()));
                if let Some(echo) = &mut echo {
                    echo.send_data(data, false).ok();
                }
            }
            Some(Err(error)) if error.is_reset() => break Ended::Reset(error.reason().unwrap()),
            Some(Err(_)) => break Ended::Lost,
            None => break Ended::Well,
        }
    };
    state.change(at, |seen| seen.ended = ended);
}
