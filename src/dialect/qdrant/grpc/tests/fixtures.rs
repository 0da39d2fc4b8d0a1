//! Recorded traffic: see `tests/fixtures/qdrant-1.19-grpc/README.md` and `tests/fixtures/qdrant/README.md`.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};

use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};

use super::*;
use crate::{
    dialect::{
        Verdict, grpc,
        laws::{Sample, Widened},
        qdrant::QdrantGrpc,
    },
    search::{HitAt, KeepReason},
    wire::{
        Page,
        proto::{Message, MessageEdit, ProtoPage},
    },
};

struct Capture {
    name: String,
    method: String,
    request: Bytes,
    is_success: bool,
    response: Bytes,
}

/// The recorded searches of both versions.
fn captures() -> Vec<Capture> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut files: Vec<PathBuf> = ["qdrant", "qdrant-1.19-grpc"]
        .iter()
        .flat_map(|name| fs::read_dir(folder.join(name)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|end| end == "json"))
        .collect();
    files.sort();
    files.iter().filter_map(|file| capture(file)).collect()
}

/// Those that the server accepted, for the laws.
pub(in crate::dialect) fn samples() -> Vec<Sample> {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/grpc"))]);
    let sample = |capture: Capture| Sample {
        name: capture.name,
        dialect: &QdrantGrpc,
        method: Method::POST,
        target: format!("/qdrant.Points/{}", capture.method),
        headers: headers.clone(),
        request: capture.request,
        response: capture.response,
    };
    captures().into_iter().filter(|capture| capture.is_success).map(sample).collect()
}

/// Searches for a part of the payload or none, and the response with all of it, for the laws.
pub(in crate::dialect) fn widened() -> Vec<Widened> {
    let find = |name: &str| samples().into_iter().find(|sample| sample.name == name).unwrap();
    let of = |(name, fields): (&str, &[&str])| Widened {
        own: find(name),
        plan: plan(50, fields),
        more: find("14-query-gzip").response,
    };
    let recorded: [(&str, &[&str]); 3] = [
        ("15-query-no-payload-no-limit", &["text", "title"]),
        ("15-query-no-payload-no-limit", &["*"]),
        ("04-query-include", &["*"]),
    ];
    recorded.map(of).into()
}

fn capture(file: &Path) -> Option<Capture> {
    let json: Json = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let (request, response) = (json.get("request")?, json.get("response")?);
    let path = json.get("path").or_else(|| request.get("path"))?.as_str()?;
    found(&Method::POST, path)?;
    Some(Capture {
        name: file.file_stem().unwrap().to_string_lossy().into_owned(),
        method: path.rsplit('/').next().unwrap().to_owned(),
        request: message(file, "request", request),
        is_success: is_success(response),
        response: message(file, "response", response),
    })
}

/// Whether the recorded head and trailers are those of a success.
fn is_success(response: &Json) -> bool {
    let headers = |name: &str| {
        let pairs = response[name].as_array()?;
        let mut headers = HeaderMap::new();
        for pair in pairs.iter().filter(|pair| !pair[0].as_str().unwrap().starts_with(':')) {
            let name: http::HeaderName = pair[0].as_str().unwrap().parse().unwrap();
            headers.append(name, pair[1].as_str().unwrap().parse().unwrap());
        }
        Some(headers)
    };
    let trailers = headers("trailers").filter(|_| response["trailers_only"] == false);
    let verdict = grpc::verdict(StatusCode::OK, &headers("headers").unwrap());
    verdict == Verdict::Success && trailers.as_ref().is_some_and(grpc::is_success)
}

fn message(file: &Path, part: &str, json: &Json) -> Bytes {
    let Some(messages) = json["messages"].as_array() else {
        let bytes = fs::read(file.with_extension(format!("{part}.bin"))).unwrap();
        return if json["compressed_flag"] == 1 { gunzipped(&bytes) } else { Bytes::from(bytes) };
    };
    let decoded = |message: &Json| {
        let text = message.get("message_decoded_base64").unwrap_or(&message["message_base64"]);
        Bytes::from(BASE64_STANDARD.decode(text.as_str().unwrap()).unwrap())
    };
    messages.first().map(decoded).unwrap_or_default()
}

fn gunzipped(bytes: &[u8]) -> Bytes {
    let mut out = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    Bytes::from(out)
}

fn page(capture: &Capture) -> ProtoPage {
    response::page(operation(&capture.method), capture.response.clone()).unwrap()
}

/// The response without its time, which no other has.
fn timeless(response: &Bytes) -> Vec<u8> {
    let message = Message::new(response);
    let mut edit = MessageEdit::of(message);
    message.all(2).unwrap().iter().for_each(|time| edit.remove(time));
    edit.apply(response).to_vec()
}

#[test]
fn what_the_server_accepted_is_understood() {
    let captures = captures();
    assert!(captures.len() >= 33, "{} captures", captures.len());
    for capture in captures {
        let intents = parse(&capture.method, &capture.request);
        let intents = intents.unwrap_or_else(|error| panic!("{}: {error}", capture.name));
        let unknown = |intent: &SearchIntent| {
            matches!(intent.keep, Some(KeepReason::Malformed | KeepReason::Unsupported))
        };
        assert!(!intents.iter().any(unknown), "{}", capture.name);
        assert_eq!(capture.is_success, !capture.response.is_empty(), "{}", capture.name);
    }
}

#[test]
fn a_search_as_asked_is_the_clients_own_bytes() {
    for capture in captures() {
        let operation = operation(&capture.method);
        let (body, strips) = widen::widen(operation, &capture.request, &[]).unwrap();
        assert_eq!(body.as_ptr(), capture.request.as_ptr(), "{}", capture.name);
        assert!(strips.iter().all(|strip| *strip == Strip::default()), "{}", capture.name);
    }
}

#[test]
fn every_hit_of_every_response_is_found_and_moved_whole() {
    let mut hits_seen = 0;
    for capture in captures().into_iter().filter(|capture| capture.is_success) {
        let name = &capture.name;
        let page = page(&capture);
        let intents = parse(&capture.method, &capture.request).unwrap();
        let lists = || page.lists().iter().map(|list| list.hits).enumerate();
        assert!(page.lists().iter().all(|list| list.search < intents.len()), "{name}");
        assert!(page.held_bytes() <= response::page_bytes(operation(&capture.method), page.body()), "{name}");
        for (list, hits) in lists() {
            for at in (0..hits).map(|hit| HitAt { list, hit }) {
                assert!(!page.id(at).id.is_empty(), "{name}");
                assert!(page.score(at).is_some(), "{name}");
            }
            hits_seen += hits;
        }
        let same: Vec<_> = lists().map(|(_, hits)| ranking(0..hits)).collect();
        assert_eq!(page.reordered(&[], &same).as_ptr(), capture.response.as_ptr(), "{name}");

        let reversed: Vec<_> = lists().map(|(_, hits)| ranking((0..hits).rev())).collect();
        let turned = page.reordered(&[], &reversed);
        let again = response::page(operation(&capture.method), turned.clone()).unwrap();
        assert_eq!(turned.len(), page.body().len(), "{name}");
        for (list, hits) in lists() {
            for hit in 0..hits {
                let old = page.span(HitAt { list, hit }).unwrap();
                let new = again.span(HitAt { list, hit: hits - 1 - hit }).unwrap();
                assert_eq!(page.body()[old], turned[new], "{name}");
            }
        }
        assert_eq!(again.reordered(&[], &reversed), page.body(), "{name}: there and back again");
    }
    assert!(hits_seen > 180, "{hits_seen} hits");
}

#[test]
fn more_hits_with_all_fields_cut_back_are_what_the_server_gives_for_the_clients_own_request() {
    let captures = captures();
    let find = |name: &str| captures.iter().find(|capture| capture.name == name).unwrap();
    let everything = find("14-query-gzip");
    for (name, fields) in [
        ("15-query-no-payload-no-limit", &["text", "title"][..]),
        ("15-query-no-payload-no-limit", &["*"]),
        ("04-query-include", &["*"]),
        ("04-query-include", &["text", "title"]),
    ] {
        let own = find(name);
        let (body, strips) = rewritten("Query", &own.request, &[plan(50, fields)]);
        let widened = parse("Query", &body).unwrap().pop().unwrap();
        assert_eq!((widened.limit, widened.offset), (50, 0), "{name}");
        // The server's response to the widened request, but for members that nobody reads.
        let order = ranking(0..page(own).lists()[0].hits);
        let joined = page(everything).reordered(&strips, &[order]);
        assert_eq!(timeless(&joined), timeless(&own.response), "{name}");
    }
}

#[test]
fn a_request_that_merges_two_is_read_as_the_server_has_read_it() {
    let captures = captures();
    let twice = captures.iter().find(|capture| capture.name == "18-query-limit-twice").unwrap();
    let page = page(twice);
    let intent = parse("Query", &twice.request).unwrap().pop().unwrap();
    assert_eq!(intent.limit, page.lists()[0].hits as u64);
    // Both lists of fields count, so that nothing is missing.
    let (body, strips) = rewritten("Query", &twice.request, &[plan(None, &["title", "text"])]);
    assert_eq!((body, strips), (twice.request.clone(), vec![Strip::default()]));
    let fields = |hit| page.fields(HitAt { list: 0, hit }).objects[0].len();
    assert!((0..page.lists()[0].hits).all(|hit| fields(hit) == 2));
}
