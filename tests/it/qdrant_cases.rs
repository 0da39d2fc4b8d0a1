//! Recorded answers of a Qdrant 1.19.0 to searches that were once answered wrongly.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::engine::{collection, payload};
use crate::harness::{Scripted, Sidecar, answer, body_of, header, json_of};

const JSON: &str = "application/json";
const QUERY: &str = "/collections/c/points/query";
const ASKED: &str = "x-rerank-query: which one\r\n";

fn recorded(case: &str, name: &str) -> String {
    let path = format!("{}/tests/fixtures/cases/{case}/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn recorded_json(case: &str, name: &str) -> Value {
    serde_json::from_str(&recorded(case, name)).unwrap()
}

fn points(answer: &Value) -> Vec<Value> {
    let result = &answer["result"];
    result["points"].as_array().or(result.as_array()).unwrap().clone()
}

fn ids(points: &[Value]) -> Vec<u64> {
    points.iter().map(|point| point["id"].as_u64().unwrap()).collect()
}

/// These points as far as a search asks for them, as an answer.
fn cut(points: &[Value], search: &Value) -> Value {
    let number = |key: &str, other: u64| search[key].as_u64().unwrap_or(other) as usize;
    let limit = number("limit", number("top", 10) as u64);
    let shown = points.iter().skip(number("offset", 0)).take(limit).map(|point| {
        let mut shown = point.clone();
        let given = payload(&search["with_payload"], &point["payload"]);
        shown.as_object_mut().unwrap().remove("payload");
        if let Some(given) = given.strip_prefix(",\"payload\":") {
            shown["payload"] = serde_json::from_str(given).unwrap();
        }
        shown
    });
    Value::Array(shown.collect())
}

fn found(points: &[Value], search: &Value) -> String {
    let body = json!({"result": {"points": cut(points, search)}, "status": "ok", "time": 0.1});
    answer(200, JSON, &body.to_string())
}

/// A rerank service that likes the database's last hits best.
async fn reversing() -> Scripted {
    let calls = std::sync::atomic::AtomicU32::new(0);
    Scripted::scoring(move |_| f64::from(calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) / 1e6)
        .await
}

async fn failing() -> Scripted {
    Scripted::start(|_| Some(answer(500, JSON, "{}"))).await
}

fn documents(sidecar: &Sidecar) -> Vec<String> {
    let seen = sidecar.service.seen();
    let all = json_of(seen.last().expect("a call"))["documents"].clone();
    all.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_pages_of_a_composed_query_are_of_the_same_hits_as_the_direct_ones() {
    let database = Scripted::start(|request| {
        let asked = json_of(request);
        let inner = format!("inner-{}.answer", asked["prefetch"][0]["limit"]);
        Some(found(&points(&recorded_json("22", &inner)), &asked))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let (mut direct, mut through) = (BTreeSet::new(), Vec::new());
    for page in ["page1", "page2", "page3"] {
        let own = ids(&points(&recorded_json("22", &format!("{page}.answer"))));
        let got = sidecar.post(QUERY, ASKED, &recorded("22", &format!("{page}.request"))).await;
        let ids = ids(&points(&json_of(&got)));
        assert_eq!(ids.len(), own.len(), "{page}");
        assert!(page != "page1" || ids != own, "reranked");
        direct.extend(own);
        through.extend(ids);
    }
    assert_eq!(through.len(), direct.len());
    assert_eq!(through.into_iter().collect::<BTreeSet<_>>(), direct);
}

#[tokio::test]
async fn among_the_newest_ten_stays_among_the_newest_ten() {
    let database = Scripted::start(|request| {
        let asked = json_of(request);
        let limit = asked["prefetch"][0]["limit"].as_u64().unwrap();
        let all = points(&recorded_json("23", "inner-50.answer"));
        let newest = |point: &&Value| point["payload"]["number"].as_u64().unwrap() > 60 - limit;
        Some(found(&all.iter().filter(newest).cloned().collect::<Vec<_>>(), &asked))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let got = sidecar.post(QUERY, ASKED, &recorded("23", "newest-ten.request")).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("applied"));
    let ids = ids(&points(&json_of(&got)));
    assert_eq!(ids.len(), 5);
    assert!(ids.iter().all(|id| *id > 50), "{ids:?}");
}

#[tokio::test]
async fn a_prefetch_of_three_gives_three_hits() {
    let database = Scripted::start(|request| {
        let asked = json_of(request);
        let all = points(&recorded_json("24", "inner-50.answer"));
        let few = ids(&points(&recorded_json("24", "client.answer")));
        let inner = asked["prefetch"][0]["limit"].as_u64().unwrap();
        let there = |point: &&Value| inner > 3 || few.contains(&point["id"].as_u64().unwrap());
        Some(found(&all.iter().filter(there).cloned().collect::<Vec<_>>(), &asked))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let own = recorded("24", "client.request");
    let got = sidecar.post(QUERY, ASKED, &own).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("applied"));
    assert_eq!(ids(&points(&json_of(&got))), [58, 24, 51]);
    for limit in ["49", "50", "1000"] {
        let asked = own.replace("\"limit\": 10", &format!("\"limit\": {limit}"));
        assert_eq!(points(&json_of(&sidecar.post(QUERY, ASKED, &asked).await)).len(), 3, "{limit}");
    }
}

#[tokio::test]
async fn the_documents_are_the_same_whether_the_client_fetches_the_payload_or_not() {
    for (case, fields, texts) in [
        ("25", "[chunks.text]", &["single", "t1, t2"][..]),
        ("26", "[a.b, text]", &["text: two", "a.b: dotted\ntext: hello one"]),
        ("26", "[c.d]", &["obj not array", "d1, d3, 1"]),
        (
            "27",
            "'*'",
            &[
                "chunks.text: single",
                "a: scalar\nc.d: obj not array\nchunks.text: t1, t2",
                "text: two",
                "c.d: d1, d3, 1\nc: 7, s, n\ntext: hello one\na.b: dotted\nq\"uote: quoted\nsp ace: space\nünï: uni\narr: x, y",
            ],
        ),
    ] {
        let database = Scripted::start(|request| {
            Some(found(&points(&recorded_json("25", "all.answer")), &json_of(request)))
        })
        .await;
        let sidecar =
            Sidecar::start(database.addr, reversing().await, &format!("fields: {fields}"), "").await;
        let shown = ["true", "false", "null", "[]", "[\"chunks\"]", "[\"a.x\",\"c[].e\",\"text.no\"]"];
        for (at, asked) in shown.into_iter().enumerate() {
            let body = format!(r#"{{"query":[1,0,0,0],"limit":6,"with_payload":{asked}}}"#);
            let got = sidecar.post(QUERY, &format!("x-rerank-query: {at}\r\n"), &body).await;
            assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{case} {asked}");
            // Objects are sorted by key in this test.
            let sorted = |text: &str| {
                let mut lines: Vec<&str> = text.lines().collect();
                lines.sort_unstable();
                lines.join("\n")
            };
            let got_texts: Vec<String> = documents(&sidecar).iter().map(|text| sorted(text)).collect();
            let expected: Vec<String> = texts.iter().map(|text| sorted(text)).collect();
            assert_eq!(got_texts, expected, "{case} {fields} {asked}");
            let mut shown = points(&json_of(&got));
            shown.sort_by_key(|point| u64::MAX - point["id"].as_u64().unwrap());
            let all = points(&recorded_json("25", "all.answer"));
            let direct = cut(&all, &serde_json::from_str(&body).unwrap());
            assert_eq!(Value::Array(shown), direct, "{case} {fields} {asked}");
        }
    }
}

#[tokio::test]
async fn a_limit_that_is_called_top_is_a_limit() {
    let database = Scripted::start(|request| {
        let asked = json_of(request);
        let all = points(&recorded_json("28", "search-50.answer"));
        let one = |search: &Value| cut(&all, search);
        let result = match asked["searches"].as_array() {
            Some(searches) => Value::Array(searches.iter().map(one).collect()),
            None => one(&asked),
        };
        Some(answer(200, JSON, &json!({"result": result, "status": "ok", "time": 0.1}).to_string()))
    })
    .await;
    for (name, end, limits) in [
        ("search", "search", json!([50])),
        ("recommend", "recommend", json!([50])),
        ("search-batch", "search/batch", json!([50, 50])),
    ] {
        let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
        let target = format!("/collections/c/points/{end}");
        let got = sidecar.post(&target, ASKED, &recorded("28", &format!("{name}.request"))).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("applied"), "{name}");
        let (own, got) = (recorded_json("28", &format!("{name}.answer")), json_of(&got));
        let lengths = |answer: &Value| -> Vec<usize> {
            let lists = answer["result"].as_array().unwrap();
            let of = |list: &Value| list.as_array().map_or(1, Vec::len);
            lists.iter().map(of).collect()
        };
        assert_eq!(lengths(&got), lengths(&own), "{name}");
        let asked = json_of(database.seen().last().unwrap());
        let searches = asked["searches"].as_array().cloned().unwrap_or_else(|| vec![asked]);
        let asked: Value = searches.iter().map(|s| s.get("top").or(s.get("limit")).cloned()).collect();
        assert_eq!(asked, limits, "{name}");
        assert!(searches.iter().all(|search| search.get("top").is_none() || search.get("limit").is_none()));
    }
}

#[tokio::test]
async fn a_cut_through_equal_scores_is_not_the_clients_answer() {
    for fail_open in ["cut", "replay"] {
        let database = Scripted::start(|request| {
            let name = if json_of(request)["limit"] == 5 { "client.answer" } else { "widened.answer" };
            Some(answer(200, JSON, &recorded("29", name)))
        })
        .await;
        let sidecar =
            Sidecar::start(database.addr, failing().await, &format!("fail_open: {fail_open}"), "").await;
        let got = sidecar.post(QUERY, ASKED, &recorded("29", "client.request")).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=provider_unavailable"));
        assert_eq!(body_of(&got), recorded("29", "client.answer"));
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
            Some(answer(200, JSON, &body))
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
        Some(answer(200, JSON, &json!({"result": result, "time": 0.1}).to_string()))
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
        Some(answer(200, JSON, &body.to_string()))
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
        Some(5) => Some(answer(503, JSON, "{}")),
        _ => Some(answer(200, JSON, &recorded("29", "widened.answer"))),
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
        let name = if json_of(request)["limit"] == 3 { "client.answer" } else { "widened.answer" };
        Some(answer(200, JSON, &recorded("30", name)))
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
        Some(answer(200, JSON, &json!({"hits": {"max_score": null, "hits": hits}}).to_string()))
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
async fn a_refused_limit_takes_back_the_limit_alone() {
    let mut engine = collection(60);
    engine.most = 20;
    let database = Scripted::start(move |request| Some(engine.answer(request))).await;
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
    let refusal = recorded_json("31", "widened.answer");
    assert!(refusal["status"]["error"].as_str().unwrap().starts_with("Bad request: Limit exceeded 50 > 20"));
}

#[tokio::test]
async fn a_refused_payload_takes_back_the_payload_alone() {
    for (error, tries) in [("with_payload is not allowed here", 2), ("Bad request: no", 2)] {
        let engine = collection(60);
        let database = Scripted::start(move |request| {
            let asked = json_of(request);
            if asked["with_payload"].is_array() {
                return Some(answer(
                    400,
                    JSON,
                    &json!({"status": {"error": error}, "time": 0.1}).to_string(),
                ));
            }
            Some(engine.answer(request))
        })
        .await;
        let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
        let direct =
            collection(60).answer("POST /collections/c/points/query\r\n\r\n{\"query\":[1,0,0],\"limit\":5}");
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
async fn what_the_database_refuses_of_the_client_is_the_clients() {
    let refusal = r#"{"status":{"error":"Bad request: Limit exceeded 30 > 20 for \"limit\"."},"time":0.1}"#;
    let database = Scripted::start(move |_| Some(answer(400, JSON, refusal))).await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let got = sidecar.post(QUERY, ASKED, r#"{"query":[1,0,0],"limit":30}"#).await;
    assert!(got.starts_with("HTTP/1.1 400 "), "{got}");
    assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=upstream_error"));
    assert_eq!(body_of(&got), refusal);
    // As widened, without more hits, and as the client asked.
    assert_eq!(database.seen().len(), 3);
}
