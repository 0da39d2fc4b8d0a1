//! The hits of an answer, each as the bytes it stands in.

use std::ops::Range;

use bytes::Bytes;
use http::StatusCode;

use crate::{
    dialect::{
        DialectError,
        hits::{array_of_hits, fields},
    },
    json::{Kind, Read, Scanner, Value},
    search::{Hit, HitList, HitPage},
};

const MALFORMED: DialectError =
    DialectError::Malformed { member: "body", expected: "a search answer with hits" };

/// Finds the hits, in one pass over the body: at the top level only, since aggregations and inner hits hold objects of
/// the same shape.
pub(super) fn split(batch: bool, body: Bytes) -> Result<HitPage, DialectError> {
    let (mut lists, mut failed) = (Vec::new(), Vec::new());
    if batch {
        let answers = Scanner::whole(&body, responses).map_err(|_| MALFORMED)?.ok_or(MALFORMED)?;
        for (search, answer) in answers.into_iter().enumerate() {
            // A failed search has none.
            let refused = if answer.list.is_some() { answer.failed_shards } else { answer.is_refused() };
            failed.extend(refused.then_some(search));
            lists.extend(answer.list.map(|list| HitList { search, ..list }));
        }
    } else {
        let answer = Scanner::whole(&body, answer).map_err(|_| MALFORMED)?;
        lists.push(answer.list.ok_or(MALFORMED)?);
        failed.extend(answer.failed_shards.then_some(0));
    }
    Ok(HitPage { body, lists, failed })
}

/// What is read of one search's answer.
#[derive(Default)]
struct Answer {
    list: Option<HitList>,
    /// Some shards gave nothing: an index may have a smaller `max_result_window` than the others.
    failed_shards: bool,
    error: bool,
    status: Option<u64>,
}

impl Answer {
    /// Whether a search of a batch was refused for what it asked.
    fn is_refused(&self) -> bool {
        self.error && self.status == Some(400)
    }
}

/// The answers of a batch; `None` where there are none.
fn responses(root: &mut Scanner<'_>) -> Read<Option<Vec<Answer>>> {
    let mut found = None;
    let root = root.members(|key, value| {
        if key.name == "responses" {
            let mut answers = Vec::new();
            let array = value.items(|item| {
                answers.push(answer(item)?);
                Ok(())
            })?;
            found = array.map(|_| answers);
        }
        Ok(())
    })?;
    Ok(root.and(found))
}

fn answer(value: &mut Scanner<'_>) -> Read<Answer> {
    let mut answer = Answer::default();
    let object = value.members(|key, value| {
        match &*key.name {
            "hits" => answer.list = list(value)?,
            "_shards" => answer.failed_shards = number_at(value, "failed")?.is_some_and(|failed| failed > 0),
            "error" => answer.error = true,
            "status" => answer.status = value.skip()?.as_u64(),
            _ => {}
        }
        Ok(())
    })?;
    Ok(if object.is_some() { answer } else { Answer::default() })
}

/// The whole number that an object has under this name.
fn number_at(value: &mut Scanner<'_>, name: &str) -> Read<Option<u64>> {
    Ok(value.skip()?.get(name).and_then(Value::as_u64))
}

fn list(envelope: &mut Scanner<'_>) -> Read<Option<HitList>> {
    let (mut found, mut max_score, mut total) = (None, None, None);
    let envelope = envelope.members(|key, value| {
        match &*key.name {
            "hits" => found = array_of_hits(value, hit)?,
            "max_score" => max_score = number(value.skip()?),
            "total" => {
                let value = value.skip()?;
                total = number(value).or_else(|| number(value.get("value")?));
            }
            _ => {}
        }
        Ok(())
    })?;
    let (Some((array, hits)), Some(_)) = (found, envelope) else { return Ok(None) };
    Ok(Some(HitList { search: 0, hits, array, max_score, total }))
}

fn hit(value: &mut Scanner<'_>) -> Read<Option<Hit>> {
    let mut hit = Hit { span: 0..0, score: None, source: None, fields: None, rank: None };
    let whole = value.members(|key, value| {
        match &*key.name {
            "_score" => hit.score = number(value.skip()?),
            "_rank" => hit.rank = number(value.skip()?),
            "_source" => hit.source = fields(value)?,
            "fields" => hit.fields = fields(value)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(whole.map(|whole| Hit { span: whole.span(), ..hit }))
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

#[cfg(test)]
#[path = "response_tests.rs"]
mod tests;
