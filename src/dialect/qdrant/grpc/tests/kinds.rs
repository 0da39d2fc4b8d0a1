//! The kinds of query: which are ranked, which texts and vectors they hold.

use super::{messages::*, of_json::*, *};
use crate::search::{KeepReason, NativeText, Widening};

fn keep(json: Json) -> Option<KeepReason> {
    asks(json).keep
}

/// The same search as one of REST's, over gRPC.
fn assert_as_rest(json: Json) {
    assert_eq!(said(&asks(json.clone())), said(&rest(&json)), "{json}");
}

#[test]
fn hits_that_no_query_ranked_keep_their_order() {
    for json in [
        json!({}),
        json!({"limit": 5}),
        json!({"query": {"order_by": "rank"}}),
        json!({"query": {"sample": "random"}}),
        json!({"query": {"nearest": [1], "mmr": {"diversity": 0.5}}}),
        json!({"query": {"context": []}}),
        json!({"query": [1], "limit": 0}),
        json!({"query": {"recommend": {"positive": [[1]]}}, "with_vector": true}),
        json!({"query": {"recommend": {"positive": [[1]], "strategy": "average_vector"}}, "with_vector": ["a"]}),
    ] {
        assert_eq!(keep(json.clone()), Some(KeepReason::NotRanked), "{json}");
        assert_as_rest(json);
    }
    for json in [
        json!({"query": [1]}),
        json!({"query": 7}),
        json!({"query": {"nearest": [1]}, "with_vector": true}),
        json!({"query": {"recommend": {"positive": [[1]]}}, "with_vector": false}),
        json!({"query": {"recommend": {"positive": [[1]], "strategy": "best_score"}}, "with_vector": true}),
        json!({"query": {"discover": {"target": [1], "context": []}}}),
        json!({"query": {"relevance_feedback": {"target": [1], "feedback": [], "strategy": {}}}}),
        json!({"query": {"indices": [1], "values": [1]}}),
    ] {
        assert_eq!(keep(json.clone()), None, "{json}");
        assert_as_rest(json);
    }
    let unknown = [0x1a, 3, 0x82, 0x06, 0];
    assert_eq!(
        parse("Query", &unknown).unwrap()[0].keep,
        Some(KeepReason::Unsupported),
        "a variant of tomorrow"
    );
    assert_eq!(parse("Query", &[0x1a, 0]).unwrap()[0].keep, Some(KeepReason::Unsupported), "no variant");
}

#[test]
fn the_older_searches_are_ranked_but_where_the_client_chooses_by_itself() {
    let recommend = |strategy, with_vectors: Option<Json>| {
        let with_vectors = with_vectors.map(|json| selector(&json));
        let single =
            RecommendPoints { limit: 3, strategy, with_vectors: with_vectors.clone(), ..Default::default() };
        let groups =
            RecommendPointGroups { limit: 3, group_size: 2, strategy, with_vectors, ..Default::default() };
        let keep = [one("Recommend", &single).keep, one("RecommendGroups", &groups).keep];
        assert_eq!(keep[0], keep[1]);
        keep[0]
    };
    let not_ranked = Some(KeepReason::NotRanked);
    assert_eq!(recommend(None, Some(json!(true))), not_ranked);
    assert_eq!(recommend(Some(0), Some(json!(["a"]))), not_ranked);
    assert_eq!(recommend(Some(1), Some(json!(true))), None);
    assert_eq!(recommend(None, Some(json!(false))), None);
    assert_eq!(recommend(None, Some(json!([]))), None);
    assert_eq!(recommend(None, None), None);
    let discover =
        |target| one("Discover", &DiscoverPoints { limit: 3, target, ..DiscoverPoints::default() }).keep;
    assert_eq!(discover(None), not_ranked, "by context alone");
    assert_eq!(discover(Some(TargetVector::default())), None);
    assert_eq!(one("Search", &SearchPoints { limit: 3, ..Default::default() }).widening, Widening::Neutral);
}

#[test]
fn what_is_made_of_prefetches_is_what_it_is_over_rest() {
    const NEWEST: &str = r#"{"query": {"order_by": "at"}, "limit": 10}"#;
    const SAMPLE: &str = r#"{"query": {"sample": "random"}}"#;
    const NEAREST: &str = r#"{"query": [0.5], "limit": 20}"#;
    const NESTED: &str = r#"{"prefetch": [{"query": {"order_by": "at"}}], "query": [1]}"#;
    for (query, prefetches) in [
        (r#"{"fusion": "rrf"}"#, &[NEWEST, SAMPLE][..]),
        (r#"{"rrf": {"k": 2}}"#, &[NEWEST, NEAREST]),
        (r#"{"fusion": "dbsf"}"#, &[]),
        (r#"{"rrf": {}}"#, &[SAMPLE, NESTED]),
        (r#"{"formula": {"sum": ["$score", "popularity"]}}"#, &[NEWEST]),
        (r#"{"formula": {"sum": ["$score", "popularity"]}}"#, &[NEAREST]),
        (r#"{"formula": {"exp_decay": {"x": {"datetime_key": "at"}}}}"#, &[NEAREST]),
        ("[1]", &[NEWEST]),
        (r#"{"nearest": 7}"#, &["{}", SAMPLE]),
    ] {
        let prefetches: Vec<Json> = prefetches.iter().map(|one| serde_json::from_str(one).unwrap()).collect();
        let query: Json = serde_json::from_str(query).unwrap();
        assert_as_rest(json!({"query": query, "prefetch": prefetches}));
    }
}

#[test]
fn a_formula_ranks_where_it_does_over_rest() {
    for formula in [
        json!("$score"),
        json!("$score[1]"),
        json!({"sum": ["$score", {"mult": [0.5, {"key": "tag"}]}]}),
        json!({"mult": ["$score", {"exp_decay": {"x": {"datetime_key": "at"}}}]}),
        json!({"div": {"left": "$score", "right": "price"}}),
        json!({"pow": {"base": {"ln": "$score[0]"}, "exponent": 2}}),
        json!({"abs": {"max": [0, "$score"]}}),
        json!({"min": [{"sqrt": "$score"}, {"exp": "a"}]}),
        json!({"log10": {"acosh": "$score"}}),
        json!(1),
        json!("price"),
        json!("$scores"),
        json!({"exp_decay": {"x": "$score", "target": 1}}),
        json!({"sum": [1, {"mult": [0.0, "$score"]}]}),
        json!({"neg": "$score"}),
        json!({"mult": ["$score", -1]}),
        json!({"div": {"left": 1, "right": "$score"}}),
        json!({"pow": {"base": "$score", "exponent": -2}}),
        json!({"pow": {"exponent": 2}}),
        json!({"sum": []}),
        json!({"geo_distance": {}}),
    ] {
        assert_as_rest(json!({"query": {"formula": formula}, "prefetch": [{"query": [1]}]}));
    }
    let deep = (0..900).fold(json!("$score"), |inner, _| json!({"abs": inner}));
    let message =
        QueryPoints { query: Some(of_json::query(&json!({"formula": deep}))), ..QueryPoints::default() };
    assert_eq!(one("Query", &message).keep, Some(KeepReason::NotRanked), "no depth is too much");
}

#[test]
fn the_text_of_documents_is_the_querys_own() {
    let document = || json!({"text": "a b", "model": "m"});
    for query in [
        document(),
        json!({"nearest": document()}),
        json!({"nearest": document(), "mmr": {}}),
        json!({"discover": {"target": document(), "context": []}}),
        json!({"relevance_feedback": {"target": document(), "feedback": [], "strategy": {}}}),
        json!({"text": {"query": "a b"}}),
    ] {
        let json = json!({"query": query});
        assert!(asks(json.clone()).native == NativeText::One("a b".to_owned()), "{json}");
        assert_as_rest(json);
    }
    for (a, b) in
        [(document(), json!([1])), (document(), document()), (document(), json!({"text": "c", "model": "m"}))]
    {
        assert_as_rest(
            json!({"query": {"fusion": "rrf"}, "prefetch": [{"query": a}, {"prefetch": {"query": b}, "query": [1]}]}),
        );
    }
    for query in
        [json!(7), json!({"image": "u", "model": "m"}), json!({"recommend": {"positive": [document()]}})]
    {
        assert!(asks(json!({"query": query})).native == NativeText::None, "{query}");
    }
    assert!(asks(json!({"query": {"text": "", "model": "m"}})).native == NativeText::None);
    let debug = format!("{:?}", asks(json!({"query": {"text": "secret", "model": "m"}})));
    assert!(!debug.contains("secret"));
}

#[test]
fn a_vector_is_known_by_its_first_components() {
    let long: Vec<f32> = (0..40_u8).map(f32::from).collect();
    assert_eq!(asks(json!({"query": long})).vector.len(), 16);
    let fused = json!({"query": {"fusion": "rrf"}, "prefetch": [
        {"query": {"indices": [1], "values": [1]}}, {"query": {"nearest": [3]}}, {"query": [4]}]});
    assert_eq!(asks(fused.clone()).vector, [3.0]);
    assert_as_rest(fused);
    let search = |vector, sparse_indices| SearchPoints { vector, sparse_indices, ..SearchPoints::default() };
    assert_eq!(one("Search", &search(vec![2.0, 0.5], None)).vector, [2.0, 0.5]);
    assert!(one("Search", &search(vec![2.0], Some(Vec::new()))).vector.is_empty(), "sparse");
    assert!(one("Search", &search(vec![2.0, f32::NAN], None)).vector.is_empty());
    let groups =
        SearchPointGroups { vector: vec![1.0], sparse_indices: Some(Vec::new()), ..Default::default() };
    assert!(one("SearchGroups", &groups).vector.is_empty());
    let discover = |vector| {
        let target = Some(TargetVector { single: Some(VectorExample { vector }) });
        one("Discover", &DiscoverPoints { target, ..DiscoverPoints::default() }).vector
    };
    let old = |indices| Some(Vector { data: vec![1.0, 2.0], indices, ..Vector::default() });
    assert_eq!(discover(old(None)), [1.0, 2.0]);
    assert!(discover(old(Some(Vec::new()))).is_empty(), "sparse");
    let dense = Some(DenseVector { data: vec![3.0] });
    assert_eq!(discover(Some(Vector { dense, ..Vector::default() })), [3.0]);
    assert!(discover(None).is_empty(), "a point's id");
    // Not packed, as some writers have it.
    let mut unpacked = Vec::new();
    for component in [0.25, 0.5] {
        crate::wire::proto::write::float(&mut unpacked, 2, component);
    }
    assert_eq!(parse("Search", &unpacked).unwrap()[0].vector, [0.25, 0.5]);
}

#[test]
fn prefetches_nested_too_deep_are_left_alone() {
    let nested = |depth| (0..depth).fold(json!({"query": [1]}), |inner, _| json!({"prefetch": inner}));
    assert_eq!(asks(nested(5)).vector, [1.0]);
    let message = query_points(&nested(60)).encode_to_vec();
    assert!(matches!(parse("Query", &message), Err(DialectError::Unsupported(_))));
}
