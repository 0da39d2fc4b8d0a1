//! [`DemoDatabase`]: a server on the loopback interface that speaks enough of Qdrant's REST, and on a second port of its gRPC.

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
    api::{self, DemoReply},
    grpc,
    rejection::Rejection,
};

/// More than any search needs.
pub(super) const BODY_LIMIT: usize = 1 << 20;
/// More than the demonstration needs; beyond it accepting pauses.
const CONNECTIONS: usize = 256;
/// What a stream may send before it is read, as Qdrant has it.
const WINDOW: u32 = 1 << 20;

/// A running demonstration database; it ends, with its connections, when dropped.
#[derive(Debug)]
pub struct DemoDatabase {
    rest: Listening,
    grpc: Listening,
}

/// One of its ports, as long as it is open.
#[derive(Debug)]
struct Listening {
    addr: SocketAddr,
    task: AbortHandle,
}

/// What is spoken on a port.
#[derive(Clone, Copy)]
enum Interface {
    Rest,
    Grpc,
}

impl DemoDatabase {
    /// Listens on two free ports of 127.0.0.1. Needs a Tokio runtime.
    pub async fn start() -> io::Result<Self> {
        let (rest, grpc) = (Listening::open(Interface::Rest).await?, Listening::open(Interface::Grpc).await?);
        Ok(Self { rest, grpc })
    }

    /// Where it listens for REST.
    pub fn addr(&self) -> SocketAddr {
        self.rest.addr
    }

    /// Where it listens for gRPC, without TLS.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc.addr
    }
}

impl Listening {
    async fn open(interface: Interface) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let task = tokio::spawn(accept(listener, interface)).abort_handle();
        Ok(Self { addr, task })
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
        Interface::Rest => {
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new());
            let _ = server.serve_connection(stream, service_fn(respond)).await;
        }
        Interface::Grpc => {
            let mut server = http2::Builder::new(TokioExecutor::new());
            server.timer(TokioTimer::new()).initial_stream_window_size(WINDOW);
            let _ = server.serve_connection(stream, service_fn(grpc::call)).await;
        }
    }
}

async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let response = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => api::respond(&head.method, head.uri.path(), &body.to_bytes()),
        Err(_) => DemoReply::Error(Rejection::Body),
    };
    let (status, body) = response.into_body(started.elapsed().as_secs_f64());
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    if status != StatusCode::NOT_FOUND || http_body::Body::size_hint(response.body()).lower() > 0 {
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn exchange(addr: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    }

    #[tokio::test]
    async fn it_answers_http_and_ends_when_dropped() {
        let database = DemoDatabase::start().await.unwrap();
        let addr = database.addr();
        let get = "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let response = exchange(addr, get).await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.contains("\"version\":\"1.19.0\""));
        let body = r#"{"query":[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],"limit":2}"#;
        let post = format!(
            "POST /collections/demo/points/query HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let response = exchange(addr, &post).await;
        assert!(response.contains("{\"result\":{\"points\":[{\"id\":"), "{response}");
        let missing = exchange(addr, "GET /no/such HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(missing.starts_with("HTTP/1.1 404") && missing.contains("content-length: 0"), "{missing}");

        let mut open = TcpStream::connect(addr).await.unwrap();
        drop(database);
        assert_eq!(open.read(&mut [0]).await.unwrap_or(0), 0, "the connection ends");
    }

    /// One call over a connection of its own: status and headers, the body, the trailers.
    async fn called(
        addr: SocketAddr,
        path: &str,
        message: &[u8],
    ) -> (http::HeaderMap, Bytes, Option<http::HeaderMap>) {
        let stream = TokioIo::new(TcpStream::connect(addr).await.unwrap());
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        let body = Full::new(crate::wire::proto::framing::framed(false, message).unwrap());
        let request = Request::post(path).header("content-type", "application/grpc").body(body).unwrap();
        let (head, body) = client.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned();
        (head.headers, body.to_bytes(), trailers)
    }

    #[tokio::test]
    async fn it_answers_grpc_with_trailers_and_errors_with_trailers_only() {
        let database = DemoDatabase::start().await.unwrap();
        let addr = database.grpc_addr();
        let (headers, body, trailers) = called(addr, "/grpc.health.v1.Health/Check", b"").await;
        assert_eq!(
            (headers["content-type"].as_bytes(), &body[..]),
            (&b"application/grpc"[..], &b"\0\0\0\0\x02\x08\x01"[..])
        );
        assert!(!headers.contains_key("grpc-status") && !headers.contains_key("content-length"));
        assert_eq!(trailers.unwrap()["grpc-status"], "0");
        let (headers, body, trailers) = called(addr, "/qdrant.Points/Query", b"\x0a\x04nope").await;
        assert_eq!(headers["grpc-status"], "5");
        assert_eq!(headers["grpc-message"], "Not%20found:%20Collection%20%60nope%60%20doesn't%20exist!");
        assert!(body.is_empty() && trailers.is_none());
        let (headers, ..) = called(addr, "/qdrant.Points/NoSuchMethod", b"").await;
        assert_eq!(headers["grpc-status"], "12");
        assert!(!headers.contains_key("grpc-message"));
    }
}
