//! Values of the proxy's own members, `rerank` and the like, as people write them.

use crate::{
    json::{Kind, Value},
    search::CallerOptions,
};

/// The most members without a meaning that are remembered, and the longest name.
const MOST_IGNORED: usize = 8;
const LONGEST_NAME: usize = 256;

/// A whole number from 0 up, also as `20.0` or `"20"`.
pub(super) fn whole(value: Value<'_>) -> Option<u64> {
    let number = number(value)?;
    // Beyond this, floats are no longer exact; nobody means such a number.
    let is_whole = number.fract() == 0.0 && (0.0..9e15).contains(&number);
    value.as_u64().or(is_whole.then_some(number as u64))
}

/// A relevance score, from 0 to 1, also as text. A floor over 1 would leave no hit.
pub(super) fn score(value: Value<'_>) -> Option<f32> {
    number(value).map(|score| score as f32).filter(|score| (0.0..=1.0).contains(score))
}

fn number(value: Value<'_>) -> Option<f64> {
    match value.kind() {
        Kind::String => value.as_str()?.trim().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => value.as_f64(),
    }
}

/// Remembers a member that means nothing.
pub(super) fn ignore(options: &mut CallerOptions, name: &str) {
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
