//! Fields that documents are made of and that the client did not ask to see.

use serde_json::{Value, json};

use crate::harness::{Scripted, Sidecar, body_of, header, json_of, response};

const JSON: &str = "application/json";
const QUERY: &str = "/collections/docs/points/query";
const ASKED: &str = "x-rerank-query: which one\r\n";

/// Documents that name a higher number are better.
fn by_number(text: &str) -> f64 {
    let number = text.rsplit("number ").next().unwrap().split(['\n', ',']).next().unwrap();
    number.parse::<f64>().unwrap() / 10.0
}

/// What Qdrant answers for these payloads, given what is asked for.
fn points(request: &str) -> Option<String> {
    let asked = json_of(request);
    let point = |n: u64| {
        let payload = match &asked["with_payload"] {
            Value::Bool(true) => format!(r#","payload":{{"title":"T{n}","odd":1.50,"secret":"number {n}"}}"#),
            Value::Array(_) => format!(r#","payload":{{"title":"T{n}"}}"#),
            Value::Object(_) => format!(r#","payload":{{"title":"T{n}","odd":1.50}}"#),
            _ => String::new(),
        };
        format!(r#"{{"id":{n},"version":0,"score":0.5{payload}}}"#)
    };
    let points: Vec<String> = (1..4).map(point).collect();
    Some(response(200, JSON, &format!(r#"{{"result":{{"points":[{}]}},"time":0.1}}"#, points.join(","))))
}

/// What Elasticsearch answers.
fn hits(request: &str) -> Option<String> {
    let asked = json_of(request);
    let hit = |n: u64| {
        let source = match &asked["_source"] {
            Value::Bool(false) => String::new(),
            Value::Array(_) => format!(r#","_source":{{"title":"T{n}"}}"#),
            _ => format!(r#","_source":{{ "title":"T{n}", "secret":"number {n}" }}"#),
        };
        let fields = match &asked["fields"] {
            Value::Array(_) => format!(
                r#","fields":{{"secret":["number {n}"],"secret.raw":["number {n}, again"],"title":["T{n}"]}}"#
            ),
            _ => String::new(),
        };
        format!(r#"{{"_index":"a","_id":"{n}","_score":1.5{source}{fields}}}"#)
    };
    let hits: Vec<String> = (1..4).map(hit).collect();
    Some(response(
        200,
        JSON,
        &format!(r#"{{"took":1,"hits":{{"max_score":1.5,"hits":[{}]}}}}"#, hits.join(",")),
    ))
}

#[tokio::test]
async fn every_field_of_a_point_is_read_and_the_client_sees_those_it_asked_for() {
    for (payload, seen_by_client) in [
        ("false", ""),
        ("[\"title\"]", r#","payload":{"title":"T0"}"#),
        ("true", r#","payload":{"title":"T0","odd":1.50,"secret":"number 0"}"#),
    ] {
        let database = Scripted::start(points).await;
        let service = Scripted::scoring(by_number).await;
        let sidecar = Sidecar::start(database.addr, service, "fields: '*'", "").await;
        let body = format!(r#"{{"query":[0.1],"limit":3,"with_payload":{payload}}}"#);
        let got = sidecar.post(QUERY, ASKED, &body).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{payload}");
        let point = |n: u64| {
            let payload =
                seen_by_client.replace("T0", &format!("T{n}")).replace("number 0", &format!("number {n}"));
            format!(r#"{{"id":{n},"version":0,"score":0.5{payload}}}"#)
        };
        let expected =
            format!(r#"{{"result":{{"points":[{},{},{}]}},"time":0.1}}"#, point(3), point(2), point(1));
        assert_eq!(body_of(&got), expected, "{payload}");
        assert_eq!(json_of(&database.seen()[0])["with_payload"], true);
        let documents = json_of(&sidecar.service.seen()[0])["documents"].clone();
        assert_eq!(documents[0], "title: T1\nsecret: number 1");
    }
}

#[tokio::test]
async fn a_field_that_the_client_excludes_is_not_read_by_all_fields_either() {
    let database = Scripted::start(points).await;
    let sidecar = Sidecar::start(database.addr, Scripted::scoring(|_| 0.5).await, "fields: '*'", "").await;
    let body = r#"{"query":[0.1],"limit":3,"with_payload":{"exclude":["secret"]}}"#;
    let got = sidecar.post(QUERY, ASKED, body).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("applied"));
    assert_eq!(json_of(&database.seen()[0])["with_payload"], json!({"exclude": ["secret"]}));
    assert_eq!(
        json_of(&sidecar.service.seen()[0])["documents"],
        json!(["title: T1", "title: T2", "title: T3"])
    );
}

#[tokio::test]
async fn every_field_of_a_hit_is_read_and_the_client_sees_those_it_asked_for() {
    for (source, seen_by_client) in [
        ("false", ""),
        ("[\"title\"]", r#","_source":{"title":"T0"}"#),
        ("true", r#","_source":{ "title":"T0", "secret":"number 0" }"#),
    ] {
        let database = Scripted::start(hits).await;
        let service = Scripted::scoring(by_number).await;
        let sidecar = Sidecar::start(database.addr, service, "fields: '*'", "").await;
        let body = format!(r#"{{"query":{{"match":{{"title":"which one"}}}},"_source":{source}}}"#);
        let got = sidecar.post("/a/_search", "", &body).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{source}");
        let hit = |n: u64| {
            let source =
                seen_by_client.replace("T0", &format!("T{n}")).replace("number 0", &format!("number {n}"));
            format!(r#"{{"_index":"a","_id":"{n}","_score":1.5{source}}}"#)
        };
        let expected =
            format!(r#"{{"took":1,"hits":{{"max_score":1.5,"hits":[{},{},{}]}}}}"#, hit(3), hit(2), hit(1));
        assert_eq!(body_of(&got), expected, "{source}");
        let documents = json_of(&sidecar.service.seen()[0])["documents"].clone();
        assert_eq!(documents[0], "title: T1\nsecret: number 1");
    }
}

#[tokio::test]
async fn when_the_service_fails_added_fields_are_gone_all_the_same() {
    let failing = || Scripted::start(|_| Some(response(500, JSON, "{}")));
    let database = Scripted::start(points).await;
    let sidecar = Sidecar::start(database.addr, failing().await, "fields: '*'", "").await;
    let got = sidecar.post(QUERY, ASKED, r#"{"query":[0.1],"limit":3,"with_payload":["title"]}"#).await;
    let asked_directly = points("x\r\n\r\n{\"with_payload\":[\"title\"]}").unwrap();
    assert_eq!(body_of(&got), body_of(&asked_directly));
    assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=provider_unavailable"));
}
