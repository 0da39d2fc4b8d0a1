//! The one pass against a reading level by level.

use proptest::prelude::*;

use super::*;
use crate::dialect::test_support::slow_fields;

fn slow_split(batch: bool, body: Bytes) -> Result<HitPage, DialectError> {
    let root = Value::parse(&body).map_err(|_| MALFORMED)?;
    let (mut lists, mut failed) = (Vec::new(), Vec::new());
    if batch {
        let answers = root.get("responses").and_then(Value::items).ok_or(MALFORMED)?;
        for (search, answer) in answers.into_iter().enumerate() {
            let found = slow_list(search, answer);
            let refused = if found.is_some() { has_failed_shards(answer) } else { is_refused(answer) };
            failed.extend(refused.then_some(search));
            lists.extend(found);
        }
    } else {
        lists.push(slow_list(0, root).ok_or(MALFORMED)?);
        failed.extend(has_failed_shards(root).then_some(0));
    }
    Ok(HitPage { body, lists, failed })
}

fn slow_list(search: usize, answer: Value<'_>) -> Option<HitList> {
    let envelope = answer.get("hits")?;
    let (mut array, mut max_score, mut total) = (None, None, None);
    for member in envelope.members()? {
        match member.key.as_ref() {
            "hits" => array = Some(member.value),
            "max_score" => max_score = number(member.value),
            "total" => total = number(member.value).or_else(|| number(member.value.get("value")?)),
            _ => {}
        }
    }
    let array = array?;
    let hits = array.items()?.into_iter().map(slow_hit).collect::<Option<Vec<_>>>()?;
    Some(HitList { search, hits, array: array.span(), max_score, total })
}

fn has_failed_shards(answer: Value<'_>) -> bool {
    let failed = answer.get("_shards").and_then(|shards| shards.get("failed")).and_then(Value::as_u64);
    failed.is_some_and(|failed| failed > 0)
}

fn is_refused(answer: Value<'_>) -> bool {
    answer.get("error").is_some() && answer.get("status").and_then(Value::as_u64) == Some(400)
}

fn slow_hit(value: Value<'_>) -> Option<Hit> {
    let mut hit = Hit { span: value.span(), score: None, source: None, fields: None, rank: None };
    for member in value.members()? {
        match member.key.as_ref() {
            "_score" => hit.score = number(member.value),
            "_rank" => hit.rank = number(member.value),
            "_source" => hit.source = slow_fields(member.value),
            "fields" => hit.fields = slow_fields(member.value),
            _ => {}
        }
    }
    Some(hit)
}

/// Nests the names of an answer in every way, mostly wrong.
fn answer() -> impl Strategy<Value = String> {
    const LEAVES: &[&str] = &[
        "1",
        "400",
        "-0.5e3",
        "null",
        "\"x\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "01",
        "{\"value\":2}",
        "{\"failed\":1}",
    ];
    prop::sample::select(LEAVES).prop_map(str::to_owned).prop_recursive(6, 60, 5, |inner| {
        const KEYS: &[&str] = &[
            "responses",
            "hits",
            "hits",
            "_score",
            "_rank",
            "_source",
            "fields",
            "total",
            "max_score",
            "_shards",
            "error",
            "status",
            "h\\u0069ts",
            "\\udc00",
        ];
        let member = (prop::sample::select(KEYS), inner.clone())
            .prop_map(|(key, value)| format!("\"{key}\" : {value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(", "))),
        ]
    })
}

/// The same with the right shape around it.
fn likely_answer() -> impl Strategy<Value = String> {
    const AROUND: &[(&str, &str)] = &[
        ("", ""),
        ("{\"hits\":", "}"),
        ("{\"_shards\":{\"failed\":1},\"hits\":{\"total\":7,\"hits\":[", "]}}"),
        ("{\"hits\":{\"hits\":[{\"_score\":1,\"_source\":", "}]}}"),
        ("{\"responses\":[{\"hits\":{\"hits\":[]}},{\"error\":1,\"status\":", "}]}"),
        ("{\"responses\":[{\"hits\":{\"max_score\":1,\"hits\":[", "]}}]}"),
    ];
    (prop::sample::select(AROUND), answer())
        .prop_map(|((open, close), inner)| format!("{open}{inner}{close}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn one_pass_finds_what_a_reading_level_by_level_finds(body in likely_answer(), batch in any::<bool>()) {
        let of = |split: fn(bool, Bytes) -> Result<HitPage, DialectError>| {
            split(batch, Bytes::from(body.clone())).map(|page| format!("{:?} {:?}", page.lists, page.failed))
        };
        prop_assert_eq!(of(split), of(slow_split));
    }
}
