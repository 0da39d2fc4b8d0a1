//! The Cohere-compatible endpoint through the whole program: callers before it, a rerank service beside it.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use rerankd::{
    app::{App, Reload},
    config::{self, Flags},
};
use serde_json::{Value, json};

use crate::harness::{FakeDatabase, Folder, Scripted, Watched, Wire, answer, body_of, header, json_of};

const KEY: &str = "sekrit-key-123";
const JSON: &str = "application/json";
const CALLERS_KEY: &str = "callers-own-key";

/// The endpoint alone, before a Cohere-shaped service at this address.
async fn start(service: SocketAddr, api: &str, more: &str) -> App {
    let yaml = format!(
        "admin: {{ listen: 127.0.0.1:0 }}\nrerank_api: {{ listen: 127.0.0.1:0, {api} }}\n\
         providers:\n  cohere: {{ kind: cohere, base_url: \"http://{service}\", {more} }}\n"
    );
    let env = HashMap::from([("CO_API_KEY".to_owned(), KEY.to_owned())]);
    let config = config::load(Some((Path::new("test.yaml"), &yaml)), &env, &Flags::default()).unwrap();
    App::start(&config).await.unwrap()
}

fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON}\r\nauthorization: Bearer {CALLERS_KEY}\r\n\
         {headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn send(app: &App, request: &str) -> String {
    let mut client = Wire::connect(app.rerank_api.unwrap()).await;
    client.send(request).await;
    client.message().await.expect("an answer")
}

async fn ask(app: &App, body: &Value) -> String {
    send(app, &post("/v2/rerank", "", &body.to_string())).await
}

async fn metrics(app: &App) -> String {
    let mut client = Wire::connect(app.admin).await;
    client.send("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    client.rest().await
}

fn of(documents: &[&str]) -> Value {
    json!({"model": "rerank-v3.5", "query": "zebra crossing", "documents": documents})
}

fn status(message: &str) -> u16 {
    message.split(' ').nth(1).unwrap().parse().unwrap()
}

/// An error of Cohere's shape, with this status; gives its message.
fn refused(message: &str, expected: u16) -> String {
    assert_eq!(status(message), expected, "{message}");
    assert_eq!(header(message, "content-type"), Some(JSON));
    let body = json_of(message);
    let id = body["id"].as_str().unwrap();
    assert!(id.len() == 36 && &id[14..15] == "4", "a random UUID: {id}");
    body["message"].as_str().unwrap().to_owned()
}

/// The longer a document, the better.
fn by_length(text: &str) -> f64 {
    text.len() as f64 / 100.0
}

/// Answers every call with this status and these headers.
async fn failing(status: u16, headers: &'static str) -> Scripted {
    Scripted::start(move |_| {
        let body = r#"{"id":"x","message":"quoting zebra crossing"}"#;
        Some(answer(status, JSON, body).replace("\r\n\r\n", &format!("\r\n{headers}\r\n")))
    })
    .await
}

#[tokio::test]
async fn scores_come_in_coheres_shape_and_a_second_time_from_the_cache() {
    let service = Scripted::start(|request| {
        let documents = json_of(request)["documents"].as_array().unwrap().len();
        let results: Vec<Value> =
            (0..documents).map(|i| json!({"index": i, "relevance_score": 0.9})).collect();
        let meta = json!({"billed_units": {"search_units": 1}});
        Some(answer(200, JSON, &json!({"id": "r", "results": results, "meta": meta}).to_string()))
    })
    .await;
    let app = start(service.addr, "", "").await;
    let first = ask(&app, &of(&["a", "b"])).await;
    let mut body = json_of(&first);
    let id = body["id"].take();
    assert_eq!(
        body,
        json!({"id": null, "results": [
            {"index": 0, "relevance_score": 0.9}, {"index": 1, "relevance_score": 0.9}
        ], "meta": {
            "api_version": {"version": "2", "is_experimental": false}, "billed_units": {"search_units": 1}
        }})
    );
    assert!(body_of(&first).contains(r#""relevance_score":0.9}"#), "no digits of a 32-bit float's neighbour");
    for (name, value) in
        [("x-rerank-provider", "cohere"), ("x-rerank-model", "rerank-v3.5"), ("x-rerank-cache", "0/2")]
    {
        assert_eq!(header(&first, name), Some(value));
    }
    assert!(header(&first, "server-timing").unwrap().starts_with("rerank;dur="));

    let again = ask(&app, &of(&["b", "a"])).await;
    assert_eq!(header(&again, "x-rerank-cache"), Some("2/2"));
    assert_eq!(json_of(&again)["meta"]["billed_units"], json!({"search_units": 0}));
    assert_ne!(json_of(&again)["id"], id);
    assert_eq!(service.seen().len(), 1, "what is known is not asked for again");
}

#[tokio::test]
async fn top_n_shortens_the_answer_and_every_document_is_scored() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "", "").await;
    let mut body = of(&["a", "ccc", "bb"]);
    body["top_n"] = json!(1);
    let got = json_of(&ask(&app, &body).await);
    assert_eq!(got["results"], json!([{"index": 1, "relevance_score": 0.03}]));
    assert!(json_of(&service.seen()[0])["top_n"].is_null());
    let all = ask(&app, &of(&["a", "bb"])).await;
    assert_eq!((header(&all, "x-rerank-cache"), service.seen().len()), (Some("2/2"), 1));
}

#[tokio::test]
async fn v1_gives_documents_back_and_says_what_does_nothing() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "", "").await;
    let body = json!({
        "query": "q", "documents": ["a", {"title": "t", "text": "bb"}], "return_documents": true,
        "rank_fields": ["title", "text"], "max_chunks_per_doc": 10
    });
    let got = json_of(&send(&app, &post("/base/v1/rerank", "", &body.to_string())).await);
    assert_eq!(got["results"][0]["document"], json!({"text": "bb"}));
    assert_eq!(got["results"][1], json!({"document": {"text": "a"}, "index": 0, "relevance_score": 0.01}));
    assert_eq!(got["meta"]["api_version"], json!({"version": "1"}));
    assert!(got["meta"]["warnings"][0].as_str().unwrap().starts_with("max_chunks_per_doc has no effect"));
    assert_eq!(json_of(&service.seen()[0])["documents"][1], "title: t\ntext: bb");
}

#[tokio::test]
async fn sixty_four_callers_of_the_same_are_one_call_billed_once() {
    let service = FakeDatabase::by_hand().await;
    let app = start(service.addr, "", "").await;
    let request = post("/v2/rerank", "", &of(&["a"]).to_string());
    let mut callers = Vec::new();
    for _ in 0..64 {
        let mut client = Wire::connect(app.rerank_api.unwrap()).await;
        client.send(&request).await;
        callers.push(client);
    }
    let mut call = service.connection().await;
    call.message().await.unwrap();
    let joined = r#"rerankd_provider_coalesced_total{provider="cohere"} 63"#;
    let all_wait = async { while !metrics(&app).await.contains(joined) {} };
    tokio::time::timeout(Duration::from_secs(10), all_wait).await.expect("not all callers share the call");
    let body = json!({
        "results": [{"index": 0, "relevance_score": 0.5}], "meta": {"billed_units": {"search_units": 1}}
    });
    call.send(answer(200, JSON, &body.to_string())).await;
    let mut billed = 0;
    for client in &mut callers {
        let got = json_of(&client.message().await.unwrap());
        assert_eq!(got["results"], body["results"]);
        billed += got["meta"]["billed_units"]["search_units"].as_u64().unwrap();
    }
    assert_eq!(billed, 1);
}

#[tokio::test]
async fn the_next_provider_of_the_chain_scores_and_the_answer_says_so() {
    let service = failing(500, "").await;
    let app = start(service.addr, "providers: [cohere, lexical]", "").await;
    let got = ask(&app, &of(&["a crossing", "a zebra crossing"])).await;
    assert_eq!((status(&got), header(&got, "x-rerank-provider")), (200, Some("lexical")));
    let body = json_of(&got);
    assert_eq!(body["results"][0]["index"], 1);
    assert_eq!(
        body["meta"]["warnings"],
        json!(["asked for rerank-v3.5, scored by bm25 of the provider lexical"])
    );
}

#[tokio::test]
async fn every_failure_is_an_honest_error_that_says_when_to_come_back() {
    for (told, headers, status, retry_after, word) in [
        (429, "", 429, Some("1"), "rate limit"),
        (429, "retry-after: 7\r\n", 429, Some("7"), "rate limit"),
        (429, "retry-after: 0.2\r\n", 429, Some("1"), "rate limit"),
        (500, "", 503, Some("1"), "cannot be reached or fails"),
        (503, "retry-after: 3\r\n", 503, Some("3"), "cannot be reached or fails"),
        (401, "", 502, None, "refuses the key that rerankd is configured with"),
        (402, "", 502, None, "allowance of the key"),
        (404, "", 502, None, "does not know the model"),
        (422, "", 400, None, "refused the request as invalid"),
        (413, "", 413, None, "may be scored in one request"),
    ] {
        let service = failing(told, headers).await;
        // Too short for a second try when the provider says.
        let app = start(service.addr, "deadline: 900ms", "").await;
        let got = ask(&app, &of(&["a"])).await;
        let message = refused(&got, status);
        assert!(message.contains(word), "{told}: {message}");
        assert!(!message.contains("zebra"), "a provider's words may quote the request");
        assert_eq!(header(&got, "retry-after"), retry_after, "{told} {headers}");
    }
}

#[tokio::test]
async fn a_refused_key_is_a_502_also_while_the_provider_is_left_alone_for_it() {
    let service = failing(401, "").await;
    let app = start(service.addr, "", "").await;
    for documents in [["a"], ["b"], ["c"]] {
        refused(&ask(&app, &of(&documents)).await, 502);
    }
    assert_eq!(service.seen().len(), 1);
}

#[tokio::test]
async fn a_provider_that_hangs_or_cannot_be_reached_is_told_within_the_deadline() {
    let service = Scripted::start(|_| None).await;
    let app = start(service.addr, "deadline: 100ms", "").await;
    let got = ask(&app, &of(&["a"])).await;
    assert_eq!(refused(&got, 504), "no scores before the deadline");
    assert_eq!(header(&got, "retry-after"), Some("1"));
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let app = start(nobody, "", "").await;
    refused(&ask(&app, &of(&["a"])).await, 503);
}

#[tokio::test]
async fn scores_in_part_are_an_error_here() {
    let service = Scripted::start(|request| {
        let documents = json_of(request)["documents"].clone();
        let good = r#"{"results":[{"index":0,"relevance_score":0.5}]}"#;
        Some(if documents == json!(["known"]) { answer(200, JSON, good) } else { answer(500, JSON, "{}") })
    })
    .await;
    let app = start(service.addr, "", "").await;
    assert_eq!(status(&ask(&app, &of(&["known"])).await), 200);
    refused(&ask(&app, &of(&["known", "unknown"])).await, 503);
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "", "max_search_units_per_search: 1").await;
    let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    refused(&ask(&app, &of(&many)).await, 413);
}

#[tokio::test]
async fn the_callers_own_key_goes_nowhere() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "", "").await;
    ask(&app, &of(&["a"])).await;
    let seen = &service.seen()[0];
    assert!(!seen.contains(CALLERS_KEY));
    assert_eq!(header(seen, "authorization"), Some("Bearer sekrit-key-123"));
}

#[tokio::test]
async fn with_a_token_only_those_who_show_it_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let api = format!("token_file: '{}'", file.display());
    let service = Scripted::scoring(by_length).await;
    std::fs::write(&file, "another\n").unwrap();
    let app = start(service.addr, &api, "").await;
    let got = ask(&app, &of(&["a"])).await;
    assert_eq!(refused(&got, 401), "invalid api token");
    assert_eq!(header(&got, "www-authenticate"), Some("Bearer"));
    let bare = post("/v2/rerank", "", "{}").replace("authorization: Bearer callers-own-key\r\n", "");
    assert_eq!(refused(&send(&app, &bare).await, 401), "no api key supplied");
    assert!(service.seen().is_empty());
    std::fs::write(&file, CALLERS_KEY).unwrap();
    let app = start(service.addr, &api, "").await;
    assert_eq!(status(&ask(&app, &of(&["a"])).await), 200);
    let lower = post("/v2/rerank", "", &of(&["a"]).to_string()).replace("Bearer", "bearer");
    assert_eq!(status(&send(&app, &lower).await), 200);
}

#[tokio::test]
async fn what_is_not_rerank_is_told_apart() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "", "").await;
    for path in ["/v2/embed", "/v2/chat", "/v1/models", "/"] {
        assert!(refused(&send(&app, &post(path, "", "{}")).await, 404).contains("serves only"), "{path}");
    }
    for path in ["/v1/v2/rerank", "/v2/v2/rerank"] {
        assert!(
            refused(&send(&app, &post(path, "", "{}")).await, 404).contains("must not end in /v1"),
            "{path}"
        );
    }
    let got = send(&app, "GET /v2/rerank HTTP/1.1\r\nhost: x\r\n\r\n").await;
    refused(&got, 405);
    assert_eq!(header(&got, "allow"), Some("POST"));
    assert!(service.seen().is_empty());
}

#[tokio::test]
async fn a_model_goes_to_cohere_as_named_and_only_if_it_is_allowed() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "allow_models: [\"rerank-v4*\"]", "").await;
    let mut body = of(&["a"]);
    body["model"] = json!("rerank-v4.0-pro");
    let got = ask(&app, &body).await;
    assert_eq!(header(&got, "x-rerank-model"), Some("rerank-v4.0-pro"));
    assert_eq!(json_of(&service.seen()[0])["model"], "rerank-v4.0-pro");
    let own = ask(&app, &of(&["a"])).await;
    assert_eq!(header(&own, "x-rerank-cache"), Some("0/1"), "models do not mix in the cache");
    body["model"] = json!("xyz");
    assert!(refused(&ask(&app, &body).await, 404).starts_with("model 'xyz' not found"));
    assert_eq!(service.seen().len(), 2);
}

#[tokio::test]
async fn a_model_that_cohere_does_not_know_is_the_callers_404_and_holds_nobody_off() {
    let service = Scripted::start(|request| {
        let good = r#"{"results":[{"index":0,"relevance_score":0.5}]}"#;
        let known = json_of(request)["model"] == "rerank-v3.5";
        Some(if known { answer(200, JSON, good) } else { answer(404, JSON, "{}") })
    })
    .await;
    let app = start(service.addr, "", "").await;
    let mut body = of(&["a"]);
    body["model"] = json!("xyz");
    assert!(refused(&ask(&app, &body).await, 404).starts_with("model 'xyz' not found"));
    assert_eq!(status(&ask(&app, &of(&["a"])).await), 200);
}

#[tokio::test]
async fn a_cut_that_is_not_the_configured_one_is_refused_rather_than_mixed() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "", "max_tokens_per_doc: 512").await;
    let mut body = of(&["a"]);
    body["max_tokens_per_doc"] = json!(4096);
    assert!(refused(&ask(&app, &body).await, 422).starts_with("max_tokens_per_doc is 512 for every request"));
    body["max_tokens_per_doc"] = json!(512);
    assert_eq!(status(&ask(&app, &body).await), 200);
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

async fn send_packed(app: &App, body: &[u8]) -> String {
    let mut client = Wire::connect(app.rerank_api.unwrap()).await;
    let head = format!(
        "POST /v2/rerank HTTP/1.1\r\nhost: x\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.send([head.as_bytes(), body].concat()).await;
    client.message().await.expect("an answer")
}

#[tokio::test]
async fn packed_bodies_are_understood_and_bodies_over_the_limit_are_refused_unpacked_or_not() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "max_request_bytes: 2KiB", "").await;
    assert_eq!(status(&send_packed(&app, &gzip(&of(&["a"]).to_string())).await), 200);
    let large = of(&[&"a".repeat(4096)]).to_string();
    assert!(refused(&send_packed(&app, &gzip(&large)).await, 413).contains("larger than 2048 bytes"));
    refused(&send(&app, &post("/v2/rerank", "", &large)).await, 413);
    refused(&send_packed(&app, b"not packed").await, 400);
    let unknown = post("/v2/rerank", "content-encoding: lzma\r\n", "{}");
    refused(&send(&app, &unknown).await, 415);
}

#[tokio::test]
async fn a_client_that_still_sends_gets_to_read_why_it_is_refused() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "max_request_bytes: 8MiB", "").await;
    let large = of(&[&"a".repeat(15 << 20)]).to_string();
    refused(&send(&app, &post("/v2/rerank", "", &large)).await, 413);
    refused(&send(&app, &post("/v2/embed", "", &large)).await, 404);
}

#[tokio::test]
async fn requests_over_the_number_in_flight_are_refused_at_once() {
    let service = FakeDatabase::by_hand().await;
    let app = start(service.addr, "", "}\nlimits: { max_rerank_in_flight: 1").await;
    let mut first = Wire::connect(app.rerank_api.unwrap()).await;
    first.send(post("/v2/rerank", "", &of(&["a"]).to_string())).await;
    let mut call = service.connection().await;
    call.message().await.unwrap();
    let second = ask(&app, &of(&["a"])).await;
    assert!(refused(&second, 503).starts_with("too many rerank requests in flight"));
    assert_eq!(header(&second, "retry-after"), Some("1"));
    call.send(answer(200, JSON, r#"{"results":[{"index":0,"relevance_score":0.5}]}"#)).await;
    assert_eq!(status(&first.message().await.unwrap()), 200);
}

#[tokio::test]
async fn more_documents_than_the_limit_are_a_400() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "max_documents: 2", "").await;
    let message = refused(&ask(&app, &of(&["a", "b", "c"])).await, 400);
    assert_eq!(message, "invalid request: number of documents (3) must be at most 2");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "deadline: 50ms", "").await;
    let got = send(&app, "POST /v2/rerank HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{").await;
    refused(&got, 408);
}

#[tokio::test]
async fn an_open_request_is_answered_while_the_program_stops() {
    let service = FakeDatabase::by_hand().await;
    let app = start(service.addr, "", "").await;
    let mut client = Wire::connect(app.rerank_api.unwrap()).await;
    client.send(post("/v2/rerank", "", &of(&["a"]).to_string())).await;
    let mut call = service.connection().await;
    call.message().await.unwrap();
    let stopping = tokio::spawn(app.stop());
    call.send(answer(200, JSON, r#"{"results":[{"index":0,"relevance_score":0.5}]}"#)).await;
    assert_eq!(status(&client.message().await.unwrap()), 200);
    stopping.await.unwrap();
}

#[tokio::test]
async fn every_request_is_counted_and_no_text_or_key_is_in_the_metrics() {
    let service = Scripted::start(|request| {
        let good = r#"{"results":[{"index":0,"relevance_score":0.5}]}"#;
        let fine = json_of(request)["documents"] == json!(["a"]);
        Some(if fine { answer(200, JSON, good) } else { answer(429, JSON, "{}") })
    })
    .await;
    let app = start(service.addr, "", "").await;
    ask(&app, &of(&["a"])).await;
    ask(&app, &of(&["b"])).await;
    ask(&app, &of(&[])).await;
    send(&app, &post("/v2/embed", "", "{}")).await;
    let text = metrics(&app).await;
    for line in [
        r#"rerankd_api_requests_total{outcome="ok",reason="none",version="v2"} 1"#,
        r#"rerankd_api_requests_total{outcome="ok",reason="none",version="v1"} 0"#,
        r#"rerankd_api_requests_total{outcome="failed",reason="rate_limited",version="v2"} 1"#,
        r#"rerankd_api_requests_total{outcome="failed",reason="auth",version="v2"} 0"#,
        r#"rerankd_api_requests_total{outcome="refused",reason="invalid_request",version="v2"} 1"#,
        r#"rerankd_api_requests_total{outcome="refused",reason="not_served",version="none"} 1"#,
        r#"rerankd_api_request_duration_seconds_count{outcome="refused"} 2"#,
    ] {
        assert!(text.contains(line), "{line} not in\n{text}");
    }
    for private in [KEY, CALLERS_KEY, "zebra"] {
        assert!(!text.contains(private));
    }
}

#[tokio::test]
async fn answer_headers_can_be_switched_off() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "answer_headers: false", "").await;
    let got = ask(&app, &of(&["a"])).await.to_ascii_lowercase();
    assert!(!got.contains("x-rerank") && !got.contains("server-timing"), "{got}");
}

#[tokio::test]
async fn another_token_is_asked_for_on_the_open_connection_as_soon_as_it_is_taken_over() {
    let service = Scripted::scoring(by_length).await;
    let yaml = format!(
        "admin: {{ listen: '127.0.0.1:0' }}\n\
         rerank_api: {{ listen: '127.0.0.1:0', token_file: DIR/token }}\n\
         providers: {{ cohere: {{ base_url: 'http://{}', api_key_file: DIR/key }} }}\n",
        service.addr
    );
    let folder = Folder::new(&yaml);
    folder.write("key", KEY);
    folder.write("token", CALLERS_KEY);
    let program = Watched::start_in(folder).await;
    let mut client = Wire::connect(program.app.rerank_api.unwrap()).await;
    let request = post("/v2/rerank", "", &of(&["a"]).to_string());
    client.send(&request).await;
    assert_eq!(status(&client.message().await.unwrap()), 200);
    program.folder.write("token", "another");
    assert!(matches!(program.reload(&yaml).await, Reload::Applied));
    client.send(&request).await;
    refused(&client.message().await.unwrap(), 401);
}
