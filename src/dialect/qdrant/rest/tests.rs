//! What the dialect promises, held against recorded traffic and against invented bodies.

mod fixtures;
mod intents;
mod kinds;
mod properties;
mod vectors;
mod widening;

pub(in crate::dialect) use fixtures::{samples, widened};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::{Qdrant, operation::Operation, response};
use crate::{
    dialect::{Dialect, DialectError, SearchKind, test_support::OfBody},
    search::{FetchPlan, Head, HitAt, Ranked, Ranking, Rewrite, ScoreWriting, SearchIntent, WantedFields},
    wire::{
        Page,
        json::{HitArray, JsonPage, hits::MOST_NOTED, page_bytes},
    },
};

static POST: Method = Method::POST;
static GET: Method = Method::GET;

const QUERY: &str = "/collections/kb/points/query";
const BATCH: &str = "/collections/kb/points/query/batch";
const GROUPS: &str = "/collections/kb/points/query/groups";
const SEARCH: &str = "/collections/kb/points/search";
const RECOMMEND: &str = "/collections/kb/points/recommend";

/// Hands a head for `path` to `work`.
fn with_head<T>(method: &Method, target: &str, work: impl FnOnce(&Head<'_>) -> T) -> T {
    let headers = HeaderMap::new();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    work(&Head { method, path, query, headers: &headers })
}

fn parse(target: &str, body: &str) -> Result<Vec<SearchIntent>, DialectError> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    with_head(&POST, target, |head| Qdrant.parse_body(head, &body))
}

fn one(target: &str, body: &str) -> SearchIntent {
    parse(target, body).unwrap().pop().unwrap()
}

fn widen(target: &str, body: &str, plans: &[FetchPlan]) -> Rewrite {
    let body = Bytes::copy_from_slice(body.as_bytes());
    with_head(&POST, target, |head| Qdrant.widen_body(head, &body, plans)).unwrap()
}

fn plan(hits: impl Into<Option<u64>>, fields: &[&str]) -> FetchPlan {
    let fields = match fields {
        ["*"] => WantedFields::All,
        names => WantedFields::Named(names.iter().map(|name| (*name).to_owned()).collect()),
    };
    FetchPlan { hits: hits.into(), fields, ..FetchPlan::as_asked() }
}

/// The hits of a response to a request with this head.
fn split(head: &Head<'_>, body: Bytes) -> Result<JsonPage, DialectError> {
    let (operation, _) = Operation::found(head).unwrap();
    response::page(&operation, body)
}

/// The list's hits in an order of their indices, scores kept.
fn ranking(order: impl IntoIterator<Item = usize>) -> Ranking {
    let hits = order.into_iter().map(Ranked::unscored).collect();
    Ranking { hits, scores: ScoreWriting::Keep, annotate: false, best: None, offset: 0 }
}

fn identity(list: &HitArray) -> Option<Ranking> {
    Some(ranking(0..list.hits.len()))
}

fn reversed(list: &HitArray) -> Option<Ranking> {
    Some(ranking((0..list.hits.len()).rev()))
}

#[test]
fn every_search_path_is_known_and_nothing_else() {
    let kind = |target: &str| with_head(&POST, target, |head| Qdrant.kind(head));
    let searches = [
        ("query", SearchKind::Query),
        ("query/batch", SearchKind::QueryBatch),
        ("query/groups", SearchKind::QueryGroups),
        ("search", SearchKind::Search),
        ("search/batch", SearchKind::SearchBatch),
        ("search/groups", SearchKind::SearchGroups),
        ("recommend", SearchKind::Recommend),
        ("recommend/batch", SearchKind::RecommendBatch),
        ("recommend/groups", SearchKind::RecommendGroups),
        ("discover", SearchKind::Discover),
        ("discover/batch", SearchKind::DiscoverBatch),
        ("quer%79", SearchKind::Query),
        ("query/", SearchKind::Query),
        ("/query//batch", SearchKind::QueryBatch),
    ];
    for (end, expected) in searches {
        assert_eq!(kind(&format!("/collections/kb/points/{end}")), Some(expected), "{end}");
    }
    for other in [
        "/collections/kb/points/discover/groups",
        "/collections/kb/points/search/matrix/pairs",
        "/collections/kb/points/scroll",
        "/collections/kb/points",
        "/collections/kb/points/Query",
        "/collections/points/query",
        "/collections//points/query",
        "/collections/kb/points/query%2Fbatch",
        "/collections/%ff/points/query",
        "collections/kb/points/query",
        "",
        "*",
    ] {
        assert_eq!(kind(other), None, "{other}");
    }
    assert_eq!(with_head(&GET, QUERY, |head| Qdrant.kind(head)), None);
    for path in ["/qdrant/collections/kb/points/query", "//a//b/collections/kb/points/query/"] {
        let below = with_head(&POST, path, |head| Qdrant.kind_below_prefix(head));
        assert_eq!((kind(path), below), (None, Some(SearchKind::Query)), "{path}");
        assert!(parse(path, r#"{"query":[1]}"#).is_err());
    }
}

#[test]
fn collection_names_are_decoded() {
    let name = |path: &str| one(path, r#"{"query":[1]}"#).collections;
    assert_eq!(name("/collections/caf%C3%A9%20docs/points/query"), ["café docs"]);
    assert_eq!(name("/collections/a%2Fb/points/query"), ["a/b"]);
    assert_eq!(name("//collections/points/points/query/"), ["points"]);
}

#[test]
fn a_failure_has_the_shape_of_the_servers_own() {
    let response = Qdrant.failure(StatusCode::BAD_GATEWAY, "no \"response\"\n");
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(&response.body()[..], br#"{"status":{"error":"no \"response\"\n"},"time":0.0}"#);
}

#[test]
fn a_response_of_another_shape_is_malformed() {
    let of = |target: &str, body: &'static str| {
        with_head(&POST, target, |head| split(head, Bytes::from_static(body.as_bytes())))
    };
    for (target, body) in [
        (QUERY, ""),
        (QUERY, "[]"),
        (QUERY, r#"{"status":{"error":"x"},"time":0.0}"#),
        (QUERY, r#"{"result":[]}"#),
        (QUERY, r#"{"result":{"points":null}}"#),
        (QUERY, r#"{"result":{"points":[1]}}"#),
        (SEARCH, r#"{"result":{"points":[]}}"#),
        (BATCH, r#"{"result":{"points":[]}}"#),
        (BATCH, r#"{"result":[{"points":[]},7]}"#),
        (GROUPS, r#"{"result":{"groups":[{"id":1}]}}"#),
        (GROUPS, r#"{"result":{"groups":{}}}"#),
    ] {
        let response = of(target, body);
        assert!(matches!(response, Err(DialectError::Malformed { .. })), "{target} {body}");
    }
    let page = of(BATCH, r#"{"result":[]}"#).unwrap();
    assert!(page.arrays().is_empty());
}

#[test]
fn score_and_payload_are_found_only_where_they_are_what_they_should_be() {
    let body =
        r#"{"result":[{"score":1.5,"payload":{"a":1}},{"score":null},{"score":"1","payload":null},{}]}"#;
    let page = with_head(&POST, SEARCH, |head| split(head, Bytes::from(body))).unwrap();
    let hits = &page.arrays()[0].hits;
    assert_eq!(&body[hits[0].score.clone().unwrap()], "1.5");
    assert_eq!(&body[hits[0].source.clone().unwrap().span], r#"{"a":1}"#);
    assert_eq!(&body[hits[1].score.clone().unwrap()], "null", "a score that is not finite");
    assert!(hits[2..].iter().all(|hit| hit.score.is_none() && hit.source.is_none()));
}

#[test]
fn a_heap_of_brackets_overflows_no_stack() {
    let brackets = |depth: usize| format!(r#"{{"query":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(one(QUERY, &brackets(900)).vector.is_empty());
    assert!(matches!(parse(QUERY, &brackets(100_000)), Err(DialectError::Unsupported(_))));
    let nested = |depth: usize| {
        let open = r#"{"prefetch":"#.repeat(depth);
        format!(r#"{open}{{"query":[1]}}{}"#, "}".repeat(depth))
    };
    assert_eq!(one(QUERY, &nested(5)).vector, [1.0]);
    assert!(matches!(parse(QUERY, &nested(900)), Err(DialectError::Unsupported(_))));
    let hits = format!(r#"{{"result":[{{"payload":{}1{}}}]}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let page = with_head(&POST, SEARCH, |head| split(head, Bytes::from(hits.clone()))).unwrap();
    assert_eq!(page.reordered(&[], &[identity(&page.arrays()[0])]), hits);
}

#[test]
fn a_hit_is_called_what_its_database_calls_it_digit_by_digit() {
    let body = r#"{"result":{"points":[{"id":18446744073709551615,"score":1,"payload":{"id":"no"}},
        {"id":"5c56c793-69f3-4fbf-87e6-c4bf54c28c26","score":1},{"score":1}]}}"#;
    let page = with_head(&POST, QUERY, |head| split(head, Bytes::from_static(body.as_bytes()))).unwrap();
    let id = |hit| page.id(HitAt { list: 0, hit });
    let uuid = "5c56c793-69f3-4fbf-87e6-c4bf54c28c26";
    assert_eq!([0, 1, 2].map(|hit| id(hit).id), ["18446744073709551615", uuid, ""]);
    assert_eq!(id(0).index, None);
}

#[test]
fn the_places_of_hits_weigh_no_more_than_was_said() {
    let few = r#"{"id":1,"payload":{"a":1}}"#.to_owned();
    let members: Vec<String> = (0..MOST_NOTED).map(|n| format!("\"{n}\":1")).collect();
    let many = format!(r#"{{"payload":{{{}}}}}"#, members.join(","));
    for hits in [vec!["{}"; 3000], vec![&*few; 3000], vec![&*many; 3000], vec!["{}", &*many]] {
        let body = Bytes::from(format!(r#"{{"result":[{}]}}"#, hits.join(",")));
        let page = with_head(&POST, SEARCH, |head| split(head, body.clone())).unwrap();
        assert!(page.held_bytes() < page_bytes(&body), "{} hits", hits.len());
    }
}
