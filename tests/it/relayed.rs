//! Requests that go on as they are: what both sides see is what they see where hyper handles the request.

use proptest::prelude::*;
use rerankd::upstream::HostHeader;

use crate::harness::points::{self, QUERY};
use crate::harness::strict::{bytes_of, latin1};
use crate::harness::{FakeDatabase, Points, Program, Proxy, Tap, Wire};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What is sent, one character a byte; what the database says to it, and how that ends.
#[derive(Clone, Debug)]
struct Exchange {
    method: &'static str,
    target: String,
    request: Vec<(String, String)>,
    body: Option<String>,
    status: String,
    response: Vec<(String, String)>,
    framing: Framing,
    content: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length,
    Chunked,
    Close,
}

impl Exchange {
    fn request(&self) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        self.request.iter().for_each(|(name, value)| head += &format!("{name}:{value}\r\n"));
        let body = self.body.as_deref().unwrap_or_default();
        if self.body.is_some() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        format!("{head}\r\n{body}")
    }

    fn bodiless(&self) -> bool {
        self.method == "HEAD" || self.status.starts_with("204") || self.status.starts_with("304")
    }

    fn response(&self) -> String {
        let mut head = format!("HTTP/1.1 {}\r\n", self.status);
        self.response.iter().for_each(|(name, value)| head += &format!("{name}:{value}\r\n"));
        let content = if self.bodiless() { "" } else { self.content.as_str() };
        match self.framing {
            Framing::Length => format!("{head}coNtent-length: {}\r\n\r\n{content}", self.content.len()),
            Framing::Close => format!("{head}Connection: close\r\n\r\n{content}"),
            Framing::Chunked if self.bodiless() => format!("{head}Transfer-Encoding: chunked\r\n\r\n"),
            Framing::Chunked => {
                let halves = content.split_at(content.len() / 2);
                let chunk = |part: &str| match part.len() {
                    0 => String::new(),
                    length => format!("{length:X}\r\n{part}\r\n"),
                };
                let chunks = chunk(halves.0) + &chunk(halves.1);
                format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
            }
        }
    }
}

/// A name in some case.
pub(super) fn name(names: &'static [&'static str]) -> impl Strategy<Value = String> {
    let own = "[a-zA-Z][a-zA-Z0-9!#$%&'*+.^_`|~-]{0,12}";
    let cased = (prop::sample::select(names), any::<u64>()).prop_map(|(name, cases)| {
        let cased = |(at, c): (usize, char)| match cases >> (at % 64) & 1 {
            1 => c.to_ascii_uppercase(),
            _ => c,
        };
        name.chars().enumerate().map(cased).collect()
    });
    prop_oneof![3 => cased, 1 => own]
}

/// What stands after a colon.
pub(super) fn value() -> impl Strategy<Value = String> {
    let text = "[!-~\u{80}-\u{ff}]([ -~\u{80}-\u{ff}]{0,20}[!-~\u{80}-\u{ff}])?";
    let spaces = || prop::sample::select(&[" ", "", "  ", "\t"][..]);
    prop_oneof![
        4 => text.prop_map(|text| format!(" {text}")),
        1 => (spaces(), text, spaces()).prop_map(|(before, text, after)| format!("{before}{text}{after}")),
        1 => spaces().prop_map(str::to_owned),
    ]
}

const REQUEST: &[&str] = &[
    "accept",
    "accept-encoding",
    "authorization",
    "content-type",
    "cookie",
    "user-agent",
    "x-opaque-id",
    "traceparent",
    "x-one",
    "x-two",
    "keep-alive",
    "te",
    "x-rerank-query",
    "baggage",
];
const RESPONSE: &[&str] = &[
    "content-type",
    "date",
    "server",
    "set-cookie",
    "vary",
    "warning",
    "x-elastic-product",
    "keep-alive",
    "x-one",
    "cache-control",
];

fn exchange() -> impl Strategy<Value = Exchange> {
    let methods = &["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "PURGE"][..];
    let request = prop::collection::vec((name(REQUEST), value()), 0..7);
    let connection = prop::option::of(prop::sample::select(&[" keep-alive", " Keep-Alive", " x-one"][..]));
    let host = prop::sample::select(&[" a", "a:9200", " [::1]:1 ", ""][..]);
    let status = prop::sample::select(
        &["200 OK", "201 Created", "204 No Content", "304 Not Modified", "404 Nothing Here", "299 ", "503"][..],
    );
    let response = prop::collection::vec((name(RESPONSE), value()), 0..7);
    let framing = prop::sample::select(&[Framing::Length, Framing::Chunked, Framing::Close][..]);
    let message = (prop::sample::select(methods), "/[!$-~]{0,20}", request, prop::option::of("[ -~]{0,30}"));
    (message, (connection, host, any::<usize>()), (status, response, framing, "[ -~]{0,40}")).prop_map(
        |(
            (method, target, mut request, body),
            (connection, host, at),
            (status, response, framing, content),
        )| {
            let mut put = |name: &str, value: &str| {
                request.insert(at % (request.len() + 1), (name.to_owned(), value.to_owned()));
            };
            put("hOsT", host);
            if let Some(connection) = connection {
                put("Connection", connection);
            }
            let target = target.replace(['<', '>', '\\', '^', '`', '{', '|', '}'], "");
            Exchange { method, target, request, body, status: status.to_owned(), response, framing, content }
        },
    )
}

/// What a client gets, head and content.
async fn got(client: &mut Wire, exchange: &Exchange) -> (String, Vec<u8>) {
    let head = latin1(&client.try_until_bytes(b"\r\n\r\n").await.expect("a head"));
    let lower = head.to_ascii_lowercase();
    let length = lower.split("content-length: ").nth(1).map(|rest| rest.split("\r\n").next().unwrap());
    let content = match length {
        _ if exchange.bodiless() => Vec::new(),
        Some(length) => client.bytes(length.parse().unwrap()).await,
        None => {
            let chunks = client.chunks().await;
            let mut parts = chunks.split("\r\n").skip(1).step_by(2).collect::<Vec<_>>();
            parts.truncate(parts.len().saturating_sub(1));
            parts.concat().into_bytes()
        }
    };
    (head, content)
}

/// What the database and the client see of an exchange.
async fn seen(exchange: &Exchange, relays: bool) -> (Vec<u8>, (String, Vec<u8>)) {
    let database = FakeDatabase::by_hand().await;
    let preserve = |settings: &mut rerankd::upstream::UpstreamSettings| settings.host = HostHeader::Preserve;
    let proxy = Proxy::with(database.addr, preserve, |settings| settings.relays = relays).await;
    let mut client = proxy.client().await;
    client.send(bytes_of(&exchange.request())).await;
    let mut upstream = database.connection().await;
    let mut request = upstream.try_until_bytes(b"\r\n\r\n").await.expect("a request");
    request.extend(upstream.bytes(exchange.body.as_ref().map_or(0, String::len)).await);
    upstream.send(bytes_of(&exchange.response())).await;
    if exchange.framing == Framing::Close {
        upstream.end().await;
    }
    (request, got(&mut client, exchange).await)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn both_sides_see_the_bytes_that_hyper_writes(exchange in exchange()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (relayed, handled) = (seen(&exchange, true).await, seen(&exchange, false).await);
            prop_assert_eq!(latin1(&relayed.0), latin1(&handled.0));
            prop_assert_eq!(relayed.1, handled.1);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn searches_and_other_requests_may_follow_each_other_on_one_connection() {
    let service = crate::harness::Scripted::scoring(|text| text.len() as f64 / 1000.0).await;
    let points = Points::before(service.addr, "").await;
    let mut client = points.program.client().await;
    let search = points::request(QUERY, 3, "");
    for _ in 0..3 {
        // The first two at once.
        client.send(format!("{search}GET /collections HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let found = client.response(false).await.unwrap();
        assert_eq!(found.header("x-rerank-status"), Some("applied"), "{found:?}");
        assert_eq!(client.response(false).await.unwrap().header("x-rerank-status"), None);
        client.send("GET /collections HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(client.response(false).await.unwrap().header("x-rerank-status"), None);
    }
}

#[tokio::test]
async fn after_any_number_of_searches_in_a_row_requests_that_come_at_once_are_answered() {
    let service = crate::harness::Scripted::scoring(|text| text.len() as f64 / 1000.0).await;
    let points = Points::before(service.addr, "").await;
    let search = points::request(QUERY, 3, "");
    for searches in 1..=10 {
        let mut client = points.program.client().await;
        for _ in 0..searches {
            client.send(search.clone()).await;
            let found = client.response(false).await.unwrap();
            assert_eq!(found.header("x-rerank-status"), Some("applied"), "{searches}: {found:?}");
        }
        client.send(format!("{search}GET /collections HTTP/1.1\r\nHost: a\r\n\r\n{search}")).await;
        for expected in [Some("applied"), None, Some("applied")] {
            let response = client.response(false).await.unwrap();
            assert_eq!(response.header("x-rerank-status"), expected, "{searches}: {response:?}");
        }
    }
}

#[tokio::test]
async fn a_request_may_come_and_a_response_go_byte_by_byte() {
    let request = "POST /a?b HTTP/1.1\r\nHost: a\r\nX-A: b\r\nContent-Length: 3\r\n\r\nabc";
    for response in [
        "HTTP/1.1 200 OK\r\nX-B: c\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nX-B: c\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nX-B: c\r\nContent-Length: 5\r\n\r\nhello",
    ] {
        let database = FakeDatabase::by_hand().await;
        let program = Program::before(database.addr, "").await;
        let mut client = program.client().await;
        for byte in request.as_bytes() {
            client.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        let mut upstream = database.connection().await;
        let got = upstream.message().await.unwrap();
        assert_eq!(got, request.replace("Host: a", &format!("Host: {}", database.addr)));
        for byte in response.as_bytes() {
            upstream.send([*byte]).await;
            tokio::task::yield_now().await;
        }
        let got = client.response(false).await.unwrap();
        assert_eq!((got.word(1), got.header("x-b"), got.text().as_str()), ("200", Some("c"), "hello"));
        // Both connections are used again.
        client.send("GET /b HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut other = tokio::select! {
            _ = upstream.message() => upstream,
            mut other = database.connection() => { other.message().await.unwrap(); other }
        };
        other.send(OK).await;
        assert_eq!(client.response(false).await.unwrap().text(), "ok");
    }
}

#[tokio::test]
async fn requests_that_come_together_are_answered_one_after_another() {
    let database = Tap::echoing().await;
    let program = Program::before(database.addr, "").await;
    let mut client = program.client().await;
    let request = |number: usize| match number % 3 {
        0 => format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n"),
        1 => format!("POST /{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"),
        _ => format!("PUT /{number} HTTP/1.1\r\nHost: a\r\nExpect: nothing\r\nContent-Length: 2\r\n\r\nhi"),
    };
    client.send((0..30).map(request).collect::<String>()).await;
    for number in 0..30 {
        let method = ["GET", "POST", "PUT"][number % 3];
        assert_eq!(client.response(false).await.unwrap().text(), format!("{method} /{number}"));
    }
    drop(client);
    program.until_all_is_given_back().await;
    let counted = program.metric(r#"rerankd_requests_total{handling="forward",status="2xx"}"#).await;
    assert_eq!(counted, 30);
}

#[tokio::test]
async fn a_write_whose_connection_breaks_is_not_repeated_and_a_read_is_once() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let mut client = program.client().await;
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na").await;
    let mut upstream = database.connection().await;
    upstream.message().await.unwrap();
    upstream.send("HTTP/1.1 200 OK\r\nContent-Le").await;
    drop(upstream);
    assert_eq!(client.response(false).await.unwrap().word(1), "502");
    client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    for last in [false, true] {
        let mut upstream = database.connection().await;
        upstream.message().await.unwrap();
        if last {
            upstream.send(OK).await;
        }
    }
    assert_eq!(client.response(false).await.unwrap().text(), "ok");
    assert_eq!(program.metric(r#"rerankd_requests_failed_total{cause="broken"}"#).await, 1);
}

#[tokio::test]
async fn a_client_that_leaves_ends_what_is_done_for_it() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    for response in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell"] {
        let mut client = program.client().await;
        client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut upstream = database.connection().await;
        upstream.message().await.unwrap();
        upstream.send(response).await;
        if !response.is_empty() {
            client.head().await;
        }
        drop(client);
        assert_eq!(upstream.rest().await, "");
        program.until_all_is_given_back().await;
    }
}

#[tokio::test]
async fn a_response_is_read_no_faster_than_its_client_takes_it() {
    const MUCH: usize = 64 << 20;
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let mut client = Wire::connect_narrow(program.addr).await;
    client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut upstream = database.connection().await;
    upstream.message().await.unwrap();
    let sent = tokio::time::timeout(std::time::Duration::from_millis(500), async {
        upstream.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n")).await;
        upstream.send(vec![b'x'; MUCH]).await;
    });
    assert!(sent.await.is_err(), "somebody holds all of it");
    client.head().await;
    assert_eq!(client.bytes(1 << 20).await.len(), 1 << 20);
}

#[tokio::test]
async fn after_a_response_that_ends_the_connection_no_request_is_taken() {
    let database = FakeDatabase::by_hand().await;
    let proxy = Proxy::start(database.addr).await;
    let mut client = proxy.client().await;
    client.send("GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut upstream = database.connection().await;
    upstream.message().await.unwrap();
    proxy.shutdown.cancel();
    client.until_rejected().await;
    upstream.send(OK).await;
    let got = client.rest().await;
    assert_eq!(got, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nconnection: close\r\n\r\nok");
    assert_eq!(upstream.rest().await, "");
}
