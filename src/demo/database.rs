//! [`DemoDatabase`]: an HTTP server on the loopback interface that speaks enough of Qdrant's REST.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

use super::api::{self, DemoReply};

/// More than any search needs.
const BODY_LIMIT: usize = 1 << 20;
/// More than the demonstration needs; beyond it accepting pauses.
const CONNECTIONS: usize = 256;

/// A running demonstration database; it ends, with its connections, when dropped.
#[derive(Debug)]
pub struct DemoDatabase {
    addr: SocketAddr,
    task: AbortHandle,
}

impl DemoDatabase {
    /// Listens on a free port of 127.0.0.1. Needs a Tokio runtime.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let addr = listener.local_addr()?;
        let task = tokio::spawn(accept(listener)).abort_handle();
        Ok(Self { addr, task })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for DemoDatabase {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The connections are tasks of this one's set, so that they end with it.
async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream));
                }
                // Out of descriptors, most likely: some are free again in a moment.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream) {
    // A rejected option or a broken connection concerns its client alone.
    let _ = stream.set_nodelay(true);
    let service = service_fn(respond);
    let _ =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let response = match Limited::new(body, BODY_LIMIT).collect().await {
        Ok(body) => api::respond(&head.method, head.uri.path(), &body.to_bytes()),
        Err(_) => {
            DemoReply::error(StatusCode::BAD_REQUEST, "Payload error: the body is broken or over 1 MiB")
        }
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
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.contains("\"version\":\"1.18.3\""));
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
}
