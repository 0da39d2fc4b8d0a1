//! Draining: clients are told to go elsewhere with their next response, whoever handles it, and are served until they do.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rerankd::app::Reload;

use crate::harness::embedding::{embedding, openai, post};
use crate::harness::rerank_api;
use crate::harness::{
    End, FakeDatabase, Frames, Program, Scripted, Watched, Wire, ask, header, qdrant_hits, response, search,
};

const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
const CHUNKED: &str = "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
const OLD: &str = "GET /a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n";
const JSON: &str = "application/json";
const SEARCH: &str = r#"{"query":[0.1],"limit":50,"with_payload":true}"#;

/// Before a database that finds the same for every request, beside a rerank service, with every listener there is.
async fn program() -> (Program, [Scripted; 3]) {
    let database = Scripted::start(|_| Some(response(200, JSON, &qdrant_hits(50, 100)))).await;
    let (service, model) = (Scripted::scoring(|text| text.len() as f64 / 1e4).await, openai().await);
    let yaml = format!(
        "providers: {{ cohere: {{ base_url: 'http://{}' }} }}\nrerank_api: {{ listen: 127.0.0.1:0 }}\n\
         embeddings: {{ listen: 127.0.0.1:0, services: {{ openai: {{ url: 'http://{}/v1' }} }} }}\n",
        service.addr, model.addr
    );
    (Program::with_key(database.addr, &yaml).await, [database, service, model])
}

/// Every listener with the requests that go different ways behind it.
fn ways(program: &Program) -> Vec<(SocketAddr, String)> {
    let rerank = rerank_api::post("/v2/rerank", "", &rerank_api::of(&["a", "bc"]).to_string());
    let unranked = search(SEARCH).replacen("x-rerank-query", "x-rerank-mode: off\r\nx-rerank-query", 1);
    let listener = program.addr;
    let (api, embeddings) = (program.rerank_api.unwrap(), program.embeddings.unwrap());
    vec![
        (listener, GET.to_owned()),
        (listener, CHUNKED.to_owned()),
        (listener, OLD.to_owned()),
        (listener, search(SEARCH)),
        (listener, unranked),
        (listener, GET.replace("/a", "/\"odd\"")),
        (api, rerank.clone()),
        (api, rerank.replace("/v2/rerank", "/nothing")),
        (embeddings, post("/openai/v1/embeddings", &embedding("a text"))),
    ]
}

/// The head of the one response that comes before the connection closes. `None` if there is none, since the machine was so
/// busy that the client, which asked last after `since`, had been idle for as long as it may.
async fn last(client: &mut Wire, since: Instant, case: &str) -> Option<String> {
    let Some(response) = client.message().await else {
        assert!(since.elapsed() >= Duration::from_secs(2), "no response: {case}");
        return None;
    };
    let rest = tokio::time::timeout(Duration::from_secs(30), client.rest()).await;
    assert_eq!(rest.as_deref(), Ok(""), "it stays open: {case}");
    Some(response.split_once("\r\n\r\n").unwrap().0.to_owned() + "\r\n\r\n")
}

#[tokio::test]
async fn each_connection_is_closed_after_a_response_that_says_so_and_new_ones_are_served() {
    let (program, _peers) = program().await;
    let ways = ways(&program);
    let mut kept = Vec::new();
    for (addr, request) in &ways {
        let (since, mut client) = (Instant::now(), Wire::connect(*addr).await);
        client.send(request).await;
        let first = client.message().await.unwrap();
        assert!(header(&first, "connection").is_none_or(|is| is == "keep-alive"), "{first}");
        kept.push((since, client));
    }
    assert_eq!(program.metric("rerankd_draining").await, 0);
    program.drain();
    assert_eq!(program.metric("rerankd_draining").await, 1);
    let readyz = ask(program.admin, "/readyz").await;
    assert!(readyz.starts_with("HTTP/1.1 503") && readyz.contains("not ready: draining\n"), "{readyz}");
    for ((addr, request), (since, mut old)) in ways.iter().zip(kept) {
        let mut new = (Instant::now(), Wire::connect(*addr).await);
        for (since, client) in [(since, &mut old), (new.0, &mut new.1)] {
            client.try_send(request).await;
            let Some(head) = last(client, since, request).await else { continue };
            assert_eq!(header(&head, "connection"), Some("close"), "{request}{head}");
        }
    }
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn what_is_open_when_it_begins_is_finished_and_a_tunnel_goes_on() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let mut stream = program.client().await;
    stream.send(GET).await;
    let mut streaming = database.connection().await;
    streaming.head().await;
    streaming.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    stream.until("one").await;
    let switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: thing\r\n\r\n";
    for drains in [true, false] {
        let mut client = program.client().await;
        client.send("GET /t HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: thing\r\n\r\n").await;
        let mut tunnelled = database.connection().await;
        tunnelled.head().await;
        tunnelled.send(switch).await;
        let head = client.head().await;
        assert!(header(&head, "connection").is_some_and(|is| is.eq_ignore_ascii_case("upgrade")), "{head}");
        if drains {
            program.drain();
        }
        client.send("there").await;
        assert_eq!(tunnelled.exactly(5).await, "there");
        tunnelled.send("back").await;
        assert_eq!(client.exactly(4).await, "back");
    }
    streaming.send("3\r\ntwo\r\n0\r\n\r\n").await;
    stream.until("3\r\ntwo\r\n0\r\n\r\n").await;
    // It was not told; the response after that tells it.
    let since = Instant::now();
    stream.send(GET).await;
    streaming.head().await;
    streaming.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let head = last(&mut stream, since, GET).await.unwrap();
    assert_eq!(header(&head, "connection"), Some("close"));
}

/// A request of HTTP/2 for a database.
fn fields(path: &str) -> Vec<(String, String)> {
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", path)];
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

#[tokio::test]
async fn a_client_of_http2_gets_a_goaway_and_its_streams_an_answer() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let mut old = Frames::connect(program.addr).await;
    old.head(1, &fields("/a"), true).await;
    let mut upstream = database.connection().await;
    upstream.head().await;
    program.drain();
    // The first one gives up no stream; those that come before it is acknowledged are answered too.
    assert_eq!(old.until_go_away().await, i32::MAX.cast_unsigned());
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(old.end(1).await, End::ProbeResponse(b"ok".to_vec()));

    let mut new = Frames::connect(program.addr).await;
    new.head(1, &fields("/b"), true).await;
    upstream.head().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(new.end(1).await, End::ProbeResponse(b"ok".to_vec()));
    assert!(new.is_dead(), "a new connection has one request");
}

#[tokio::test]
async fn a_reload_does_not_undo_it_and_a_listener_that_it_adds_drains_too() {
    let database = FakeDatabase::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let listener = format!("{{ listen: '127.0.0.1:0', upstream: {{ url: 'http://{}' }} }}", database.addr);
    let admin = "admin: { listen: '127.0.0.1:0' }\n";
    let sidecar = Watched::start(&format!("{admin}listeners: [{listener}]\n")).await;
    sidecar.app.drain();
    let reload = sidecar.reload(&format!("{admin}listeners: [{listener}, {listener}]\n")).await;
    assert!(matches!(reload, Reload::Applied), "{reload:?}");
    assert!(sidecar.admin("/readyz").await.starts_with("HTTP/1.1 503"));
    for listening in sidecar.app.listening_now().await {
        let (since, mut client) = (Instant::now(), Wire::connect(listening).await);
        client.send(GET).await;
        let head = last(&mut client, since, GET).await.unwrap();
        assert_eq!(header(&head, "connection"), Some("close"));
    }
}
