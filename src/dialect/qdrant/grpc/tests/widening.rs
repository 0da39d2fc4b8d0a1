//! What a request becomes for its plans.

use super::{messages::*, of_json::*, *};
use crate::search::{PathStep, Selection};

/// A query with this limit and selector, widened for fields alone.
fn asked(with_payload: Option<Json>, fields: &[&str]) -> (Option<Selector>, Strip) {
    let before = QueryPoints {
        with_payload: with_payload.as_ref().map(selector),
        ..query_points(&json!({"query": [1]}))
    };
    let (body, mut strips) = rewritten("Query", &before.encode_to_vec(), &[plan(None, fields)]);
    let after = QueryPoints::decode(body).unwrap();
    assert_eq!(QueryPoints { with_payload: before.with_payload.clone(), ..after.clone() }, before);
    (after.with_payload, strips.remove(0))
}

fn include(names: &[&str]) -> Option<Selector> {
    Some(selector(&json!(names)))
}

fn whole() -> Strip {
    Strip {
        paths: vec![crate::search::StripPath { keys: vec!["payload".to_owned()], keep: 0 }],
        ..Strip::default()
    }
}

fn all_but(paths: &[&[&str]]) -> Strip {
    let path = |path: &&[&str]| {
        let step = |step: &&str| match *step {
            "[]" => PathStep::Elements,
            "[0]" => PathStep::Element,
            key => PathStep::Key(key.to_owned()),
        };
        path.iter().map(step).collect()
    };
    let selection = Selection { member: "payload".to_owned(), paths: paths.iter().map(path).collect() };
    Strip { selection: Some(selection), ..Strip::default() }
}

#[test]
fn limit_and_offset_move_and_every_other_byte_stays() {
    let widened = |hex: &str, hits| {
        let (body, _) = rewritten("Query", &bytes(hex), &[plan(hits, &[])]);
        body.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    // As Python writes it: limit 3, then the selectors.
    let before = "0a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e4003520208005a020801";
    assert_eq!(widened(before, 50), before.replace("4003", "4032"));
    assert_eq!(widened(before, 300), before.replace("4003", "40ac02"));
    assert_eq!(widened(before, 3), before);
    // Limit 10, offset 4.
    let before = "0a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3e3dcdcc4c3e400a4804520208015a1312110a04746578740a096d6574612e6c616e67";
    assert_eq!(widened(before, 50), before.replace("400a4804", "40324800"));
    // No limit, and a field of tomorrow.
    let before = "0a03636f6c1a0e0a0c120a0a08cdcccc3dcdcc4c3efa3e0161";
    assert_eq!(widened(before, 50), format!("{before}4032"));
    assert_eq!(widened(before, 10), before);
    // Twice: the last one counts.
    assert_eq!(widened("400240051a00", 50), "400240321a00");
}

#[test]
fn each_kind_of_search_has_its_own_places() {
    let wide = plan(50, &["text"]);
    let widened = |method: &str, message: Vec<u8>| rewritten(method, &message, std::slice::from_ref(&wide)).0;
    let with_payload = include(&["text"]);
    let search = SearchPoints { vector: vec![0.5], limit: 3, offset: Some(2), ..SearchPoints::default() };
    let expected =
        SearchPoints { limit: 50, offset: Some(0), with_payload: with_payload.clone(), ..search.clone() };
    assert_eq!(SearchPoints::decode(widened("Search", search.encode_to_vec())).unwrap(), expected);
    let recommend =
        RecommendPoints { positive: vec![vec![8, 1]], limit: 3, offset: Some(2), ..Default::default() };
    let expected = RecommendPoints {
        limit: 50,
        offset: Some(0),
        with_payload: with_payload.clone(),
        ..recommend.clone()
    };
    assert_eq!(RecommendPoints::decode(widened("Recommend", recommend.encode_to_vec())).unwrap(), expected);
    let discover = DiscoverPoints {
        target: Some(TargetVector::default()),
        limit: 3,
        offset: Some(2),
        ..Default::default()
    };
    let expected =
        DiscoverPoints { limit: 50, offset: Some(0), with_payload: with_payload.clone(), ..discover.clone() };
    assert_eq!(DiscoverPoints::decode(widened("Discover", discover.encode_to_vec())).unwrap(), expected);
    // Groups are never widened but bring their fields.
    let groups = QueryPointGroups { limit: Some(3), group_size: Some(2), ..QueryPointGroups::default() };
    let expected = QueryPointGroups { with_payload: with_payload.clone(), ..groups.clone() };
    assert_eq!(QueryPointGroups::decode(widened("QueryGroups", groups.encode_to_vec())).unwrap(), expected);
    let groups = SearchPointGroups { limit: 3, group_size: 2, ..SearchPointGroups::default() };
    let expected = SearchPointGroups { with_payload: with_payload.clone(), ..groups.clone() };
    assert_eq!(SearchPointGroups::decode(widened("SearchGroups", groups.encode_to_vec())).unwrap(), expected);
    let groups = RecommendPointGroups { limit: 3, group_size: 2, ..RecommendPointGroups::default() };
    let expected = RecommendPointGroups { with_payload, ..groups.clone() };
    assert_eq!(
        RecommendPointGroups::decode(widened("RecommendGroups", groups.encode_to_vec())).unwrap(),
        expected
    );
}

#[test]
fn each_search_of_a_batch_follows_its_own_plan() {
    let query = |with_payload: Option<Json>| QueryPoints {
        with_payload: with_payload.as_ref().map(selector),
        ..query_points(&json!({"query": [1], "prefetch": [{"query": [2], "limit": 20}]}))
    };
    let batch = QueryBatchPoints {
        collection_name: "kb".to_owned(),
        query_points: vec![query(None), query(None), query(Some(json!(["a"])))],
        timeout: Some(3),
    };
    let plans = [plan(50, &[]), FetchPlan::as_asked(), plan(None, &["b"])];
    let (body, strips) = rewritten("QueryBatch", &batch.encode_to_vec(), &plans);
    let mut expected = batch.clone();
    expected.query_points[0].limit = Some(50);
    expected.query_points[2].with_payload = include(&["a", "b"]);
    assert_eq!(QueryBatchPoints::decode(body).unwrap(), expected);
    assert_eq!(strips, [Strip::default(), Strip::default(), all_but(&[&["a"]])]);
    assert!(rewritten("QueryBatch", b"", &plans).1.is_empty());
}

#[test]
fn payload_that_nobody_asked_for_goes_again_as_a_whole() {
    for before in [None, Some(json!(false))] {
        assert_eq!(asked(before.clone(), &["title", "text"]), (include(&["title", "text"]), whole()));
        assert_eq!(asked(before.clone(), &["*"]), (Some(selector(&json!(true))), whole()));
        assert_eq!(asked(before.clone(), &["say \"hi\""]), (Some(selector(&json!(true))), whole()));
        assert_eq!(asked(before.clone(), &[]), (before.as_ref().map(selector), Strip::default()));
    }
}

#[test]
fn a_list_of_fields_grows_by_those_that_are_missing() {
    let list = |list: Json, fields: &[&str]| asked(Some(list), fields);
    assert_eq!(list(json!([]), &["text"]), (include(&["text"]), all_but(&[])));
    assert_eq!(
        list(json!(["title"]), &["title", "text"]),
        (include(&["title", "text"]), all_but(&[&["title"]]))
    );
    assert_eq!(list(json!(["meta", "text"]), &["text"]), (include(&["meta", "text"]), Strip::default()));
    assert_eq!(
        list(json!(["meta[]"]), &["meta.text"]),
        (include(&["meta[]", "\"meta.text\"", "meta.text"]), all_but(&[&["meta", "[]"]]))
    );
    assert_eq!(
        list(json!(["a", "\"x.y\".z[0]"]), &["*"]),
        (Some(selector(&json!(true))), all_but(&[&["a"], &["x.y", "z", "[0]"]]))
    );
}

#[test]
fn payload_that_comes_anyway_or_is_excluded_is_left_alone() {
    let deep = vec!["a"; 65].join(".");
    for payload in
        [json!(true), json!({"exclude": ["text"]}), json!({"exclude": []}), json!(["a["]), json!([deep])]
    {
        for fields in [&["text"][..], &["*"]] {
            let before = Some(selector(&payload));
            assert_eq!(asked(Some(payload.clone()), fields), (before, Strip::default()), "{payload}");
        }
    }
    // A selector without a variant, and one with a variant of tomorrow: for the server to judge.
    for odd in ["5a00", "5a022200", "5a0412002200"] {
        let (body, strips) = rewritten("Query", &bytes(odd), &[plan(None, &["text"])]);
        assert_eq!((body, strips), (Bytes::from(bytes(odd)), vec![Strip::default()]), "{odd}");
    }
}

#[test]
fn selectors_that_are_merged_are_read_together_and_added_to() {
    let of = |parts: &[Json]| {
        let one = |json: &Json| {
            QueryPoints { with_payload: Some(selector(json)), ..QueryPoints::default() }.encode_to_vec()
        };
        parts.iter().map(one).collect::<Vec<_>>().concat()
    };
    let widened = |parts: &[Json], fields: &[&str]| {
        let before = of(parts);
        let (body, mut strips) = rewritten("Query", &before, &[plan(None, fields)]);
        assert!(body.starts_with(&before), "what is there stays");
        (QueryPoints::decode(body).unwrap().with_payload, strips.remove(0))
    };
    let lists = [json!(["a"]), json!(["b"])];
    assert_eq!(widened(&lists, &["c", "b"]), (include(&["a", "b", "c"]), all_but(&[&["a"], &["b"]])));
    assert_eq!(widened(&lists, &["*"]), (Some(selector(&json!(true))), all_but(&[&["a"], &["b"]])));
    let nothing = [json!(["a"]), json!(false)];
    assert_eq!(widened(&nothing, &["c"]), (include(&["c"]), whole()));
    let excluded = [json!(["a"]), json!({"exclude": ["b"]})];
    assert_eq!(widened(&excluded, &["c"]).1, Strip::default());
    let listed_again = [json!({"exclude": ["b"]}), json!(["a"])];
    assert_eq!(widened(&listed_again, &["c"]), (include(&["a", "c"]), all_but(&[&["a"]])));
}
