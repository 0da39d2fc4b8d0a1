//! A port of the demonstration's servers, on the loopback interface.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use super::{
    BODY_LIMIT,
    api::{self, DemoReply},
    embedding_api, grpc,
    rejection::Rejection,
};

/// More than the demonstration needs; beyond it accepting pauses.
const CONNECTIONS: usize = 256;
/// What a stream may send before it is read, as Qdrant has it.
const WINDOW: u32 = 1 << 20;

/// One port, as long as it is open; its connections end with it.
#[derive(Debug)]
pub(super) struct Listening {
    addr: SocketAddr,
    task: AbortHandle,
}

/// What is spoken on a port.
#[derive(Clone, Copy)]
pub(super) enum Interface {
    /// The database's REST.
    Rest,
    /// The database's gRPC, without TLS.
    Grpc,
    /// The embedding service's.
    Embedding,
}

impl Listening {
    /// Listens on a free port of 127.0.0.1.
    pub(super) async fn open(interface: Interface) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, interface)).abort_handle();
        Ok(Self { addr, task })
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The connections are tasks of this one's set, so that they end with it.
async fn accept(listener: TcpListener, interface: Interface) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, interface));
                }
                // Out of descriptors, most likely: some are free again in a moment.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, interface: Interface) {
    // A rejected option or a broken connection concerns its client alone.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(stream);
    match interface {
        Interface::Rest | Interface::Embedding => {
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new());
            let _ = server.serve_connection(stream, service_fn(|request| respond(interface, request))).await;
        }
        Interface::Grpc => {
            let mut server = http2::Builder::new(TokioExecutor::new());
            server.timer(TokioTimer::new()).initial_stream_window_size(WINDOW);
            let _ = server.serve_connection(stream, service_fn(grpc::call)).await;
        }
    }
}

async fn respond(
    interface: Interface,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_LIMIT).collect().await.map(|body| body.to_bytes());
    let (method, path) = (&head.method, head.uri.path());
    let (status, body) = match (interface, body) {
        (Interface::Embedding, body) => embedding_api::respond(method, path, body.ok().as_deref()),
        (_, Ok(body)) => api::respond(method, path, &body).into_body(started.elapsed().as_secs_f64()),
        (_, Err(_)) => DemoReply::Error(Rejection::Body).into_body(started.elapsed().as_secs_f64()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    if status != StatusCode::NOT_FOUND || http_body::Body::size_hint(response.body()).lower() > 0 {
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    Ok(response)
}
