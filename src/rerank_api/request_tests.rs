use std::{fs, path::PathBuf};

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::rerank_api::route;

fn fixture(name: &str) -> Json {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/cohere");
    serde_json::from_slice(&fs::read(folder.join(format!("{name}.json"))).unwrap()).unwrap()
}

fn v2(body: &str) -> Result<RerankCall, BadRequest> {
    read(Version::V2, body.as_bytes(), 1000)
}

fn v1(body: &str) -> Result<RerankCall, BadRequest> {
    read(Version::V1, body.as_bytes(), 1000)
}

fn texts(asked: &RerankCall) -> Vec<&str> {
    asked.documents.iter().map(|text| &**text).collect()
}

/// The rerank requests that official SDKs send: the call, the path, the body.
fn captured() -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for file in ["sdk/python-5.21.1", "sdk/python-7.3.1", "sdk/node-8.1.0"] {
        for send in fixture(file)["sends"].as_array().unwrap() {
            let requests = send["requests"].as_array().cloned().unwrap_or_else(|| vec![send.clone()]);
            for request in requests {
                let text = |key: &str| request[key].as_str().unwrap().to_owned();
                let path = text("path").split('?').next().unwrap().to_owned();
                if path.ends_with("/rerank") {
                    let call = format!("{file}: {}", send["call"].as_str().unwrap());
                    found.push((call, path, text("body_text")));
                }
            }
        }
    }
    found
}

#[test]
fn every_rerank_request_of_the_sdks_is_served_or_rejected_as_cohere_does() {
    let mut served = 0;
    for (call, path, body) in captured() {
        let asked = read(route::version(&path).unwrap(), body.as_bytes(), 1000);
        let status = asked.as_ref().map_or_else(BadRequest::status, |_| 200);
        let expected = match call.split(": ").nth(1).unwrap() {
            "rerank extra body/headers" => 422,
            call if call.contains("dict documents") => 422,
            _ => 200,
        };
        assert_eq!(status, expected, "{call}: {asked:?}");
        let sent: Json = serde_json::from_str(&body).unwrap();
        if let Ok(asked) = asked {
            assert_eq!(sent["query"], *asked.query, "{call}");
            assert_eq!(asked.documents.len(), sent["documents"].as_array().unwrap().len(), "{call}");
            assert_eq!(asked.top_n.map(|n| n as u64), sent["top_n"].as_u64(), "{call}");
            served += 1;
        }
    }
    assert!(served >= 25, "{served}");
}

#[test]
fn what_cohere_rejects_is_rejected_with_its_status_and_its_words() {
    for name in [
        "err-400-empty-query",
        "err-400-no-documents",
        "err-400-model-required",
        "err-422-unknown-field",
        "err-422-document-object",
    ] {
        let fixture = fixture(name);
        let rejected = v2(&fixture["request"]["body"].to_string()).unwrap_err();
        assert_eq!(fixture["response"]["status"], rejected.status(), "{name}");
        assert_eq!(fixture["response"]["body"]["message"], rejected.to_string(), "{name}");
    }
    let fixture = fixture("err-400-invalid-json");
    let rejected = v2(fixture["request"]["body"].as_str().unwrap()).unwrap_err();
    assert_eq!(rejected.status(), 400);
    assert!(rejected.to_string().starts_with("invalid json syntax: "));
}

#[test]
fn a_blank_document_is_named_by_its_index() {
    for blank in ["", " ", "\\n\\t", "\\u3000"] {
        let body = format!(r#"{{"model":"m","query":"q","documents":["a","{blank}"]}}"#);
        assert_eq!(v2(&body), Err(BadRequest::EmptyDocument(1)));
    }
}

#[test]
fn more_documents_than_allowed_are_rejected_by_their_number() {
    let body = r#"{"model":"m","query":"q","documents":["a","b","c"]}"#;
    assert_eq!(read(Version::V2, body.as_bytes(), 2), Err(BadRequest::TooMany { count: 3, most: 2 }));
    assert!(read(Version::V2, body.as_bytes(), 3).is_ok());
}

#[test]
fn null_is_the_same_as_absent_and_options_have_their_types_and_ranges() {
    let with = |member: &str| v2(&format!(r#"{{"model":"m","query":"q","documents":["a"],{member}}}"#));
    let bare = v2(r#"{"model":"m","query":"q","documents":["a"]}"#);
    for member in [
        r#""top_n":null"#,
        r#""priority":0"#,
        r#""priority":999"#,
        r#""relevant_spans":null"#,
        r#""relevant_spans":{"mode":"disabled"}"#,
        r#""return_documents":true"#,
    ] {
        assert_eq!(with(member), bare, "{member}");
    }
    assert_eq!(with(r#""top_n":3.0"#).unwrap().top_n, Some(3));
    assert_eq!(with(r#""max_tokens_per_doc":512"#).unwrap().max_tokens_per_doc, Some(512));
    for (member, status) in [
        (r#""top_n":0"#, 400),
        (r#""top_n":-1"#, 400),
        (r#""top_n":1.5"#, 400),
        (r#""top_n":1e400"#, 400),
        (r#""top_n":"3""#, 422),
        (r#""priority":1000"#, 400),
        (r#""relevant_spans":{"mode":"on"}"#, 422),
        (r#""relevant_spans":{"mode":"enabled","threshold":1.5}"#, 400),
        (r#""relevant_spans":{"mode":"enabled","threshold":"x"}"#, 400),
        (r#""relevant_spans":{"mode":"enabled","max_spans":0}"#, 400),
        (r#""relevant_spans":{}"#, 422),
        (r#""relevant_spans":true"#, 422),
        (r#""return_documents":"yes""#, 422),
        (r#""query":7"#, 422),
        (r#""model":[]"#, 422),
        (r#""documents":"a""#, 422),
        (r#""documents":[["a"]]"#, 422),
        (r#""documents":[null]"#, 422),
        (r#""rank_fields":["a"]"#, 422),
        (r#""query":null"#, 400),
        (r#""documents":null"#, 400),
        (r#""model":" ""#, 400),
    ] {
        assert_eq!(with(member).unwrap_err().status(), status, "{member}");
    }
}

#[test]
fn of_a_member_that_is_there_twice_the_last_counts() {
    let asked = v2(r#"{"model":"m","query":"a","documents":["a"],"query":"b"}"#).unwrap();
    assert_eq!(&*asked.query, "b");
}

#[test]
fn what_is_not_an_object_is_rejected() {
    for body in ["", "{", "nul", "{}{}", "\u{feff}{}"] {
        assert_eq!(v2(body), Err(BadRequest::NotJson), "{body}");
    }
    for body in ["[]", "null", "\"a\"", "3"] {
        assert_eq!(v2(body), Err(BadRequest::NotAnObject), "{body}");
    }
    assert_eq!(read(Version::V2, b"{\"query\":\"\xff\"}", 9), Err(BadRequest::NotJson));
}

#[test]
fn half_a_character_of_a_text_that_javascript_cut_is_no_reason_to_reject_it() {
    let asked = v2(r#"{"model":"m","query":"q \ud83d","documents":["a \ud83d"]}"#).unwrap();
    assert_eq!((&*asked.query, texts(&asked)), ("q \u{fffd}", vec!["a \u{fffd}"]));
}

#[test]
fn an_unknown_field_is_repeated_only_if_it_looks_like_a_name() {
    let rejected = |name: &str| v2(&format!(r#"{{"{name}":1}}"#)).unwrap_err().to_string();
    assert!(rejected("top_k").contains("parameter 'top_k'"));
    assert!(rejected("a secret, told by mistake").contains("parameter '?'"));
}

#[test]
fn v1_needs_no_model_and_ignores_what_it_does_not_know() {
    let asked = v1(r#"{"query":"q","documents":["a"],"top_k":3}"#).unwrap();
    assert_eq!((asked.model, asked.echo), (None, None));
}

#[test]
fn v1_documents_of_several_fields_are_scored_by_text_or_by_the_fields_that_are_named() {
    let documents = r#""documents":["plain",{"title":"t","text":"x","year":"1999"},{"text":"y"}]"#;
    let of = |options: &str| v1(&format!(r#"{{"query":"q",{documents}{options}}}"#)).unwrap();
    assert_eq!(texts(&of("")), ["plain", "x", "y"]);
    let named = of(r#","rank_fields":["title","text"],"return_documents":true"#);
    assert_eq!(texts(&named), ["plain", "title: t\ntext: x", "text: y"]);
    let echo: Vec<String> = named.echo.unwrap().iter().map(|text| text.to_string()).collect();
    assert_eq!(echo, ["plain", "x", "y"]);
    assert_eq!(texts(&of(r#","rank_fields":["text"]"#)), ["plain", "x", "y"]);
}

#[test]
fn v1_documents_without_text_are_rejected_by_their_index() {
    let of = |document: &str, options: &str| {
        v1(&format!(r#"{{"query":"q","documents":["a",{document}]{options}}}"#)).unwrap_err()
    };
    assert_eq!(of(r#"{"title":"t"}"#, ""), BadRequest::NoText(1));
    assert_eq!(of(r#"{"text":" "}"#, ""), BadRequest::EmptyDocument(1));
    assert_eq!(of(r#"{"text":"x"}"#, r#","rank_fields":["title"]"#), BadRequest::EmptyDocument(1));
    assert_eq!(of(r#"{"text":"x"}"#, r#","rank_fields":[]"#), BadRequest::NoRankFields);
    assert_eq!(of("3", "").status(), 422);
}

#[test]
fn an_option_that_does_nothing_here_is_said_to() {
    let asked = v1(r#"{"query":"q","documents":["a"],"max_chunks_per_doc":10}"#).unwrap();
    assert_eq!(asked.warnings, [NO_CHUNKS]);
}

/// Any JSON, with the names that mean something more often than others.
fn any_json() -> impl Strategy<Value = Json> {
    let text = prop_oneof![Just(String::new()), Just(" ".to_owned()), ".{0,6}", Just("disabled".to_owned())];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        text.prop_map(Json::from),
    ];
    let names = prop::sample::select(vec![
        "model",
        "query",
        "documents",
        "top_n",
        "max_tokens_per_doc",
        "priority",
        "relevant_spans",
        "mode",
        "return_documents",
        "rank_fields",
        "max_chunks_per_doc",
        "text",
        "other",
    ]);
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|members| json!(members)),
        ]
    })
}

proptest! {
    #[test]
    fn no_body_panics_and_none_that_is_served_has_a_blank_text(body in any_json(), first in any::<bool>()) {
        let version = if first { Version::V1 } else { Version::V2 };
        if let Ok(asked) = read(version, body.to_string().as_bytes(), 4) {
            prop_assert!(!asked.query.trim().is_empty());
            prop_assert!((1..=4).contains(&asked.documents.len()));
            prop_assert!(asked.documents.iter().all(|text| !text.trim().is_empty()));
            prop_assert!(asked.echo.is_none_or(|echo| echo.len() == asked.documents.len()));
        }
    }

    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = read(Version::V2, &body, 4);
    }
}
