//! Searches that are read from their own bytes: what both sides see is what they see where hyper handles them.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use crate::{
    harness::{
        FakeDatabase, Program, Wire,
        points::hits,
        strict::{bytes_of, latin1},
    },
    relayed::{name, value},
};

/// A search, and what the database says to it; one character a byte.
#[derive(Clone, Debug)]
struct Search {
    headers: Vec<(String, String)>,
    status: &'static str,
    response: Vec<(String, String)>,
    is_chunked: bool,
}

const REQUEST: &[&str] = &[
    "accept",
    "accept-encoding",
    "authorization",
    "content-type",
    "traceparent",
    "x-one",
    "x-rerank",
    "x-rerank-query",
    "x-rerank-query",
    "x-rerank-window",
    "x-rerank-quey",
];
const RESPONSE: &[&str] =
    &["date", "server", "set-cookie", "warning", "server-timing", "x-rerank-status", "etag", "x-one"];

impl Search {
    fn request(&self) -> Vec<u8> {
        let body = r#"{"query":[0.1],"limit":4,"with_payload":true}"#;
        let length = body.len();
        let lines = lines(&self.headers);
        bytes_of(&format!(
            "POST /collections/a/points/query HTTP/1.1\r\nhOst: x\r\n{lines}cOntent-length:  {length}\r\n\r\n{body}"
        ))
    }

    fn response(&self) -> Vec<u8> {
        let page = hits(&["a giraffe", "a zebra crossing", "a zebra", "no animal"]);
        let lines = lines(&self.response);
        let (framing, body) = match self.is_chunked {
            true => {
                ("transfer-encoding: chunked".to_owned(), format!("{:x}\r\n{page}\r\n0\r\n\r\n", page.len()))
            }
            false => (format!("Content-LENGTH: {}", page.len()), page),
        };
        let status = self.status;
        bytes_of(&format!(
            "HTTP/1.1 {status}\r\n{lines}content-type: application/json\r\n{framing}\r\n\r\n{body}"
        ))
    }
}

fn lines(headers: &[(String, String)]) -> String {
    headers.iter().map(|(name, value)| format!("{name}:{value}\r\n")).collect()
}

fn search() -> impl Strategy<Value = Search> {
    let headers = |names| prop::collection::vec((name(names), value()), 0..6);
    let status = prop::sample::select(&["200 OK", "200 ", "200 So so", "400 Bad Request", "503 Busy"][..]);
    let all = (headers(REQUEST), status, headers(RESPONSE), prop::bool::weighted(0.2));
    all.prop_map(|(mut headers, status, response, is_chunked)| {
        headers.push(("X-Rerank-Query".to_owned(), " zebra crossing".to_owned()));
        Search { headers, status, response, is_chunked }
    })
}

/// What the database sees of a search, and its client twice, the second time with all scores known. `relays`: whether it
/// goes past hyper.
fn seen(search: Search, relays: bool) -> (Vec<String>, Vec<String>) {
    let name = if relays { "searched" } else { "by_hyper::searched" };
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(exchanged(&search))
    };
    std::thread::Builder::new().name(name.to_owned()).spawn(run).unwrap().join().unwrap()
}

async fn exchanged(search: &Search) -> (Vec<String>, Vec<String>) {
    let database = FakeDatabase::by_hand().await;
    let lexical = "rerank: { providers: [lexical] }\nproviders: { lexical: { kind: lexical } }\n";
    let (program, host) = (Program::before(database.addr, lexical).await, database.addr.to_string());
    let requests = Arc::<Mutex<Vec<String>>>::default();
    let (seen, response) = (requests.clone(), search.response());
    let answering = async move {
        loop {
            tokio::spawn(answer(database.connection().await, seen.clone(), response.clone()));
        }
    };
    let asking = async {
        let mut client = program.client().await;
        let mut responses = Vec::new();
        for _ in 0..2 {
            client.send(search.request()).await;
            let response = client.response(false).await.expect("a response");
            responses.push(format!("{response:?}"));
        }
        responses
    };
    let responses = tokio::select! { responses = asking => responses, () = answering => Vec::new() };
    let requests =
        requests.lock().unwrap().iter().map(|request| request.replace(&host, "database")).collect();
    (requests, responses.iter().map(|response| without_times(response)).collect())
}

/// Answers the requests on a connection until it ends.
async fn answer(mut connection: Wire, seen: Arc<Mutex<Vec<String>>>, response: Vec<u8>) {
    while let Some(mut request) = connection.try_until_bytes(b"\r\n\r\n").await {
        let head = latin1(&request).to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        request.extend(connection.bytes(length.map_or(0, |length| length.parse().unwrap())).await);
        seen.lock().unwrap().push(latin1(&request));
        connection.try_send(&response).await;
    }
}

/// How long the parts of a search took is another number each time.
fn without_times(response: &str) -> String {
    let parts = response.split(" | ").map(|part| match part.contains("dur=") {
        true => part
            .split("dur=")
            .map(|after| after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.'))
            .collect::<Vec<_>>()
            .join("dur="),
        false => part.to_owned(),
    });
    parts.collect::<Vec<_>>().join(" | ")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn both_sides_see_the_bytes_that_hyper_writes(search in search()) {
        let (direct, handled) = (seen(search.clone(), true), seen(search, false));
        prop_assert_eq!(direct.0, handled.0);
        prop_assert_eq!(direct.1, handled.1);
    }
}
