//! Cleartext HTTP/2 on either side.

use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rerankd::body::{self, Body};
use tokio::net::TcpListener;

use crate::harness::{FakeDatabase, Proxy};

fn client() -> Client<hyper_util::client::legacy::connect::HttpConnector, Body> {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

/// A gRPC-shaped server: echoes the body, ends with `grpc-status`; `/only` answers with trailers alone.
async fn grpc_server() -> SocketAddr {
    async fn echo(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        assert_eq!(request.version(), Version::HTTP_2);
        assert_eq!(request.headers()["te"], "trailers");
        if request.uri().path() == "/only" {
            return Ok(Response::builder().header("grpc-status", "5").body(body::empty()).unwrap());
        }
        let sent = request.into_body().collect().await.unwrap().to_bytes();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let frames = [Ok::<_, Infallible>(Frame::data(sent)), Ok(Frame::trailers(trailers))];
        Ok(Response::new(body::boxed(StreamBody::new(futures_util::stream::iter(frames)))))
    }
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = socket.accept().await {
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service_fn(echo));
            tokio::spawn(connection);
        }
    });
    addr
}

#[tokio::test]
async fn a_grpc_call_passes_with_its_trailers() {
    let proxy = Proxy::with(grpc_server().await, |s| s.http2 = true, |_| {}).await;
    for (path, in_head, in_trailers) in [("/a.B/C", None, Some("0")), ("/only", Some("5"), None)] {
        let request = Request::post(format!("http://{}{path}", proxy.addr))
            .header("te", "trailers")
            .header("content-type", "application/grpc")
            .body(body::full(Bytes::from_static(b"\0\0\0\0\x01a")))
            .unwrap();
        let response = client().request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(
            response.headers().get("grpc-status").map(HeaderValue::as_bytes),
            in_head.map(str::as_bytes)
        );
        let got = response.into_body().collect().await.unwrap();
        let trailer = got.trailers().and_then(|t| t.get("grpc-status")).map(HeaderValue::as_bytes);
        assert_eq!(trailer, in_trailers.map(str::as_bytes));
    }
}

#[tokio::test]
async fn an_http2_client_reaches_an_http1_upstream() {
    let db = FakeDatabase::answering("HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok").await;
    let proxy = Proxy::start(db.addr).await;
    let request = Request::post(format!("http://{}/a?b", proxy.addr))
        .header("x-c", "d")
        .body(body::full("abc"))
        .unwrap();
    let response = client().request(request).await.unwrap();
    assert_eq!(
        (response.version(), response.headers()["x-a"].as_bytes()),
        (Version::HTTP_2, b"b".as_slice())
    );
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
    let expected =
        format!("POST /a?b HTTP/1.1\r\nhost: {}\r\nx-c: d\r\ncontent-length: 3\r\n\r\nabc", db.addr);
    assert_eq!(db.request().await, expected);
}
