//! Recorded responses of a Qdrant 1.19.0 to searches that were once answered wrongly: which hits, and which texts.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::recorded::{cut, documents, found, ids, points, recorded, recorded_json, reversing};
use crate::harness::{Scripted, Sidecar, header, json_of, response};

const JSON: &str = "application/json";
const QUERY: &str = "/collections/c/points/query";
const ASKED: &str = "x-rerank-query: which one\r\n";

#[tokio::test]
async fn the_pages_of_a_composed_query_are_of_the_same_hits_as_the_direct_ones() {
    let database = Scripted::start(|request| {
        let asked = json_of(request);
        let inner = format!("inner-{}.response", asked["prefetch"][0]["limit"]);
        Some(found(&points(&recorded_json("22", &inner)), &asked))
    })
    .await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "", "").await;
    let (mut direct, mut through) = (BTreeSet::new(), Vec::new());
    for page in ["page1", "page2", "page3"] {
        let own = ids(&points(&recorded_json("22", &format!("{page}.response"))));
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
        let all = points(&recorded_json("23", "inner-50.response"));
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
        let all = points(&recorded_json("24", "inner-50.response"));
        let few = ids(&points(&recorded_json("24", "client.response")));
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
            Some(found(&points(&recorded_json("25", "all.response")), &json_of(request)))
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
            let all = points(&recorded_json("25", "all.response"));
            let direct = cut(&all, &serde_json::from_str(&body).unwrap());
            assert_eq!(Value::Array(shown), direct, "{case} {fields} {asked}");
        }
    }
}

#[tokio::test]
async fn a_limit_that_is_called_top_is_a_limit() {
    let database = Scripted::start(|request| {
        let asked = json_of(request);
        let all = points(&recorded_json("28", "search-50.response"));
        let one = |search: &Value| cut(&all, search);
        let result = match asked["searches"].as_array() {
            Some(searches) => Value::Array(searches.iter().map(one).collect()),
            None => one(&asked),
        };
        Some(response(200, JSON, &json!({"result": result, "status": "ok", "time": 0.1}).to_string()))
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
        let (own, got) = (recorded_json("28", &format!("{name}.response")), json_of(&got));
        let lengths = |response: &Value| -> Vec<usize> {
            let lists = response["result"].as_array().unwrap();
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
