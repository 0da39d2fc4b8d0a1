//! The one pass against a reading level by level.

use proptest::prelude::*;

use super::*;
use crate::wire::Page;
use crate::wire::json::test_support::slow_fields;

fn slow_page(batch: bool, body: Bytes, filtered: bool) -> Result<JsonPage, DialectError> {
    let root = Value::parse(&body).map_err(|_| MALFORMED)?;
    let (mut lists, mut failed) = (Vec::new(), Vec::new());
    let responses = match batch {
        true => root.get("responses").and_then(Value::items),
        false => slow_list(0, root).map(|_| vec![root]),
    };
    if responses.is_none() && !filtered {
        return Err(MALFORMED);
    }
    for (search, response) in responses.unwrap_or_default().into_iter().enumerate() {
        let found = slow_list(search, response);
        failed.extend(slow_failure(response, found.is_some()).map(|got| Failure { search, got }));
        lists.extend(found);
    }
    Ok(JsonPage::new(body, lists, failed, &STYLE))
}

fn slow_failure(response: Value<'_>, found: bool) -> Option<Got> {
    let number = |path: &[&str]| response.at(path).and_then(Value::as_u64);
    if !found {
        return Some(match number(&["status"]) {
            Some(401 | 403 | 404) => Got::Denied,
            status if status.is_some_and(|status| status >= 400) || response.get("error").is_some() => {
                Got::Rejected
            }
            _ => Got::NoList,
        });
    }
    let clusters = ["skipped", "failed", "partial"].map(|key| number(&["_clusters", key]).unwrap_or(0));
    let lost = number(&["_shards", "failed"]).unwrap_or(0) + clusters.iter().sum::<u64>();
    let timed_out = response.get("timed_out").and_then(Value::as_bool) == Some(true);
    (lost > 0 || timed_out).then_some(Got::Part { lost, timed_out })
}

fn slow_list(search: usize, response: Value<'_>) -> Option<HitArray> {
    let envelope = response.get("hits")?;
    let (mut array, mut max_score, mut total) = (None, None, None);
    for member in envelope.members()? {
        match member.key.as_ref() {
            "hits" => array = Some(member.value),
            "max_score" => max_score = score(member.value),
            "total" => total = slow_total(member.value),
            _ => {}
        }
    }
    if let Some(total) = total.as_mut() {
        total.total.shards = response.at(&["_shards", "total"]).and_then(Value::as_u64);
    }
    let array = array?;
    let sort = |hit: &Value<'_>| {
        let members = hit.members().unwrap_or_default();
        members.iter().any(|member| member.key == "sort" && !member.value.is_null())
    };
    let sorted = array.items()?.iter().any(sort);
    let hits = array.items()?.into_iter().map(slow_hit).collect::<Option<Vec<_>>>()?;
    Some(HitArray { search, hits: hits.into(), array: array.span(), max_score, total, sorted })
}

fn slow_total(total: Value<'_>) -> Option<TotalPlace> {
    let whole = |value: Value<'_>, relation| {
        let total = Total { count: value.as_u64(), shards: None };
        Some(TotalPlace { total, value: number(value)?, relation })
    };
    let relation = total.get("relation").filter(|relation| relation.kind() == Kind::String);
    whole(total, None).or_else(|| whole(total.get("value")?, relation.map(Value::span)))
}

fn slow_hit(value: Value<'_>) -> Option<Hit> {
    let mut hit = Hit { span: value.span(), ..Hit::default() };
    for member in value.members()? {
        match member.key.as_ref() {
            "_score" => hit.score = score(member.value),
            "_id" => hit.id = Some(member.value.span()),
            "_rank" => hit.rank = number(member.value),
            "_index" => {
                let span = member.value.span();
                hit.index = (member.value.kind() == Kind::String).then(|| span.start + 1..span.end - 1);
            }
            "_source" => hit.source = slow_fields(member.value),
            "fields" => hit.fields = slow_fields(member.value),
            _ => {}
        }
    }
    Some(hit)
}

/// Nests the names of a response in every way, mostly wrong.
fn respond() -> impl Strategy<Value = String> {
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
        "{\"total\":3,\"skipped\":1}",
        "{\"value\":7,\"relation\":\"gte\"}",
        "true",
        "404",
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
            "sort",
            "total",
            "max_score",
            "_shards",
            "_clusters",
            "timed_out",
            "relation",
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
fn likely_response() -> impl Strategy<Value = String> {
    const AROUND: &[(&str, &str)] = &[
        ("", ""),
        ("{\"hits\":", "}"),
        ("{\"_shards\":{\"failed\":1},\"hits\":{\"total\":7,\"hits\":[", "]}}"),
        ("{\"hits\":{\"hits\":[{\"_score\":1,\"_source\":", "}]}}"),
        ("{\"responses\":[{\"hits\":{\"hits\":[]}},{\"error\":1,\"status\":", "}]}"),
        ("{\"responses\":[{\"hits\":{\"max_score\":1,\"hits\":[", "]}}]}"),
    ];
    (prop::sample::select(AROUND), respond())
        .prop_map(|((open, close), inner)| format!("{open}{inner}{close}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn one_pass_finds_what_a_reading_level_by_level_finds(body in likely_response(), batch in any::<bool>(), filtered in any::<bool>()) {
        let reported = |page: JsonPage| format!("{:?} {:?}", page.arrays(), page.failed());
        let body = Bytes::from(body);
        let quick = page(batch, body.clone(), || filtered).map(reported);
        prop_assert_eq!(quick, slow_page(batch, body, filtered).map(reported));
    }
}
