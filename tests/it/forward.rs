//! What is not a search passes through unchanged.

use std::net::SocketAddr;

use crate::harness::{FakeDatabase, Proxy};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Sends one request through the proxy: what the database saw, what the client got.
async fn exchange(request: &str, response: &'static str) -> (String, String, SocketAddr) {
    let db = FakeDatabase::answering(response).await;
    let proxy = Proxy::start(db.addr).await;
    let mut client = proxy.client().await;
    client.send(request).await;
    let got = client.message().await.expect("a response");
    (db.request().await, got, db.addr)
}

#[tokio::test]
async fn heads_and_bodies_pass_byte_for_byte() {
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "PURGE"] {
        let request = format!(
            "{method} /c%2Fd/%e4%BD%A0/a;b=c?q=%20x+y&q=&=%zz&[0]=a|b HTTP/1.1\r\nhOsT: client.example\r\nX-Odd-CASE: 1\r\n\
             accept: */*\r\nx-odd-case: 2\r\nauthorization: ApiKey abc==\r\nX-Empty:\r\nContent-Length: 3\r\n\
             X-Last: \u{e9}\r\n\r\nabc"
        );
        let response = "HTTP/1.1 299 Very Odd\r\nX-Elastic-Product: Elasticsearch\r\nset-cookie: a\r\nX-B: 1\r\n\
             Set-Cookie: b\r\nCONTENT-length: 4\r\nwarning: 299 x \"y\"\r\n\r\n{\"a\"";
        let (seen, got, addr) = exchange(&request, response).await;
        // Names by their first appearance, order within a name kept.
        let expected = format!(
            "{method} /c%2Fd/%e4%BD%A0/a;b=c?q=%20x+y&q=&=%zz&[0]=a|b HTTP/1.1\r\nhOsT: {addr}\r\nX-Odd-CASE: 1\r\n\
             x-odd-case: 2\r\naccept: */*\r\nauthorization: ApiKey abc==\r\nX-Empty:\r\nContent-Length: 3\r\n\
             X-Last: \u{e9}\r\n\r\nabc"
        );
        assert_eq!(seen, expected);
        let expected = "HTTP/1.1 299 Very Odd\r\nX-Elastic-Product: Elasticsearch\r\nset-cookie: a\r\nSet-Cookie: b\r\n\
             X-B: 1\r\nCONTENT-length: 4\r\nwarning: 299 x \"y\"\r\n\r\n{\"a\"";
        assert_eq!(got, expected);
    }
}

#[tokio::test]
async fn nothing_is_added_to_a_bare_request_or_response() {
    let (seen, got, addr) = exchange("GET / HTTP/1.1\r\nHost: x\r\n\r\n", OK).await;
    assert_eq!(seen, format!("GET / HTTP/1.1\r\nHost: {addr}\r\n\r\n"));
    assert_eq!(got, OK);
}

#[tokio::test]
async fn host_is_kept_where_configured() {
    let db = FakeDatabase::answering(OK).await;
    let preserve = |s: &mut rerankd::upstream::UpstreamSettings| {
        s.host = rerankd::upstream::HostHeader::Preserve;
    };
    let proxy = Proxy::with(db.addr, preserve, |_| {}).await;
    let mut client = proxy.client().await;
    client.send("GET / HTTP/1.1\r\nHost: Client.example:1\r\n\r\n").await;
    client.message().await.unwrap();
    assert!(db.request().await.contains("\r\nHost: Client.example:1\r\n"));
}

#[tokio::test]
async fn hop_by_hop_headers_stay_on_their_hop() {
    let (seen, got, addr) = exchange(
        "GET /a HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\nA: 1\r\nB: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nA: 1\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert_eq!(seen, format!("GET /a HTTP/1.1\r\nHost: {addr}\r\nA: 1\r\nB: 2\r\n\r\n"));
    assert_eq!(got, "HTTP/1.1 200 OK\r\nA: 1\r\nContent-Length: 0\r\n\r\n");
}

#[tokio::test]
async fn chunked_bodies_pass_both_ways_even_on_get() {
    for method in ["POST", "GET"] {
        let (seen, got, _) = exchange(
            &format!(
                "{method} /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
            ),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n",
        )
        .await;
        assert!(
            seen.to_ascii_lowercase().contains("transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
            "{seen}"
        );
        assert!(
            got.to_ascii_lowercase().ends_with("transfer-encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\n"),
            "{got}"
        );
    }
}

#[tokio::test]
async fn the_first_chunk_arrives_before_the_last_is_sent() {
    let db = FakeDatabase::by_hand().await;
    let proxy = Proxy::start(db.addr).await;
    let mut client = proxy.client().await;
    client.send("POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
    let mut upstream = db.connection().await;
    upstream.head().await;
    assert_eq!(upstream.exactly(8).await, "3\r\nabc\r\n");
    client.send("0\r\n\r\n").await;
    assert_eq!(upstream.exactly(5).await, "0\r\n\r\n");
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n").await;
    client.head().await;
    assert_eq!(client.exactly(7).await, "2\r\nde\r\n");
    upstream.send("0\r\n\r\n").await;
    assert_eq!(client.exactly(5).await, "0\r\n\r\n");
}

#[tokio::test]
async fn declared_trailers_pass_both_ways() {
    let (seen, got, _) = exchange(
        "POST /a HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n\
         1\r\na\r\n0\r\nx-sum: 7\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTrailer: x-end\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\nx-end: 8\r\n\r\n",
    )
    .await;
    assert!(seen.ends_with("1\r\na\r\n0\r\nx-sum: 7\r\n\r\n"), "{seen}");
    assert!(got.ends_with("1\r\nb\r\n0\r\nx-end: 8\r\n\r\n"), "{got}");
}

#[tokio::test]
async fn responses_without_a_body_keep_their_length() {
    let db = FakeDatabase::by_hand().await;
    let proxy = Proxy::start(db.addr).await;
    let mut client = proxy.client().await;
    client.send("HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut upstream = db.connection().await;
    assert!(upstream.head().await.starts_with("HEAD /a HTTP/1.1\r\n"));
    for response in [
        "HTTP/1.1 200 OK\r\nContent-Length: 77\r\nA: b\r\n\r\n",
        "HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nA: b\r\n\r\n",
    ] {
        upstream.send(response).await;
        assert_eq!(client.head().await, response);
        client.send("HEAD /b HTTP/1.1\r\nHost: x\r\n\r\n").await;
        upstream.head().await;
    }
}

#[tokio::test]
async fn the_body_is_asked_for_when_the_upstream_asks() {
    let db = FakeDatabase::by_hand().await;
    let proxy = Proxy::start(db.addr).await;
    let mut client = proxy.client().await;
    client.send("PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
    let mut upstream = db.connection().await;
    assert!(upstream.head().await.contains("Expect: 100-continue\r\n"));
    upstream.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("abc").await;
    assert_eq!(upstream.exactly(3).await, "abc");
    upstream.send(OK).await;
    assert_eq!(client.message().await.unwrap(), OK);
}

#[tokio::test]
async fn a_rejected_expectation_reaches_the_client_without_100() {
    let db = FakeDatabase::by_hand().await;
    let proxy = Proxy::start(db.addr).await;
    let mut client = proxy.client().await;
    client.send("PUT /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n").await;
    let mut upstream = db.connection().await;
    upstream.head().await;
    upstream.send("HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n").await;
    let got = client.rest().await;
    assert!(got.starts_with("HTTP/1.1 417 Expectation Failed\r\n"), "{got}");
    assert_eq!(upstream.rest().await, "");
}

#[tokio::test]
async fn an_upgrade_is_tunnelled_both_ways() {
    let db = FakeDatabase::by_hand().await;
    let proxy = Proxy::start(db.addr).await;
    let mut client = proxy.client().await;
    client.send("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    let mut upstream = db.connection().await;
    let head = upstream.head().await;
    assert!(head.contains("Connection: Upgrade\r\nUpgrade: websocket\r\n"), "{head}");
    let response = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    upstream.send(response).await;
    assert_eq!(client.head().await, response);
    client.send("ping").await;
    assert_eq!(upstream.exactly(4).await, "ping");
    upstream.send("pong").await;
    assert_eq!(client.exactly(4).await, "pong");
    drop(client);
    assert_eq!(upstream.rest().await, "");
}

#[tokio::test]
async fn an_early_hint_does_not_disturb_the_response() {
    let hinted =
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let (_, got, _) = exchange("GET /a HTTP/1.1\r\nHost: x\r\n\r\n", hinted).await;
    assert_eq!(got, OK);
}

#[tokio::test]
async fn absolute_and_asterisk_targets_become_the_upstreams() {
    let (seen, _, addr) = exchange("GET http://other.example/a?b HTTP/1.1\r\nHost: x\r\n\r\n", OK).await;
    assert_eq!(seen, format!("GET /a?b HTTP/1.1\r\nHost: {addr}\r\n\r\n"));
    let (seen, _, addr) = exchange("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", OK).await;
    assert_eq!(seen, format!("OPTIONS * HTTP/1.1\r\nHost: {addr}\r\n\r\n"));
}

#[tokio::test]
async fn a_client_of_http_1_0_gets_a_response_and_a_close() {
    let db =
        FakeDatabase::answering("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
            .await;
    let proxy = Proxy::start(db.addr).await;
    let mut client = proxy.client().await;
    client.send("GET /a HTTP/1.0\r\n\r\n").await;
    let got = client.rest().await;
    assert!(got.starts_with("HTTP/1.0 200 OK\r\n") && got.ends_with("\r\n\r\nok"), "{got}");
    assert_eq!(db.request().await, format!("GET /a HTTP/1.1\r\nhost: {}\r\n\r\n", db.addr));
}

#[tokio::test]
async fn an_unreachable_upstream_is_502_and_a_silent_one_504() {
    let gone = FakeDatabase::by_hand().await.addr;
    let proxy = Proxy::start(gone).await;
    let mut client = proxy.client().await;
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 502 Bad Gateway\r\n"));

    let db = FakeDatabase::by_hand().await;
    let hasty = |s: &mut rerankd::upstream::UpstreamSettings| {
        s.forward_timeout = Some(std::time::Duration::from_millis(50));
    };
    let proxy = Proxy::with(db.addr, hasty, |_| {}).await;
    let mut client = proxy.client().await;
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(client.head().await.starts_with("HTTP/1.1 504 Gateway Timeout\r\n"));
}

#[tokio::test]
async fn only_a_search_has_to_be_answered_soon() {
    let db = FakeDatabase::by_hand().await;
    let hasty = |s: &mut rerankd::upstream::UpstreamSettings| {
        s.response_timeout = Some(std::time::Duration::ZERO);
    };
    let proxy = Proxy::with(db.addr, hasty, |_| {}).await;
    let mut client = proxy.client().await;
    client.send("POST /_reindex HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").await;
    let mut upstream = db.connection().await;
    upstream.head().await;
    upstream.send(OK).await;
    assert_eq!(client.message().await.unwrap(), OK);
}

#[tokio::test]
async fn a_broken_connection_repeats_a_get_once_and_a_post_never() {
    let db = FakeDatabase::by_hand().await;
    let proxy = Proxy::start(db.addr).await;
    let mut client = proxy.client().await;
    client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut first = db.connection().await;
    first.head().await;
    drop(first);
    let mut second = db.connection().await;
    second.head().await;
    second.send(OK).await;
    assert_eq!(client.message().await.unwrap(), OK);
    drop(second);

    client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na").await;
    let mut first = db.connection().await;
    first.head().await;
    drop(first);
    assert!(client.head().await.starts_with("HTTP/1.1 502 "));
}
