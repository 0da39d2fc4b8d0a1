//! Walks through the pages of composed searches, directly and through the program.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::harness::engine::{Engine, collection};
use crate::harness::{Scripted, Sidecar, header, json_of, response};

const QUERY: &str = "/collections/c/points/query";

fn any_vector() -> impl Strategy<Value = Value> {
    prop::array::uniform3(-8..8i32).prop_map(|parts| json!(parts.map(|part| f64::from(part) + 0.5)))
}

/// A query that has no prefetches: by a vector, by a number, or none.
fn any_leaf() -> impl Strategy<Value = Value> {
    let query = prop_oneof![
        4 => any_vector(),
        1 => Just(json!({"order_by": {"key": "number", "direction": "desc"}})),
        1 => Just(Value::Null),
    ];
    (query, prop::option::of(1..70u64)).prop_map(|(query, limit)| {
        let mut prefetch = json!({"query": query});
        if let Some(limit) = limit {
            prefetch["limit"] = json!(limit);
        }
        prefetch
    })
}

fn any_prefetch() -> impl Strategy<Value = Value> {
    any_leaf().prop_recursive(2, 6, 3, |inner| {
        (prop::collection::vec(inner, 1..3), any_outer(), 1..70u64).prop_map(
            |(prefetch, query, limit)| json!({"prefetch": prefetch, "query": query, "limit": limit}),
        )
    })
}

fn any_outer() -> impl Strategy<Value = Value> {
    prop_oneof![
        any_vector(),
        Just(json!({"fusion": "rrf"})),
        Just(json!({"fusion": "dbsf"})),
        Just(json!({"formula": {"mult": [2, "$score"]}})),
    ]
}

fn any_search() -> impl Strategy<Value = Value> {
    let prefetches = prop_oneof![
        4 => prop::collection::vec(any_prefetch(), 1..4).prop_map(Value::from),
        1 => any_prefetch(),
    ];
    prop_oneof![
        5 => (prefetches, any_outer()).prop_map(|(prefetch, query)| json!({"prefetch": prefetch, "query": query})),
        1 => any_vector().prop_map(|query| json!({"query": query})),
    ]
}

/// Scores in no order that has to do with the database's.
fn scrambled(text: &str) -> f64 {
    let id: u64 = text.rsplit(' ').next().and_then(|id| id.parse().ok()).unwrap_or_default();
    (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f64 / (1u64 << 24) as f64
}

fn ids(page: &Value) -> Vec<u64> {
    page["result"]["points"].as_array().unwrap().iter().map(|hit| hit["id"].as_u64().unwrap()).collect()
}

/// Both walks by pages of `limit` hits, to behind the end; and whether any page was reranked.
async fn walks(
    engine: &Engine,
    sidecar: &Sidecar,
    search: &Value,
    (limit, window): (u64, u64),
) -> (Vec<Vec<u64>>, Vec<Vec<u64>>, bool) {
    let (mut direct, mut through, mut applied) = (Vec::new(), Vec::new(), false);
    for offset in (0..).step_by(limit as usize) {
        let mut body = search.clone();
        (body["limit"], body["offset"]) = (json!(limit), json!(offset));
        let own = engine.response(&format!("POST {QUERY} HTTP/1.1\r\n\r\n{body}"));
        direct.push(ids(&json_of(&own)));
        let headers = format!("x-rerank-query: q\r\nx-rerank-window: {window}\r\n");
        let got = sidecar.post(QUERY, &headers, &body.to_string()).await;
        applied |= header(&got, "x-rerank-status") == Some("applied");
        through.push(ids(&json_of(&got)));
        // Some pages behind the end too: a walk may only end where the direct one does.
        if offset > window + limit && direct.last().is_some_and(Vec::is_empty) {
            break;
        }
    }
    (direct, through, applied)
}

async fn start(service: Scripted) -> (Scripted, Sidecar) {
    let engine = collection(60);
    let database = Scripted::start(move |request| Some(engine.response(request))).await;
    let sidecar = Sidecar::start(database.addr, service, "", "").await;
    (database, sidecar)
}

/// Searches, page sizes and windows, always the same ones.
fn drawn(count: usize) -> Vec<(Value, u64, u64)> {
    let mut runner = TestRunner::deterministic();
    let strategy = (any_search(), 1..24u64, 2..50u64);
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

#[tokio::test]
async fn a_walk_shows_every_hit_of_the_direct_walk_and_each_page_as_many() {
    let engine = collection(60);
    let (_database, sidecar) = start(Scripted::scoring(scrambled).await).await;
    let mut reranked = 0;
    for (search, limit, window) in drawn(60) {
        let (direct, through, applied) = walks(&engine, &sidecar, &search, (limit, window)).await;
        let case = format!("{search}, pages of {limit}, window {window}");
        let lengths = |pages: &[Vec<u64>]| pages.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(&through), lengths(&direct), "{case}");
        let sorted = |pages: &[Vec<u64>]| {
            let mut all = pages.concat();
            all.sort_unstable();
            all
        };
        assert_eq!(sorted(&through), sorted(&direct), "{case}");
        reranked += usize::from(applied);
    }
    assert!(reranked > 40, "{reranked} walks were reranked");
}

#[tokio::test]
async fn while_the_provider_fails_every_page_is_the_direct_one() {
    let engine = collection(60);
    let failing = Scripted::start(|_| Some(response(500, "application/json", "{}"))).await;
    let (_database, sidecar) = start(failing).await;
    for (search, limit, window) in drawn(20) {
        let (direct, through, _) = walks(&engine, &sidecar, &search, (limit, window)).await;
        assert_eq!(through, direct, "{search}, pages of {limit}, window {window}");
    }
}

#[tokio::test]
async fn the_prefetches_that_reach_the_database_are_the_clients() {
    let (database, sidecar) = start(Scripted::scoring(scrambled).await).await;
    for (search, limit, _) in drawn(20) {
        let mut body = search.clone();
        body["limit"] = json!(limit);
        sidecar.post(QUERY, "x-rerank-query: q\r\n", &body.to_string()).await;
        let asked = json_of(database.seen().last().unwrap());
        assert_eq!(asked["prefetch"], search["prefetch"]);
    }
}
