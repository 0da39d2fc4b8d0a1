//! What is held at the same time has limits; at each of them the database's own response comes.

use std::io::Write;

use crate::harness::{Program, Scripted, Wire, body_of, header, json_of, qdrant_hits, response, search};

const JSON: &str = "application/json";
const LEXICAL: &str = "rerank: { providers: [lexical] }\nproviders: { lexical: { kind: lexical } }\n";
const THREE: &str = r#"{"query":[0.1],"limit":3,"rerank":{"window":50}}"#;
/// What the database sees of it where nothing is reranked.
const THREE_OWN: &str = r#"{"query":[0.1],"limit":3}"#;

fn status(message: &str) -> &str {
    header(message, "x-rerank-status").expect("a status header")
}

/// Answers with as many hits as are asked for, each with a text of `length` letters.
fn found(length: usize) -> impl Fn(&str) -> Option<String> {
    move |request| {
        Some(response(200, JSON, &qdrant_hits(json_of(request)["limit"].as_u64().unwrap_or(10), length)))
    }
}

#[tokio::test]
async fn buffers_are_counted_while_a_search_is_reranked_and_given_back_after_it() {
    let database = Scripted::start(found(1000)).await;
    let program = Program::with_key(database.addr, LEXICAL).await;
    assert_eq!(status(&program.ask(&search(THREE)).await), "applied");
    program.until_all_is_given_back().await;
    assert!(program.metric("rerankd_buffered_bytes_limit").await >= 16 << 20);
    assert_eq!(program.metric("rerankd_buffered_bytes_rejected_total").await, 0);
}

#[tokio::test]
async fn without_room_for_a_response_the_database_is_asked_once_and_as_the_client_did() {
    let database = Scripted::start(found(10)).await;
    let program =
        Program::with_key(database.addr, &format!("{LEXICAL}memory: {{ max_buffered: 64KiB }}")).await;
    let got = program.ask(&search(THREE)).await;
    assert_eq!((status(&got), body_of(&got)), ("kept; reason=overloaded", &*qdrant_hits(3, 10)));
    let seen = database.seen();
    assert_eq!((seen.len(), body_of(&seen[0])), (1, THREE_OWN));
    assert!(program.metric("rerankd_buffered_bytes_rejected_total").await > 0);
}

#[tokio::test]
async fn without_room_for_a_request_it_is_streamed() {
    let database = Scripted::start(found(10)).await;
    let program =
        Program::with_key(database.addr, &format!("{LEXICAL}memory: {{ max_buffered: 1KiB }}")).await;
    let body = format!(r#"{{"query":[{}0.1],"limit":3}}"#, "0.1,".repeat(1000));
    let got = program.ask(&search(&body)).await;
    assert_eq!((status(&got), body_of(&got)), ("kept; reason=overloaded", &*qdrant_hits(3, 10)));
    assert_eq!(body_of(&database.seen()[0]), body);
}

#[tokio::test]
async fn a_widened_response_that_there_is_no_room_for_is_asked_for_again_as_the_client_did() {
    let database = Scripted::start(found(10_000)).await;
    let program =
        Program::with_key(database.addr, &format!("{LEXICAL}memory: {{ max_buffered: 256KiB }}")).await;
    let got = program.ask(&search(THREE)).await;
    assert_eq!((status(&got), body_of(&got)), ("kept; reason=overloaded", &*qdrant_hits(3, 10_000)));
    let seen = database.seen();
    assert_eq!((seen.len(), body_of(&seen[1])), (2, THREE_OWN));
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn a_response_as_the_client_asked_for_it_passes_unchanged_where_there_is_no_room() {
    let database = Scripted::start(found(10_000)).await;
    let program =
        Program::with_key(database.addr, &format!("{LEXICAL}memory: {{ max_buffered: 256KiB }}")).await;
    let got = program.ask(&search(r#"{"query":[0.1],"limit":50,"with_payload":true}"#)).await;
    assert_eq!((status(&got), body_of(&got)), ("kept; reason=overloaded", &*qdrant_hits(50, 10_000)));
    assert_eq!(database.seen().len(), 1);
}

#[tokio::test]
async fn a_response_over_the_limit_is_asked_for_again_where_it_was_widened_and_passes_where_it_was_not() {
    let database = Scripted::start(found(1000)).await;
    let program =
        Program::with_key(database.addr, &format!("{LEXICAL}limits: {{ max_response_bytes: 32KiB }}")).await;
    let got = program.ask(&search(THREE)).await;
    assert_eq!((status(&got), body_of(&got)), ("kept; reason=too_large", &*qdrant_hits(3, 1000)));
    let got = program.ask(&search(r#"{"query":[0.1],"limit":50,"with_payload":true}"#)).await;
    assert_eq!((status(&got), body_of(&got)), ("kept; reason=too_large", &*qdrant_hits(50, 1000)));
    assert_eq!(database.seen().len(), 3);
}

#[tokio::test]
async fn without_any_room_the_database_sees_nothing_of_the_proxys_own_all_the_same() {
    let ours = r#"{"query":{"match_all":{}},"ext":{"rerank":{"query":"zebra"}}}"#;
    let elastic = format!(
        "POST /docs/_search HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON}\r\ncontent-length: {}\r\n\r\n{ours}",
        ours.len()
    );
    // Room for the body, and then for the plan of it too.
    for room in ["1KiB", "6KiB"] {
        let database = Scripted::start(found(10)).await;
        let yaml = format!("{LEXICAL}memory: {{ max_buffered: {room} }}");
        let program = Program::with_key(database.addr, &yaml).await;
        for (request, own) in [(&search(THREE), THREE_OWN), (&elastic, r#"{"query":{"match_all":{}}}"#)] {
            let got = program.ask(request).await;
            assert_eq!(status(&got), "kept; reason=overloaded");
            assert_eq!(body_of(database.seen().last().unwrap()), own, "{room}");
        }
        program.until_all_is_given_back().await;
    }
}

/// A response whose body is compressed.
fn packed(json: &str) -> (String, Vec<u8>) {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(json.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let length = body.len();
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: ";
    (format!("{head}{length}\r\n\r\n"), body)
}

#[tokio::test]
async fn a_bomb_passes_unchanged_where_it_was_not_widened_and_is_asked_for_again_where_it_was() {
    let (head, bomb) = packed(&qdrant_hits(100, 10_000));
    assert!(bomb.len() < 32 << 10);
    let whole = [head.as_bytes(), &bomb].concat();
    let database = Scripted::start_bytes(move |request| match json_of(request)["limit"].as_u64() {
        Some(3) => Some(response(200, JSON, &qdrant_hits(3, 10)).into_bytes()),
        _ => Some(whole.clone()),
    })
    .await;
    let program =
        Program::with_key(database.addr, &format!("{LEXICAL}limits: {{ max_response_bytes: 64KiB }}")).await;
    let mut client = program.client().await;
    client.send(search(r#"{"query":[0.1],"limit":50,"with_payload":true}"#)).await;
    assert_eq!(status(&client.head().await), "kept; reason=too_large");
    assert_eq!(client.bytes(bomb.len()).await, bomb);
    assert_eq!(database.seen().len(), 1);

    let got = program.ask(&search(THREE)).await;
    assert_eq!((status(&got), body_of(&got)), ("kept; reason=too_large", &*qdrant_hits(3, 10)));
    assert_eq!(body_of(&database.seen()[2]), THREE_OWN);
}

#[tokio::test]
async fn a_compressed_response_within_the_limit_is_reranked() {
    let (head, body) = packed(&qdrant_hits(50, 100));
    let whole = [head.as_bytes(), &body].concat();
    let database = Scripted::start_bytes(move |_| Some(whole.clone())).await;
    let program = Program::with_key(database.addr, LEXICAL).await;
    assert_eq!(status(&program.ask(&search(THREE)).await), "applied");
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn over_the_searches_in_flight_the_next_is_answered_by_the_database_at_once() {
    let database = Scripted::start(found(10)).await;
    let silent = Scripted::start(|_| None).await;
    let yaml = format!(
        "rerank: {{ deadline: 1h }}\nlimits: {{ max_searches_in_flight: 1 }}\n\
         providers: {{ cohere: {{ kind: cohere, base_url: \"http://{}\" }} }}",
        silent.addr
    );
    let program = Program::with_key(database.addr, &yaml).await;
    let mut waiting = program.client().await;
    waiting.send(search(THREE)).await;
    program.until("rerankd_searches_in_flight", |held| held == 1).await;
    let got = program.ask(&search(THREE)).await;
    assert_eq!((status(&got), body_of(&got)), ("kept; reason=overloaded", &*qdrant_hits(3, 10)));
    assert_eq!(body_of(&database.seen()[1]), THREE_OWN, "the proxy's own members are removed all the same");
    assert_eq!(program.metric("rerankd_searches_in_flight_rejected_total").await, 1);
    drop(waiting);
    program.until_all_is_given_back().await;
}

#[tokio::test]
async fn a_response_of_the_provider_that_there_is_no_room_for_keeps_the_databases_order() {
    let database = Scripted::start(found(10)).await;
    // Good scores, and two megabytes that nobody asked for.
    let service = Scripted::start(|request| {
        let documents = json_of(request)["documents"].as_array().unwrap().len();
        let results: Vec<_> =
            (0..documents).map(|i| serde_json::json!({"index": i, "relevance_score": 0.5})).collect();
        let body = serde_json::json!({"id": "r", "results": results, "more": "x".repeat(2 << 20)});
        Some(response(200, JSON, &body.to_string()))
    })
    .await;
    // Two megabytes take their time where the machine is busy.
    let cohere = format!(
        "rerank: {{ deadline: 60s }}\nproviders: {{ cohere: {{ kind: cohere, base_url: \"http://{}\", timeout: 60s }} }}\n",
        service.addr
    );
    for (room, outcome) in [("16MiB", "applied"), ("1MiB", "kept; reason=overloaded")] {
        let yaml = format!("{cohere}memory: {{ max_buffered: {room} }}");
        let program = Program::with_key(database.addr, &yaml).await;
        assert_eq!(status(&program.ask(&search(THREE)).await), outcome, "{room}");
        program.until_all_is_given_back().await;
    }
}

#[tokio::test]
async fn a_batch_counts_as_many_searches_as_it_has_texts() {
    let database =
        Scripted::start(|_| Some(response(200, JSON, r#"{"result":[],"status":"ok","time":0.1}"#))).await;
    let yaml = format!("{LEXICAL}limits: {{ max_searches_in_flight: 2 }}");
    let program = Program::with_key(database.addr, &yaml).await;
    for (texts, rejected) in [(["a", "b", "a"], 0), (["a", "b", "c"], 1)] {
        let searches =
            texts.map(|text| format!(r#"{{"query":[0.1],"limit":3,"rerank":{{"query":"{text}"}}}}"#));
        let body = format!(r#"{{"searches":[{}]}}"#, searches.join(","));
        let request =
            search(&body).replace("/query ", "/query/batch ").replace("x-rerank-query: zebra\r\n", "");
        program.ask(&request).await;
        assert_eq!(program.metric("rerankd_searches_in_flight_rejected_total").await, rejected, "{texts:?}");
    }
}

#[tokio::test]
async fn at_the_cap_of_the_admin_listener_a_probe_gets_the_place_of_who_has_been_still_for_longest() {
    let program = Program::with_key(Scripted::start(found(1)).await.addr, LEXICAL).await;
    let mut open = Vec::new();
    for _ in 0..64 {
        let mut wire = Wire::connect(program.admin).await;
        wire.send("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await;
        wire.message().await.unwrap();
        open.push(wire);
    }
    for _ in 0..3 {
        let mut another = Wire::connect(program.admin).await;
        another.send("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(another.message().await.unwrap().ends_with("live\n"));
        open.push(another);
    }
    assert_eq!(open.remove(0).rest().await, "", "the first has been let go");
}

#[tokio::test]
async fn slow_clients_that_declare_much_do_not_switch_reranking_off() {
    let database = Scripted::start(found(10)).await;
    let program =
        Program::with_key(database.addr, &format!("{LEXICAL}memory: {{ max_buffered: 16MiB }}")).await;
    let head = search("").replace("content-length: 0", &format!("content-length: {}", 8 << 20));
    assert!(head.contains("content-length: 8388608"), "{head}");
    let mut slow = Vec::new();
    for _ in 0..7 {
        let mut client = program.client().await;
        client.send(format!("{head}{{\"query\":[0.1")).await;
        slow.push(client);
    }
    program.until("rerankd_requests_in_flight", |open| open == 7).await;
    program.until("rerankd_buffered_bytes", |held| held > 0).await;
    assert_eq!(status(&program.ask(&search(THREE)).await), "applied");
    assert!(program.metric("rerankd_buffered_bytes").await < 1 << 20);
    drop(slow);
    program.until_all_is_given_back().await;
}
