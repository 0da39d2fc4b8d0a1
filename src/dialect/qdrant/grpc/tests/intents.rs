//! What is read from a search.

use std::time::Duration;

use super::{messages::*, of_json::*, *};
use crate::search::{KeepReason, Widening};

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
    let query = Some(of_json::query(&json!([1])));
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
    let query = QueryPoints { query: Some(of_json::query(&json!([1]))), ..QueryPoints::default() };
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
