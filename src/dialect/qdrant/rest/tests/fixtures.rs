//! Recorded traffic: see `tests/fixtures/qdrant/README.md`.

use std::path::PathBuf;

use super::*;
use crate::dialect::laws::{Sample, Widened};

struct Capture {
    name: String,
    target: String,
    request: Bytes,
    status: u64,
    response: Option<Bytes>,
}

/// The recorded `POST`s to search paths.
fn captures() -> Vec<Capture> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/qdrant");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
        .iter()
        .filter(|file| file.extension().is_some_and(|end| end == "json"))
        .filter_map(capture)
        .collect()
}

/// Those that the server accepted, for the laws.
pub(in crate::dialect) fn samples() -> Vec<Sample> {
    let sample = |capture: Capture| Sample {
        name: capture.name,
        dialect: &Qdrant,
        method: Method::POST,
        target: capture.target,
        headers: HeaderMap::new(),
        request: capture.request,
        response: capture.response.unwrap_or_default(),
    };
    captures().into_iter().filter(|capture| capture.status == 200).map(sample).collect()
}

/// Searches for a part of the payload, and the response with all of it, for the laws.
pub(in crate::dialect) fn widened() -> Vec<Widened> {
    let find = |name: &str| samples().into_iter().find(|sample| sample.name == name).unwrap();
    let of = |name: &str| Widened {
        own: find(name),
        plan: plan(70, &["*"]),
        more: find("024-query-payload-all").response,
    };
    ["027-query-payload-list", "030-query-payload-list-empty", "031-query-payload-include"].map(of).into()
}

fn capture(file: &PathBuf) -> Option<Capture> {
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (request, response) = (json.get("request")?, json.get("response")?);
    if request["method"] != "POST" {
        return None;
    }
    let target = request["target"].as_str()?.trim_start_matches("http://127.0.0.1:6333").to_owned();
    let search = with_head(&POST, &target, |head| Qdrant.kind(head).is_some());
    search.then(|| Capture {
        name: file.file_stem().unwrap().to_string_lossy().into_owned(),
        target,
        request: text(request).unwrap_or_default(),
        status: response["status"].as_u64().unwrap(),
        response: text(response),
    })
}

fn text(message: &serde_json::Value) -> Option<Bytes> {
    let body = match message["body_encoding"].as_str() {
        Some("utf-8") => message["body"].as_str(),
        _ => message["body_decoded"].as_str(),
    };
    body.map(|body| Bytes::copy_from_slice(body.as_bytes()))
}

#[test]
fn what_the_server_accepted_is_understood() {
    let captures = captures();
    assert!(captures.len() > 120, "{} captures", captures.len());
    for capture in captures {
        let intents = with_head(&POST, &capture.target, |head| Qdrant.parse_body(head, &capture.request));
        if capture.status == 200 {
            let intents = intents.unwrap_or_else(|error| panic!("{}: {error}", capture.name));
            let unknown = |intent: &SearchIntent| {
                use crate::search::KeepReason::{Malformed, Unsupported};
                matches!(intent.keep, Some(Malformed | Unsupported))
            };
            assert!(!intents.iter().any(unknown), "{}", capture.name);
        }
    }
}

#[test]
fn a_search_as_asked_is_the_clients_own_bytes() {
    for capture in captures() {
        with_head(&POST, &capture.target, |head| {
            let Ok(intents) = Qdrant.parse_body(head, &capture.request) else { return };
            let plans = vec![FetchPlan::as_asked(); intents.len()];
            let rewrite = Qdrant.widen_body(head, &capture.request, &plans).unwrap();
            assert_eq!(rewrite.target, capture.target, "{}", capture.name);
            assert_eq!(rewrite.strips.len(), intents.len(), "{}", capture.name);
            if intents.iter().any(|intent| intent.own_members) {
                assert!(!String::from_utf8_lossy(&rewrite.body).contains("rerank"), "{}", capture.name);
            } else {
                assert_eq!(rewrite.body.as_ptr(), capture.request.as_ptr(), "{}", capture.name);
            }
        });
    }
}

#[test]
fn every_hit_of_every_response_is_found_and_moved_whole() {
    let mut hits_seen = 0;
    for capture in captures().into_iter().filter(|capture| capture.status == 200) {
        let name = &capture.name;
        let body = capture.response.unwrap_or_else(|| panic!("{name} has no body"));
        with_head(&POST, &capture.target, |head| {
            let intents = Qdrant.parse_body(head, &capture.request).unwrap();
            let page = split(head, body.clone()).unwrap();
            assert!(page.arrays().iter().all(|list| list.search < intents.len()), "{name}");
            let hits: usize = page.arrays().iter().map(|list| list.hits.len()).sum();
            let versions = String::from_utf8_lossy(&body).matches(r#","version":"#).count();
            assert!(hits > 0 || versions == 0, "{name}");
            for hit in page.arrays().iter().flat_map(|list| &*list.hits) {
                assert!(body[hit.span.clone()].starts_with(br#"{"id":"#), "{name}");
                assert!(hit.score.is_some(), "{name}");
            }
            hits_seen += hits;

            let same: Vec<_> = page.arrays().iter().map(identity).collect();
            assert_eq!(page.reordered(&[], &same), body, "{name}");

            let turned: Vec<_> = page.arrays().iter().map(reversed).collect();
            let turned = page.reordered(&[], &turned);
            let again = split(head, turned.clone()).unwrap();
            assert_eq!(turned.len(), body.len(), "{name}");
            assert_eq!(page.arrays().len(), again.arrays().len(), "{name}");
            let (mut before, mut after) = (0, 0);
            for (old, new) in page.arrays().iter().zip(again.arrays()) {
                assert_eq!(body[before..old.array.start], turned[after..new.array.start], "{name}: envelope");
                (before, after) = (old.array.end, new.array.end);
                assert_eq!(old.hits.len(), new.hits.len(), "{name}");
                for (old, new) in old.hits.iter().rev().zip(&*new.hits) {
                    assert_eq!(body[old.span.clone()], turned[new.span.clone()], "{name}");
                }
            }
            assert_eq!(body[before..], turned[after..], "{name}: envelope");
        });
    }
    assert!(hits_seen > 500, "{hits_seen} hits");
}

#[test]
fn all_fields_cut_back_are_what_the_server_gives_for_the_clients_own_list() {
    let captures = captures();
    let find = |name: &str| captures.iter().find(|capture| capture.name == name).unwrap();
    let everything = find("024-query-payload-all");
    for name in ["027-query-payload-list", "030-query-payload-list-empty", "031-query-payload-include"] {
        let own = find(name);
        with_head(&POST, QUERY, |head| {
            let rewrite = Qdrant.widen_body(head, &own.request, &[plan(70, &["*"])]).unwrap();
            let asked: serde_json::Value = serde_json::from_slice(&rewrite.body).unwrap();
            assert_eq!(asked["with_payload"], true, "{name}");
            let of = |capture: &Capture| split(head, capture.response.clone().unwrap()).unwrap();
            let (all, expected) = (of(everything), of(own));
            let id = |page: &JsonPage, hit: usize| {
                let hit = &page.body()[page.arrays()[0].hits[hit].span.clone()];
                serde_json::from_slice::<serde_json::Value>(hit).unwrap()["id"].clone()
            };
            let place = |hit| (0..70).find(|&at| id(&all, at) == id(&expected, hit)).unwrap();
            let order = ranking((0..expected.arrays()[0].hits.len()).map(place));
            let joined = all.reordered(&rewrite.strips, &[Some(order)]);
            let array = split(head, joined.clone()).unwrap().arrays()[0].array.clone();
            assert_eq!(joined[array], expected.body()[expected.arrays()[0].array.clone()], "{name}");
        });
    }
}
