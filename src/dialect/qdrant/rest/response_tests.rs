//! The one pass against a reading level by level.

use proptest::prelude::*;

use super::*;
use crate::{
    dialect::SearchKind,
    wire::json::{Value, test_support::slow_fields},
};

fn slow_page(operation: &Operation, body: Bytes) -> Result<JsonPage, DialectError> {
    let lists = {
        let root = Value::parse(&body).map_err(|_| BODY)?;
        let result = root.get("result").ok_or(RESULT)?;
        match operation.form {
            Form::Single => vec![slow_list(0, slow_hits_of(operation.verb, result)?)?],
            Form::Batch => result
                .items()
                .ok_or(RESULT)?
                .into_iter()
                .enumerate()
                .map(|(search, one)| slow_list(search, slow_hits_of(operation.verb, one)?))
                .collect::<Result<_, _>>()?,
            Form::Groups => result
                .get("groups")
                .and_then(Value::items)
                .ok_or(RESULT)?
                .into_iter()
                .map(|group| slow_list(0, group.get("hits").ok_or(HITS)?))
                .collect::<Result<_, _>>()?,
        }
    };
    Ok(JsonPage::new(body, lists, Vec::new(), &STYLE))
}

fn slow_hits_of(verb: Verb, result: Value<'_>) -> Result<Value<'_>, DialectError> {
    if verb == Verb::Query { result.get("points").ok_or(HITS) } else { Ok(result) }
}

fn slow_list(search: usize, array: Value<'_>) -> Result<HitArray, DialectError> {
    let hits = array.items().ok_or(HITS)?.into_iter().map(slow_hit).collect::<Result<Vec<_>, _>>()?;
    Ok(HitArray { search, hits: hits.into(), array: array.span(), ..HitArray::default() })
}

fn slow_hit(object: Value<'_>) -> Result<Hit, DialectError> {
    let members = object.members().ok_or(HITS)?;
    let id = members.iter().rev().find(|member| member.key == "id").map(|member| member.value.span());
    let score = members.iter().rev().find(|member| member.key == "score").map(|member| member.value);
    let score = score.filter(|score| matches!(score.kind(), Kind::Number | Kind::Null)).map(Value::span);
    let payload = members.iter().rev().find(|member| member.key == "payload");
    let source = payload.and_then(|member| slow_fields(member.value));
    Ok(Hit { span: object.span(), id, score, source, ..Hit::default() })
}

/// Nests the names of a response in every way, mostly wrong.
fn respond() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(
        &["1", "-0.5e3", "null", "\"x\"", "[]", "{}", "[ ]", "{ }", "[[7]]", "01", "{\"a\"}"][..],
    );
    leaf.prop_map(str::to_owned).prop_recursive(6, 60, 4, |inner| {
        let key = prop::sample::select(
            &["result", "points", "groups", "hits", "score", "payload", "p\\u0061yload", "\\udc00", "id"][..],
        );
        let member = (key, inner.clone()).prop_map(|(key, value)| format!("\"{key}\" : {value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(", "))),
        ]
    })
}

/// The same with the right shape around it.
fn likely_response() -> impl Strategy<Value = String> {
    const AROUND: &[(&str, &str)] = &[
        ("", ""),
        ("{\"result\":", "}"),
        ("{\"result\":1,\"result\":[", "]}"),
        ("{\"result\":{\"points\":[", "]}}"),
        ("{\"result\":[{\"points\":[", "]},{\"points\":[]}]}"),
        ("{\"result\":{\"groups\":[{\"hits\":[{\"score\":1,\"payload\":", "}]}]}}"),
    ];
    (prop::sample::select(AROUND), respond())
        .prop_map(|((open, close), inner)| format!("{open}{inner}{close}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn one_pass_finds_what_a_reading_level_by_level_finds(body in likely_response(), form in 0..3, verb in 0..2) {
        let form = [Form::Single, Form::Batch, Form::Groups][form as usize];
        let verb = [Verb::Query, Verb::Search][verb as usize];
        let operation = Operation { collection: String::new(), verb, form, kind: SearchKind::Query };
        let of = |find: fn(&Operation, Bytes) -> Result<JsonPage, DialectError>| {
            find(&operation, Bytes::from(body.clone())).map(|page| format!("{:?}", page.arrays()))
        };
        match (of(page), of(slow_page)) {
            // A key that is no text is noticed by whoever looks for one, in either order.
            (Err(_), Err(_)) => {}
            (fast, slow) => prop_assert_eq!(fast, slow),
        }
    }
}
