//! Searches through the whole program: a database before it, a rerank service beside it.

use std::collections::HashMap;
use std::path::Path;

use rerankd::{
    app::App,
    config::{self, Flags},
};
use serde_json::Value;

use crate::harness::{Scripted, Wire, body_of, header, json_of, response};

const KEY: &str = "sekrit-key-123";
const QUERY: &str = "zebra crossing";
const JSON: &str = "application/json";
/// How many points the database has.
const POINTS: u64 = 120;

/// One hit's bytes, in no printer's style.
fn hit(id: u64, with_text: bool) -> String {
    let payload = if with_text { format!(r#","payload":{{"text":"giraffe {id}"}}"#) } else { String::new() };
    format!(r#"{{ "id" : {id},"version":0, "score":0.{:03}0{payload}}}"#, 999 - id)
}

fn page(hits: impl IntoIterator<Item = u64>, with_text: bool) -> String {
    let hits: Vec<String> = hits.into_iter().map(|id| hit(id, with_text)).collect();
    format!(r#"{{"result":{{"points":[{}]}},"status":"ok","time":0.00100}}"#, hits.join(","))
}

/// What a database with points 0..POINTS, best first, responses.
fn found(request: &str) -> Option<String> {
    let asked = json_of(request);
    let (offset, limit) = (asked["offset"].as_u64().unwrap_or(0), asked["limit"].as_u64().unwrap_or(10));
    let payload = &asked["with_payload"];
    let with_text = !matches!(payload, Value::Null | Value::Bool(false)) && payload["exclude"].is_null();
    Some(response(200, JSON, &page(offset..(offset + limit).min(POINTS), with_text)))
}

/// The later a point comes in the database's order, the better.
fn reversing(text: &str) -> f64 {
    text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 1000.0
}

struct Setup {
    database: Scripted,
    service: Scripted,
    app: App,
}

impl Setup {
    async fn new(database: Scripted, service: Scripted) -> Self {
        Self::with(database, service, "1s", Some(KEY)).await
    }

    async fn with(database: Scripted, service: Scripted, deadline: &str, key: Option<&str>) -> Self {
        let yaml = format!(
            "listeners:\n  - listen: 127.0.0.1:0\n    upstream: {{ url: \"http://{}\" }}\n\
             admin: {{ listen: 127.0.0.1:0 }}\n\
             rerank: {{ deadline: {deadline} }}\n\
             providers:\n  cohere: {{ kind: cohere, base_url: \"http://{}\" }}\n",
            database.addr, service.addr
        );
        let env: HashMap<String, String> =
            key.map(|key| ("CO_API_KEY".to_owned(), key.to_owned())).into_iter().collect();
        let config = config::load(Some((Path::new("test.yaml"), &yaml)), &env, &Flags::default()).unwrap();
        Self { database, service, app: App::start(&config).await.unwrap() }
    }

    async fn search(&self, body: &str) -> String {
        let mut client = Wire::connect(self.app.listening[0]).await;
        let length = body.len();
        client
            .send(format!(
                "POST /collections/docs/points/query HTTP/1.1\r\nhost: x\r\nx-rerank-query: {QUERY}\r\n\
                 content-type: {JSON}\r\ncontent-length: {length}\r\n\r\n{body}"
            ))
            .await;
        client.message().await.expect("a response")
    }

    async fn metrics(&self) -> String {
        let mut client = Wire::connect(self.app.admin).await;
        client.send("GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        client.rest().await
    }
}

fn status(message: &str) -> &str {
    header(message, "x-rerank-status").expect("a status header")
}

const THREE: &str = r#"{"query":[0.1,0.2],"limit":3}"#;

#[tokio::test]
async fn hits_come_in_the_order_of_their_scores_and_keep_their_bytes() {
    let setup = Setup::new(Scripted::start(found).await, Scripted::scoring(reversing).await).await;
    let got = setup.search(THREE).await;
    assert_eq!(status(&got), "applied");
    assert_eq!(body_of(&got), page([49, 48, 47], false));
}

#[tokio::test]
async fn a_payload_that_the_client_asked_for_stays() {
    let setup = Setup::new(Scripted::start(found).await, Scripted::scoring(reversing).await).await;
    let got = setup.search(r#"{"query":[0.1,0.2],"limit":3,"with_payload":true}"#).await;
    assert_eq!(body_of(&got), page([49, 48, 47], true));
}

#[tokio::test]
async fn a_text_that_the_client_excludes_is_neither_asked_for_nor_sent_away() {
    let setup = Setup::new(Scripted::start(found).await, Scripted::scoring(reversing).await).await;
    let got = setup.search(r#"{"query":[0.1,0.2],"limit":3,"with_payload":{"exclude":["text"]}}"#).await;
    assert_eq!(status(&got), "kept; reason=no_text");
    assert_eq!(body_of(&got), page(0..3, false));
    let asked = json_of(&setup.database.seen()[0]);
    assert_eq!(asked["with_payload"]["exclude"][0], "text");
    assert!(setup.service.seen().is_empty());
}

#[tokio::test]
async fn the_database_sees_the_window_and_none_of_the_proxys_own_headers() {
    let setup = Setup::new(Scripted::start(found).await, Scripted::scoring(reversing).await).await;
    setup.search(THREE).await;
    let seen = setup.database.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(json_of(&seen[0])["limit"], 50);
    assert!(!seen[0].to_ascii_lowercase().contains("x-rerank"), "{}", seen[0]);
}

#[tokio::test]
async fn a_failing_service_leaves_the_databases_own_response() {
    let wrong_index = r#"{"results":[{"index":99,"relevance_score":0.5}]}"#;
    for (code, body, reason) in [
        (500, "{}", "provider_unavailable"),
        (401, "{}", "auth"),
        (429, "{}", "rate_limited"),
        (200, "garbage", "bad_response"),
        (200, wrong_index, "bad_response"),
    ] {
        let service = Scripted::start(move |_| Some(response(code, JSON, body))).await;
        let setup = Setup::new(Scripted::start(found).await, service).await;
        let got = setup.search(THREE).await;
        assert_eq!(status(&got), format!("kept; reason={reason}"));
        assert_eq!(body_of(&got), page(0..3, false), "{reason}");
        assert_eq!(setup.database.seen().len(), 1, "{reason}");
        assert!(!setup.service.seen().is_empty());
    }
}

#[tokio::test]
async fn a_silent_service_is_given_up_at_the_deadline() {
    let service = Scripted::start(|_| None).await;
    let setup = Setup::with(Scripted::start(found).await, service, "50ms", Some(KEY)).await;
    let got = setup.search(THREE).await;
    assert!(["kept; reason=deadline", "kept; reason=timeout"].contains(&status(&got)), "{got}");
    assert_eq!(body_of(&got), page(0..3, false));
}

#[tokio::test]
async fn the_same_search_again_is_scored_from_the_cache() {
    let setup = Setup::new(Scripted::start(found).await, Scripted::scoring(reversing).await).await;
    let first = setup.search(THREE).await;
    let second = setup.search(THREE).await;
    assert_eq!(header(&first, "x-rerank-cache"), Some("0/50"));
    assert_eq!(header(&second, "x-rerank-cache"), Some("50/50"));
    assert_eq!(body_of(&first), body_of(&second));
    assert_eq!(setup.service.seen().len(), 1);
}

#[tokio::test]
async fn walking_the_pages_visits_every_hit_once() {
    let setup = Setup::new(Scripted::start(found).await, Scripted::scoring(reversing).await).await;
    let mut walked = Vec::new();
    // 7 divides neither the window nor the collection.
    for offset in (0..POINTS).step_by(7) {
        let got = setup.search(&format!(r#"{{"query":[0.1],"limit":7,"offset":{offset}}}"#)).await;
        let points = json_of(&got)["result"]["points"].as_array().cloned().expect("points");
        walked.extend(points.iter().map(|point| point["id"].as_u64().unwrap()));
    }
    let expected: Vec<u64> = (0..50).rev().chain(50..POINTS).collect();
    assert_eq!(walked, expected);
}

#[tokio::test]
async fn a_rejected_widening_is_taken_back_and_not_tried_again() {
    let database = Scripted::start(|request| match json_of(request)["limit"].as_u64() {
        Some(3) => found(request),
        _ => Some(response(400, JSON, r#"{"status":{"error":"limit"}}"#)),
    })
    .await;
    let setup = Setup::new(database, Scripted::scoring(reversing).await).await;
    let got = setup.search(THREE).await;
    assert!(got.starts_with("HTTP/1.1 200"), "{got}");
    assert_eq!(body_of(&got), page([2, 1, 0], false), "only the limit was rejected");
    let seen = setup.database.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(json_of(&seen[1])["limit"], 3);
    let again = setup.search(THREE).await;
    assert_eq!(body_of(&again), page([2, 1, 0], false));
    let seen = setup.database.seen();
    assert_eq!(seen.len(), 3);
    assert_eq!(json_of(&seen[2])["limit"], 3);
}

/// A database that rejects every search that asks for a payload, whatever its limit.
fn rejecting_payload(request: &str) -> Option<String> {
    rejecting(request, "forbidden")
}

fn rejecting(request: &str, error: &str) -> Option<String> {
    match json_of(request)["with_payload"] {
        Value::Null => found(request),
        _ => Some(response(403, JSON, &format!(r#"{{"status":{{"error":"{error}"}}}}"#))),
    }
}

#[tokio::test]
async fn rejected_fields_are_not_asked_for_again() {
    let database = Scripted::start(rejecting_payload).await;
    let setup = Setup::new(database, Scripted::scoring(reversing).await).await;
    // As many hits as the window has, so that only the fields are ours.
    let fifty = r#"{"query":[0.1,0.2],"limit":50}"#;
    for (search, asked) in [(1, 2), (2, 3), (3, 4)] {
        let got = setup.search(fifty).await;
        assert_eq!(status(&got), "kept; reason=upstream_error");
        assert_eq!(body_of(&got), page(0..50, false), "{search}");
        assert_eq!(setup.database.seen().len(), asked, "{search}");
    }
    assert!(setup.database.seen()[1..].iter().all(|request| body_of(request) == fifty));
}

#[tokio::test]
async fn rejected_fields_are_distinguished_from_rejected_hits_by_the_next_search() {
    let database = Scripted::start(rejecting_payload).await;
    let setup = Setup::new(database, Scripted::scoring(reversing).await).await;
    for asked in [2, 4, 5, 6] {
        assert_eq!(body_of(&setup.search(THREE).await), page(0..3, false));
        assert_eq!(setup.database.seen().len(), asked);
    }
    let seen = setup.database.seen();
    let of = |at: usize| (json_of(&seen[at])["limit"].clone(), !json_of(&seen[at])["with_payload"].is_null());
    assert_eq!([of(0), of(2), of(4)], [(50.into(), true), (3.into(), true), (3.into(), false)]);
}

#[tokio::test]
async fn a_rejection_that_speaks_of_the_fields_takes_back_the_fields_alone() {
    let database = Scripted::start(|request| rejecting(request, "no payload for you")).await;
    let setup = Setup::new(database, Scripted::scoring(reversing).await).await;
    for asked in [2, 3, 4] {
        let got = setup.search(THREE).await;
        assert_eq!(status(&got), "kept; reason=upstream_error");
        assert_eq!(body_of(&got), page(0..3, false));
        assert_eq!(setup.database.seen().len(), asked);
    }
    let limits: Vec<Value> =
        setup.database.seen().iter().map(|request| json_of(request)["limit"].clone()).collect();
    assert_eq!(limits, [50, 50, 50, 50]);
}

#[tokio::test]
async fn a_rejected_search_that_asked_for_no_more_than_the_client_is_asked_once() {
    let rejection = r#"{"status":{"error":"bad filter"}}"#;
    let database = Scripted::start(move |_| Some(response(400, JSON, rejection))).await;
    let setup = Setup::new(database, Scripted::scoring(reversing).await).await;
    let got = setup.search(r#"{"query":[0.1,0.2],"limit":50,"with_payload":true}"#).await;
    assert!(got.starts_with("HTTP/1.1 400 "), "{got}");
    assert_eq!((body_of(&got), status(&got)), (rejection, "kept; reason=upstream_error"));
    assert_eq!(setup.database.seen().len(), 1);
}

#[tokio::test]
async fn responses_that_are_no_hits_pass_unchanged() {
    for (code, media_type, body, reason) in [
        (200, JSON, r#"{"result":{"points":[{"id":1,"#, "malformed"),
        (200, "text/html", "<html>hello</html>", "unsupported"),
        (404, JSON, r#"{"status":{"error":"Not found"}}"#, "upstream_error"),
    ] {
        let database = Scripted::start(move |_| Some(response(code, media_type, body))).await;
        let setup = Setup::new(database, Scripted::scoring(reversing).await).await;
        let got = setup.search(THREE).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {code} ")), "{got}");
        assert_eq!(header(&got, "content-type"), Some(media_type));
        assert_eq!(body_of(&got), body);
        assert_eq!(status(&got), format!("kept; reason={reason}"), "{body}");
        assert!(setup.service.seen().is_empty());
    }
}

#[tokio::test]
async fn without_a_key_the_order_is_kept_for_want_of_a_provider() {
    let service = Scripted::scoring(reversing).await;
    let setup = Setup::with(Scripted::start(found).await, service, "1s", None).await;
    let got = setup.search(THREE).await;
    assert_eq!(status(&got), "kept; reason=no_provider");
    assert_eq!(body_of(&got), page(0..3, false));
    assert_eq!(body_of(&setup.database.seen()[0]), THREE);
    assert!(setup.service.seen().is_empty());
    let metrics = setup.metrics().await;
    assert!(metrics.contains("rerankd_provider_ready{provider=\"cohere\"} 0"), "{metrics}");
}

#[tokio::test]
async fn metrics_tell_no_key_query_or_document() {
    let setup = Setup::new(Scripted::start(found).await, Scripted::scoring(reversing).await).await;
    setup.search(THREE).await;
    // The service did get all three, so there was something to leak.
    let call = setup.service.seen().remove(0);
    let metrics = setup.metrics().await;
    assert!(metrics.contains("applied"), "{metrics}");
    assert!(metrics.contains("rerankd_provider_ready{provider=\"cohere\"} 1"), "{metrics}");
    for secret in [KEY, QUERY, "giraffe"] {
        assert!(call.contains(secret), "{secret}");
        assert!(!metrics.contains(secret), "{secret}");
    }
}
