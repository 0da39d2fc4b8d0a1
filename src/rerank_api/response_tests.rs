use std::{fs, path::PathBuf};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::rerank_api::request;

fn fixture(name: &str) -> Value {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cohere");
    serde_json::from_slice(&fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap()
}

fn asked(documents: usize, top_n: Option<usize>) -> RerankCall {
    RerankCall {
        model: None,
        query: "q".into(),
        documents: (0..documents).map(|at| Arc::from(format!("text {at}"))).collect(),
        echo: None,
        top_n,
        max_tokens_per_doc: None,
        spans: None,
        warnings: Vec::new(),
    }
}

fn scores(scores: &[f32]) -> Scores {
    Scores { scores: scores.iter().copied().map(Some).collect(), billed_units: 1.0, ..Scores::default() }
}

fn text(asked: &RerankCall, all: &[f32]) -> String {
    let body = body(Version::V2, Uuid::nil(), asked, all, &scores(all));
    String::from_utf8(body.to_vec()).unwrap()
}

fn indexes(body: &str) -> Vec<u64> {
    let body: Value = serde_json::from_str(body).unwrap();
    body["results"].as_array().unwrap().iter().map(|result| result["index"].as_u64().unwrap()).collect()
}

#[test]
fn the_response_is_byte_for_byte_what_it_says() {
    let got = text(&asked(3, None), &[0.25, 0.9, 1.234_567_8e-5]);
    let expected = concat!(
        r#"{"id":"00000000-0000-0000-0000-000000000000","results":[{"index":1,"relevance_score":0.9},"#,
        r#"{"index":0,"relevance_score":0.25},{"index":2,"relevance_score":0.000012345678}],"#,
        r#""meta":{"api_version":{"version":"2","is_experimental":false},"billed_units":{"search_units":1}}}"#
    );
    assert_eq!(got, expected);
}

/// Fixture by fixture: the recorded request, and a response made of the recorded scores.
#[test]
fn recorded_responses_are_given_again_as_they_were() {
    for name in ["ok-all", "ok-top-n", "ok-single-document", "ok-tiny-scores", "ok-v1-return-documents"] {
        let fixture = fixture(name);
        let version = if fixture["request"]["path"] == "/v1/rerank" { Version::V1 } else { Version::V2 };
        let response = &fixture["response"];
        let text = response["body_text"].as_str().map(|text| serde_json::from_str(text).unwrap());
        let mut recorded: Value = text.unwrap_or_else(|| response["body"].clone());
        recorded.as_object_mut().unwrap().remove("id");
        let sent = fixture["request"]["body"].to_string();
        let asked = request::read(version, sent.as_bytes(), 1000).unwrap();
        let mut all = vec![0.0; asked.documents.len()];
        for result in recorded["results"].as_array().unwrap() {
            let index = usize::try_from(result["index"].as_u64().unwrap()).unwrap();
            all[index] = result["relevance_score"].as_f64().unwrap() as f32;
        }
        let own = body(version, Uuid::nil(), &asked, &all, &scores(&all));
        let mut own: Value = serde_json::from_slice(&own).unwrap();
        own.as_object_mut().unwrap().remove("id");
        // Of an option that does something there, and nothing here.
        own["meta"].as_object_mut().unwrap().remove("warnings");
        // Some responses say that they are not experimental, some leave it out.
        let version = |response: &mut Value| response["meta"]["api_version"]["version"].take();
        assert_eq!(version(&mut own), version(&mut recorded), "{name}");
        own["meta"]["api_version"] = recorded["meta"]["api_version"].clone();
        assert_eq!(own, recorded, "{name}");
    }
}

#[test]
fn what_was_billed_is_reported_as_it_was() {
    let of = |billed_units, billed_tokens| {
        let scores = Scores { billed_units, billed_tokens, ..scores(&[0.5]) };
        let body = body(Version::V1, Uuid::nil(), &asked(1, None), &[0.5], &scores);
        serde_json::from_slice::<Value>(&body).unwrap()["meta"].clone()
    };
    assert_eq!(of(0.0, 0), json!({"api_version": {"version": "1"}, "billed_units": {"search_units": 0}}));
    assert_eq!(of(2.5, 0)["billed_units"], json!({"search_units": 2.5}));
    assert_eq!(of(0.0, 812)["billed_units"], json!({"search_units": 0, "input_tokens": 812}));
}

#[test]
fn scores_in_part_or_of_no_number_are_no_response() {
    let asked = asked(2, None);
    let whole = |scores: Scores| whole(&asked, &scores);
    assert_eq!(whole(scores(&[0.1, 0.2])), Ok(vec![0.1, 0.2]));
    let failed = Scores { failure: Some(FailureClass::Timeout), ..scores(&[0.1, 0.2]) };
    assert_eq!(whole(failed), Err(FailureClass::Timeout));
    let cut = Scores { scores: vec![Some(0.1), None], ..Scores::default() };
    assert_eq!(whole(cut), Err(FailureClass::TooLarge));
    assert_eq!(whole(scores(&[0.1])), Err(FailureClass::BadResponse));
    assert_eq!(whole(scores(&[0.1, f32::NAN])), Err(FailureClass::BadResponse));
}

proptest! {
    #[test]
    fn results_are_in_order_ties_by_index_and_every_document_once(
        all in prop::collection::vec(prop_oneof![0.0_f32..=1.0, Just(0.5), Just(0.0), Just(-0.0)], 1..30),
        top_n in prop::option::of(1_usize..40),
    ) {
        let body = text(&asked(all.len(), top_n), &all);
        let parsed: Value = serde_json::from_str(&body).unwrap();
        let results: Vec<(f32, u64)> = parsed["results"].as_array().unwrap().iter().map(|result| {
            (result["relevance_score"].as_f64().unwrap() as f32, result["index"].as_u64().unwrap())
        }).collect();
        let sorted = |a: (f32, u64), b: (f32, u64)| a.0 > b.0 || (a.0 == b.0 && a.1 < b.1);
        prop_assert!(results.windows(2).all(|pair| sorted(pair[0], pair[1])));
        prop_assert_eq!(results.len(), top_n.unwrap_or(usize::MAX).min(all.len()));
        for (score, index) in results {
            prop_assert_eq!(score, all[index as usize], "a score loses no digit");
        }
        if top_n.is_none() {
            let mut seen = indexes(&body);
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..all.len() as u64).collect::<Vec<_>>());
        }
    }
}
