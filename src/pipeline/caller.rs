//! [`CallerHeaders`]: what a request's `x-rerank-*` headers say.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::header_text;
use crate::{
    search::{is_blank, yes_or_no},
    tenant::Claim,
};

/// What a request's own headers ask for about its reranking.
#[derive(Clone, Default)]
pub struct CallerHeaders {
    /// `x-rerank: off`.
    pub off: bool,
    /// A value that cannot be read, and might mean that nothing is to be sent.
    pub malformed: bool,
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
    /// `x-rerank-answer-block`.
    pub answer_block: Option<bool>,
    /// `x-rerank-instruction`, decoded.
    pub instruction: Option<String>,
    /// The `rerank-query` entry of `baggage`, decoded.
    pub baggage: Option<String>,
    /// The names of the headers that have no effect.
    pub ignored: Vec<String>,
    /// Whose the request is; no header of ours says it.
    pub tenant: Claim,
}

impl CallerHeaders {
    /// Reads the headers. Of several with one name the first counts, but one `off` is enough.
    pub fn read(headers: &HeaderMap) -> Self {
        let mut caller = Self {
            baggage: headers.get_all("baggage").iter().find_map(|value| baggage(value.as_bytes())),
            ..Self::default()
        };
        for (name, value) in headers {
            if is_own(name) && !caller.take(name.as_str(), value) {
                caller.ignored.push(name.as_str().to_owned());
            }
        }
        caller
    }

    /// Whether the header means something.
    fn take(&mut self, name: &str, value: &HeaderValue) -> bool {
        let text = value.to_str().map_or("", str::trim);
        match name {
            "x-rerank" => return self.switch(text),
            "x-rerank-query" => {
                let query = header_text::text(value.as_bytes());
                // One that is always set, and empty where there is no text, says just that.
                self.query.get_or_insert(query);
            }
            // The value may have meant that the text is not to be used.
            "x-rerank-vector" => match vector(text) {
                Some(vector) if self.vector.is_empty() => self.vector = vector,
                Some(_) => {}
                None => {
                    self.malformed = true;
                    return false;
                }
            },
            "x-rerank-window" => return first(&mut self.window, text.parse().ok()),
            "x-rerank-min-score" => return first(&mut self.min_score, score(text)),
            "x-rerank-deadline" => return first(&mut self.deadline_ms, milliseconds(text)),
            "x-rerank-model" => {
                return first(&mut self.model, Some(text.to_owned()).filter(|name| !name.is_empty()));
            }
            "x-rerank-answer-block" => return first(&mut self.answer_block, yes_or_no(text)),
            "x-rerank-instruction" => {
                let text = header_text::text(value.as_bytes());
                return first(&mut self.instruction, Some(text).filter(|text| !is_blank(text)));
            }
            "x-rerank-fields" => {
                return first(&mut self.fields, Some(list(text)).filter(|names| !names.is_empty()));
            }
            _ => return false,
        }
        true
    }

    fn switch(&mut self, text: &str) -> bool {
        // Several header lines may have been joined into one.
        let words: Vec<Option<bool>> = text.split(',').map(yes_or_no).collect();
        self.off |= words.contains(&Some(false));
        let understood = !words.contains(&None);
        self.malformed |= !understood;
        understood
    }
}

/// Whether there is a value; the first one is kept.
fn first<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let is_one = value.is_some();
    *place = place.take().or(value);
    is_one
}

/// The headers without the proxy's own: `x-rerank…` and the baggage entry. Order is kept; headers without any of
/// these are returned unchanged.
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

fn vector(value: &str) -> Option<Vec<f64>> {
    value.split(',').map(|part| part.trim().parse().ok()).collect()
}

/// A relevance score is at most 1: a higher floor would leave no hit.
fn score(value: &str) -> Option<f32> {
    value.parse().ok().filter(|score| (0.0..=1.0).contains(score))
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
        header_text::baggage(entry.strip_prefix(BAGGAGE_KEY)?)
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
        let query = |value: &[u8]| read("x-rerank-query", value).query.unwrap();
        assert_eq!(query(b"caf%C3%A9%20au lait"), "café au lait");
        assert_eq!(query("café".as_bytes()), "café");
        assert_eq!(query(b"caf\xe9"), "café");
        assert_eq!(query(b"100% wool"), "100% wool");
        assert_eq!(query(b"%FF"), "%FF", "invalid UTF-8 leaves the raw value");
        assert_eq!(query(b"red+shoes"), "red shoes");
    }

    #[test]
    fn no_is_understood_in_every_usual_form_and_nothing_is_passed_over() {
        for no in ["off", "false", "0", "no", "NO", "False", "\"off\"", "on, off"] {
            let caller = read("x-rerank", no.as_bytes());
            assert!(caller.off && !caller.malformed && caller.ignored.is_empty(), "{no}");
        }
        for yes in ["on", "True", "1", "YES"] {
            let caller = read("x-rerank", yes.as_bytes());
            assert!(!caller.off && !caller.malformed && caller.ignored.is_empty(), "{yes}");
        }
        for neither in [&b"maybe"[..], b"", b"2", b"\xe9", b"on, maybe"] {
            let caller = read("x-rerank", neither);
            assert!(!caller.off && caller.malformed && caller.ignored == ["x-rerank"], "{neither:?}");
        }
        let mut headers = HeaderMap::new();
        headers.append("x-rerank", HeaderValue::from_static("on"));
        headers.append("x-rerank", HeaderValue::from_static("off"));
        assert!(CallerHeaders::read(&headers).off);
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
    fn what_means_nothing_is_reported() {
        for (name, value) in [
            ("x-rerank-window", "abc"),
            ("x-rerank-window", "-3"),
            ("x-rerank-window", ""),
            ("x-rerank-min-score", "NaN"),
            ("x-rerank-min-score", "2"),
            ("x-rerank-min-score", "70"),
            ("x-rerank-min-score", "-0.5"),
            ("x-rerank-deadline", "soon"),
            ("x-rerank-model", " "),
            ("x-rerank-fields", ","),
            ("x-rerank-instruction", " "),
            ("x-rerank-quey", "red shoes"),
        ] {
            let caller = read(name, value.as_bytes());
            assert!(caller.ignored == [name] && !caller.malformed, "{name}: {value}");
        }
        let caller = read("x-rerank-vector", b"1,x");
        assert!(caller.malformed && caller.vector.is_empty() && caller.ignored == ["x-rerank-vector"]);
        assert_eq!(read("x-rerank-deadline", b"250ms").deadline_ms, Some(250));
        assert_eq!(read("x-rerank-deadline", b"250").deadline_ms, Some(250));
        assert!(read("x-rerank-query", b"").ignored.is_empty());
    }
}
