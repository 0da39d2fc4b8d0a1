//! What a response says about reranking, and what a line of the log names. Never a word of query or documents.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tracing::Span;

use crate::{
    pipeline::{Ignored, Outcome, Report, Timings},
    traces::TraceParent,
};

/// The most bytes that all of these headers take, as HTTP/2 counts them (RFC 9113 §6.5.2): some gRPC clients take no more
/// than 8 KiB in all.
const MOST_BYTES: usize = 2 << 10;
/// What a header takes beside its name and value.
const AROUND: usize = 32;
const TIMING: &str = "server-timing";

/// Adds the `x-rerank-*` headers and `server-timing`.
pub fn write_headers(headers: &mut HeaderMap, report: &Report, ignored: &Ignored, timings: &Timings) {
    let timing = format!("upstream;dur={:.1}, rerank;dur={:.1}", ms(timings.upstream), ms(timings.rerank));
    let room = MOST_BYTES.saturating_sub(TIMING.len() + timing.len() + AROUND);
    let mut writer = Writer { headers, left: room };
    writer.set("x-rerank-status", &(report.outcome.header() + &ignored.parameter()));
    if let Some(source) = report.source {
        writer.set("x-rerank-query-source", source.as_str());
    }
    if let Some(provider) = &report.provider {
        writer.set("x-rerank-provider", provider);
    }
    if let Some(model) = &report.model {
        writer.set("x-rerank-model", model);
    }
    if !matches!(report.outcome, Outcome::Kept(_)) {
        writer.set("x-rerank-cache", &format!("{}/{}", report.cache_hits, report.cache_lookups));
        writer.set("x-rerank-unscored", &report.unscored.to_string());
    }
    if let Some(confidence) = report.confidence {
        writer.set("x-rerank-confidence", &format!("{confidence:.3}"));
    }
    if report.says_nothing_relevant() {
        writer.set("x-rerank-nothing-relevant", "true");
    }
    if report.held.all() > 0 {
        writer.set("x-rerank-held", &report.held.all().to_string());
    }
    if let Ok(value) = HeaderValue::from_str(&timing) {
        headers.append(HeaderName::from_static(TIMING), value);
    }
}

struct Writer<'a> {
    headers: &'a mut HeaderMap,
    left: usize,
}

impl Writer<'_> {
    fn set(&mut self, name: &'static str, value: &str) {
        let Some(left) = self.left.checked_sub(name.len() + value.len() + AROUND) else { return };
        if let Ok(value) = HeaderValue::from_str(value) {
            self.left = left;
            self.headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// The span of one search in the log: every line that is logged inside it has the id of the trace, else that of
/// `traceparent`. A request without one has no span. Its level is the highest, so that it exists for every line that does; the fields are read only
/// then.
pub fn span(headers: &HeaderMap, trace: Option<&TraceParent>) -> Span {
    match (trace, trace_id(headers)) {
        (Some(trace), _) => tracing::error_span!("search", trace_id = trace.trace_id()),
        (None, Some(trace_id)) => tracing::error_span!("search", trace_id),
        (None, None) => Span::none(),
    }
}

/// The first few different names of collections, as far as a log line has room for them.
pub fn names<'a>(collections: impl Iterator<Item = &'a String>) -> String {
    const MOST: usize = 3;
    const MOST_CHARS: usize = 80;
    let mut different: Vec<&str> = Vec::new();
    for name in collections {
        if different.len() <= MOST && !different.contains(&name.as_str()) {
            different.push(name);
        }
    }
    let cut = |name: &&str| name.chars().take(MOST_CHARS).collect::<String>();
    let mut names: Vec<String> = different.iter().take(MOST).map(cut).collect();
    if different.len() > MOST {
        names.push("…".to_owned());
    }
    names.join(",")
}

/// The trace id of `traceparent` (W3C Trace Context, §3.2): 32 hexadecimal digits.
pub(super) fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("traceparent")?.to_str().ok()?;
    let id = value.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::KeepReason;

    #[test]
    fn a_line_names_a_few_collections_and_no_more() {
        let of = |all: &[&str]| names(all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>().iter());
        assert_eq!(of(&["a", "b", "a"]), "a,b");
        assert_eq!(of(&["a", "b", "c", "d", "e"]), "a,b,c,…");
        assert_eq!(of(&["x".repeat(1000).as_str()]).len(), 80);
        assert_eq!(of(&[]), "");
    }

    #[test]
    fn what_headers_say_takes_two_kib_at_most() {
        let mut headers = HeaderMap::new();
        let report = Report {
            provider: Some("p".repeat(1_200).into()),
            model: Some("m".repeat(1_200).into()),
            ..Report::kept(KeepReason::Deadline)
        };
        write_headers(&mut headers, &report, &Ignored::default(), &Timings::default());
        assert_eq!(headers["x-rerank-status"], "kept; reason=deadline");
        assert!(headers.contains_key("x-rerank-provider") && !headers.contains_key("x-rerank-model"));
        let all: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + AROUND).sum();
        assert!(all <= MOST_BYTES, "{all}");
    }

    #[test]
    fn only_a_well_formed_trace_id_reaches_the_log() {
        let headers = |value: &'static str| {
            HeaderMap::from_iter([(HeaderName::from_static("traceparent"), HeaderValue::from_static(value))])
        };
        let good = headers("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        assert_eq!(trace_id(&good), Some("0af7651916cd43dd8448eb211c80319c"));
        for bad in ["00-how do I reset my password-b7ad6b7169203331-01", "00-0af7-b7ad-01", "", "-"] {
            assert_eq!(trace_id(&headers(bad)), None, "{bad}");
        }
        assert!(span(&HeaderMap::new(), None).is_none());
    }
}
