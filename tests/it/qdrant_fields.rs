//! The document of a point is the same whatever the client happens to fetch, and the client sees what it asked for.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use proptest::prelude::*;
use rerankd::{
    dialect::{Dialect, SearchRequest, qdrant::Qdrant},
    document,
    search::{FetchPlan, FieldSet, Head, HitAt, Ranked, Ranking, ScoreWriting},
    wire::Page,
};
use serde_json::{Value, json};

use crate::harness::engine::payload;

fn response(request: &Value, of: &Value) -> Bytes {
    let payload = payload(&request["with_payload"], of);
    Bytes::from(format!(
        r#"{{"result":{{"points":[{{"id":1,"version":0,"score":0.5{payload}}}]}},"time":0.1}}"#
    ))
}

fn request_of(head: &Head<'_>, body: &Value) -> Arc<dyn SearchRequest> {
    Qdrant.route(head).unwrap().endpoint.read(Bytes::from(body.to_string())).unwrap()
}

fn read(page: &Arc<dyn Page>, set: &FieldSet) -> Option<String> {
    let (_, documents) = document::documents(page, 0, [0].into_iter(), set, 1 << 20);
    let later = documents.first().map(|document| document.text().to_owned());
    let at_once = document::document(&**page, HitAt { list: 0, hit: 0 }, set, 1 << 20);
    assert_eq!(later.as_deref(), at_once.as_deref());
    later
}

/// What is read where the client asks for `with_payload`; an error where it does not see what it would directly.
fn through(with_payload: &Value, payload: &Value, set: &FieldSet) -> Result<Option<String>, String> {
    let request = json!({"query": 1, "with_payload": with_payload});
    let head = Head {
        method: &Method::POST,
        path: "/collections/kb/points/query",
        query: None,
        headers: &HeaderMap::new(),
    };
    let read_request = request_of(&head, &request);
    let plan = FetchPlan { fields: document::wanted_fields(set), ..FetchPlan::as_asked() };
    let rewrite = read_request.rewrite(&[plan]).unwrap();
    let asked: Value = serde_json::from_slice(&rewrite.body).unwrap();
    let page = read_request.page(response(&asked, payload)).unwrap();
    let ranking = Ranking {
        hits: vec![Ranked::unscored(0)],
        scores: ScoreWriting::Keep,
        annotate: false,
        best: None,
        offset: 0,
    };
    let (joined, expected) = (page.reordered(&rewrite.strips, &[Some(ranking)]), response(&request, payload));
    if joined != expected {
        return Err(format!("{asked}: {joined:?}, not {expected:?}"));
    }
    Ok(read(&page, set))
}

fn named(fields: &[&str]) -> FieldSet {
    FieldSet::Named(fields.iter().map(|&field| field.to_owned()).collect())
}

#[test]
fn fields_are_found_behind_lists_and_dots_whatever_the_client_fetches() {
    for (fields, payload, expected) in [
        (&["chunks.text"][..], json!({"chunks": [{"text": "t1"}, {"text": "t2"}]}), "t1, t2"),
        (&["chunks.text"], json!({"chunks": {"text": "single"}}), "single"),
        (&["chunks.text"], json!({"chunks": [7, "s", null, {"n": 1}, [{"text": "in"}]]}), "in"),
        (&["a.b.c"], json!({"a": [{"b": [{"c": "1"}, {"c": "2"}]}, {"b": {"c": "3"}}]}), "1, 2, 3"),
        (&["a.b.c"], json!({"a": {"b.c": "x"}, "a.b": {"c": "y"}}), "x"),
        (&["a.b.c.d"], json!({"a": [{"b": {"c.d": "deep"}}], "other": 1}), "deep"),
        (&["a.b.c.d.e"], json!({"a.b.c": [{"d.e": "deeper"}], "a": "s"}), "deeper"),
        (&["a.b", "text"], json!({"a": {"b": 1}, "a.b": "dotted", "text": "x"}), "a.b: dotted\ntext: x"),
        (&["a.b", "text"], json!({"a": "scalar", "text": "x"}), "text: x"),
        (&["sp ace.ünï"], json!({"sp ace": {"ünï": "odd"}}), "odd"),
        (&["q\"uote", "text"], json!({"q\"uote": "q", "text": "t"}), "q\"uote: q\ntext: t"),
    ] {
        for with_payload in [
            json!(true),
            json!(false),
            json!(null),
            json!([]),
            json!(["other", "a", "a.x", "chunks[].n"]),
            json!({"include": ["a.b", "chunks"]}),
            json!(["chunks.text", "chunks[]", "text.x", "\"a.b\""]),
        ] {
            let got = through(&with_payload, &payload, &named(fields));
            assert_eq!(got, Ok(Some(expected.to_owned())), "{fields:?} {payload} {with_payload}");
        }
    }
}

#[test]
fn both_spellings_of_a_path_are_asked_for() {
    let asked = |fields: &[&str]| {
        let head = Head {
            method: &Method::POST,
            path: "/collections/kb/points/query",
            query: None,
            headers: &HeaderMap::new(),
        };
        let reading = request_of(&head, &json!({"query": 1}));
        let plan = FetchPlan { fields: document::wanted_fields(&named(fields)), ..FetchPlan::as_asked() };
        let body = reading.rewrite(&[plan]).unwrap().body;
        serde_json::from_slice::<Value>(&body).unwrap()["with_payload"].clone()
    };
    assert_eq!(asked(&["text"]), json!(["text"]));
    let two = json!(["\"chunks.text\"", "chunks.text", "chunks[].text", "chunks[][].text"]);
    assert_eq!(asked(&["chunks.text"]), two);
    assert_eq!(asked(&["a.b.c"]).as_array().unwrap().len(), 16);
    assert_eq!(asked(&["a.b.c.d"]), json!(["a", "\"a.b\"", "\"a.b.c\"", "\"a.b.c.d\""]));
}

fn any_payload() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        "[a-z]{1,4}".prop_map(Value::from),
        any::<u8>().prop_map(Value::from),
        Just(Value::Null),
        Just(json!(true))
    ];
    let tree = leaf.prop_recursive(5, 40, 4, |inner| {
        let member = ("a|b|c|a\\.b|b\\.c|x y", inner.clone());
        prop_oneof![
            2 => prop::collection::vec(member, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            1 => prop::collection::vec(inner, 0..4).prop_map(Value::Array),
        ]
    });
    prop::collection::vec(("a|b|c|a\\.b|a\\.b\\.c|text", tree), 0..5)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn any_asked() -> impl Strategy<Value = Value> {
    let path = r#"(a|b|c|text|"a\.b"|"x y")(\[\])?(\.(a|b|"b\.c")(\[\]){0,2})?(\.c)?"#;
    let list = prop::collection::vec(path, 0..4).prop_map(|paths| json!(paths));
    prop_oneof![
        Just(Value::Null),
        Just(json!(false)),
        list.clone(),
        list.prop_map(|list| json!({"include": list}))
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_document_does_not_depend_on_what_the_client_fetches(
        payload in any_payload(),
        asked in any_asked(),
        fields in prop::collection::vec("(a|b|text|x y)(\\.(a|b|c|x y)){0,4}", 1..3),
    ) {
        for set in [FieldSet::Named(fields.clone()), FieldSet::All, FieldSet::Auto] {
            let all = through(&json!(true), &payload, &set).map_err(TestCaseError::fail)?;
            let own = through(&asked, &payload, &set).map_err(TestCaseError::fail)?;
            prop_assert_eq!(own, all, "{:?} of {} for {}", set, payload, asked);
        }
    }

    #[test]
    fn all_fields_hold_every_string(payload in any_payload()) {
        fn numbered(value: &mut Value, count: &mut usize) {
            match value {
                Value::String(text) => {
                    *count += 1;
                    *text = format!("word{count}.");
                }
                Value::Array(items) => items.iter_mut().for_each(|item| numbered(item, count)),
                Value::Object(members) => members.values_mut().for_each(|value| numbered(value, count)),
                _ => {}
            }
        }
        let (mut payload, mut count) = (payload, 0);
        numbered(&mut payload, &mut count);
        let read = through(&json!(false), &payload, &FieldSet::All).map_err(TestCaseError::fail)?;
        let text = read.unwrap_or_default();
        for word in 1..=count {
            prop_assert!(text.contains(&format!("word{word}.")), "{word} of {payload} is not in {text:?}");
        }
    }
}
