//! Every exchange of tests/fixtures/providers through the real client, over a loopback socket; and what must hold for
//! whatever a service answers.

use std::{collections::BTreeMap, time::Duration};

use http::StatusCode;
use proptest::prelude::*;
use reqwest::Client;
use secrecy::SecretString;
use serde_json::Value;
use tower::ServiceExt;

use super::{
    HttpProvider, failure, presets, response,
    shape::Shape,
    wire::{Then, body, fixtures, server, sized},
};
use crate::rerank::{
    Activation, ApiKey, Billing, FailureClass, HttpKind, HttpSettings, RerankError, RerankRequest,
    RerankResult, Scoring, test_support::request,
};

const QUERY: &str = "How do I reset my password?";
const DOCUMENTS: [&str; 3] = [
    "Open \"Settings\", then Security, then Reset.",
    "Die Firma wurde 2019 gegründet.",
    "A password needs a symbol: # or €.",
];

/// The settings that a fixture stands for, of a server at this port.
fn settings(kind: HttpKind, provider: &Value, port: u16) -> HttpSettings {
    let text = |key: &str| provider[key].as_str().map(str::to_owned);
    let base_url = text("base_url").or(kind.facts().base_url.map(str::to_owned));
    let base_url = base_url.unwrap_or("http://127.0.0.1".to_owned()).replace("https://", "http://");
    let host_ends = base_url[7..].find('/').map_or(base_url.len(), |at| at + 7);
    let base_url = format!("{}:{port}{}", &base_url[..host_ends], &base_url[host_ends..]);
    let key = match provider.get("key") {
        Some(Value::Null) => ApiKey::NotNeeded,
        _ => ApiKey::Secret(SecretString::from("the-key")),
    };
    let mut settings = HttpSettings::at(kind, &base_url, key);
    settings.model = text("model").or(settings.model);
    let number = |key: &str| provider[key].as_u64().and_then(|number| u32::try_from(number).ok());
    settings.max_tokens_per_doc = number("max_tokens_per_doc");
    settings.priority = number("priority").and_then(|number| u16::try_from(number).ok());
    if text("activation").is_some() {
        settings.activation = Activation::Sigmoid;
    }
    settings.scoring = text("scoring").map(|_| Scoring::Listwise);
    settings
}

/// Plays one exchange: what was sent, what came of it, and the provider.
async fn play(kind: HttpKind, fixture: &Value) -> (String, RerankResult, HttpProvider) {
    let response = &fixture["response"];
    let headers: String = response["headers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}: {}\r\n", value.as_str().unwrap()))
        .collect();
    let response = sized(&format!("{} Said", response["status"]), &headers, &body(response));
    let (address, mut requests) = server(response, Then::Close).await;
    let settings = settings(kind, &fixture["provider"], address.port());
    let host = settings.base_url[7..].split(':').next().unwrap();
    // The names of services lead to the test's own server.
    let builder = || Client::builder().no_proxy().resolve(host, address);
    let provider = HttpProvider::over(builder, "p".into(), &settings).unwrap();
    let asked = RerankRequest { query: QUERY.into(), ..request(&DOCUMENTS) };
    let outcome = provider.clone().oneshot(asked).await;
    loop {
        let sent = requests.recv().await.unwrap();
        if sent.starts_with("POST ") {
            return (sent, outcome, provider);
        }
    }
}

/// The head's first line, its headers but those of HTTP itself, and the body.
fn parts(sent: &str) -> (String, BTreeMap<String, String>, String) {
    let (head, body) = sent.split_once("\r\n\r\n").unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap();
    let headers = headers.lines().map(|line| line.split_once(": ").unwrap());
    let own = ["host", "content-length", "user-agent", "accept-encoding"];
    let headers = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .filter(|(name, _)| !own.contains(&name.as_str()));
    (line.to_owned(), headers.collect(), body.to_owned())
}

fn check_request(name: &str, expected: &Value, sent: &str) {
    let (line, headers, body) = parts(sent);
    let text = |key: &str| expected[key].as_str().unwrap();
    assert_eq!(line, format!("{} {} HTTP/1.1", text("method"), text("target")), "{name}");
    let wanted: BTreeMap<String, String> = expected["headers"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().replace("<key>", "the-key")))
        .collect();
    assert_eq!(headers, wanted, "{name}");
    assert_eq!(body, text("body"), "{name}");
}

fn check_response(name: &str, expected: &Value, outcome: &RerankResult, provider: &HttpProvider) {
    let class = outcome.as_ref().map_or_else(|error| error.class().reason().as_str(), |_| "ok");
    assert_eq!(class, expected["class"], "{name}: {outcome:?}");
    if let Some(wait) = expected.get("retry_after_ms").and_then(Value::as_u64) {
        let Err(RerankError::Status { retry_after, .. }) = outcome else { panic!("{name}") };
        assert_eq!(*retry_after, Some(Duration::from_millis(wait)), "{name}");
    }
    let Ok(got) = outcome else { return };
    let scores = expected["scores"].as_array().unwrap();
    assert_eq!(got.scores.len(), scores.len(), "{name}");
    for (got, wanted) in got.scores.iter().zip(scores) {
        let wanted = wanted.as_f64().unwrap();
        assert!((f64::from(got.unwrap()) - wanted).abs() < 1e-6, "{name}: {got:?} for {wanted}");
    }
    assert_eq!(got.billed_units, expected["billed_units"].as_f64().unwrap_or(got.billed_units), "{name}");
    assert_eq!(got.billed_tokens, expected["billed_tokens"].as_u64().unwrap_or(got.billed_tokens), "{name}");
    let (facts, said) = (provider.facts(), |key: &str| expected[key].as_str());
    assert_eq!(&*got.model, said("model").unwrap_or(&got.model), "{name}");
    let billing = match facts.billing {
        Billing::SearchUnits => "search_units",
        Billing::Tokens => "tokens",
        Billing::Free => "free",
    };
    assert_eq!(billing, said("billing").unwrap_or(billing), "{name}");
    let scoring = if facts.scoring == Scoring::Pointwise { "pointwise" } else { "listwise" };
    assert_eq!(scoring, said("scoring").unwrap_or(scoring), "{name}");
}

#[tokio::test]
async fn every_service_is_asked_and_understood_as_it_documents() {
    for kind in HttpKind::ALL {
        let folder = format!("providers/{}", kind.as_str());
        let found = fixtures(&folder);
        for part in ["ok", "err-"] {
            assert!(found.iter().any(|(name, _)| name.starts_with(part)), "{folder} has no {part}");
        }
        for (name, fixture) in found {
            let name = format!("{folder}/{name}");
            let (sent, outcome, provider) = play(kind, &fixture).await;
            if let Some(expected) = fixture.get("request") {
                check_request(&name, expected, &sent);
            }
            check_response(&name, &fixture["expect"], &outcome, &provider);
        }
    }
}

/// Every shape that a kind can have.
fn shapes() -> Vec<&'static Shape> {
    let places = ["", "https://ai.api.nvidia.com", "https://x.services.ai.azure.com"];
    let models = ["m", "rerank-v5.0-pro", "jina-reranker-v3", "cohere-rerank-3.5"];
    let mut shapes: Vec<&'static Shape> = Vec::new();
    for kind in HttpKind::ALL {
        for place in places {
            for model in models {
                let shape = presets::shape(kind, place, model);
                if !shapes.iter().any(|known| std::ptr::eq(*known, shape)) {
                    shapes.push(shape);
                }
            }
        }
    }
    shapes
}

/// A response of this shape that scores its documents in this order.
fn response_of(shape: &Shape, order: &[usize], scores: &[f64]) -> Vec<u8> {
    let results: Vec<Value> =
        order.iter().map(|&at| serde_json::json!({"index": at, shape.score: scores[at]})).collect();
    let response = match shape.results {
        Some(name) => serde_json::json!({name: results}),
        None => Value::Array(results),
    };
    serde_json::to_vec(&response).unwrap()
}

/// JSON that looks like a response, and need not be one.
fn almost_a_response() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        Just("0"),
        Just("1"),
        Just("-1"),
        Just("0.5"),
        Just("1e999"),
        Just("1.0"),
        Just("null"),
        Just("\"0\""),
        Just("[]"),
        Just("{}"),
        Just("18446744073709551616"),
        Just("7.5"),
    ];
    let result =
        (value.clone(), value.clone(), prop::sample::select(vec!["relevance_score", "score", "logit"]))
            .prop_map(|(index, score, name)| format!(r#"{{"index":{index},"{name}":{score}}}"#));
    let list = (prop::collection::vec(result, 0..4), value)
        .prop_map(|(results, other)| (format!("[{}]", results.join(",")), other));
    (list, prop::sample::select(vec!["results", "data", "rankings", ""])).prop_map(|((list, other), name)| {
        let text = if name.is_empty() {
            list
        } else {
            format!(r#"{{"{name}":{list},"meta":{other},"usage":{other},"model":{other}}}"#)
        };
        text.into_bytes()
    })
}

proptest! {
    #[test]
    fn no_response_makes_a_service_panic_and_what_is_read_is_whole(
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..64), almost_a_response()],
        documents in 0_usize..4,
        status in 100_u16..=599,
    ) {
        for shape in shapes() {
            match response::read(shape, &bytes, documents) {
                Ok(read) => {
                    prop_assert_eq!(read.scores.len(), documents);
                    prop_assert!(read.scores.iter().all(|score| score.is_finite()));
                    prop_assert!(read.billed_units.is_finite() && read.billed_units >= 0.0);
                }
                Err(error) => prop_assert_eq!(error.class(), FailureClass::BadResponse),
            }
            let status = StatusCode::from_u16(status).unwrap();
            let _ = failure::classify(shape, status, &Default::default(), &bytes, std::time::UNIX_EPOCH);
        }
    }

    #[test]
    fn a_permuted_response_gives_the_same_scores(
        (scores, order) in prop::collection::vec(0.0_f64..=1.0, 1..8).prop_flat_map(|scores| {
            let order: Vec<usize> = (0..scores.len()).collect();
            (Just(scores), Just(order).prop_shuffle())
        }),
    ) {
        for shape in shapes() {
            let read = response::read(shape, &response_of(shape, &order, &scores), scores.len()).unwrap();
            // As single precision: the parser may be one off in the last place of a double.
            for (got, wanted) in read.scores.iter().zip(&scores) {
                prop_assert_eq!(*got as f32, *wanted as f32);
            }
        }
    }

    #[test]
    fn one_bad_place_rejects_the_whole_response(
        scores in prop::collection::vec(0.0_f64..=1.0, 2..8),
        fault in 0_usize..3,
    ) {
        let mut order: Vec<usize> = (0..scores.len()).collect();
        match fault {
            0 => { order.pop(); }
            1 => order[0] = 1,
            _ => order.push(0),
        }
        for shape in shapes() {
            let read = response::read(shape, &response_of(shape, &order, &scores), scores.len());
            prop_assert!(read.is_err());
        }
    }
}

#[test]
fn voyages_models_take_so_many_tokens_in_one_call() {
    let most = |model| super::presets::shape(HttpKind::Voyage, "", model).max_tokens;
    assert_eq!(most("rerank-2.5"), Some(600_000));
    assert_eq!(most("rerank-2-lite"), Some(300_000));
    assert_eq!(most("rerank-1"), Some(100_000));
}
