//! What is read from a search.

use std::time::Duration;

use super::{messages::*, *};
use crate::search::{KeepReason, NativeText, Widening};

fn keep(json: Json) -> Option<KeepReason> {
    asks(json).keep
}

/// The same search as one of REST's, over gRPC.
fn assert_as_rest(json: Json) {
    assert_eq!(said(&asks(json.clone())), said(&rest(&json)), "{json}");
}

#[test]
fn limits_and_offsets_have_the_servers_defaults() {
    let page = |intent: SearchIntent| (intent.limit, intent.offset);
    assert_eq!(page(asks(json!({"query": [1]}))), (10, 0));
    assert_eq!(page(asks(json!({"query": [1], "limit": 7, "offset": 3}))), (7, 3));
    assert_eq!(page(asks(json!({"query": [1], "limit": u64::MAX}))), (u64::MAX, 0));
    let search = SearchPoints { limit: 3, offset: Some(2), ..SearchPoints::default() };
    assert_eq!(page(one("Search", &search)), (3, 2));
    let discover = DiscoverPoints {
        limit: 4,
        offset: Some(1),
        target: Some(TargetVector::default()),
        ..Default::default()
    };
    assert_eq!(page(one("Discover", &discover)), (4, 1));
    let recommend = RecommendPoints { limit: 5, offset: Some(6), ..RecommendPoints::default() };
    assert_eq!(page(one("Recommend", &recommend)), (5, 6));
    let query = Some(messages::query(&json!([1])));
    let groups = |limit, group_size| QueryPointGroups {
        query: query.clone(),
        limit,
        group_size,
        ..Default::default()
    };
    for (limit, size, expected) in [(None, None, 3), (Some(50), Some(4), 4), (Some(0), Some(4), 0)] {
        let intent = one("QueryGroups", &groups(limit, size));
        assert!(intent.grouped);
        assert_eq!((intent.limit, intent.offset, intent.widening), (expected, 0, Widening::Never));
    }
    let groups = SearchPointGroups { limit: 2, group_size: 5, ..SearchPointGroups::default() };
    assert_eq!(page(one("SearchGroups", &groups)), (5, 0));
    let groups = RecommendPointGroups { limit: 2, group_size: 6, ..RecommendPointGroups::default() };
    assert_eq!(page(one("RecommendGroups", &groups)), (6, 0));
}

#[test]
fn a_limit_that_is_not_optional_is_0_where_it_is_absent_and_nothing_is_ranked() {
    for (method, message) in [
        ("Search", SearchPoints { vector: vec![1.0], ..SearchPoints::default() }.encode_to_vec()),
        ("SearchGroups", SearchPointGroups { limit: 5, ..SearchPointGroups::default() }.encode_to_vec()),
        ("SearchGroups", SearchPointGroups { group_size: 5, ..SearchPointGroups::default() }.encode_to_vec()),
        ("Recommend", Vec::new()),
        (
            "Discover",
            DiscoverPoints { target: Some(TargetVector::default()), ..Default::default() }.encode_to_vec(),
        ),
        ("Query", query_points(&json!({"query": [1], "limit": 0})).encode_to_vec()),
    ] {
        let intent = parse(method, &message).unwrap().pop().unwrap();
        assert_eq!((intent.limit, intent.keep), (0, Some(KeepReason::NotRanked)), "{method}");
    }
}

#[test]
fn a_number_that_is_given_twice_is_the_last_one() {
    let message = [
        query_points(&json!({"query": [1], "limit": 2, "offset": 1})),
        QueryPoints { limit: Some(5), ..QueryPoints::default() },
    ];
    let message = message.map(|part| part.encode_to_vec()).concat();
    let intent = parse("Query", &message).unwrap().pop().unwrap();
    assert_eq!((intent.limit, intent.offset), (5, 1));
}

#[test]
fn what_is_no_message_is_malformed_and_what_decoders_would_merge_is_left_alone() {
    for bad in [
        &b"\xff"[..],
        b"\x0a\x05kb",
        b"\x45\0\0\0\0",
        b"\x40",
        b"\x1a\x02\x0a\x05",
        b"\x1a\x05\x0a\x03\x12\x02\x0a",
    ] {
        assert!(matches!(parse("Query", bad), Err(DialectError::Malformed { .. })), "{bad:?}");
    }
    assert!(matches!(parse("Query", b"\x0a\x01\xff"), Err(DialectError::Malformed { .. })), "not UTF-8");
    assert!(matches!(parse("QueryBatch", b"\x10\x01"), Err(DialectError::Malformed { .. })));
    let query = QueryPoints { query: Some(messages::query(&json!([1]))), ..QueryPoints::default() };
    let twice = query.encode_to_vec().repeat(2);
    assert!(matches!(parse("Query", &twice), Err(DialectError::Unsupported(_))), "vectors would be joined");
    let both = [&[0x1a, 4][..], &[0x0a, 0, 0x30, 0]].concat();
    assert!(matches!(parse("Query", &both), Err(DialectError::Unsupported(_))), "two variants");
}

#[test]
fn a_batch_has_the_collection_and_the_timeout_of_its_own_message() {
    let inner = |limit| QueryPoints {
        collection_name: "inner".to_owned(),
        limit: Some(limit),
        timeout: Some(9),
        ..query_points(&json!({"query": [1]}))
    };
    let batch = QueryBatchPoints {
        collection_name: "outer".to_owned(),
        query_points: vec![inner(2), inner(3)],
        timeout: Some(4),
    };
    let intents = parse("QueryBatch", &batch.encode_to_vec()).unwrap();
    assert_eq!(intents.iter().map(|intent| intent.limit).collect::<Vec<_>>(), [2, 3]);
    for intent in &intents {
        assert_eq!(
            (&intent.collections[..], intent.timeout),
            (&["outer".to_owned()][..], Some(Duration::from_secs(4)))
        );
        assert!(!intent.own_members && intent.caller.query.is_none());
    }
    assert!(parse("QueryBatch", &QueryBatchPoints::default().encode_to_vec()).unwrap().is_empty());
}

#[test]
fn the_clients_own_timeout_is_read_in_seconds() {
    let of = |method: &str, message: Vec<u8>| parse(method, &message).unwrap().pop().unwrap().timeout;
    let timeout = Some(5);
    let five = Some(Duration::from_secs(5));
    assert_eq!(of("Query", QueryPoints { timeout, ..QueryPoints::default() }.encode_to_vec()), five);
    assert_eq!(of("QueryGroups", QueryPointGroups { timeout, ..Default::default() }.encode_to_vec()), five);
    assert_eq!(of("Search", SearchPoints { timeout, ..SearchPoints::default() }.encode_to_vec()), five);
    assert_eq!(of("SearchGroups", SearchPointGroups { timeout, ..Default::default() }.encode_to_vec()), five);
    assert_eq!(of("Recommend", RecommendPoints { timeout, ..Default::default() }.encode_to_vec()), five);
    assert_eq!(
        of("RecommendGroups", RecommendPointGroups { timeout, ..Default::default() }.encode_to_vec()),
        five
    );
    assert_eq!(of("Discover", DiscoverPoints { timeout, ..Default::default() }.encode_to_vec()), five);
    for none in [None, Some(0)] {
        let message = QueryPoints { timeout: none, ..QueryPoints::default() };
        assert_eq!(of("Query", message.encode_to_vec()), None, "the server rejects a timeout of 0");
    }
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
        QueryPoints { query: Some(messages::query(&json!({"formula": deep}))), ..QueryPoints::default() };
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

/// What five official clients send for the same searches (October 2026), and what they would send over REST.
#[test]
fn the_messages_of_five_clients_say_what_the_same_searches_say_over_rest() {
    let vector = json!([0.1, 0.2]);
    let document = json!({"text": "größe of X", "model": "qdrant/bm25"});
    let prefetch = json!({"query": vector, "limit": 20});
    for (method, hex, searches) in [
        (
            "Query",
            "0a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e4003520208005a020801",
            vec![json!({"query": vector, "limit": 3, "with_payload": true, "with_vector": false})],
        ),
        (
            "Query",
            "0a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e40035a020801",
            vec![json!({"query": vector, "limit": 3, "with_payload": true})],
        ),
        (
            "Query",
            "0a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e3dcdcc4c3e400a4804520208015a1312110a04746578740a096d6574612e6c616e67",
            vec![
                json!({"query": vector, "limit": 10, "offset": 4, "with_vector": true, "score_threshold": 0.2,
                "with_payload": ["text", "meta.lang"]}),
            ],
        ),
        (
            "Query",
            "0a03636f6c1212120e0a0c120a0a08cdcccc3dcdcc4c3e38141a023000400a520208005a020801",
            vec![json!({"prefetch": [prefetch], "query": {"fusion": "rrf"}, "limit": 10})],
        ),
        (
            "Query",
            "0a03636f6c1a1f0a1d2a1b0a0c6772c3b6c39f65206f6620581a0b716472616e742f626d32352201624003520208005a020801",
            vec![json!({"query": document, "using": "b", "limit": 3})],
        ),
        (
            "Query",
            "0a03636f6c1212120e0a0c120a0a08cdcccc3dcdcc4c3e38141226121f0a1d2a1b0a0c6772c3b6c39f65206f6620581a0b716472616e742f626d32351a016238141a045202083c4003520208005a020801",
            vec![json!({"prefetch": [prefetch, {"query": document, "using": "b", "limit": 20}],
                "query": {"rrf": {"k": 60}}, "limit": 3})],
        ),
        (
            "QueryBatch",
            "0a03636f6c12170a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e400312170a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e4002",
            vec![json!({"query": vector, "limit": 3}), json!({"query": vector, "limit": 2})],
        ),
        (
            "Query",
            "0a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e4003520208015a020801",
            vec![json!({"query": vector, "limit": 3, "with_payload": true, "with_vector": true})],
        ),
        (
            "Search",
            "0a03636f6c1208cdcccc3dcdcc4c3e1a002003320208014500000000",
            vec![json!({"query": vector, "limit": 3, "with_payload": true})],
        ),
    ] {
        let message = bytes(hex);
        let intents = parse(method, &message).unwrap();
        let said: Vec<String> = intents.iter().map(said).collect();
        let over_rest = searches.iter().map(|json| {
            let intent = rest(json);
            self::said(&SearchIntent { collections: vec!["col".to_owned()], ..intent })
        });
        assert_eq!(said, over_rest.collect::<Vec<_>>(), "{method} {hex}");
        let as_asked = vec![FetchPlan::as_asked(); intents.len()];
        assert_eq!(rewritten(method, &message, &as_asked).0, message);
    }
    let groups = bytes("0a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e420208014a020800580a60036a0167");
    let intent = parse("QueryGroups", &groups).unwrap().pop().unwrap();
    assert_eq!(said(&intent), "[\"col\"] 3 0 None Never true 18446744073709551615 None [0.1, 0.2]");
}
