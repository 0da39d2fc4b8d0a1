//! The recorded and documented responses of Cohere, read as its v2 shape reads them.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use serde_json::Value;

use super::{
    failure, presets, response, scale,
    shape::Shape,
    wire::{body, fixtures, headers},
};
use crate::rerank::{Activation, HttpKind, RerankError};

fn cohere() -> &'static Shape {
    presets::shape(HttpKind::Cohere, "https://api.cohere.com", "rerank-v3.5")
}

fn fixture(name: &str) -> Value {
    fixtures("cohere").into_iter().find(|(found, _)| found == name).unwrap().1
}

fn parse(body: &[u8], documents: usize) -> Result<(Vec<f32>, f64), RerankError> {
    let read = response::read(cohere(), body, documents)?;
    let mapping = scale::mapping(cohere().range, Activation::None, false, &read.scores);
    Ok((scale::map(mapping, &read.scores)?, read.billed_units))
}

/// As a caller would see it; `sent` documents were asked for.
fn outcome(fixture: &Value, sent: usize) -> Result<(Vec<f32>, f64), RerankError> {
    let response = &fixture["response"];
    let status = StatusCode::from_u16(u16::try_from(response["status"].as_u64().unwrap()).unwrap()).unwrap();
    let (headers, body) = (headers(response), body(response));
    if status.is_success() {
        parse(&body, sent)
    } else {
        Err(failure::classify(cohere(), status, &headers, &body, SystemTime::UNIX_EPOCH))
    }
}

fn word(outcome: &Result<(Vec<f32>, f64), RerankError>) -> &'static str {
    outcome.as_ref().map_or_else(|error| error.class().reason().as_str(), |_| "ok")
}

#[test]
fn every_recorded_response_has_its_class() {
    // Fewer results than documents. Since `top_n` is never sent, such a response is wrong for us.
    const NOT_ALL: [&str; 2] = ["ok-empty-results", "ok-fractional-search-units"];
    // Logits: another kind of provider may map them, Cohere never sends them.
    const OUT_OF_RANGE: &str = "bad-score-out-of-range";
    // What only a socket can show; see the tests of the call.
    const TRANSPORT: [&str; 7] = [
        "bad-closed",
        "bad-connection-reset-reuse",
        "bad-huge-body",
        "bad-short-body",
        "bad-stalled",
        "bad-wrong-encoding-header",
        "ok-slow",
    ];
    let mut checked = 0;
    for (name, fixture) in fixtures("cohere") {
        if TRANSPORT.contains(&name.as_str()) {
            continue;
        }
        let request = &fixture["request"]["body"];
        let results = fixture["response"]["body"]["results"].as_array().map(Vec::len);
        let cut_short = request["top_n"].is_u64() || name == "ok-private-container";
        let sent = match (&request["documents"], results) {
            (_, Some(results)) if cut_short => results.max(1),
            (Value::Array(documents), _) => documents.len(),
            (_, results) => results.unwrap_or(1),
        };
        let expected = if NOT_ALL.contains(&name.as_str()) || name == OUT_OF_RANGE {
            "bad_response"
        } else {
            fixture["expect"]["class"].as_str().unwrap()
        };
        // Results of a shortened response may name any document: only their class as a whole is checked elsewhere.
        if cut_short && name.starts_with("ok-") {
            continue;
        }
        assert_eq!(word(&outcome(&fixture, sent)), expected, "{name}");
        checked += 1;
    }
    assert!(checked > 60, "{checked}");
}

#[test]
fn a_shortened_response_is_rejected_as_a_whole() {
    for name in ["ok-top-n", "ok-private-container", "ok-empty-results"] {
        let outcome = outcome(&fixture(name), 4);
        assert_eq!(outcome, Err(RerankError::BadResponse("not every document scored")), "{name}");
    }
}

#[test]
fn scores_come_back_in_the_order_of_the_documents() {
    let (scores, billed) = outcome(&fixture("ok-all"), 4).unwrap();
    assert_eq!(scores, [0.987_125_16, 1.234_567_8e-5, 0.314_159_27, 0.042_105_43]);
    assert_eq!(billed, 1.0);
    assert_eq!(outcome(&fixture("ok-unsorted"), 4).unwrap().0, scores);
    assert_eq!(outcome(&fixture("ok-fractional-search-units"), 1).unwrap().1, 1.0);
    assert_eq!(outcome(&fixture("ok-minimal-body"), 4).unwrap().1, 0.0);
}

#[test]
fn an_index_given_twice_rejects_the_response() {
    let body = br#"{"results":[{"index":0,"relevance_score":0.9},{"index":0,"relevance_score":0.1}]}"#;
    assert_eq!(parse(body, 2), Err(RerankError::BadResponse("index given twice")));
}

#[test]
fn an_odd_meta_does_not_cost_the_scores() {
    let body = br#"{"results":[{"index":0,"relevance_score":0.9}],"meta":{"billed_units":[-1]}}"#;
    assert_eq!(parse(body, 1), Ok((vec![0.9], 0.0)));
}

#[test]
fn every_recorded_wait_is_read() {
    let mut seen = 0;
    for (name, fixture) in fixtures("cohere") {
        let Some(expected) = fixture["expect"].get("retry_after_ms") else { continue };
        let Err(RerankError::Status { retry_after, .. }) = outcome(&fixture, 1) else { panic!("{name}") };
        // No wait at all is what those say that know none.
        let expected = expected.as_u64().filter(|wait| *wait > 0).map(Duration::from_millis);
        if name == "err-429-x-ratelimit-reset" && headers(&fixture["response"]).get("date").is_none() {
            continue;
        }
        assert_eq!(retry_after, expected, "{name}");
        seen += 1;
    }
    assert!(seen >= 6);
}

#[test]
fn trial_headers_are_read() {
    assert_eq!(failure::trial_calls_left(&headers(&fixture("ok-trial-headers")["response"])), Some(9));
    assert_eq!(failure::trial_calls_left(&headers(&fixture("ok-all")["response"])), None);
}
