use super::*;
use crate::demo::{embed, ndcg, questions};

fn post(path: &str, body: &str) -> (u16, Value) {
    let response = respond(&Method::POST, &format!("/collections/demo/points{path}"), body.as_bytes());
    let (status, body) = response.into_body(0.0001);
    (status.as_u16(), serde_json::from_str(&body).unwrap())
}

fn get(path: &str) -> (u16, String) {
    let (status, body) = respond(&Method::GET, path, b"").into_body(0.0001);
    (status.as_u16(), body)
}

fn query(rest: &str) -> String {
    format!(r#"{{"query":{:?}{rest}}}"#, embed("stale bread"))
}

fn ids(points: &Value) -> Vec<u64> {
    points.as_array().unwrap().iter().map(|point| point["id"].as_u64().unwrap()).collect()
}

#[test]
fn a_response_has_the_members_of_qdrant_in_its_order() {
    let body = query(r#","limit":1,"with_payload":true,"with_vector":true"#);
    let response = respond(&Method::POST, "/collections/demo/points/query", body.as_bytes());
    let (_, text) = response.into_body(0.0001);
    let order = [
        r#"{"result":{"points":[{"id":"#,
        r#","version":0,"score":"#,
        r#","payload":{"title":""#,
        r#"","text":""#,
        r#"","topic":""#,
        r#""},"vector":["#,
        r#"]}]},"status":"ok","time":0.0001}"#,
    ];
    let mut from = 0;
    for part in order {
        from += text[from..].find(part).unwrap_or_else(|| panic!("{part} in {text}")) + part.len();
    }
    assert_eq!(from, text.len());
}

#[test]
fn pages_join_up() {
    let all = ids(&post("/query", &query(r#","limit":100"#)).1["result"]["points"]);
    assert_eq!(all.len(), points::all().len());
    let page = ids(&post("/query", &query(r#","limit":5,"offset":5"#)).1["result"]["points"]);
    assert_eq!(page, all[5..10]);
    assert_eq!(ids(&post("/query", &query("")).1["result"]["points"]).len(), 10);
    assert_eq!(ids(&post("/search", &query("").replace("query", "vector")).1["result"]), all[..10]);
}

#[test]
fn payloads_are_shown_as_asked() {
    let keys = |with: &str| {
        let (_, body) = post("/query", &query(&format!(r#","limit":1,"with_payload":{with}"#)));
        let payload = body["result"]["points"][0]["payload"].as_object().cloned();
        payload.map(|payload| payload.keys().cloned().collect::<Vec<_>>().join(","))
    };
    assert_eq!(keys("false"), None);
    assert_eq!(keys("null"), None);
    assert_eq!(keys("true").unwrap(), "text,title,topic");
    assert_eq!(keys(r#"["title","nope"]"#).unwrap(), "title");
    assert_eq!(keys(r#"{"include":["text"]}"#).unwrap(), "text");
    assert_eq!(keys(r#"{"exclude":["text"]}"#).unwrap(), "title,topic");
    assert_eq!(post("/query", &query(r#","with_payload":3"#)).0, 400);
}

#[test]
fn all_forms_of_a_query_and_batches_are_understood() {
    let plain = post("/query", &query("")).1["result"].clone();
    let nearest =
        format!(r#"{{"query":{{"nearest":{:?}}},"filter":null,"prefetch":[]}}"#, embed("stale bread"));
    assert_eq!(post("/query", &nearest).1["result"], plain);
    let (_, batch) = post("/query/batch", &format!(r#"{{"searches":[{},{nearest}]}}"#, query("")));
    assert_eq!(batch["result"], Value::Array(vec![plain.clone(), plain]));
    let neighbours = ids(&post("/query", r#"{"query":3,"limit":99}"#).1["result"]["points"]);
    assert!(!neighbours.contains(&3) && neighbours.len() == points::all().len() - 1);
}

#[test]
fn filters_say_which_points_are_found() {
    let topics = |filter: &str| {
        let (status, body) =
            post("/query", &query(&format!(r#","limit":100,"with_payload":["topic"],"filter":{filter}"#)));
        assert_eq!(status, 200, "{body}");
        let points = body["result"]["points"].as_array().unwrap();
        let topic = |point: &Value| point["payload"]["topic"].as_str().unwrap().to_owned();
        points.iter().map(topic).collect::<std::collections::BTreeSet<_>>()
    };
    let all = topics("{}");
    assert!(all.len() > 3);
    assert_eq!(topics(r#"{"must":[{"key":"topic","match":{"value":"cooking"}}]}"#).len(), 1);
    assert_eq!(topics(r#"{"must":{"key":"topic","match":{"any":["cooking","gardening"]}}}"#).len(), 2);
    assert_eq!(topics(r#"{"must_not":[{"key":"topic","match":{"value":"cooking"}}]}"#).len(), all.len() - 1);
    assert_eq!(topics(r#"{"must":[{"key":"topic","match":{"except":["cooking"]}}]}"#).len(), all.len() - 1);
    let nested =
        r#"{"should":[{"must":[{"key":"topic","match":{"value":"gardening"}}]},{"has_id":[1]}],"must":null}"#;
    assert!(topics(nested).contains("gardening"));
    let (_, count) = post("/count", r#"{"filter":{"must":[{"has_id":[1,2,99999]}]}}"#);
    assert_eq!(count["result"]["count"], 2);
}

#[test]
fn groups_have_the_best_hits_of_the_best_values() {
    let (_, body) =
        post("/query/groups", &query(r#","group_by":"topic","limit":2,"group_size":3,"with_payload":true"#));
    let groups = body["result"]["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2);
    for group in groups {
        let hits = group["hits"].as_array().unwrap();
        assert!(hits.len() <= 3 && hits.iter().all(|hit| hit["payload"]["topic"] == group["id"]));
    }
    assert_eq!(
        post("/search/groups", &query(r#","group_by":"nothing""#)).1["result"]["groups"],
        Value::Array(vec![])
    );
    assert_eq!(post("/query/groups", &query("")).0, 400, "group_by is missing");
    assert_eq!(post("/query/groups", &query(r#","group_by":"topic","group_size":0"#)).0, 422);
}

#[test]
fn points_are_read_scrolled_and_counted() {
    assert_eq!(ids(&post("", r#"{"ids":[2,99999,"x"],"with_payload":true}"#).1["result"]), [2]);
    let (_, page) = post("/scroll", r#"{"limit":2,"offset":3}"#);
    assert_eq!(
        (ids(&page["result"]["points"]), page["result"]["next_page_offset"].as_u64()),
        (vec![3, 4], Some(5))
    );
    assert!(page["result"]["points"][0]["payload"]["title"].is_string());
    assert!(post("/scroll", r#"{"limit":999}"#).1["result"]["next_page_offset"].is_null());
    assert_eq!(post("/count", r#"{"exact":true}"#).1["result"]["count"], points::all().len());
    assert_eq!(get("/collections/demo/points/1").0, 200);
}

#[test]
fn clients_find_version_and_collections() {
    assert!(get("/").1.contains(r#""version":"1.19.0""#));
    assert!(
        get("/collections").1.starts_with(r#"{"result":{"collections":[{"name":"demo"}]},"status":"ok""#)
    );
    assert!(get("/collections/demo/exists").1.contains("true"));
    assert!(get("/collections/nope/exists").1.contains("false"));
    let info: Value = serde_json::from_str(&get("/collections/demo").1).unwrap();
    assert_eq!(info["result"]["config"]["params"]["vectors"]["size"], DIMENSIONS);
}

#[test]
fn errors_have_the_shape_of_qdrant() {
    let (status, body) = get("/collections/nope");
    assert_eq!(status, 404);
    assert_eq!(body, r#"{"status":{"error":"Not found: Collection `nope` doesn't exist!"},"time":0.0001}"#);
    assert_eq!(get("/no/such/path"), (404, String::new()));
    assert_eq!(
        respond(&Method::PUT, "/collections/demo/points/query", b"{}"),
        DemoReply::Error(Rejection::NoSuchMethod)
    );
    let cases = [
        ("{\"query\":[0.1", 400),
        (r#"{"query":[0.1,0.2]}"#, 400),
        (r#"{"query":{"fusion":"rrf"}}"#, 400),
        (r#"{"query":4242}"#, 404),
        (r#"{"limit":0}"#, 422),
        (r#"{"limit":-1}"#, 400),
        (r#"{"filter":{"must":[{"key":"topic"}]}}"#, 400),
    ];
    for (body, status) in cases {
        let (got, response) = post("/query", body);
        assert_eq!(got, status, "{body}");
        assert!(response["status"]["error"].is_string());
    }
}

/// The ids in the first stage's order.
fn first_stage(question: &str) -> Vec<u64> {
    points::nearest(&embed(question), None).iter().map(|(_, point)| point.passage.id).collect()
}

#[test]
fn the_first_stage_is_imperfect_but_not_useless() {
    let sum: f64 = questions().iter().map(|q| ndcg(&first_stage(&q.text), &q.grades, 5)).sum();
    let mean = sum / questions().len() as f64;
    assert!(mean > 0.2 && mean < 0.9, "nDCG@5 of the first stage is {mean}");
}

#[test]
fn a_window_of_50_holds_every_best_response() {
    for question in questions() {
        let ranking = first_stage(&question.text);
        let mut best = question.grades.iter().filter(|(_, grade)| **grade == 3).map(|(id, _)| id);
        assert!(best.all(|id| ranking[..50].contains(id)), "{}", question.text);
    }
}
