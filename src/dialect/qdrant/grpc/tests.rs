//! What is read from and made of gRPC's messages, held against recorded traffic, the REST interface, and invented messages.

mod dialect;
mod fixtures;
mod intents;
mod kinds;
mod messages;
mod of_json;
mod properties;
mod vectors;
mod widening;

pub(in crate::dialect) use fixtures::{samples, widened};

use bytes::Bytes;
use http::{HeaderMap, Method};
use prost::Message as _;
use serde_json::{Value as Json, json};

use super::{
    operation::Operation,
    request::{self, Request},
    response, widen,
};
use crate::{
    dialect::{DialectError, SearchKind, qdrant::Qdrant, test_support::OfBody},
    search::{FetchPlan, Head, Ranked, Ranking, ScoreWriting, SearchIntent, Strip, WantedFields},
};

fn found(method: &Method, path: &str) -> Option<(Operation, bool)> {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    Operation::found(&Head { method, path, query, headers: &HeaderMap::new() })
}

/// The search of this method.
fn operation(method: &str) -> Operation {
    found(&Method::POST, &format!("/qdrant.Points/{method}")).unwrap().0
}

fn parse(method: &str, message: &[u8]) -> Result<Vec<SearchIntent>, DialectError> {
    let operation = operation(method);
    Request::read(operation.form, message)?.intents(operation)
}

fn one(method: &str, message: &impl prost::Message) -> SearchIntent {
    parse(method, &message.encode_to_vec()).unwrap().pop().unwrap()
}

/// The intent of a query written as for REST.
fn asks(json: Json) -> SearchIntent {
    one("Query", &of_json::query_points(&json))
}

/// The same search over REST.
fn rest(json: &Json) -> SearchIntent {
    let (method, headers) = (Method::POST, HeaderMap::new());
    let head = Head { method: &method, path: "/collections/kb/points/query", query: None, headers: &headers };
    Qdrant.parse_body(&head, &Bytes::from(json.to_string())).unwrap().pop().unwrap()
}

fn rewritten(method: &str, message: &[u8], plans: &[FetchPlan]) -> (Bytes, Vec<Strip>) {
    widen::widen(operation(method), &Bytes::copy_from_slice(message), plans).unwrap()
}

fn plan(hits: impl Into<Option<u64>>, fields: &[&str]) -> FetchPlan {
    let fields = match fields {
        ["*"] => WantedFields::All,
        names => WantedFields::Named(names.iter().map(|name| (*name).to_owned()).collect()),
    };
    FetchPlan { hits: hits.into(), fields, ..FetchPlan::as_asked() }
}

fn ranking(order: impl IntoIterator<Item = usize>) -> Option<Ranking> {
    let hits = order.into_iter().map(Ranked::unscored).collect();
    Some(Ranking { hits, scores: ScoreWriting::Keep, annotate: false, best: None, offset: 0 })
}

/// All that an intent says and that both interfaces can say.
fn said(intent: &SearchIntent) -> String {
    // Components are written with 64 bits in one interface, with 32 in the other.
    let vector: Vec<f32> = intent.vector.iter().map(|&component| component as f32).collect();
    let native = match &intent.native {
        crate::search::NativeText::One(text) => format!("one: {text}"),
        other => format!("{other:?}"),
    };
    let SearchIntent { collections, limit, offset, keep, widening, grouped, max_hits, .. } = intent;
    format!("{collections:?} {limit} {offset} {keep:?} {widening:?} {grouped} {max_hits} {native} {vector:?}")
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().map(|digit| char::from(digit).to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

#[test]
fn every_search_method_is_known_and_nothing_else() {
    let kind = |path: &str| found(&Method::POST, path).map(|(operation, below)| (operation.kind, below));
    for (method, expected) in [
        ("Query", SearchKind::Query),
        ("QueryBatch", SearchKind::QueryBatch),
        ("QueryGroups", SearchKind::QueryGroups),
        ("Search", SearchKind::Search),
        ("SearchBatch", SearchKind::SearchBatch),
        ("SearchGroups", SearchKind::SearchGroups),
        ("Recommend", SearchKind::Recommend),
        ("RecommendBatch", SearchKind::RecommendBatch),
        ("RecommendGroups", SearchKind::RecommendGroups),
        ("Discover", SearchKind::Discover),
        ("DiscoverBatch", SearchKind::DiscoverBatch),
    ] {
        assert_eq!(kind(&format!("/qdrant.Points/{method}")), Some((expected, false)));
        assert_eq!(kind(&format!("/db/qdrant.Points/{method}")), Some((expected, true)));
    }
    for other in [
        "/qdrant.Points/DiscoverGroups",
        "/qdrant.Points/Scroll",
        "/qdrant.Points/query",
        "/qdrant.Points/Query/",
        "/qdrant.Points//Query",
        "/qdrant.Points/Quer%79",
        "/qdrant.Points/SearchMatrixPairs",
        "/qdrant.Points/QueryBatchGroups",
        "/qdrant.Points/Query?x",
        "/qdrant.PointsInternal/Query",
        "/aqdrant.Points/Query",
        "/qdrant.Collections/Query",
        "qdrant.Points/Query",
        "/Query",
        "*",
        "",
    ] {
        assert_eq!(kind(other), None, "{other}");
    }
    assert!(found(&Method::GET, "/qdrant.Points/Query").is_none());
}

#[test]
fn reading_a_request_takes_no_more_memory_than_was_said() {
    let bytes_of = |method: &str, message: &[u8]| request::reading_bytes(operation(method).form, message);
    let search = of_json::query_points(&json!({"query": [0.5, 1.0], "limit": 3}));
    let message = search.encode_to_vec();
    assert!(
        bytes_of("Query", &message) < 3000,
        "a usual request takes little: {}",
        bytes_of("Query", &message)
    );
    let batch = messages::QueryBatchPoints { query_points: vec![search; 1000], ..Default::default() };
    let message = batch.encode_to_vec();
    let intents = parse("QueryBatch", &message).unwrap();
    assert!(bytes_of("QueryBatch", &message) >= intents.capacity() * size_of::<SearchIntent>());
    let mut unpacked = Vec::new();
    (0..5000).for_each(|_| crate::wire::proto::write::float(&mut unpacked, 2, 0.5));
    assert!(bytes_of("Search", &unpacked) > 5000 * 2 * 40);
    let deep = (0..5000).fold(Vec::new(), |inner, _| {
        let mut outer = Vec::new();
        crate::wire::proto::write::bytes(&mut outer, 2, &inner);
        outer
    });
    assert!(bytes_of("Query", &deep) > 0, "no depth is too much");
}
