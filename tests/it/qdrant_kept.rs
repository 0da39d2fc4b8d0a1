//! Recorded responses of a Qdrant 1.19.0, and some of others: equal scores, scores that are null, rejections.

use serde_json::{Value, json};

use crate::harness::engine::collection;
use crate::harness::recorded::{failing, ids, points, recorded, recorded_json, reversing};
use crate::harness::{Scripted, Sidecar, body_of, header, json_of, response};

const JSON: &str = "application/json";
const QUERY: &str = "/collections/c/points/query";
const ASKED: &str = "x-rerank-query: which one\r\n";

#[tokio::test]
async fn a_cut_through_equal_scores_is_not_the_clients_answer() {
    for fail_open in ["cut", "replay"] {
        let database = Scripted::start(|request| {
            let name = if json_of(request)["limit"] == 5 { "client.response" } else { "widened.response" };
            Some(response(200, JSON, &recorded("29", name)))
        })
        .await;
        let sidecar =
            Sidecar::start(database.addr, failing().await, &format!("fail_open: {fail_open}"), "").await;
        let got = sidecar.post(QUERY, ASKED, &recorded("29", "client.request")).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=provider_unavailable"));
        assert_eq!(body_of(&got), recorded("29", "client.response"));
        assert_eq!(database.seen().len(), 2, "{fail_open}");
    }
}

#[tokio::test]
async fn a_tie_anywhere_else_costs_no_second_search() {
    // Scores by place: 9 9 8 8 8 7 6 ...
    let scores = ["9.0", "9", "8.0", "8.0", "8", "7", "6", "5", "4", "3", "2", "1"];
    let point = |(id, score): (usize, &&str)| {
        format!(r#"{{"id":{id},"version":1,"score":{score},"payload":{{"text":"t{id}"}}}}"#)
    };
    let all: Vec<String> = scores.iter().enumerate().map(point).collect();
    for (limit, offset, asked) in
        [(2, 0, 1), (1, 0, 2), (3, 0, 2), (5, 0, 1), (2, 3, 2), (3, 2, 1), (2, 1, 2), (3, 20, 1), (4, 6, 1)]
    {
        let all = all.clone();
        let database = Scripted::start(move |request| {
            let search = json_of(request);
            let number = |key: &str| search[key].as_u64().unwrap_or(0) as usize;
            let hits: Vec<String> =
                all.iter().skip(number("offset")).take(number("limit")).cloned().collect();
            let body = format!(r#"{{"result":{{"points":[{}]}},"time":0.1}}"#, hits.join(","));
            Some(response(200, JSON, &body))
        })
        .await;
        let sidecar = Sidecar::start(database.addr, failing().await, "", "").await;
        let body = json!({"query": [1], "limit": limit, "offset": offset, "with_payload": true});
        sidecar.post(QUERY, ASKED, &body.to_string()).await;
        assert_eq!(database.seen().len(), asked, "limit {limit}, offset {offset}");
    }
}

#[tokio::test]
async fn a_tie_in_one_list_of_a_batch_or_in_elasticsearch_is_asked_again_too() {
    let hits = |count: u64, flat: bool| -> Vec<Value> {
        (0..count)
            .map(|id| json!({"id": id, "version": 1, "score": if flat { 1.0 } else { 90.5 - id as f64 }, "payload": {"text": format!("t{id}")}}))
            .collect()
    };
    let database = Scripted::start(move |request| {
        let searches = json_of(request)["searches"].clone();
        let list = |(at, search): (usize, &Value)| {
            json!({"points": hits(search["limit"].as_u64().unwrap(), at == 1)})
        };
        let result: Vec<Value> = searches.as_array().unwrap().iter().enumerate().map(list).collect();
        Some(response(200, JSON, &json!({"result": result, "time": 0.1}).to_string()))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, failing().await, "", "").await;
    let body = r#"{"searches":[{"query":[1],"limit":2},{"query":[1],"limit":3}]}"#;
    sidecar.post("/collections/c/points/query/batch", ASKED, body).await;
    assert_eq!(database.seen().len(), 2);

    let database = Scripted::start(|request| {
        let size = json_of(request)["size"].as_u64().unwrap();
        let hit = |id: u64| json!({"_index": "a", "_id": id.to_string(), "_score": 1.0, "_source": {"body": format!("t{id}")}});
        let hits: Vec<Value> = (0..size).map(hit).collect();
        let body = json!({"took": 1, "hits": {"total": {"value": 90}, "max_score": 1.0, "hits": hits}});
        Some(response(200, JSON, &body.to_string()))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, failing().await, "", "").await;
    let body = r#"{"query":{"match":{"body":"zebra"}},"size":3}"#;
    let got = sidecar.post("/a/_search", "", body).await;
    assert_eq!(json_of(&got)["hits"]["hits"].as_array().unwrap().len(), 3);
    assert_eq!(database.seen().len(), 2);
}

#[tokio::test]
async fn a_cut_stands_where_the_search_cannot_be_asked_again() {
    let database = Scripted::start(|request| match json_of(request)["limit"].as_u64() {
        Some(5) => Some(response(503, JSON, "{}")),
        _ => Some(response(200, JSON, &recorded("29", "widened.response"))),
    })
    .await;
    let sidecar = Sidecar::start(database.addr, failing().await, "", "").await;
    let got = sidecar.post(QUERY, ASKED, &recorded("29", "client.request")).await;
    assert!(got.starts_with("HTTP/1.1 200 "), "{got}");
    assert_eq!(ids(&points(&json_of(&got))), [12, 49, 50, 35, 5]);
}

#[tokio::test]
async fn a_score_that_is_null_is_replaced_like_any_other() {
    let database = Scripted::start(|request| {
        let name = if json_of(request)["limit"] == 3 { "client.response" } else { "widened.response" };
        Some(response(200, JSON, &recorded("30", name)))
    })
    .await;
    let service =
        || Scripted::scoring(|text| text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 16.0);
    for (settings, scores) in [
        ("score: replace", json!([0.5, 0.4375, 0.375])),
        ("score: keep", json!([null, null, null])),
        ("score: rrf", json!([null, null, null])),
    ] {
        let settings = format!("{settings}, annotate: true");
        let sidecar = Sidecar::start(database.addr, service().await, &settings, "").await;
        let got = sidecar.post(QUERY, ASKED, &recorded("30", "client.request")).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"));
        let points = points(&json_of(&got));
        assert_eq!(points.len(), 3);
        if !settings.contains("rrf") {
            let got: Vec<Value> = points.iter().map(|point| point["score"].clone()).collect();
            assert_eq!(Value::Array(got), scores, "{settings}");
        }
        for point in &points {
            let relevance = point["id"].as_u64().unwrap() as f64 / 16.0;
            assert_eq!(point["rerank_score"], relevance, "{settings}");
        }
    }
}

#[tokio::test]
async fn elasticsearchs_null_scores_are_replaced_too() {
    let database = Scripted::start(|_| {
        let hit = |id: u64| json!({"_index": "a", "_id": id.to_string(), "_score": null, "_source": {"body": format!("t {id}")}});
        let hits: Vec<Value> = (0..3).map(hit).collect();
        Some(response(200, JSON, &json!({"hits": {"max_score": null, "hits": hits}}).to_string()))
    })
    .await;
    let service =
        Scripted::scoring(|text| text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 4.0).await;
    let sidecar = Sidecar::start(database.addr, service, "score: replace", "").await;
    let got = sidecar.post("/a/_search", "", r#"{"query":{"match":{"body":"zebra"}}}"#).await;
    let hits = json_of(&got)["hits"].clone();
    assert_eq!(hits["max_score"], 0.5);
    let scores: Vec<&Value> = hits["hits"].as_array().unwrap().iter().map(|hit| &hit["_score"]).collect();
    assert_eq!(scores, [&json!(0.5), &json!(0.25), &json!(0.0)]);
}

#[tokio::test]
async fn a_rejected_limit_takes_back_the_limit_alone() {
    let mut engine = collection(60);
    engine.most = 20;
    let database = Scripted::start(move |request| Some(engine.response(request))).await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    for (query, tries) in [("one", 2), ("two", 1)] {
        let before = database.seen().len();
        let headers = format!("x-rerank-query: {query}\r\n");
        let got = sidecar.post(QUERY, &headers, r#"{"query":[1,0,0],"limit":5}"#).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{query}");
        assert!(points(&json_of(&got)).iter().all(|point| point.get("payload").is_none()));
        let asked: Vec<Value> = database.seen()[before..].iter().map(|request| json_of(request)).collect();
        assert_eq!(asked.len(), tries, "{query}");
        let last = asked.last().unwrap();
        assert_eq!(last["limit"], 5);
        assert!(last["with_payload"].is_array());
    }
    // As it was recorded.
    let rejection = recorded_json("31", "widened.response");
    assert!(
        rejection["status"]["error"].as_str().unwrap().starts_with("Bad request: Limit exceeded 50 > 20")
    );
}

#[tokio::test]
async fn a_rejected_payload_takes_back_the_payload_alone() {
    for (error, tries) in [("with_payload is not allowed here", 2), ("Bad request: no", 2)] {
        let engine = collection(60);
        let database = Scripted::start(move |request| {
            let asked = json_of(request);
            if asked["with_payload"].is_array() {
                return Some(response(
                    400,
                    JSON,
                    &json!({"status": {"error": error}, "time": 0.1}).to_string(),
                ));
            }
            Some(engine.response(request))
        })
        .await;
        let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
        let direct = collection(60)
            .response("POST /collections/c/points/query\r\n\r\n{\"query\":[1,0,0],\"limit\":5}");
        for _ in 0..3 {
            let got = sidecar.post(QUERY, ASKED, r#"{"query":[1,0,0],"limit":5}"#).await;
            assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=upstream_error"), "{error}");
            assert_eq!(ids(&points(&json_of(&got))), ids(&points(&json_of(&direct))));
        }
        let asked = database.seen().len();
        assert!(asked <= tries + 4, "{asked} requests");
    }
}

#[tokio::test]
async fn what_the_database_rejects_of_the_client_is_the_clients() {
    let rejection = r#"{"status":{"error":"Bad request: Limit exceeded 30 > 20 for \"limit\"."},"time":0.1}"#;
    let database = Scripted::start(move |_| Some(response(400, JSON, rejection))).await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let got = sidecar.post(QUERY, ASKED, r#"{"query":[1,0,0],"limit":30}"#).await;
    assert!(got.starts_with("HTTP/1.1 400 "), "{got}");
    assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=upstream_error"));
    assert_eq!(body_of(&got), rejection);
    // As widened, without more hits, and as the client asked.
    assert_eq!(database.seen().len(), 3);
}
