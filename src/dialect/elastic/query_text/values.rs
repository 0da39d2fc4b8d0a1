//! How to distinguish a value from words.

use crate::{dialect::elastic::settings::decimal, wire::json::Value};

/// Longer texts than a date with its time, an address or a hash are words.
const LONGEST_VALUE: usize = 128;
/// The least digits of a number to base 16 that is taken for an id.
const SHORTEST_HEX: usize = 16;

/// Whether a text is one value rather than words: a boolean, a number, a date, an address or an id.
pub(super) fn is_value(text: &str) -> bool {
    let text = text.trim();
    if text.len() > LONGEST_VALUE {
        return false;
    }
    text.eq_ignore_ascii_case("true")
        || text.eq_ignore_ascii_case("false")
        || is_number(text)
        || is_date(text)
        || is_id(text)
        || text.parse::<std::net::IpAddr>().is_ok()
}

/// Whether a field of this name holds ids.
pub(super) fn is_id_name(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    name.starts_with('_')
        || name.ends_with(".keyword")
        || matches!(last, "id" | "ids" | "uuid" | "guid")
        || ["_id", "_ids", "_uuid", "Id", "Ids", "ID"].iter().any(|end| last.ends_with(end))
}

/// Whether a factor is there and takes away every score, as a number or as text.
pub(super) fn is_zero(factor: Option<Value<'_>>) -> bool {
    factor.and_then(decimal) == Some(0.0)
}

/// A switch as a boolean or as its text.
pub(super) fn is_true(switch: Option<Value<'_>>) -> bool {
    switch.is_some_and(|switch| {
        switch.as_bool().unwrap_or_else(|| switch.as_str().is_some_and(|text| text == "true"))
    })
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['+', '-', '.']);
    digits.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

/// `2020-01-31` (also with slashes or dots, or without the day), a time behind it, and date maths (`now-1d/d`).
fn is_date(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix("now") {
        return rest.is_empty() || rest.starts_with(['-', '+', '/']) && !rest.contains(' ');
    }
    let (date, time) = match text.find(['T', ' ']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let parts: Vec<&str> = date.split(['-', '/', '.']).collect();
    let digits = |part: &&str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let year_first = parts.first().is_some_and(|year| year.len() == 4 && digits(year, 4));
    let year_last = parts.len() == 3 && parts.last().is_some_and(|year| year.len() == 4 && digits(year, 4));
    let others = parts.iter().filter(|part| digits(part, 2)).count();
    let of_time = |c: char| c.is_ascii_digit() || matches!(c, ':' | '.' | ',' | 'Z' | 'z' | '+' | '-');
    (2..=3).contains(&parts.len())
        && (year_first || year_last)
        && others == parts.len() - 1
        && time.chars().all(of_time)
        && (time.is_empty() || time.contains(':'))
}

/// A UUID, or a long number to base 16 (hashes, MongoDB's ids).
fn is_id(text: &str) -> bool {
    let hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let groups: Vec<&str> = text.trim_matches(['{', '}']).split('-').collect();
    let uuid = groups.len() == 5
        && groups.iter().zip([8, 4, 4, 4, 12]).all(|(group, length)| group.len() == length && hex(group));
    let long = text.len() >= SHORTEST_HEX && hex(text) && text.bytes().any(|byte| byte.is_ascii_digit());
    uuid || long
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_distinguished_from_words() {
        for value in [
            "true",
            "False",
            "2020",
            "-3.5",
            "1e5",
            "+7",
            "2020-01-31",
            "2020-01",
            "2020/1/31",
            "31.12.2020",
            "2020-01-31T10:00:00Z",
            "2020-01-31 10:00:00.123+01:00",
            "now",
            "now-1d/d",
            "550e8400-e29b-41d4-a716-446655440000",
            "507f1f77bcf86cd799439011",
            "192.168.0.1",
            "::1",
            "1577836800000",
        ] {
            assert!(is_value(value), "{value}");
        }
        for words in [
            "red shoes",
            "UK",
            "UK 2020",
            "2020 budget",
            "nowhere",
            "now or never",
            "infinity",
            "nan",
            "inf",
            "1984 by Orwell",
            "co-op",
            "24/7",
            "C++",
            "deadbeef",
            "feedfacedeadbeef",
            "4 - 2",
            "2020 in review",
            "A-12345",
            "",
            "Who?",
        ] {
            assert!(!is_value(words), "{words}");
        }
    }

    #[test]
    fn ids_are_reported_by_their_fields_names() {
        for name in
            ["_id", "id", "doc_id", "metadata.id", "userId", "meta.doc_uuid", "country.keyword", "_index"]
        {
            assert!(is_id_name(name), "{name}");
        }
        for name in ["title", "video", "grid", "paid", "identity", "content.english"] {
            assert!(!is_id_name(name), "{name}");
        }
    }
}
