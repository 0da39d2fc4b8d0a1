//! The hits of an answer, each as the bytes it stands in.

use std::ops::Range;

use bytes::Bytes;
use http::StatusCode;

use crate::{
    dialect::DialectError,
    json::{Kind, Value},
    search::{Hit, HitList, HitPage},
};

/// Finds the hits: at the top level only, since aggregations and inner hits hold objects of the same shape.
pub(super) fn split(batch: bool, body: Bytes) -> Result<HitPage, DialectError> {
    let malformed = DialectError::Malformed { member: "body", expected: "a search answer with hits" };
    let root = Value::parse(&body).map_err(|_| malformed.clone())?;
    let (mut lists, mut failed) = (Vec::new(), Vec::new());
    if batch {
        let answers = root.get("responses").and_then(Value::items).ok_or(malformed)?;
        for (search, answer) in answers.into_iter().enumerate() {
            // A failed search has none.
            let found = list(search, answer);
            let refused = if found.is_some() { has_failed_shards(answer) } else { is_refused(answer) };
            failed.extend(refused.then_some(search));
            lists.extend(found);
        }
    } else {
        lists.push(list(0, root).ok_or(malformed)?);
        failed.extend(has_failed_shards(root).then_some(0));
    }
    Ok(HitPage { body, lists, failed })
}

fn list(search: usize, answer: Value<'_>) -> Option<HitList> {
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
    let hits = array.items()?.into_iter().map(hit).collect::<Option<Vec<_>>>()?;
    Some(HitList { search, hits, array: array.span(), max_score, total })
}

/// Whether some shards gave nothing: an index may have a smaller `max_result_window` than the others.
fn has_failed_shards(answer: Value<'_>) -> bool {
    let failed = answer.get("_shards").and_then(|shards| shards.get("failed")).and_then(Value::as_u64);
    failed.is_some_and(|failed| failed > 0)
}

/// Whether a search of a batch was refused for what it asked.
fn is_refused(answer: Value<'_>) -> bool {
    answer.get("error").is_some() && answer.get("status").and_then(Value::as_u64) == Some(400)
}

fn hit(value: Value<'_>) -> Option<Hit> {
    let mut hit = Hit { span: value.span(), score: None, source: None, fields: None, rank: None };
    for member in value.members()? {
        let object = (member.value.kind() == Kind::Object).then(|| member.value.span());
        match member.key.as_ref() {
            "_score" => hit.score = number(member.value),
            "_rank" => hit.rank = number(member.value),
            "_source" => hit.source = object,
            "fields" => hit.fields = object,
            _ => {}
        }
    }
    Some(hit)
}

fn number(value: Value<'_>) -> Option<Range<usize>> {
    (value.kind() == Kind::Number).then(|| value.span())
}

/// An error as every client library of the family reads it.
pub(super) fn failure(status: StatusCode, reason: &str) -> Bytes {
    let cause = serde_json::json!({"type": "rerankd_exception", "reason": reason});
    let mut error = cause.clone();
    error["root_cause"] = serde_json::Value::Array(vec![cause]);
    Bytes::from(serde_json::json!({"error": error, "status": status.as_u16()}).to_string())
}
