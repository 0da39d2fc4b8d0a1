//! What only a socket can show: a scripted server on a free loopback port.

use std::{io::Write, net::SocketAddr, time::Duration};

use secrecy::SecretString;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tower::ServiceExt;

use super::*;
use crate::rerank::test_support::request;

const GOOD: &str = r#"{"results":[{"index":0,"relevance_score":0.25}]}"#;

/// Reads one request: its head and body as text; empty at the end of the connection.
async fn read_request(socket: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        match socket.read(&mut chunk).await {
            Ok(n) if n > 0 => read.extend_from_slice(&chunk[..n]),
            _ => return String::new(),
        }
    }
}

/// Answers the first request of every connection with these bytes, then closes it, or holds it open.
async fn server(answer: Vec<u8>, hold_open: bool) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (seen, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            let request = read_request(&mut socket).await;
            let _ = seen.send(request);
            let _ = socket.write_all(&answer).await;
            if hold_open {
                open.push(socket);
            }
        }
    });
    (address, requests)
}

fn http(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status}\r\n{headers}\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn sized(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    http(status, &format!("{headers}content-length: {}\r\n", body.len()), body)
}

fn call_to(address: SocketAddr) -> CohereCall {
    let mut settings = CohereSettings::new(SecretString::from("the-key"));
    settings.base_url = format!("http://{address}/prefix/");
    CohereCall::new("cohere".into(), &settings).unwrap()
}

async fn ask(answer: Vec<u8>, hold_open: bool, within: Duration) -> Answer {
    let (address, _requests) = server(answer, hold_open).await;
    let request = RerankRequest { answer_by: Instant::now() + within, ..request(&["a"]) };
    call_to(address).oneshot(request).await
}

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn the_request_is_the_documented_one() {
    let (address, mut requests) = server(sized("200 OK", "", GOOD.as_bytes()), false).await;
    let answer = call_to(address).oneshot(request(&["a"])).await.unwrap();
    assert_eq!(answer.scores, [Some(0.25)]);
    assert_eq!((&*answer.provider, &*answer.model), ("cohere", "rerank-v3.5"));
    let sent = requests.recv().await.unwrap();
    assert!(sent.starts_with("POST /prefix/v2/rerank HTTP/1.1\r\n"), "{sent}");
    let lower = sent.to_ascii_lowercase();
    assert!(
        lower.contains("authorization: bearer the-key\r\n") && lower.contains("accept-encoding: gzip\r\n")
    );
    assert!(sent.ends_with(r#"{"model":"rerank-v3.5","query":"the query","documents":["a"]}"#), "{sent}");
}

#[tokio::test]
async fn a_gzip_answer_is_understood_and_a_lying_one_refused() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(GOOD.as_bytes()).unwrap();
    let packed = sized("200 OK", "content-encoding: gzip\r\n", &gzip.finish().unwrap());
    assert_eq!(ask(packed, false, LONG).await.unwrap().scores, [Some(0.25)]);
    let lying = sized("200 OK", "content-encoding: gzip\r\n", GOOD.as_bytes());
    let error = ask(lying, false, LONG).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::BadResponse);
}

#[tokio::test]
async fn a_broken_connection_is_an_unavailable_provider() {
    let short = http("200 OK", "content-length: 4096\r\n", br#"{"id":"1","results":["#);
    for answer in [short, Vec::new()] {
        let error = ask(answer, false, LONG).await.unwrap_err();
        assert_eq!(error.class(), FailureClass::ProviderUnavailable, "{error}");
    }
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = call_to(address).oneshot(request(&["a"])).await.unwrap_err();
    assert_eq!(error, RerankError::Unreachable("cannot connect"));
}

#[tokio::test]
async fn a_stalled_or_late_answer_is_a_time_out() {
    let stalled = http("200 OK", "content-length: 200\r\n", br#"{"id":"#);
    for answer in [stalled, Vec::new()] {
        assert_eq!(ask(answer, true, SHORT).await.unwrap_err(), RerankError::Timeout);
    }
    assert_eq!(ask(Vec::new(), true, Duration::ZERO).await.unwrap_err(), RerankError::Deadline);
}

#[tokio::test]
async fn a_huge_answer_is_refused_before_it_is_read() {
    let huge = http("200 OK", "content-length: 67108864\r\n", &vec![b' '; 9 << 20]);
    let error = ask(huge, true, LONG).await.unwrap_err();
    assert_eq!(error, RerankError::BadResponse("answer larger than the limit"));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (other, mut requests) = server(sized("200 OK", "", GOOD.as_bytes()), false).await;
    let redirect = sized("307 Temporary Redirect", &format!("location: http://{other}/\r\n"), b"");
    let error = ask(redirect, false, LONG).await.unwrap_err();
    assert_eq!(error.class(), FailureClass::BadResponse);
    assert!(requests.try_recv().is_err());
}

#[tokio::test]
async fn a_trial_keys_calls_left_are_read_from_the_answer() {
    let last = sized("200 OK", "x-trial-endpoint-call-remaining: 0\r\n", GOOD.as_bytes());
    let (address, _requests) = server(last, false).await;
    let scores = call_to(address).oneshot(request(&["a"])).await.unwrap();
    assert_eq!(scores.calls_left, Some(0));
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_goes_at_the_lowest_priority() {
    let (address, mut requests) = server(sized("200 OK", "", GOOD.as_bytes()), false).await;
    let behind = RerankRequest { background: true, ..request(&["a"]) };
    assert!(call_to(address).oneshot(behind).await.is_ok());
    assert!(requests.recv().await.unwrap().contains(r#""priority":999"#));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let build = |base_url: &str, key: &str, ca_file: Option<&str>| {
        let mut settings = CohereSettings::new(SecretString::from(key));
        settings.base_url = base_url.to_owned();
        settings.ca_file = ca_file.map(Into::into);
        CohereCall::new("c".into(), &settings).err()
    };
    assert!(matches!(build("no url", "k", None), Some(BuildError::BaseUrl { .. })));
    assert!(matches!(build("ftp://host", "k", None), Some(BuildError::BaseUrl { .. })));
    assert!(matches!(build("http://host", " ", None), Some(BuildError::ApiKey { .. })));
    let error = build("http://host", "secret\nkey", None).unwrap();
    assert!(!format!("{error:?} {error}").contains("secret"));
    assert!(matches!(build("https://host", "k", Some("/nowhere")), Some(BuildError::CaFile { .. })));
    assert!(build("http://host/prefix", "k", None).is_none());
}
