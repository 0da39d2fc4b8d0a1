//! The values of a definition: places, paths, words.

use http::Method;

use crate::{
    config::values,
    dialect::paths::{Part, PathPattern, Place, Segment},
};

/// The segment of a path that names the collection.
const COLLECTION: &str = "{collection}";

pub(super) fn error_shape(text: &str) -> Result<String, String> {
    let filled = text.replace("{status}", "503").replace("{message}", "text");
    match serde_json::from_str::<serde_json::Value>(&filled) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "this has to be JSON in which `{{message}}` stands inside a text, such as '{{\"error\": \"{{message}}\"}}': {error}."
        )),
    }
}

pub(super) fn method(text: &str) -> Result<Method, String> {
    match text {
        "GET" => Ok(Method::GET),
        "POST" => Ok(Method::POST),
        "PUT" => Ok(Method::PUT),
        _ => Err(format!("`{text}` is not one of GET, POST, PUT.")),
    }
}

/// `/a/{collection}/*/b`.
pub(super) fn pattern(text: &str) -> Result<PathPattern, String> {
    if !text.starts_with('/') || text.contains('?') {
        return Err(format!("`{text}` is not a path: it begins with / and has no query string."));
    }
    let segments: Vec<&str> = text.split('/').filter(|segment| !segment.is_empty()).collect();
    if text.matches(COLLECTION).count() > 1 {
        return Err("one segment of a path is the collection, not several.".to_owned());
    }
    let segment = |text: &&str| match *text {
        "*" => Ok(Segment::Any),
        text if text.contains(COLLECTION) => {
            let (before, after) = text.split_once(COLLECTION).unwrap_or_default();
            Ok(Segment::Collection(before.to_owned(), after.to_owned()))
        }
        text if text.contains(['{', '}', '*']) => Err(format!(
            "`{text}` is not a segment of a path: `{{collection}}`, `*` for any, or the segment itself."
        )),
        text => Ok(Segment::Literal(text.to_owned())),
    };
    if segments.is_empty() {
        return Err("a path needs at least one segment.".to_owned());
    }
    segments.iter().map(segment).collect::<Result<_, _>>().map(PathPattern)
}

/// Keys with dots between them; `.` is where one is already. A dot or a bracket that is part of a key has a backslash
/// before it.
pub(super) fn keys(text: &str) -> Result<Vec<String>, String> {
    if text == "." {
        return Ok(Vec::new());
    }
    let text_of = |key: &str| key.replace('\u{1}', ".").replace('\u{2}', "[");
    let escaped = text.replace("\\.", "\u{1}").replace("\\[", "\u{2}");
    let keys: Vec<String> = escaped.split('.').map(text_of).collect();
    if escaped.contains('[') || keys.iter().any(String::is_empty) {
        return Err(format!("`{text}` is not a path of keys, such as `result.hits`."));
    }
    Ok(keys)
}

/// The same in a response, which has no parts.
pub(super) fn keys_of_response(text: &str) -> Result<Vec<String>, String> {
    match text.split_once(':') {
        Some((part @ ("body" | "top" | "query" | "form"), rest)) => {
            Err(format!("`{part}:` is a part of a request; in a response a place is keys alone: `{rest}`."))
        }
        _ => keys(text),
    }
}

/// `limit`, `params.limit`, `query:limit`, `form:limit`, `top:limit`.
pub(super) fn place(text: &str) -> Result<Place, String> {
    let (part, rest) = match text.split_once(':') {
        None => (Part::Body, text),
        Some(("body", rest)) => (Part::Body, rest),
        Some(("top", rest)) => (Part::Top, rest),
        Some(("query", rest)) => (Part::Query, rest),
        Some(("form", rest)) => (Part::Form, rest),
        Some((other, rest)) => {
            let near = values::nearest(other, &["body", "top", "query", "form"]);
            let hint = near.map_or_else(String::new, |near| format!(" Did you mean `{near}:{rest}`?"));
            return Err(format!("`{other}:` is no part of a request: body, top, query or form.{hint}"));
        }
    };
    let path = match part {
        Part::Query | Part::Form if rest.is_empty() => return Err("a parameter needs its name.".to_owned()),
        // A parameter's name may have dots in it.
        Part::Query | Part::Form => vec![rest.to_owned()],
        Part::Body | Part::Top => keys(rest)?,
    };
    Ok(Place { part, path })
}

pub(super) fn one_of<T: Clone>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(value.clone());
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let near =
        values::nearest(text, &known).map_or_else(String::new, |near| format!(" Did you mean `{near}`?"));
    Err(format!("`{text}` is not one of {}.{near}", known.join(", ")))
}
