//! What callers of the Cohere-compatible endpoint get instead of scores.

use std::net::SocketAddr;

use rerankd::app::{App, Reload};
use serde_json::json;

use crate::harness::rerank_api::{
    CALLERS_KEY, JSON, KEY, ask, by_length, failing, of, post, rejected, send, start, status,
};
use crate::harness::{FakeDatabase, Folder, Scripted, Watched, Wire, gzip, header, json_of, response};

#[tokio::test]
async fn every_failure_is_an_honest_error_that_says_when_to_come_back() {
    for (reported, headers, status, retry_after, word) in [
        (429, "", 429, Some("1"), "rate limit"),
        (429, "retry-after: 7\r\n", 429, Some("7"), "rate limit"),
        (429, "retry-after: 0.2\r\n", 429, Some("1"), "rate limit"),
        (500, "", 503, Some("1"), "cannot be reached or fails"),
        (503, "retry-after: 3\r\n", 503, Some("3"), "cannot be reached or fails"),
        (401, "", 502, None, "rejects the key that rerankd is configured with"),
        (402, "", 502, None, "allowance of the key"),
        (404, "", 502, None, "does not know the model"),
        (422, "", 400, None, "rejected the request as invalid"),
        (413, "", 413, None, "may be scored in one request"),
    ] {
        let service = failing(reported, headers).await;
        // Too short for a second try when the provider says.
        let app = start(service.addr, "deadline: 900ms", "").await;
        let got = ask(&app, &of(&["a"])).await;
        let message = rejected(&got, status);
        assert!(message.contains(word), "{reported}: {message}");
        assert!(!message.contains("zebra"), "a provider's words may quote the request");
        assert_eq!(header(&got, "retry-after"), retry_after, "{reported} {headers}");
    }
}

#[tokio::test]
async fn a_rejected_key_is_a_502_also_while_the_provider_is_left_alone_for_it() {
    let service = failing(401, "").await;
    let app = start(service.addr, "", "").await;
    for documents in [["a"], ["b"], ["c"]] {
        rejected(&ask(&app, &of(&documents)).await, 502);
    }
    assert_eq!(service.seen().len(), 1);
}

#[tokio::test]
async fn a_provider_that_hangs_or_cannot_be_reached_is_reported_within_the_deadline() {
    let service = Scripted::start(|_| None).await;
    let app = start(service.addr, "deadline: 100ms", "").await;
    let got = ask(&app, &of(&["a"])).await;
    assert_eq!(rejected(&got, 504), "no scores before the deadline");
    assert_eq!(header(&got, "retry-after"), Some("1"));
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let app = start(nobody, "", "").await;
    rejected(&ask(&app, &of(&["a"])).await, 503);
}

#[tokio::test]
async fn scores_in_part_are_an_error_here() {
    let service = Scripted::start(|request| {
        let documents = json_of(request)["documents"].clone();
        let good = r#"{"results":[{"index":0,"relevance_score":0.5}]}"#;
        Some(if documents == json!(["known"]) {
            response(200, JSON, good)
        } else {
            response(500, JSON, "{}")
        })
    })
    .await;
    let app = start(service.addr, "", "").await;
    assert_eq!(status(&ask(&app, &of(&["known"])).await), 200);
    rejected(&ask(&app, &of(&["known", "unknown"])).await, 503);
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "", "max_search_units_per_search: 1").await;
    let many: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    rejected(&ask(&app, &of(&many)).await, 413);
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
    assert_eq!(rejected(&got, 401), "invalid api token");
    assert_eq!(header(&got, "www-authenticate"), Some("Bearer"));
    let bare = post("/v2/rerank", "", "{}").replace("authorization: Bearer callers-own-key\r\n", "");
    assert_eq!(rejected(&send(&app, &bare).await, 401), "no api key supplied");
    assert!(service.seen().is_empty());
    std::fs::write(&file, CALLERS_KEY).unwrap();
    let app = start(service.addr, &api, "").await;
    assert_eq!(status(&ask(&app, &of(&["a"])).await), 200);
    let lower = post("/v2/rerank", "", &of(&["a"]).to_string()).replace("Bearer", "bearer");
    assert_eq!(status(&send(&app, &lower).await), 200);
}

#[tokio::test]
async fn what_is_not_rerank_is_distinguished() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "pass_on: false", "").await;
    for path in ["/v2/embed", "/v2/chat", "/v1/models", "/"] {
        assert!(rejected(&send(&app, &post(path, "", "{}")).await, 404).contains("serves only"), "{path}");
    }
    for path in ["/v1/v2/rerank", "/v2/v2/rerank"] {
        assert!(
            rejected(&send(&app, &post(path, "", "{}")).await, 404).contains("must not end in /v1"),
            "{path}"
        );
    }
    let got = send(&app, "GET /v2/rerank HTTP/1.1\r\nhost: x\r\n\r\n").await;
    rejected(&got, 405);
    assert_eq!(header(&got, "allow"), Some("POST"));
    assert!(service.seen().is_empty());
}

#[tokio::test]
async fn a_cut_that_is_not_the_configured_one_is_rejected_rather_than_mixed() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "", "max_tokens_per_doc: 512").await;
    let mut body = of(&["a"]);
    body["max_tokens_per_doc"] = json!(4096);
    assert!(
        rejected(&ask(&app, &body).await, 422).starts_with("max_tokens_per_doc is 512 for every request")
    );
    body["max_tokens_per_doc"] = json!(512);
    assert_eq!(status(&ask(&app, &body).await), 200);
}

async fn send_packed(app: &App, body: &[u8]) -> String {
    let mut client = Wire::connect(app.rerank_api.unwrap()).await;
    let head = format!(
        "POST /v2/rerank HTTP/1.1\r\nhost: x\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    client.send([head.as_bytes(), body].concat()).await;
    client.message().await.expect("a response")
}

#[tokio::test]
async fn packed_bodies_are_understood_and_bodies_over_the_limit_are_rejected_unpacked_or_not() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "max_request_bytes: 2KiB", "").await;
    assert_eq!(status(&send_packed(&app, &gzip(of(&["a"]).to_string().as_bytes())).await), 200);
    let large = of(&[&"a".repeat(4096)]).to_string();
    assert!(
        rejected(&send_packed(&app, &gzip(large.as_bytes())).await, 413).contains("larger than 2048 bytes")
    );
    rejected(&send(&app, &post("/v2/rerank", "", &large)).await, 413);
    rejected(&send_packed(&app, b"not packed").await, 400);
    let unknown = post("/v2/rerank", "content-encoding: lzma\r\n", "{}");
    rejected(&send(&app, &unknown).await, 415);
}

#[tokio::test]
async fn a_client_that_still_sends_gets_to_read_why_it_is_rejected() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "max_request_bytes: 8MiB, pass_on: false", "").await;
    let large = of(&[&"a".repeat(15 << 20)]).to_string();
    rejected(&send(&app, &post("/v2/rerank", "", &large)).await, 413);
    rejected(&send(&app, &post("/v2/embed", "", &large)).await, 404);
}

#[tokio::test]
async fn requests_over_the_number_in_flight_are_rejected_at_once() {
    let service = FakeDatabase::by_hand().await;
    let app = start(service.addr, "", "}\nlimits: { max_searches_in_flight: 1").await;
    let mut first = Wire::connect(app.rerank_api.unwrap()).await;
    first.send(post("/v2/rerank", "", &of(&["a"]).to_string())).await;
    let mut call = service.connection().await;
    call.message().await.unwrap();
    let second = ask(&app, &of(&["a"])).await;
    assert!(rejected(&second, 503).starts_with("too many rerank requests in flight"));
    assert_eq!(header(&second, "retry-after"), Some("1"));
    call.send(response(200, JSON, r#"{"results":[{"index":0,"relevance_score":0.5}]}"#)).await;
    assert_eq!(status(&first.message().await.unwrap()), 200);
}

#[tokio::test]
async fn more_documents_than_the_limit_are_a_400() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "max_documents: 2", "").await;
    let message = rejected(&ask(&app, &of(&["a", "b", "c"])).await, 400);
    assert_eq!(message, "invalid request: number of documents (3) must be at most 2");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let service = Scripted::scoring(by_length).await;
    let app = start(service.addr, "deadline: 50ms", "").await;
    let got = send(&app, "POST /v2/rerank HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{").await;
    rejected(&got, 408);
}

#[tokio::test]
async fn another_token_is_asked_for_on_the_open_connection_as_soon_as_it_is_loaded() {
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
    rejected(&client.message().await.unwrap(), 401);
}
