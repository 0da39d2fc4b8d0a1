//! [`DemoDatabase`]: a server on the loopback interface that speaks enough of Qdrant's REST, and on a second port of its gRPC.

use std::{io, net::SocketAddr};

use super::listening::{Interface, Listening};

/// A running demonstration database; it ends, with its connections, when dropped.
#[derive(Debug)]
pub struct DemoDatabase {
    rest: Listening,
    grpc: Listening,
}

impl DemoDatabase {
    /// Listens on two free ports of 127.0.0.1. Needs a Tokio runtime.
    pub async fn start() -> io::Result<Self> {
        let (rest, grpc) = (Listening::open(Interface::Rest).await?, Listening::open(Interface::Grpc).await?);
        Ok(Self { rest, grpc })
    }

    /// Where it listens for REST.
    pub fn addr(&self) -> SocketAddr {
        self.rest.addr()
    }

    /// Where it listens for gRPC, without TLS.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc.addr()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Request;
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

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
