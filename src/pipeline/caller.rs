//! [`CallerHeaders`]: what a request's `x-rerank-*` headers say.

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode;

/// What a request's own headers say about its reranking. Unreadable values are as if absent.
#[derive(Clone, Default)]
pub struct CallerHeaders {
    /// `x-rerank: off`.
    pub off: bool,
    /// `x-rerank-query`, decoded.
    pub query: Option<String>,
    /// `x-rerank-vector`.
    pub vector: Vec<f64>,
    /// `x-rerank-window`.
    pub window: Option<u64>,
    /// `x-rerank-min-score`.
    pub min_score: Option<f32>,
    /// `x-rerank-deadline`, in milliseconds or with a unit.
    pub deadline_ms: Option<u64>,
    /// `x-rerank-model`.
    pub model: Option<String>,
    /// `x-rerank-fields`, comma list.
    pub fields: Option<Vec<String>>,
    /// The `rerank-query` entry of `baggage`, decoded.
    pub baggage: Option<String>,
}

impl CallerHeaders {
    /// Reads the headers.
    pub fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        Self {
            off: text("x-rerank").is_some_and(|value| value.eq_ignore_ascii_case("off")),
            query: headers.get("x-rerank-query").and_then(|value| decode(value.as_bytes())),
            vector: text("x-rerank-vector").map(vector).unwrap_or_default(),
            window: text("x-rerank-window").and_then(|value| value.parse().ok()),
            min_score: text("x-rerank-min-score").and_then(finite),
            deadline_ms: text("x-rerank-deadline").and_then(milliseconds),
            model: text("x-rerank-model").map(str::to_owned),
            fields: text("x-rerank-fields").map(list),
            baggage: headers.get_all("baggage").iter().find_map(|value| baggage(value.as_bytes())),
        }
    }
}

/// The headers less what is the proxy's own: `x-rerank…` and the baggage entry. Order is kept; headers
/// without any such thing come back as they are.
pub fn strip_own(headers: HeaderMap) -> HeaderMap {
    let names_us = |value: &HeaderValue| find(value.as_bytes(), BAGGAGE_KEY).is_some();
    let ours = |(name, value)| is_own(name) || (name == "baggage" && names_us(value));
    let touched = headers.iter().any(ours);
    if !touched {
        return headers;
    }
    let mut kept = HeaderMap::with_capacity(headers.len());
    for (name, value) in &headers {
        if is_own(name) {
            continue;
        }
        let value = if name == "baggage" { without_entry(value) } else { Some(value.clone()) };
        if let Some(value) = value {
            kept.append(name.clone(), value);
        }
    }
    kept
}

fn is_own(name: &HeaderName) -> bool {
    name.as_str() == "x-rerank" || name.as_str().starts_with("x-rerank-")
}

const BAGGAGE_KEY: &[u8] = b"rerank-query=";

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, part)
}

/// A baggage value without our entry; `None` if nothing is left.
fn without_entry(value: &HeaderValue) -> Option<HeaderValue> {
    let entries = value.as_bytes().split(|&byte| byte == b',');
    let others: Vec<&[u8]> = entries.filter(|entry| !entry.trim_ascii().starts_with(BAGGAGE_KEY)).collect();
    let joined = others.join(&b',');
    if joined.trim_ascii().is_empty() { None } else { HeaderValue::from_bytes(joined.trim_ascii()).ok() }
}

/// Percent-decoding as `design.md` has it: a stray `%` stands for itself, invalid UTF-8 leaves the raw value.
fn decode(raw: &[u8]) -> Option<String> {
    let decoded: Vec<u8> = percent_decode(raw).collect();
    let text = String::from_utf8(decoded).or_else(|_| String::from_utf8(raw.to_vec())).ok()?;
    Some(text).filter(|text| !text.trim().is_empty())
}

fn vector(value: &str) -> Vec<f64> {
    let numbers: Result<Vec<f64>, _> = value.split(',').map(|part| part.trim().parse()).collect();
    numbers.unwrap_or_default()
}

fn finite(value: &str) -> Option<f32> {
    value.parse().ok().filter(|score: &f32| score.is_finite())
}

fn milliseconds(value: &str) -> Option<u64> {
    let plain = value.parse().ok();
    plain.or_else(|| humantime::parse_duration(value).ok()?.as_millis().try_into().ok())
}

fn list(value: &str) -> Vec<String> {
    value.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// W3C Baggage, §3.2: `key=value;property, …`.
fn baggage(value: &[u8]) -> Option<String> {
    value.split(|&byte| byte == b',').find_map(|entry| {
        let entry = entry.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        decode(entry.strip_prefix(BAGGAGE_KEY)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &[u8]) -> CallerHeaders {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_bytes(value).unwrap());
        CallerHeaders::read(&headers)
    }

    #[test]
    fn query_text_is_taken_encoded_raw_and_broken() {
        let query = |value: &[u8]| read("x-rerank-query", value).query;
        assert_eq!(query(b"caf%C3%A9%20au lait").as_deref(), Some("café au lait"));
        assert_eq!(query("café".as_bytes()).as_deref(), Some("café"));
        assert_eq!(query(b"100% wool").as_deref(), Some("100% wool"));
        assert_eq!(query(b"%FF").as_deref(), Some("%FF"), "invalid UTF-8 leaves the raw value");
        assert_eq!(query(b"\xff\xfe"), None, "not UTF-8 at all");
        assert_eq!(query(b"  "), None);
    }

    #[test]
    fn baggage_gives_its_own_entry_only() {
        let value = b"user=7, rerank-query=red%20shoes;ttl=1";
        assert_eq!(read("baggage", value).baggage.as_deref(), Some("red shoes"));
        assert_eq!(read("baggage", b"x-rerank-query=a").baggage, None);
    }

    #[test]
    fn own_headers_go_and_the_others_keep_their_order() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("host", "a"),
            ("x-rerank-query", "secret"),
            ("accept", "1"),
            ("baggage", "a=1,rerank-query=secret,b=2"),
            ("accept", "2"),
            ("x-rerank", "off"),
            ("x-reranker", "not ours"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        let kept: Vec<String> =
            strip_own(headers).iter().map(|(n, v)| format!("{n}={}", v.to_str().unwrap())).collect();
        assert_eq!(kept, ["host=a", "accept=1", "accept=2", "baggage=a=1,b=2", "x-reranker=not ours"]);
    }

    #[test]
    fn unreadable_numbers_are_as_if_absent() {
        assert_eq!(read("x-rerank-window", b"-3").window, None);
        assert_eq!(read("x-rerank-min-score", b"NaN").min_score, None);
        assert_eq!(read("x-rerank-deadline", b"250ms").deadline_ms, Some(250));
        assert_eq!(read("x-rerank-deadline", b"250").deadline_ms, Some(250));
        assert!(read("x-rerank-vector", b"1,x").vector.is_empty());
    }
}
