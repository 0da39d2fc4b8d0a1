//! A search whose own request succeeds is never answered by an error, whatever becomes of what the proxy makes of it.

mod parts;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use serde_json::{Value, json};

use crate::harness::composed::{hits, reversing};
use crate::harness::{Act, Moody, Sidecar, body_of, header, json_of, response};

const JSON: &str = "application/json";
const TEXT: &str = "x-rerank-query: zebra\r\n";

/// One kind of search: how it is asked, and what a database answers to it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Search {
    Elastic,
    /// Its `_source` does not show the text.
    ElasticHidden,
    Msearch,
    Qdrant,
    QdrantBatch,
}

const ALL: [Search; 5] =
    [Search::Elastic, Search::ElasticHidden, Search::Msearch, Search::Qdrant, Search::QdrantBatch];

fn elastic_response(asked: &Value) -> Value {
    let size = asked["size"].as_u64().unwrap_or(10);
    let hits: Vec<Value> = (0..size.min(60))
        .map(|id| json!({"_index": "a", "_id": id.to_string(), "_score": 90.5 - id as f64, "_source": {"body": format!("text {id}")}}))
        .collect();
    json!({"took": 1, "timed_out": false, "_shards": {"total": 2, "successful": 2, "skipped": 0, "failed": 0},
        "hits": {"total": {"value": 60, "relation": "eq"}, "max_score": 90.5, "hits": hits}, "status": 200})
}

impl Search {
    fn request(self) -> (&'static str, String) {
        match self {
            Self::Elastic => ("/a/_search", r#"{"query":{"match":{"body":"zebra"}},"size":3}"#.to_owned()),
            Self::ElasticHidden => {
                ("/a/_search", r#"{"query":{"match":{"body":"zebra"}},"size":3,"_source":["id"]}"#.to_owned())
            }
            Self::Msearch => {
                let one = r#"{"query":{"match":{"body":"zebra"}},"size":3}"#;
                ("/a/_msearch", format!("{{}}\n{one}\n{{}}\n{one}\n"))
            }
            Self::Qdrant => ("/collections/a/points/query", r#"{"query":[0.1],"limit":3}"#.to_owned()),
            Self::QdrantBatch => (
                "/collections/a/points/query/batch",
                r#"{"searches":[{"query":[0.1],"limit":3},{"query":[0.2],"limit":3}]}"#.to_owned(),
            ),
        }
    }

    fn responses(self, request: &str) -> String {
        let asked = json_of(request);
        let points =
            |search: &Value| format!(r#"{{"points":[{}]}}"#, hits(search["limit"].as_u64().unwrap()));
        let body = match self {
            Self::Elastic | Self::ElasticHidden => elastic_response(&asked).to_string(),
            Self::Msearch => {
                let lines: Vec<&str> = body_of(request).lines().collect();
                let one = |pair: &[&str]| elastic_response(&serde_json::from_str(pair[1]).unwrap());
                json!({"took": 1, "responses": lines.chunks(2).map(one).collect::<Vec<_>>()}).to_string()
            }
            Self::Qdrant => format!(r#"{{"result":{}}}"#, points(&asked)),
            Self::QdrantBatch => {
                let all: Vec<String> = asked["searches"].as_array().unwrap().iter().map(points).collect();
                format!(r#"{{"result":[{}]}}"#, all.join(","))
            }
        };
        response(200, JSON, &body)
    }

    /// The ids of the hits, each list sorted.
    fn ids(self, got: &str) -> Vec<Vec<u64>> {
        let body = json_of(got);
        let lists: Vec<Value> = match self {
            Self::Elastic | Self::ElasticHidden => vec![body["hits"]["hits"].clone()],
            Self::Msearch => (0..2).map(|n| body["responses"][n]["hits"]["hits"].clone()).collect(),
            Self::Qdrant => vec![body["result"]["points"].clone()],
            Self::QdrantBatch => (0..2).map(|n| body["result"][n]["points"].clone()).collect(),
        };
        let id = |hit: &Value| hit["id"].as_u64().or_else(|| hit["_id"].as_str()?.parse().ok()).unwrap();
        lists
            .iter()
            .map(|list| {
                let mut ids: Vec<u64> = list.as_array().into_iter().flatten().map(id).collect();
                ids.sort_unstable();
                ids
            })
            .collect()
    }

    /// How many hits the first search of a request asks for.
    fn size(self, request: &str) -> u64 {
        let asked = json_of(request);
        match self {
            Self::Elastic | Self::ElasticHidden => asked["size"].as_u64().unwrap(),
            Self::Msearch => {
                let line: Value = serde_json::from_str(body_of(request).lines().nth(1).unwrap()).unwrap();
                line["size"].as_u64().unwrap()
            }
            Self::Qdrant => asked["limit"].as_u64().unwrap(),
            Self::QdrantBatch => asked["searches"][0]["limit"].as_u64().unwrap(),
        }
    }
}

/// What may become of a request that is not the client's own.
fn faults() -> Vec<(String, Act)> {
    let mut faults: Vec<(String, Act)> =
        [400, 403, 405, 408, 413, 414, 422, 429, 431, 500, 501, 502, 503, 504, 203]
            .into_iter()
            .map(|status| {
                (status.to_string(), Act::Say(response(status, JSON, r#"{"status":{"error":"no"}}"#)))
            })
            .collect();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let large = format!("{head}x-large: {}\r\ncontent-length: 2\r\n\r\n{{}}", "a".repeat(80 << 10));
    let more = [
        ("closed", Act::SayAndLeave(String::new())),
        ("cut head", Act::SayAndLeave(head.to_owned())),
        ("cut body", Act::SayAndLeave(format!("{head}content-length: 1000\r\n\r\n{{\"hits\":{{"))),
        ("cut chunk", Act::SayAndLeave(format!("{head}transfer-encoding: chunked\r\n\r\n9\r\n{{\"hi\""))),
        ("no http", Act::SayAndLeave("SSH-2.0-OpenSSH\r\n\r\n".to_owned())),
        ("large head", Act::SayAndLeave(large)),
        ("html", Act::Say(response(200, "text/html", "<html>busy</html>"))),
        ("half", Act::Say(response(200, JSON, r#"{"hits":{"hits":[{"_id""#))),
        ("empty", Act::Say(response(200, JSON, ""))),
        ("elsewhere", Act::Say(response(307, "text/plain", ""))),
        ("switch", Act::SayAndLeave("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n".to_owned())),
        ("coded", Act::SayAndLeave(format!("{head}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"))),
        ("silent", Act::Hang),
    ];
    faults.extend(more.map(|(name, act)| (name.to_owned(), act)));
    faults
}

async fn sidecar(database: &Moody) -> Sidecar {
    Sidecar::start(database.addr, reversing().await, "deadline: 20s", "").await
}

/// Like [`sidecar`], with little patience for the database.
async fn hasty(database: &Moody) -> Sidecar {
    let upstream = format!("url: \"http://{}\", response_timeout: 400ms", database.addr);
    Sidecar::before(&upstream, reversing().await, "deadline: 20s", "").await
}

#[tokio::test]
async fn whatever_becomes_of_a_changed_search_its_client_gets_what_it_asked_for() {
    let mut wrong = Vec::new();
    for search in ALL {
        for (name, act) in faults() {
            let (target, body) = search.request();
            let own = body.clone();
            let database = Moody::start(move |request| match body_of(request) == own {
                true => Act::Say(search.responses(request)),
                false => act.clone(),
            })
            .await;
            let sidecar = hasty(&database).await;
            let mut asked = Vec::new();
            for _ in 0..3 {
                let got = sidecar.post(target, TEXT, &body).await;
                asked.push(database.take_seen().iter().filter(|request| body_of(request) == body).count());
                let lists = search.ids(&got);
                if !got.starts_with("HTTP/1.1 200 ") || lists.iter().any(|ids| *ids != [0, 1, 2]) {
                    wrong.push(format!("{search:?} {name}: {lists:?} {}", got.lines().next().unwrap_or("")));
                }
            }
            let metrics = sidecar.metrics().await;
            let counted = metrics.lines().filter(|line| line.starts_with("rerankd_widening_rejected_total{"));
            let counted: u64 =
                counted.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
            if asked != [1, 1, 1] || counted == 0 || counted > 2 {
                wrong
                    .push(format!("{search:?} {name}: asked as the client did {asked:?}, learned {counted}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn an_error_that_both_requests_get_teaches_nothing() {
    for search in ALL {
        for status in [408, 429, 500, 503] {
            let down = Arc::new(AtomicBool::new(true));
            let broken = down.clone();
            let database = Moody::start(move |request| match broken.load(SeqCst) {
                true => Act::Say(response(status, JSON, "{}")),
                false => Act::Say(search.responses(request)),
            })
            .await;
            let sidecar = sidecar(&database).await;
            let (target, body) = search.request();
            let got = sidecar.post(target, TEXT, &body).await;
            assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{search:?}: {got}");
            assert_eq!(database.take_seen().len(), 2, "{search:?} {status}");
            down.store(false, SeqCst);
            sidecar.post(target, TEXT, &body).await;
            let seen = database.take_seen();
            assert_eq!((seen.len(), search.size(&seen[0])), (1, 50), "{search:?} {status}");
        }
    }
}

#[tokio::test]
async fn who_asks_and_for_what_is_reported_once() {
    for search in ALL {
        for status in [401, 404] {
            let database = Moody::start(move |_| Act::Say(response(status, JSON, "{}"))).await;
            let sidecar = sidecar(&database).await;
            let (target, body) = search.request();
            let got = sidecar.post(target, TEXT, &body).await;
            assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{search:?}: {got}");
            assert_eq!(database.take_seen().len(), 1, "{search:?} {status}");
        }
    }
}

#[tokio::test]
async fn what_was_not_changed_is_not_asked_again() {
    let database = Moody::start(|_| Act::Say(response(503, JSON, "{}"))).await;
    let sidecar = Sidecar::start(database.addr, reversing().await, "widen: never", "").await;
    let (target, body) = Search::Elastic.request();
    sidecar.post(target, TEXT, &body).await;
    assert_eq!(database.take_seen().len(), 1);
}

/// An Elasticsearch that spoils the responses to searches for more than ten hits.
async fn spoiling(spoil: impl Fn(&mut Value) + Send + Sync + Copy + 'static) -> Moody {
    Moody::start(move |request| {
        let spoiled = move |asked: &Value| {
            let mut response = elastic_response(asked);
            if asked["size"].as_u64().unwrap() > 10 {
                spoil(&mut response);
            }
            response
        };
        let body = match request.contains("/_msearch") {
            false => spoiled(&json_of(request)),
            true => {
                let lines: Vec<&str> = body_of(request).lines().collect();
                let one = |pair: &[&str]| spoiled(&serde_json::from_str(pair[1]).unwrap());
                json!({"took": 1, "responses": lines.chunks(2).map(one).collect::<Vec<_>>()})
            }
        };
        Act::Say(response(200, JSON, &body.to_string()))
    })
    .await
}

#[tokio::test]
async fn a_response_over_the_limit_is_asked_for_once_and_then_no_more() {
    let database = spoiling(|response| response["padding"] = json!("x".repeat(70 << 10))).await;
    let sidecar =
        Sidecar::start(database.addr, reversing().await, "", "limits: { max_response_bytes: 64KiB }\n").await;
    let (target, body) = Search::Elastic.request();
    let got = sidecar.post(target, "", &body).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=too_large"));
    assert_eq!(database.take_seen().len(), 2);
    let got = sidecar.post(target, "", &body).await;
    assert_eq!(header(&got, "x-rerank-status"), Some("applied"));
    assert_eq!(database.take_seen().len(), 1);
}

#[tokio::test]
async fn responses_that_are_not_json_cost_one_search() {
    for headers in
        ["accept: application/cbor\r\n", "accept: application/vnd.elasticsearch+smile;compatible-with=9\r\n"]
    {
        let database = Moody::start(|_| Act::Say(response(200, "application/cbor", "\u{1}"))).await;
        let sidecar = sidecar(&database).await;
        let (target, body) = Search::Elastic.request();
        let got = sidecar.post(target, headers, &body).await;
        assert_eq!(header(&got, "x-rerank-status"), Some("kept; reason=unsupported"));
        let seen = database.take_seen();
        assert_eq!((seen.len(), body_of(&seen[0])), (1, body.as_str()));
    }
}

#[tokio::test]
async fn an_empty_page_under_a_filter_is_what_the_database_leaves() {
    let database = Moody::start(|request| {
        let asked = json_of(request);
        let (from, size) = (asked["from"].as_u64().unwrap_or(0), asked["size"].as_u64().unwrap_or(10));
        let hits: Vec<Value> = (from..(from + size).min(7))
            .map(|id| json!({"_id": id.to_string(), "_source": {"content": format!("text {id}")}}))
            .collect();
        let body = if hits.is_empty() { json!({}) } else { json!({"hits": {"hits": hits}}) };
        Act::Say(response(200, JSON, &body.to_string()))
    })
    .await;
    let sidecar = sidecar(&database).await;
    let target = "/docs/_search?filter_path=hits.hits._id,hits.hits._source";
    let of =
        |from: u64| format!(r#"{{"query":{{"match":{{"content":"red shoes"}}}},"from":{from},"size":5}}"#);
    let got = sidecar.post(target, "", &of(19)).await;
    assert_eq!(body_of(&got), "{}");
    assert_eq!(database.take_seen().len(), 1);
    let got = sidecar.post(target, "", &of(5)).await;
    assert_eq!(json_of(&got)["hits"]["hits"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_filter_under_which_nothing_matches_costs_one_search() {
    let database = Moody::start(|_| Act::Say(response(200, JSON, "{}"))).await;
    let sidecar = sidecar(&database).await;
    let (_, body) = Search::Elastic.request();
    let got = sidecar.post("/a/_search?filter_path=hits.hits._source", "", &body).await;
    assert_eq!((body_of(&got), database.take_seen().len()), ("{}", 1));
}

#[tokio::test]
async fn a_filter_that_leaves_out_responses_of_a_batch_mixes_up_no_two_searches() {
    // The first search finds nothing, so that the only answer there is the second's.
    let database = Moody::start(|request| {
        let line = body_of(request).lines().nth(3).unwrap();
        let one = elastic_response(&serde_json::from_str(line).unwrap());
        let hits: Vec<Value> = one["hits"]["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| json!({"_source": hit["_source"]}))
            .collect();
        Act::Say(response(200, JSON, &json!({"responses": [{"hits": {"hits": hits}}]}).to_string()))
    })
    .await;
    let sidecar = sidecar(&database).await;
    let search =
        |size: u64| format!("{{}}\n{{\"query\":{{\"match\":{{\"body\":\"zebra\"}}}},\"size\":{size}}}\n");
    let target = "/a/_msearch?filter_path=responses.hits.hits._source";
    let got = sidecar.post(target, "", &(search(1) + &search(3))).await;
    assert_eq!(json_of(&got)["responses"][0]["hits"]["hits"].as_array().map(Vec::len), Some(3), "{got}");
}
