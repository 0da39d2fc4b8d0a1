//! What only a socket can show: a scripted server on a free loopback port.

use std::{
    io::{Read, Write},
    net::SocketAddr,
    time::Duration,
};

use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::ServiceExt;

use super::{
    super::wire::{Then, http, server, sized},
    *,
};
use crate::rerank::{
    Activation, ApiKey, CallEnd, CallLog, ProviderCall, ProviderKind, ProviderSettings,
    test_support::{request, stack_of},
};
use crate::trouble::Trouble;

const GOOD: &str = r#"{"results":[{"index":0,"relevance_score":0.25}]}"#;

fn settings(kind: HttpKind, base_url: &str) -> HttpSettings {
    HttpSettings::at(kind, base_url, ApiKey::Secret(SecretString::from("the-key")))
}

fn call_to(address: SocketAddr) -> HttpProvider {
    let settings = settings(HttpKind::Cohere, &format!("http://{address}/prefix/"));
    HttpProvider::new("cohere".into(), &settings).unwrap()
}

async fn ask(response: Vec<u8>, then: Then, within: Duration) -> RerankResult {
    let (address, _requests) = server(response, then).await;
    let request = RerankRequest { respond_by: Instant::now() + within, ..request(&["a"]) };
    call_to(address).oneshot(request).await
}

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn the_request_is_the_documented_one() {
    let (address, mut requests) = server(sized("200 OK", "", GOOD.as_bytes()), Then::Close).await;
    let response = call_to(address).oneshot(request(&["a"])).await.unwrap();
    assert_eq!(response.scores, [Some(0.25)]);
    assert_eq!((&*response.provider, &*response.model), ("cohere", "rerank-v3.5"));
    let sent = requests.recv().await.unwrap();
    assert!(sent.starts_with("POST /prefix/v2/rerank HTTP/1.1\r\n"), "{sent}");
    let lower = sent.to_ascii_lowercase();
    assert!(
        lower.contains("authorization: bearer the-key\r\n") && lower.contains("accept-encoding: gzip\r\n")
    );
    assert!(sent.ends_with(r#"{"model":"rerank-v3.5","query":"the query","documents":["a"]}"#), "{sent}");
}

/// What is noted of a call that is answered so, and waited for so long.
async fn noted(response: Vec<u8>, then: Then, within: Duration) -> ProviderCall {
    let (address, _requests) = server(response, then).await;
    let log = CallLog::default();
    let respond_by = Instant::now() + within;
    let asked = RerankRequest { respond_by, calls: Some(log.clone()), ..request(&["a"]) };
    let _ = call_to(address).oneshot(asked).await;
    assert_eq!(format!("{log:?}"), "CallLog { calls: 1 }");
    log.calls().remove(0)
}

#[tokio::test]
async fn a_call_is_noted_with_how_it_ended_and_what_was_said() {
    let good = noted(sized("200 OK", "", GOOD.as_bytes()), Then::Close, LONG).await;
    assert!(matches!(good.end, CallEnd::ProbeResponse { status: 200, .. }), "{good:?}");
    assert_eq!((good.documents, &*good.provider), (1, "cohere"));
    assert!(
        good.headers.contains(&("authorization".to_owned(), "Bearer ***".to_owned())),
        "{:?}",
        good.headers
    );
    let rejected = noted(sized("401 X", "", b"no such key: the-key"), Then::Close, LONG).await;
    assert!(matches!(rejected.end, CallEnd::ProbeResponse { status: 401, .. }), "{rejected:?}");
    assert_eq!(rejected.response, "no such key: ***");
    let late = noted(Vec::new(), Then::HoldOpen, SHORT).await;
    assert!(matches!(late.end, CallEnd::Failed { class: FailureClass::Timeout, .. }), "{late:?}");
}

#[tokio::test]
async fn a_call_that_is_given_up_stays_open_in_the_notes() {
    let (address, mut requests) = server(Vec::new(), Then::HoldOpen).await;
    let log = CallLog::default();
    let asked = RerankRequest { calls: Some(log.clone()), ..request(&["a"]) };
    let call = tokio::spawn(call_to(address).oneshot(asked));
    requests.recv().await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(log.calls()[0].end, CallEnd::Open);
}

#[tokio::test]
async fn a_gzip_response_is_understood_and_a_lying_one_rejected() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(GOOD.as_bytes()).unwrap();
    let packed = sized("200 OK", "content-encoding: gzip\r\n", &gzip.finish().unwrap());
    assert_eq!(ask(packed, Then::Close, LONG).await.unwrap().scores, [Some(0.25)]);
    let lying = sized("200 OK", "content-encoding: gzip\r\n", GOOD.as_bytes());
    let error = ask(lying, Then::Close, LONG).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::BadResponse);
}

#[tokio::test]
async fn a_broken_connection_is_an_unavailable_provider() {
    let short = http("200 OK", "content-length: 4096\r\n", br#"{"id":"1","results":["#);
    for response in [short, Vec::new()] {
        let error = ask(response, Then::Close, LONG).await.unwrap_err();
        assert_eq!(error.class(), FailureClass::ProviderUnavailable, "{error}");
    }
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = call_to(address).oneshot(request(&["a"])).await.unwrap_err();
    assert_eq!(error, RerankError::NotConnected(Trouble::ConnectionRefused));
}

#[tokio::test]
async fn a_stalled_or_late_response_is_a_time_out() {
    let stalled = http("200 OK", "content-length: 200\r\n", br#"{"id":"#);
    for response in [stalled, Vec::new()] {
        assert_eq!(ask(response, Then::HoldOpen, SHORT).await.unwrap_err(), RerankError::Timeout);
    }
    assert_eq!(ask(Vec::new(), Then::HoldOpen, Duration::ZERO).await.unwrap_err(), RerankError::Deadline);
}

#[tokio::test]
async fn a_huge_response_is_rejected_before_it_is_read() {
    let huge = http("200 OK", "content-length: 67108864\r\n", &vec![b' '; 9 << 20]);
    let error = ask(huge, Then::HoldOpen, LONG).await.unwrap_err();
    assert_eq!(error, RerankError::BadResponse("response larger than the limit"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (other, mut requests) = server(sized("200 OK", "", GOOD.as_bytes()), Then::Close).await;
    let redirect = sized("307 Temporary Redirect", &format!("location: http://{other}/\r\n"), b"");
    let error = ask(redirect, Then::Close, LONG).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::BadResponse);
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_trial_keys_calls_left_are_read_from_the_response() {
    let last = sized("200 OK", "x-trial-endpoint-call-remaining: 0\r\n", GOOD.as_bytes());
    let (address, _requests) = server(last, Then::Close).await;
    let scores = call_to(address).oneshot(request(&["a"])).await.unwrap();
    assert_eq!(scores.calls_left, Some(0));
}

#[tokio::test]
async fn a_provider_that_rejects_for_the_rate_is_asked_once_by_many_searches() {
    for header in [
        "x-ratelimit-reset: 30",
        "x-ratelimit-reset: 30000",
        "x-ratelimit-reset: 1m30s",
        "ratelimit-reset: 30",
        "x-ratelimit-reset-requests: 6m0s",
        "retry-after: 0",
        "retry-after: -5",
        "retry-after: Thu, 01 Jan 1970 00:00:10 GMT",
        "retry-after-ms: 0",
        "x-ratelimit-reset: 100",
        "x-nothing: 1",
    ] {
        let response = sized("429 Too Many Requests", &format!("{header}\r\n"), br#"{"detail":"rate"}"#);
        let (address, mut requests) = server(response, Then::Close).await;
        let mut settings = settings(HttpKind::Together, &format!("http://{address}"));
        settings.model = Some("m".to_owned());
        let (stack, _) = stack_of(ProviderSettings::new("p", ProviderKind::Http(settings)));
        for search in ["a", "b", "c", "d"] {
            let failed = stack.clone().oneshot(request(&[search])).await.unwrap_err();
            assert_eq!(failed.class(), FailureClass::RateLimited, "{header}");
        }
        assert!(requests.try_recv().is_ok() && requests.try_recv().is_err(), "{header}: one call");
    }
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_goes_at_the_lowest_priority() {
    let (address, mut requests) = server(sized("200 OK", "", GOOD.as_bytes()), Then::Close).await;
    let behind = RerankRequest { background: true, ..request(&["a"]) };
    assert!(call_to(address).oneshot(behind).await.is_ok());
    assert!(requests.recv().await.unwrap().contains(r#""priority":999"#));
}

#[tokio::test]
async fn only_cohere_v2_is_reported_of_a_call_that_nobody_waits_for() {
    for kind in HttpKind::ALL.into_iter().filter(|kind| *kind != HttpKind::Cohere) {
        let (address, mut requests) = server(sized("500 x", "", b""), Then::Close).await;
        let call = HttpProvider::new("p".into(), &settings(kind, &format!("http://{address}"))).unwrap();
        let behind = RerankRequest { background: true, ..request(&["a"]) };
        assert!(call.oneshot(behind).await.is_err());
        let mut sent = requests.recv().await.unwrap();
        while !sent.starts_with("POST ") {
            sent = requests.recv().await.unwrap();
        }
        assert!(!sent.contains("priority"), "{kind:?}");
    }
}

#[tokio::test]
async fn one_try_ends_with_its_own_time_out_or_the_callers() {
    let (address, _requests) = server(Vec::new(), Then::HoldOpen).await;
    let mut settings = settings(HttpKind::Cohere, &format!("http://{address}"));
    for (timeout, respond_by) in [(SHORT, LONG), (LONG, SHORT)] {
        settings.timeout = timeout;
        let call = HttpProvider::new("cohere".into(), &settings).unwrap();
        let begun = Instant::now();
        let asked = RerankRequest { respond_by: begun + respond_by, ..request(&["a"]) };
        assert_eq!(call.oneshot(asked).await.unwrap_err(), RerankError::Timeout);
        assert!(begun.elapsed() >= SHORT && begun.elapsed() < LONG);
    }
}

#[tokio::test]
async fn a_model_of_logits_is_known_by_its_first_one() {
    let response = |scores: &[&str]| {
        let results: Vec<String> = scores
            .iter()
            .enumerate()
            .map(|(at, score)| format!(r#"{{"index":{at},"relevance_score":{score}}}"#))
            .collect();
        format!(r#"{{"results":[{}]}}"#, results.join(",")).into_bytes()
    };
    let mut settings = settings(HttpKind::Vllm, "http://127.0.0.1:9");
    (settings.model, settings.activation) = (Some("m".to_owned()), Activation::Sigmoid);
    let inner = HttpProvider::new("vllm".into(), &settings).unwrap();
    let scored = |model: &str, scores: &[&str]| {
        let shape = inner.0.shape(model);
        let read = response::read(shape, &response(scores), scores.len()).unwrap();
        inner.0.scaled(shape, &model.into(), &read).unwrap()
    };
    assert_eq!(scored("m", &["0.25"]), [Some(0.25)]);
    assert_eq!(scored("m", &["-7.5", "0"])[1], Some(0.5));
    assert_eq!(scored("m", &["0"]), [Some(0.5)], "the same document alone has the same score");
    assert_eq!(scored("other", &["0"]), [Some(0.0)], "another model is another matter");
}

#[tokio::test]
async fn a_model_that_scores_lists_is_not_asked_where_pairs_are_cached() {
    let call = HttpProvider::new("j".into(), &settings(HttpKind::Jina, "http://127.0.0.1:9")).unwrap();
    assert_eq!(call.facts().scoring, Scoring::Pointwise);
    let asked = RerankRequest { model: Some("jina-reranker-v3".into()), ..request(&["a"]) };
    assert!(matches!(call.oneshot(asked).await, Err(RerankError::Unsuited(_))));
}

#[tokio::test]
async fn a_list_is_not_split_and_is_cached_whole() {
    let scores: Vec<Value> = (0..1500).map(|at| json!({"index": at, "relevance_score": 0.5})).collect();
    let response = sized("200 OK", "", json!({"results": scores}).to_string().as_bytes());
    let (address, mut requests) = server(response, Then::Close).await;
    let mut settings = settings(HttpKind::Xinference, &format!("http://{address}"));
    settings.scoring = Some(Scoring::Listwise);
    let (stack, _) = stack_of(ProviderSettings::new("x", ProviderKind::Http(settings)));
    for _ in 0..2 {
        let got = stack.clone().oneshot(request(&["text"; 1500])).await.unwrap();
        assert_eq!(got.scores.len(), 1500);
    }
    assert!(requests.try_recv().is_ok() && requests.try_recv().is_err(), "one call, then known as a whole");
}

#[test]
fn every_option_that_changes_scores_is_in_the_cache_key() {
    let facts = |change: fn(&mut HttpSettings)| {
        let mut settings = settings(HttpKind::Vllm, "http://host:1");
        change(&mut settings);
        HttpProvider::new("p".into(), &settings).unwrap().facts().score_settings.clone()
    };
    let plain = facts(|_| {});
    for change in [
        (|s| s.kind = HttpKind::Infinity) as fn(&mut HttpSettings),
        |s| s.base_url = "http://host:2".to_owned(),
        |s| s.max_tokens_per_doc = Some(1),
        |s| s.max_bytes_per_doc = Some(256),
        |s| s.activation = Activation::Sigmoid,
    ] {
        assert_ne!(facts(change), plain);
    }
    let same: [fn(&mut HttpSettings); 3] = [
        |s| s.api_key = ApiKey::NotNeeded,
        |s| s.timeout = Duration::from_secs(1),
        |s| s.base_url = "http://host:1/".to_owned(),
    ];
    for change in same {
        assert_eq!(facts(change), plain);
    }
}

#[test]
fn scores_of_two_kinds_or_addresses_never_share_a_key() {
    let mut seen = std::collections::HashSet::new();
    for kind in HttpKind::ALL {
        for base_url in ["http://a", "http://b"] {
            let call = HttpProvider::new("p".into(), &settings(kind, base_url)).unwrap();
            assert!(seen.insert(call.facts().score_settings.clone()), "{kind:?} at {base_url}");
        }
    }
}

#[test]
fn settings_that_cannot_work_are_rejected() {
    let build = |base_url: &str, key: &str, ca_file: Option<&str>| {
        let key = ApiKey::Secret(SecretString::from(key));
        let mut settings = HttpSettings::at(HttpKind::Cohere, base_url, key);
        settings.ca_file = ca_file.map(Into::into);
        HttpProvider::new("c".into(), &settings).err()
    };
    assert!(matches!(build("no url", "k", None), Some(BuildError::BaseUrl { .. })));
    assert!(matches!(build("", "k", None), Some(BuildError::BaseUrl { .. })));
    assert!(matches!(build("ftp://host", "k", None), Some(BuildError::BaseUrl { .. })));
    assert!(matches!(build("http://host", " ", None), Some(BuildError::ApiKey { .. })));
    let error = build("http://host", "secret\nkey", None).unwrap();
    assert!(!format!("{error:?} {error}").contains("secret"));
    assert!(matches!(build("https://host", "k", Some("/nowhere")), Some(BuildError::CaFile { .. })));
    assert!(build("http://host/prefix", "k", None).is_none());
    let missing = HttpSettings::new(HttpKind::Cohere, ApiKey::Missing);
    assert!(matches!(HttpProvider::new("c".into(), &missing).err(), Some(BuildError::ApiKey { .. })));
}

#[tokio::test]
async fn a_response_without_end_costs_its_own_call_its_time_and_nobody_else_a_turn() {
    // Small pieces of a good response, one after the other, for as long as somebody takes them.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        // A response before its request would be the connection's fault.
        let begun = socket.read(&mut [0]).unwrap();
        assert_eq!(begun, 1);
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut sent = socket.write_all(head.as_bytes());
        while sent.is_ok() {
            sent = socket.write_all(b"1\r\n \r\n");
        }
    });
    let call = call_to(address);
    let asked = RerankRequest { respond_by: Instant::now() + SHORT, ..request(&["a"]) };
    let (mut turns, begun) = (0_u64, Instant::now());
    let ended = tokio::select! {
        biased;
        response = call.clone().oneshot(asked) => response.unwrap_err(),
        () = async {
            loop {
                turns += 1;
                tokio::task::yield_now().await;
            }
        } => unreachable!(),
    };
    assert!(turns > 100, "{turns} turns beside it");
    assert!(begun.elapsed() < LONG);
    assert!(matches!(ended, RerankError::Timeout | RerankError::BadResponse(_)), "{ended}");
    drop(call);
    server.join().unwrap();
}
