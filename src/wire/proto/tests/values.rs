use std::collections::BTreeMap;

use prost::Message as _;
use serde_json::{Value as Json, json};

use super::*;
use crate::wire::{
    Kind,
    proto::{Member, Value, kinds::QDRANT, member},
};

/// Qdrant's `Value`, as its protocol file has it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Theirs {
    #[prost(oneof = "Variant", tags = "1, 2, 3, 4, 5, 6, 7")]
    kind: Option<Variant>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Variant {
    #[prost(int32, tag = "1")]
    Null(i32),
    #[prost(double, tag = "2")]
    Double(f64),
    #[prost(int64, tag = "3")]
    Integer(i64),
    #[prost(string, tag = "4")]
    String(String),
    #[prost(bool, tag = "5")]
    Bool(bool),
    #[prost(message, tag = "6")]
    Struct(Struct),
    #[prost(message, tag = "7")]
    List(List),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Struct {
    #[prost(btree_map = "string, message", tag = "1")]
    fields: BTreeMap<String, Theirs>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct List {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Theirs>,
}

pub(super) fn theirs(json: &Json) -> Theirs {
    let kind = match json {
        Json::Null => Variant::Null(0),
        Json::Bool(truth) => Variant::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Variant::Integer(whole),
            None => Variant::Double(number.as_f64().unwrap()),
        },
        Json::String(text) => Variant::String(text.clone()),
        Json::Array(items) => Variant::List(List { values: items.iter().map(theirs).collect() }),
        Json::Object(members) => {
            let fields = members.iter().map(|(key, value)| (key.clone(), theirs(value))).collect();
            Variant::Struct(Struct { fields })
        }
    };
    Theirs { kind: Some(kind) }
}

pub(super) fn json(value: Value<'_>) -> Json {
    match value.kind() {
        Kind::Null => Json::Null,
        Kind::Bool => value.as_bool().unwrap().into(),
        Kind::Number => {
            let text = value.spelled().unwrap();
            // Not serde_json's own reader, which may be off in the last digit.
            text.parse()
                .map(|number: i64| number.into())
                .or_else(|_| text.parse().map(|number: f64| number.into()))
                .unwrap()
        }
        Kind::String => value.as_str().unwrap().into(),
        Kind::Array => value.items().unwrap().into_iter().map(json).collect(),
        Kind::Object => {
            let entry = |member: Member<'_>| (member.key.to_owned(), json(member.value));
            Json::Object(value.members().unwrap().into_iter().map(entry).collect())
        }
    }
}

pub(super) fn any_json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        prop::num::f64::NORMAL.prop_map(Json::from),
        any::<String>().prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::vec(("[a-c]{0,2}", inner), 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_is_read_as_prost_has_written_it(value in any_json()) {
        let bytes = theirs(&value).encode_to_vec();
        prop_assert_eq!(json(Value::read(Message::new(&bytes), &QDRANT).unwrap()), value);
    }

    #[test]
    fn no_bytes_make_a_value_panic(bytes in prop::collection::vec(prop::sample::select(&[0x0a, 0x12, 0x32, 0x3a, 0, 1, 2, 3, 4, b'a', 0xff, 0x22][..]), 0..30)) {
        for read in [Value::read(Message::new(&bytes), &QDRANT).ok(), Value::found(&bytes, 0..bytes.len(), &QDRANT)].into_iter().flatten() {
            let _ = (read.members(), read.items(), read.as_str(), read.spelled(), read.get("a"), read.first_items(1));
        }
        let _ = member(Message::new(&bytes), &QDRANT);
    }
}

#[test]
fn numbers_are_spelled_as_the_server_writes_them_in_json() {
    let spelled = |value: Variant| {
        let bytes = Theirs { kind: Some(value) }.encode_to_vec();
        let value = Value::read(Message::new(&bytes), &QDRANT).unwrap();
        (value.kind(), value.spelled().map(|text| text.into_owned()))
    };
    let number = |text: &str| (Kind::Number, Some(text.to_owned()));
    assert_eq!(spelled(Variant::Integer(i64::MIN)), number("-9223372036854775808"));
    assert_eq!(spelled(Variant::Double(6.0)), number("6.0"));
    assert_eq!(spelled(Variant::Double(0.1)), number("0.1"));
    assert_eq!(spelled(Variant::Double(f64::NAN)), (Kind::Null, None));
    assert_eq!(spelled(Variant::Bool(true)), (Kind::Bool, Some("true".to_owned())));
    assert_eq!(spelled(Variant::String("1".to_owned())), (Kind::String, None));
}

#[test]
fn the_last_entry_of_a_name_counts_and_places_are_those_of_the_body() {
    let text = |text: &str| theirs(&json!(text)).encode_to_vec();
    let entry = |key: &str, value: &[u8]| {
        let mut out = Vec::new();
        write::bytes(&mut out, 1, key.as_bytes());
        write::bytes(&mut out, 2, value);
        out
    };
    let mut object = Vec::new();
    for (key, value) in [("a", "first"), ("b", "x"), ("a", "second")] {
        write::bytes(&mut object, 1, &entry(key, &text(value)));
    }
    let mut body = b"before".to_vec();
    write::bytes(&mut body, 6, &object);
    let value = Value::found(&body, 6..body.len(), &QDRANT).unwrap();
    let second = value.get("a").unwrap();
    assert_eq!(second.as_str().as_deref(), Some("second"));
    assert_eq!(&body[second.span()], second.bytes());
    assert_eq!(second.bytes(), text("second"));
    assert!(value.at(&["a", "b"]).is_none());
    assert!(value.items().is_none());
    assert!(!format!("{value:?}{second:?}").contains("second"));
}

#[test]
fn an_entry_may_lack_its_key_or_its_value_and_not_its_type() {
    let read =
        |bytes: &[u8]| member(Message::new(bytes), &QDRANT).map(|m| (m.key.to_owned(), m.value.kind()));
    assert_eq!(read(&[]), Ok((String::new(), Kind::Null)));
    assert_eq!(read(&[0x0a, 1, b'k']), Ok(("k".to_owned(), Kind::Null)));
    assert_eq!(read(&[0x12, 2, 0x28, 1]), Ok((String::new(), Kind::Bool)));
    assert_eq!(read(&[0x0a, 1, 0xff]), Err(Malformed));
    assert_eq!(read(&[0x08, 1]), Err(Malformed));
    assert_eq!(read(&[0x12, 2, 0x18]), Err(Malformed));
}

#[test]
fn a_heap_of_lists_overflows_no_stack() {
    let mut body = Vec::new();
    for _ in 0..20_000 {
        let mut list = Vec::new();
        write::bytes(&mut list, 1, &body);
        body.clear();
        write::bytes(&mut body, 7, &list);
        if body.len() > 100_000 {
            break;
        }
    }
    let mut value = Value::read(Message::new(&body), &QDRANT).unwrap();
    while let Some(inner) = value.items().and_then(|items| items.first().copied()) {
        value = inner;
    }
    assert!(matches!(value.kind(), Kind::Null | Kind::Array));
}
