//! The dialect against recorded exchanges.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::{
    dialect::{DialectError, laws::Sample, test_support::OfBody},
    search::{
        FetchPlan, HitAt, HitId, KeepReason, NativeText, Ranked, Ranking, ScoreWriting, SearchIntent, Strip,
        WantedFields, Widening,
    },
    wire::{
        Page,
        json::{HitArray, JsonPage, hits::Hit},
    },
};

mod limits;
mod opensearch;
mod origins;
mod reranker;
mod rules;
mod vectors;

/// Rerank candidates that are left alone although a fixture's note suggests otherwise, and why.
const LEFT_ALONE: [(&str, &str); 3] = [
    ("185", "a search pipeline may rerank upstream"),
    ("186", "a search pipeline may rerank upstream"),
    ("171", "the text is hidden by filter_path"),
];

/// Texts that differ from the note: Lucene syntax is taken out, or the note names the caller's text.
const OTHER_TEXTS: [(&str, Option<&str>); 6] = [
    // The text selects, a script ranks by a vector.
    ("006", None),
    ("024", Some("moon tomatoes")),
    ("096", Some("moon")),
    ("116", Some("moon")),
    ("147", Some("coffee fresh")),
    ("185", Some("coffee")),
];

/// The hits of a response to a request with this head.
fn split(head: &Head<'_>, body: Bytes) -> Result<JsonPage, DialectError> {
    let operation = operation::operation(head).ok_or(DialectError::Unsupported("this path"))?;
    let batch = matches!(operation.kind, SearchKind::Msearch | SearchKind::MsearchTemplate);
    let filtered = || target::Params::parse(head.query).is_ok_and(|params| params.has("filter_path"));
    response::page(batch, body, filtered)
}

struct Fixture {
    id: String,
    json: Json,
}

impl Fixture {
    fn all() -> Vec<Fixture> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/elasticsearch");
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        let read = |path| {
            let json: Json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            Fixture { id: json["id"].as_str().unwrap().to_owned(), json }
        };
        paths.into_iter().map(read).collect()
    }

    fn body(&self, side: &str) -> Bytes {
        let message = &self.json[side];
        let body =
            if message["body_decoded"].is_object() { &message["body_decoded"] } else { &message["body"] };
        let data = body["data"].as_str().unwrap_or("");
        if body["encoding"] == "base64" {
            Bytes::from(BASE64_STANDARD.decode(data).unwrap())
        } else {
            Bytes::from(data.to_owned())
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for pair in self.json["request"]["headers"].as_array().unwrap() {
            let name = HeaderName::from_bytes(pair[0].as_str().unwrap().as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(pair[1].as_str().unwrap()).unwrap());
        }
        headers
    }

    fn with_head<T>(&self, then: impl FnOnce(&Head<'_>) -> T) -> T {
        let request = &self.json["request"];
        let method = Method::from_bytes(request["method"].as_str().unwrap().as_bytes()).unwrap();
        let target = request["target"].as_str().unwrap();
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        then(&Head { method: &method, path, query, headers: &self.headers() })
    }

    fn suggested(&self) -> &str {
        self.json["suggested"].as_str().unwrap_or("")
    }

    fn note(&self) -> NativeText {
        match &self.json["query_text"] {
            Json::String(text) => NativeText::One(text.clone()),
            Json::Array(_) => NativeText::Several,
            _ => NativeText::None,
        }
    }
}

#[test]
fn every_recorded_request_is_read_as_its_note_says() {
    let dialect = Elastic;
    let mut wrong = Vec::new();
    for fixture in Fixture::all() {
        fixture.with_head(|head| {
            let id = fixture.id.as_str();
            let Some(kind) = dialect.kind(head) else {
                if !fixture.suggested().starts_with("pass through") && !fixture.suggested().ends_with("async")
                {
                    wrong.push(format!("{id}: forwarded"));
                }
                return;
            };
            let Ok(intents) = dialect.parse_body(head, &fixture.body("request")) else {
                if !fixture.suggested().starts_with("pass through") {
                    wrong.push(format!("{id}: not parsed"));
                }
                return;
            };
            if kind == SearchKind::Msearch {
                return;
            }
            let expected = match OTHER_TEXTS.iter().find(|(other, _)| *other == id) {
                Some((_, Some(text))) => NativeText::One((*text).to_owned()),
                Some((_, None)) => NativeText::None,
                None => fixture.note(),
            };
            let native = intents[0].native.among(|name| matches!(name, "title" | "body" | "passage_text"));
            let text = intents[0].caller.query.clone().map_or(native, NativeText::One);
            if text != expected {
                let shown = if let NativeText::One(text) = &text { text } else { "-" };
                wrong.push(format!("{id}: text {text:?} {shown}"));
            }
            let kept = intents[0].keep.is_some() || text == NativeText::None;
            let left_alone = LEFT_ALONE.iter().any(|(other, _)| *other == id);
            let pass = fixture.suggested().strip_prefix("pass through: ");
            // Whether the upstream will reject it is not visible in a request.
            if pass.is_some_and(|why| !kept && !matches!(why, "error answer" | "answer is not JSON"))
                || (fixture.suggested() == "rerank" && intents[0].keep.is_some() && !left_alone)
            {
                wrong.push(format!("{id}: {:?} but {}", intents[0].keep, fixture.suggested()));
            }
        });
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_request_as_asked_without_own_members_is_the_clients_own_bytes() {
    let dialect = Elastic;
    let mut seen = 0;
    for fixture in Fixture::all() {
        fixture.with_head(|head| {
            let body = fixture.body("request");
            if dialect.kind(head).is_none() {
                return;
            }
            let Ok(intents) = dialect.parse_body(head, &body) else { return };
            let plans = vec![FetchPlan::as_asked(); intents.len()];
            let rewrite = dialect.widen_body(head, &body, &plans).unwrap();
            assert_eq!(rewrite.target, fixture.json["request"]["target"].as_str().unwrap());
            assert_eq!(rewrite.strips, vec![Strip::default(); intents.len()]);
            if intents.iter().all(|intent| !intent.own_members) {
                assert_eq!(rewrite.body, body, "{}", fixture.id);
                seen += 1;
            } else {
                assert!(rewrite.body.len() < body.len(), "{}", fixture.id);
            }
        });
    }
    assert!(seen > 80, "{seen}");
}

#[test]
fn every_recorded_response_is_split_and_joined_byte_for_byte() {
    let dialect = Elastic;
    let mut seen = 0;
    for fixture in Fixture::all() {
        fixture.with_head(|head| {
            let body = fixture.body("response");
            if dialect.kind(head).is_none() {
                return;
            }
            let Ok(page) = split(head, body.clone()) else {
                let why = fixture.suggested();
                assert!(
                    why.starts_with("pass through") || why.starts_with("policy"),
                    "{}: {why}",
                    fixture.id
                );
                return;
            };
            seen += 1;
            let rank = |reverse: bool| -> Vec<Option<Ranking>> {
                let ranking = |list: &HitArray| {
                    let mut hits: Vec<Ranked> = (0..list.hits.len()).map(Ranked::unscored).collect();
                    if reverse {
                        hits.reverse();
                    }
                    Some(Ranking { hits, scores: ScoreWriting::Keep, annotate: false, best: None, offset: 0 })
                };
                page.arrays().iter().map(ranking).collect()
            };
            let strips =
                vec![Strip::default(); page.arrays().iter().map(|l| l.search + 1).max().unwrap_or(1)];
            let untouched = vec![None; page.arrays().len()];
            assert_eq!(page.reordered(&strips, &untouched), body, "{}", fixture.id);
            if page.arrays().iter().all(|list| list.hits.iter().all(|hit| hit.rank.is_none())) {
                assert_eq!(page.reordered(&strips, &rank(false)), body, "{}", fixture.id);
                let turned = split(head, page.reordered(&strips, &rank(true))).unwrap();
                let again = |page: &JsonPage| -> Vec<Vec<Bytes>> {
                    let bytes = |hit: &Hit| page.body().slice(hit.span.clone());
                    page.arrays().iter().map(|list| list.hits.iter().map(bytes).collect()).collect()
                };
                let mut reversed = again(&turned);
                reversed.iter_mut().for_each(|list| list.reverse());
                assert_eq!(reversed, again(&page), "{}", fixture.id);
            }
        });
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn a_hit_is_called_what_its_database_calls_it() {
    let body = r#"{"hits":{"hits":[{"_index":"a","_id":"x\u0041","_score":1,"_source":{"_id":"no"}}]}}"#;
    let page = rules::ask("/a,b/_search", |head| split(head, Bytes::from_static(body.as_bytes()))).unwrap();
    let id = page.id(HitAt { list: 0, hit: 0 });
    assert_eq!(id, HitId { id: "xA".to_owned(), index: Some("a".to_owned()) });
}

/// The recorded exchanges with hits, for the laws.
pub(in crate::dialect) fn samples() -> Vec<Sample> {
    let sample = |fixture: Fixture| {
        let (request, response) = (fixture.body("request"), fixture.body("response"));
        let kept = fixture.with_head(|head| {
            Elastic.parse_body(head, &request).is_ok() && split(head, response.clone()).is_ok()
        });
        kept.then(|| Sample {
            name: fixture.id.clone(),
            dialect: &Elastic,
            method: fixture.json["request"]["method"].as_str().unwrap().parse().unwrap(),
            target: fixture.json["request"]["target"].as_str().unwrap().to_owned(),
            headers: fixture.headers(),
            request,
            response,
        })
    };
    Fixture::all().into_iter().filter_map(sample).collect()
}
