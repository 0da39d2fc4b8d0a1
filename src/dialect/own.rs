//! The proxy's own member of a search's body, `rerank`: what a request says about its own reranking, with values as
//! people write them.

use crate::{
    search::CallerOptions,
    wire::json::{Kind, Value},
};

/// The most members without a meaning that are remembered, and the longest name.
const MOST_IGNORED: usize = 8;
const LONGEST_NAME: usize = 256;

/// Whether a body certainly holds no member of the proxy's own, found without reading it: each has the word in its name,
/// and a name can only be written otherwise with an escape.
pub(super) fn is_absent(body: &[u8]) -> bool {
    memchr::memchr(b'\\', body).is_none() && memchr::memmem::find(body, b"rerank").is_none()
}

/// Reads `{"query": …, "window": …}`, `true`, `false`, or `null`, which says nothing.
///
/// Members that this does not know go to `other`, the dialect's, which gives whether it knows them; those unknown to
/// both are remembered as ignored. `None` if a value has the wrong type: nothing of it is used then.
pub(super) fn options(
    own: Value<'_>,
    mut other: impl FnMut(&mut CallerOptions, &str, Value<'_>) -> Option<bool>,
) -> Option<CallerOptions> {
    let mut options = CallerOptions::default();
    match own.kind() {
        Kind::Null => return Some(options),
        Kind::Bool => {
            options.enabled = own.as_bool();
            return Some(options);
        }
        _ => {}
    }
    for member in own.members()? {
        let value = member.value;
        if value.is_null() {
            continue;
        }
        match member.key.as_ref() {
            "query" => options.query = Some(text(value)?),
            "window" => options.window = Some(whole(value)?),
            "min_score" => options.min_score = Some(score(value)?),
            "enabled" => options.enabled = Some(value.as_bool()?),
            "model" => options.model = Some(text(value)?),
            "instruction" => options.instruction = Some(text(value)?),
            "fields" => {
                let names = value.items().unwrap_or_else(|| vec![value]);
                options.fields = Some(names.into_iter().map(text).collect::<Option<_>>()?);
            }
            "deadline" => options.deadline_ms = Some(milliseconds(value)?),
            "answer_block" => options.answer_block = Some(value.as_bool()?),
            name => {
                if !other(&mut options, name, value)? {
                    ignore(&mut options, name);
                }
            }
        }
    }
    Some(options)
}

/// The text of a value that has to be one.
pub(super) fn text(value: Value<'_>) -> Option<String> {
    value.as_str().map(|text| text.into_owned())
}

/// A number of milliseconds, or text with a unit as in the configuration.
fn milliseconds(value: Value<'_>) -> Option<u64> {
    if let Some(number) = value.as_u64() {
        return Some(number);
    }
    let duration = humantime::parse_duration(value.as_str()?.trim()).ok()?;
    u64::try_from(duration.as_millis()).ok()
}

/// A whole number from 0 up, also as `20.0` or `"20"`.
fn whole(value: Value<'_>) -> Option<u64> {
    let number = number(value)?;
    // Beyond this, floats are no longer exact; such a number is not meant.
    let is_whole = number.fract() == 0.0 && (0.0..9e15).contains(&number);
    value.as_u64().or(is_whole.then_some(number as u64))
}

/// A relevance score, from 0 to 1, also as text. A floor over 1 would leave no hit.
fn score(value: Value<'_>) -> Option<f32> {
    number(value).map(|score| score as f32).filter(|score| (0.0..=1.0).contains(score))
}

fn number(value: Value<'_>) -> Option<f64> {
    match value.kind() {
        Kind::String => value.as_str()?.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => value.as_f64(),
    }
}

/// Remembers a member without effect.
fn ignore(options: &mut CallerOptions, name: &str) {
    if options.ignored.len() < MOST_IGNORED && name.len() <= LONGEST_NAME {
        options.ignored.push(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_understood_as_people_write_them() {
        let of = |json: &'static str| Value::parse(json.as_bytes()).unwrap();
        for twenty in ["20", "20.0", "2e1", "\"20\"", "\" 20 \""] {
            assert_eq!(whole(of(twenty)), Some(20), "{twenty}");
        }
        for none in ["-1", "1.5", "\"abc\"", "\"\"", "null", "true", "1e300", "\"NaN\""] {
            assert_eq!(whole(of(none)), None, "{none}");
        }
        assert_eq!(score(of("\"0.5\"")), Some(0.5));
        assert_eq!(score(of("1")), Some(1.0));
        for none in ["1e300", "2", "-0.5", "\"70\""] {
            assert_eq!(score(of(none)), None, "{none}");
        }
    }
}
