//! The kinds of query: which are ranked, which texts and vectors they hold.

use super::*;
use crate::search::{KeepReason, NativeText, Widening};

/// `query` over these prefetches.
fn over(query: &str, prefetches: &[&str]) -> String {
    format!(r#"{{"query":{query},"prefetch":[{}]}}"#, prefetches.join(","))
}

#[test]
fn what_is_made_of_orders_that_are_not_relevance_is_not_ranked() {
    const NEWEST: &str = r#"{"query":{"order_by":{"key":"at","direction":"desc"}},"limit":10}"#;
    const SAMPLE: &str = r#"{"query":{"sample":"random"}}"#;
    const FIRST: &str = r#"{"filter":{"must":[]},"limit":3}"#;
    const CONTEXT: &str = r#"{"query":{"context":[{"positive":1,"negative":2}]}}"#;
    const NEAREST: &str = r#"{"query":[0.5],"limit":20}"#;
    const RRF: &str = r#"{"fusion":"rrf"}"#;
    let by_score = r#"{"formula":{"sum":["$score","popularity"]}}"#;
    let by_age = r#"{"formula":{"exp_decay":{"x":{"datetime_key":"at"}}}}"#;
    let nested = format!(r#"{{"prefetch":[{NEWEST}],"query":[1]}}"#);
    for (query, prefetches) in [
        (RRF, &[NEWEST, SAMPLE, FIRST, CONTEXT][..]),
        (r#"{"rrf":{"k":2,"weights":[1,2]}}"#, &[NEWEST, SAMPLE]),
        (r#"{"fusion":"dbsf"}"#, &[FIRST]),
        (by_score, &[NEWEST]),
        (by_age, &[NEAREST]),
    ] {
        let intent = one(QUERY, &over(query, prefetches));
        assert_eq!(intent.keep, Some(KeepReason::NotRanked), "{query} {prefetches:?}");
        assert_eq!(intent.widening, Widening::Never);
    }
    for (query, prefetches) in [
        (RRF, &[NEAREST, NEWEST][..]),
        (r#"{"rrf":{}}"#, &[SAMPLE, &nested]),
        (by_score, &[NEAREST]),
        ("[1]", &[NEWEST]),
        (r#"{"nearest":7}"#, &[FIRST, SAMPLE]),
        (r#"{"fusion":"dbsf"}"#, &[]),
    ] {
        let intent = one(QUERY, &over(query, prefetches));
        assert_eq!(intent.keep, None, "{query} {prefetches:?}");
    }
    let unknown = r#"{"query":{"tomorrow":1}}"#;
    assert_eq!(one(QUERY, &over(RRF, &[unknown])).keep, Some(KeepReason::Unsupported));
    assert_eq!(one(QUERY, &over(RRF, &[unknown, NEAREST])).keep, None);
    assert_eq!(one(QUERY, &over(r#"{"tomorrow":1}"#, &[NEAREST])).keep, Some(KeepReason::Unsupported));
}

#[test]
fn the_text_of_a_query_of_any_kind_is_its_own() {
    for query in [
        r#"{"text":"red shoes"}"#,
        r#"{"text":{"query":"red shoes"}}"#,
        r#"{"text":{"query":"red shoes","scoring":{"bm25":{"k1":2.0,"b":0.5}}}}"#,
        r#"{"relevance_feedback":{"target":{"text":"red shoes","model":"m"},"feedback":[{"example":1,"score":0.5}],"strategy":{"naive":{"a":1,"b":1,"c":1}}}}"#,
        r#"{"discover":{"target":{"text":"red shoes","model":"m"},"context":[]}}"#,
        r#"{"nearest":{"text":"red shoes","model":"m"}}"#,
    ] {
        let intent = one(QUERY, &format!(r#"{{"query":{query},"using":"title"}}"#));
        assert_eq!(intent.keep, None, "{query}");
        assert!(intent.native == NativeText::One("red shoes".to_owned()), "{query}");
    }
    for query in [r#"{"text":7}"#, r#"{"text":{"scoring":{}}}"#, r#"{"text":{"query":["a"]}}"#] {
        let intent = one(QUERY, &format!(r#"{{"query":{query}}}"#));
        assert!(intent.native == NativeText::None, "{query}");
    }
    let text = r#"{"query":{"text":"red shoes"},"using":"title"}"#;
    let dense = r#"{"query":{"text":"red shoes","model":"m"}}"#;
    let hybrid = one(QUERY, &over(r#"{"fusion":"rrf"}"#, &[text, dense]));
    assert!(hybrid.native == NativeText::One("red shoes".to_owned()));
}

#[test]
fn the_vector_of_a_target_is_the_querys() {
    let vector = |target: &str, body: &str| one(target, body).vector;
    let feedback = r#"{"query":{"relevance_feedback":{"target":[0.5,1],"feedback":[],"strategy":{}}}}"#;
    assert_eq!(vector(QUERY, feedback), [0.5, 1.0]);
    assert_eq!(vector(QUERY, r#"{"query":{"discover":{"target":[2],"context":[]}}}"#), [2.0]);
    let discover = "/collections/kb/points/discover";
    assert_eq!(vector(discover, r#"{"target":[3],"limit":1}"#), [3.0]);
    assert!(vector(QUERY, r#"{"query":{"text":"a"}}"#).is_empty());
}

#[test]
fn a_limit_may_be_called_top_where_the_server_knows_it() {
    let page = |target: &str, body: &str| {
        let intent = one(target, body);
        (intent.limit, intent.offset)
    };
    let discover = "/collections/kb/points/discover";
    for (target, body) in [
        (SEARCH, r#"{"vector":[1],"top":5,"offset":2}"#),
        (RECOMMEND, r#"{"positive":[1],"top":5,"offset":2}"#),
        (discover, r#"{"target":1,"top":5,"offset":2}"#),
    ] {
        assert_eq!(page(target, body), (5, 2), "{target}");
        let twice = body.replace("}", r#","limit":5}"#);
        assert!(matches!(parse(target, &twice), Err(DialectError::Malformed { .. })), "{target}");
        let none = body.replace(r#""top":5"#, r#""top":null"#);
        assert!(matches!(parse(target, &none), Err(DialectError::Malformed { .. })), "{target}");
    }
    assert_eq!(page(QUERY, r#"{"query":[1],"top":5}"#), (10, 0));
    let groups = "/collections/kb/points/search/groups";
    assert_eq!(page(groups, r#"{"vector":[1],"group_by":"a","limit":2,"group_size":4,"top":0}"#), (4, 0));
}
