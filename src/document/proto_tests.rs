//! The same payload in protobuf and in JSON makes the same document.

use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{
    test_support::{HIT, noted},
    *,
};
use crate::wire::{
    Page,
    proto::{FieldsAt, IdAt, Layout, Marked, ProtoPage, ScoreAt, kinds, write},
};

static LAYOUT: Layout = Layout {
    around: &[],
    hits: 1,
    each_is_search: false,
    id: IdAt::Message(1),
    fields: FieldsAt { around: &[], entries: 2, kinds: &kinds::QDRANT },
    score: ScoreAt {
        inside: None,
        score: Marked { number: 3, present: None },
        distance: None,
        relevance: None,
    },
};

/// A page of one hit with this payload, as Qdrant writes it over gRPC.
fn page(payload: &Json) -> Arc<dyn Page> {
    let mut body = Vec::new();
    write::message(&mut body, 1, |hit| entries(hit, 2, payload));
    Arc::new(ProtoPage::read(Bytes::from(body), &LAYOUT).unwrap())
}

fn entries(out: &mut Vec<u8>, number: u32, object: &Json) {
    for (key, value) in object.as_object().unwrap() {
        write::message(out, number, |entry| {
            write::bytes(entry, 1, key.as_bytes());
            write::message(entry, 2, |out| one(out, value));
        });
    }
}

fn one(out: &mut Vec<u8>, value: &Json) {
    match value {
        Json::Null => write::unsigned(out, 1, 0),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => write::signed(out, 3, whole),
            None => write::double(out, 2, number.as_f64().unwrap()),
        },
        Json::String(text) => write::bytes(out, 4, text.as_bytes()),
        Json::Bool(truth) => write::boolean(out, 5, *truth),
        Json::Object(_) => write::message(out, 6, |out| entries(out, 1, value)),
        Json::Array(items) => write::message(out, 7, |list| {
            items.iter().for_each(|item| write::message(list, 1, |out| one(out, item)));
        }),
    }
}

fn value() -> impl Strategy<Value = Json> {
    let text = prop::sample::select(
        &[
            "A text.",
            " blank first",
            "",
            "\n",
            "two\nlines  \r\n end\u{2028}",
            "été",
            "plain: with # signs",
            "\"quoted\" \\ back",
            "control\u{0}\u{85}\u{feff}",
            "{\"text\":\"node\"}",
            "yes",
            "42",
        ][..],
    );
    let leaf = prop_oneof![
        6 => text.prop_map(Json::from),
        1 => any::<String>().prop_map(Json::from),
        1 => any::<i64>().prop_map(Json::from),
        1 => prop::sample::select(&[0.5, -1e-7, 6.0, 1e300][..]).prop_map(Json::from),
        1 => any::<bool>().prop_map(Json::from),
        1 => Just(Json::Null),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from), object(inner)]
    })
}

fn object(value: impl Strategy<Value = Json>) -> impl Strategy<Value = Json> {
    let names =
        &["title", "name", "text", "content", "x", "a.b", "a", "b", "_node_content", "inference", ""][..];
    prop::collection::vec((prop::sample::select(names), value), 0..6).prop_map(|members| {
        Json::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    })
}

fn sets() -> [FieldSet; 5] {
    let named = |paths: &[&str]| FieldSet::Named(paths.iter().map(|&path| path.to_owned()).collect());
    [
        FieldSet::Auto,
        FieldSet::All,
        named(&["text"]),
        named(&["title", "a.b", "x"]),
        named(&["a", "_node_content"]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_payload_makes_the_same_document_in_either_format(payload in object(value()), max_bytes in prop_oneof![Just(1_usize << 20), 0..40_usize]) {
        let (proto, text) = (page(&payload), noted(&payload.to_string(), None));
        for set in &sets() {
            let of = |page: &Arc<dyn Page>| document(&**page, HIT, set, max_bytes).map(Cow::into_owned);
            prop_assert_eq!(of(&proto), of(&text), "{} {:?}", payload, set);
            let later = |page: &Arc<dyn Page>| {
                let (_, documents) = documents(page, 0, [0].into_iter(), set, max_bytes);
                documents.first().map(|document| document.text().to_owned())
            };
            prop_assert_eq!(later(&proto), of(&proto), "{} {:?}", payload, set);
        }
        prop_assert_eq!(top_level_keys(&*proto, HIT), top_level_keys(&*text, HIT));
    }
}

#[test]
fn no_document_is_longer_than_is_said_of_its_hit() {
    let numbers: Vec<Json> = (0..16).map(|_| json!(-2.2250738585072014e-308)).collect();
    let lines = "a\n".repeat(200);
    for payload in [
        json!({"a": numbers}),
        json!({"a": [true, false, false]}),
        json!({"a": -1}),
        json!({"a": lines, "b": 1}),
    ] {
        let page = page(&payload);
        for set in &sets() {
            let text = document(&*page, HIT, set, 1 << 20).unwrap_or_default();
            assert!(text.len() <= page.hit_bytes(HIT), "{payload}");
        }
    }
}
