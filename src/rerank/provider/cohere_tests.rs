use std::{fs, path::PathBuf};

use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::*;

fn fixtures() -> Vec<(String, Value)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cohere");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ext| ext == "json") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            found.push((name, serde_json::from_slice(&fs::read(&path).unwrap()).unwrap()));
        }
    }
    assert!(found.len() > 70, "fixtures are missing");
    found
}

fn fixture(name: &str) -> Value {
    fixtures().into_iter().find(|(found, _)| found == name).unwrap().1
}

fn body(response: &Value) -> Vec<u8> {
    match (&response["body_text"], &response["body"]) {
        (Value::String(text), _) => text.clone().into_bytes(),
        (_, Value::Null) => Vec::new(),
        (_, body) => serde_json::to_vec(body).unwrap(),
    }
}

fn headers(response: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in response["headers"].as_object().into_iter().flatten() {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value.as_str().unwrap()).unwrap());
    }
    headers
}

/// As a caller would see it; `sent` documents were asked for.
fn outcome(fixture: &Value, sent: usize) -> Result<(Vec<f32>, f64), RerankError> {
    let response = &fixture["response"];
    let status = StatusCode::from_u16(u16::try_from(response["status"].as_u64().unwrap()).unwrap()).unwrap();
    let (headers, body) = (headers(response), body(response));
    if status.is_success() {
        parse(&body, sent)
    } else {
        Err(classify(status, &headers, &body, SystemTime::UNIX_EPOCH))
    }
}

fn word(outcome: &Result<(Vec<f32>, f64), RerankError>) -> &'static str {
    outcome.as_ref().map_or_else(|error| error.class().reason().as_str(), |_| "ok")
}

#[test]
fn every_recorded_answer_has_its_class() {
    // Fewer results than documents. Since `top_n` is never sent, such an answer is wrong for us.
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
    for (name, fixture) in fixtures() {
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
        // Results of a shortened answer may name any document: only their class as a whole is checked elsewhere.
        if cut_short && name.starts_with("ok-") {
            continue;
        }
        assert_eq!(word(&outcome(&fixture, sent)), expected, "{name}");
        checked += 1;
    }
    assert!(checked > 60, "{checked}");
}

#[test]
fn a_shortened_answer_is_refused_as_a_whole() {
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
fn an_index_given_twice_refuses_the_answer() {
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
    for (name, fixture) in fixtures() {
        let Some(expected) = fixture["expect"].get("retry_after_ms") else { continue };
        let Err(RerankError::Status { retry_after, .. }) = outcome(&fixture, 1) else { panic!("{name}") };
        let expected = expected.as_u64().map(Duration::from_millis);
        if name == "err-429-x-ratelimit-reset" && headers(&fixture["response"]).get("date").is_none() {
            continue;
        }
        assert_eq!(retry_after, expected, "{name}");
        seen += 1;
    }
    assert!(seen >= 6);
}

#[test]
fn waits_are_read_from_dates_and_milliseconds_too() {
    let wait = |name: &'static str, value: &'static str| {
        let headers =
            HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]);
        retry_after(&headers, UNIX_EPOCH + Duration::from_secs(100))
    };
    assert_eq!(wait("retry-after", "Thu, 01 Jan 1970 00:01:50 GMT"), Some(Duration::from_secs(10)));
    assert_eq!(wait("retry-after", "Thu, 01 Jan 1970 00:00:10 GMT"), Some(Duration::ZERO));
    assert_eq!(wait("retry-after", "1.5"), Some(Duration::from_millis(1500)));
    assert_eq!(wait("retry-after", "-1"), None);
    assert_eq!(wait("retry-after", "1e300"), None);
    assert_eq!(wait("retry-after-ms", "250"), Some(Duration::from_millis(250)));
    assert_eq!(wait("x-ratelimit-reset", "103"), Some(Duration::from_secs(3)));
    assert_eq!(wait("x-ratelimit-reset", "NaN"), None);
}

#[test]
fn trial_headers_are_read() {
    assert_eq!(trial_calls_left(&headers(&fixture("ok-trial-headers")["response"])), Some(9));
    assert_eq!(trial_calls_left(&headers(&fixture("ok-all")["response"])), None);
}

fn sent(format: &Format, query: &str, documents: &[&str]) -> Value {
    let documents: Vec<Arc<str>> = documents.iter().map(|text| Arc::from(*text)).collect();
    serde_json::from_slice(&format.body(&format.model, query, &documents)).unwrap()
}

#[test]
fn only_documented_fields_that_were_set_are_sent() {
    let mut format = Format { model: "rerank-v3.5".into(), max_tokens_per_doc: None, priority: None };
    let expected = json!({"model": "rerank-v3.5", "query": "q \"1\"", "documents": ["a", "ü\n"]});
    assert_eq!(sent(&format, "q \"1\"", &["a", "ü\n"]), expected);
    (format.max_tokens_per_doc, format.priority) = (Some(512), Some(7));
    let body = sent(&format, "q", &["a"]);
    assert_eq!((&body["max_tokens_per_doc"], &body["priority"]), (&json!(512), &json!(7)));
}

#[test]
fn texts_are_cut_on_a_character_boundary_and_never_short_of_the_context() {
    let format = Format { model: "unheard-of".into(), max_tokens_per_doc: None, priority: None };
    let long = "€".repeat(20_000);
    let body = sent(&format, &long, &[&long]);
    let (query, document) = (body["query"].as_str().unwrap(), body["documents"][0].as_str().unwrap());
    assert!(query.len() <= 2_048 * 6 && query.chars().count() >= 2_048);
    assert!(document.len() <= 4_096 * 6 && document.chars().count() >= 4_096);
    assert_eq!(cut("a€", 3), "a");
}

#[test]
fn known_models_have_their_limits() {
    assert_eq!(limits("rerank-v3.5"), ModelLimits { context: 4_096, query: 2_048 });
    assert_eq!(limits("rerank-v4.0-fast"), ModelLimits { context: 32_768, query: 16_384 });
}
