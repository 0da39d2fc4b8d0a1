//! The `rerank` member: what a request says about its own reranking.

use crate::{
    dialect::{DialectError, own},
    json::{Kind, Value},
    search::CallerOptions,
};

/// Reads `{"query": …, "window": …}`, `false`, `true` or `null`.
pub(super) fn options(value: Value<'_>) -> Result<CallerOptions, DialectError> {
    let mut options = CallerOptions::default();
    match value.kind() {
        Kind::Null => return Ok(options),
        Kind::Bool => {
            options.enabled = value.as_bool();
            return Ok(options);
        }
        _ => {}
    }
    for member in value.members().ok_or(wrong("an object"))? {
        let value = member.value;
        if value.is_null() {
            continue;
        }
        match member.key.as_ref() {
            "query" => options.query = Some(text(value)?),
            "window" => options.window = Some(own::whole(value).ok_or(wrong("whole-numbered in `window`"))?),
            "min_score" => {
                options.min_score = Some(own::score(value).ok_or(wrong("a number in `min_score`"))?);
            }
            "enabled" => options.enabled = Some(value.as_bool().ok_or(wrong("true or false in `enabled`"))?),
            "model" => options.model = Some(text(value)?),
            "fields" => {
                let names = value.items().ok_or(wrong("a list in `fields`"))?;
                options.fields = Some(names.into_iter().map(text).collect::<Result<_, _>>()?);
            }
            "deadline" => options.deadline_ms = Some(milliseconds(value)?),
            other => own::ignore(&mut options, other),
        }
    }
    Ok(options)
}

fn wrong(expected: &'static str) -> DialectError {
    DialectError::Malformed { member: "rerank", expected }
}

fn text(value: Value<'_>) -> Result<String, DialectError> {
    Ok(value.as_str().ok_or(wrong("text where text belongs"))?.into_owned())
}

/// A number of milliseconds, or text with a unit as in the configuration.
fn milliseconds(value: Value<'_>) -> Result<u64, DialectError> {
    const EXPECTED: &str = "a duration in `deadline`";
    if let Some(text) = value.as_str() {
        let duration = humantime::parse_duration(&text).map_err(|_| wrong(EXPECTED))?;
        return u64::try_from(duration.as_millis()).map_err(|_| wrong(EXPECTED));
    }
    value.as_u64().ok_or(wrong(EXPECTED))
}
