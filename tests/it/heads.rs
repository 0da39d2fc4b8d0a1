//! Heads that are too large, in either direction.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rerankd::body::{self, Body};
use tokio::net::TcpStream;

use crate::harness::{FakeDatabase, Program, Proxy, json_of, search};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A request or response, its first line before, and headers of about so many bytes.
fn with_header(first: &str, bytes: usize) -> String {
    format!("{first}\r\nHost: x\r\nContent-Length: 0\r\nX-Long: {}\r\n\r\n", "a".repeat(bytes))
}

fn with_headers(first: &str, count: usize) -> String {
    let headers: String = (2..count).map(|n| format!("X-{n}: 1\r\n")).collect();
    format!("{first}\r\nHost: x\r\nContent-Length: 0\r\n{headers}\r\n")
}

/// The status line for a request with these limits; the database has to see it or not.
async fn asked(limits: &str, request: &str) -> String {
    let db = FakeDatabase::answering(OK).await;
    let program = Program::with_key(db.addr, &format!("limits: {{ {limits} }}")).await;
    let mut client = program.client().await;
    client.try_send(request).await;
    let head = client.head().await;
    let status = head.lines().next().unwrap_or_default().to_owned();
    assert_eq!(db.requests_so_far().await.is_empty(), !status.ends_with("200 OK"), "{status}");
    status
}

const TOO_LARGE: &str = "HTTP/1.1 431 Request Header Fields Too Large";

#[tokio::test]
async fn a_head_of_60_kib_passes_and_one_of_more_than_64_is_431() {
    assert_eq!(asked("", &with_header("GET /a HTTP/1.1", 60 << 10)).await, "HTTP/1.1 200 OK");
    for size in [65 << 10, 120 << 10, 200 << 10] {
        assert_eq!(asked("", &with_header("GET /a HTTP/1.1", size)).await, TOO_LARGE);
    }
}

#[tokio::test]
async fn a_hundred_headers_pass_and_more_are_431() {
    assert_eq!(asked("", &with_headers("GET /a HTTP/1.1", 100)).await, "HTTP/1.1 200 OK");
    assert_eq!(asked("", &with_headers("GET /a HTTP/1.1", 101)).await, TOO_LARGE);
}

#[tokio::test]
async fn limits_of_heads_can_be_raised_until_a_target_is_too_long_for_any() {
    let raised = "max_headers: 300, max_head_bytes: 256KiB";
    for (request, status) in [
        (with_headers("GET /a HTTP/1.1", 200), "HTTP/1.1 200 OK"),
        (with_headers("GET /a HTTP/1.1", 301), TOO_LARGE),
        (with_header("GET /a HTTP/1.1", 200 << 10), "HTTP/1.1 200 OK"),
        (with_header(&format!("GET /{} HTTP/1.1", "a".repeat(66 << 10)), 1), "HTTP/1.1 414 URI Too Long"),
    ] {
        assert_eq!(asked(raised, &request).await, status);
    }
}

#[tokio::test]
async fn a_search_whose_head_is_too_large_is_reported_in_the_databases_shape() {
    let program = Program::with_key(FakeDatabase::answering(OK).await.addr, "").await;
    let long = format!("x-long: {}\r\nhost:", "a".repeat(64 << 10));
    let got = program.ask(&search("{}").replace("host:", &long)).await;
    assert!(got.starts_with(TOO_LARGE), "{}", &got[..200]);
    assert_eq!(json_of(&got)["status"]["error"], "rerankd: the request's head is too large");
}

#[tokio::test]
async fn a_response_whose_head_is_too_large_is_502() {
    for response in [with_header("HTTP/1.1 200 OK", 65 << 10), with_headers("HTTP/1.1 200 OK", 101)] {
        let db = FakeDatabase::by_hand().await;
        let proxy = Proxy::start(db.addr).await;
        let mut client = proxy.client().await;
        client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
        let mut upstream = db.connection().await;
        upstream.head().await;
        upstream.try_send(response).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{}", &head[..100]);
    }
    let db = FakeDatabase::by_hand().await;
    let proxy = Proxy::start(db.addr).await;
    let mut client = proxy.client().await;
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut upstream = db.connection().await;
    upstream.head().await;
    upstream.send(with_headers("HTTP/1.1 200 OK", 100)).await;
    assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
}

/// The status and body for a request over HTTP/2 to the whole program.
async fn asked_over_http2(program: &Program, request: Request<Body>) -> (u16, Bytes) {
    let stream = TcpStream::connect(program.addr).await.unwrap();
    let mut client = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    client.max_header_list_size(1 << 20);
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    (status, response.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default())
}

#[tokio::test]
async fn over_http2_too_many_headers_are_431_in_the_databases_shape_and_too_long_ones_431() {
    let db = FakeDatabase::answering(OK).await;
    let program = Program::with_key(db.addr, "").await;
    let request = || Request::post(format!("http://{}/collections/c/points/query", program.addr));
    let many = (0..101).fold(request(), |request, n| request.header(format!("x-{n}"), "1"));
    let (status, shape) = asked_over_http2(&program, many.body(body::empty()).unwrap()).await;
    assert_eq!(status, 431);
    let shape: serde_json::Value = serde_json::from_slice(&shape).unwrap();
    assert_eq!(shape["status"]["error"], "rerankd: the request's head is too large");

    for (length, expected) in [(60 << 10, 200), (65 << 10, 431)] {
        let long = request().header("x-long", "a".repeat(length)).body(body::empty()).unwrap();
        let (status, _) = asked_over_http2(&program, long).await;
        assert_eq!(status, expected);
    }
}
