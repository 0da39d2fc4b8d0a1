//! No ambiguous framing makes two requests of one.

use crate::harness::{FakeDatabase, Proxy};

/// What the database sees of these bytes from one connection, and what the client gets.
async fn seen(raw: &str) -> (Vec<String>, String) {
    let db = FakeDatabase::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    let proxy = Proxy::start(db.addr).await;
    let mut client = proxy.client().await;
    client.send(raw).await;
    // A second request, as a client that reuses the connection: it must be answered as what it is, or not at all.
    client.try_send("GET /sentinel HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let answers = client.rest().await;
    let mut requests = db.requests_so_far().await;
    requests.retain(|request| !request.starts_with("GET /sentinel HTTP/1.1\r\n"));
    (requests, answers)
}

async fn refused(raw: &str) {
    let (requests, answers) = seen(raw).await;
    assert_eq!(requests, Vec::<String>::new(), "{raw:?}");
    assert!(answers.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{raw:?} gave {answers:?}");
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "the connection must be closed: {answers:?}");
}

/// Refused, or sent on as exactly one request with one framing that hides nothing.
async fn one_at_most(raw: &str) {
    let (requests, answers) = seen(raw).await;
    assert!(requests.len() <= 1, "{raw:?} became {requests:?}");
    for request in &requests {
        let lower = request.to_ascii_lowercase();
        let framings = lower.matches("content-length:").count() + lower.matches("transfer-encoding:").count();
        assert!(framings <= 1, "{request:?}");
        assert!(!request.starts_with("GET /smuggled"), "{raw:?} became {request:?}, answered {answers:?}");
    }
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn a_length_beside_chunks_goes_on_as_chunks_alone_and_closes() {
    let raw =
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let (requests, answers) = seen(&format!("{raw}{SMUGGLED}")).await;
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(!requests[0].to_ascii_lowercase().contains("content-length"), "{requests:?}");
    assert!(requests[0].ends_with("\r\n\r\n0\r\n\r\n"));
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers:?}");
}

#[tokio::test]
async fn chunks_beside_a_length_go_on_as_chunks_alone_and_close() {
    let raw =
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n";
    let (requests, answers) = seen(&format!("{raw}{SMUGGLED}")).await;
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(!requests[0].to_ascii_lowercase().contains("content-length"), "{requests:?}");
    assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers:?}");
}

#[tokio::test]
async fn differing_lengths_are_refused() {
    let raw = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\nok";
    refused(&format!("{raw}{SMUGGLED}")).await;
    let raw = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 40\r\n\r\nok";
    refused(&format!("{raw}{SMUGGLED}")).await;
}

#[tokio::test]
async fn equal_lengths_go_on_as_one() {
    let raw = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok";
    let (requests, _) = seen(raw).await;
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].matches("Content-Length: 2\r\n").count(), 1, "{requests:?}");
}

#[tokio::test]
async fn a_length_that_is_no_plain_number_is_refused() {
    for length in ["+2", "-1", "0x2", "2 ", "2;3", "", "99999999999999999999", "2\t2"] {
        let raw = format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\nok");
        if length == "2 " {
            one_at_most(&raw).await;
        } else {
            refused(&raw).await;
        }
    }
}

#[tokio::test]
async fn a_coding_that_does_not_end_in_chunked_is_refused() {
    for coding in
        ["identity", "chunked, identity", "gzip", "xchunked", "chunked-but-not", "chunked;a=b", "\"chunked\""]
    {
        let raw = format!("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n");
        refused(&format!("{raw}{SMUGGLED}")).await;
    }
    refused("POST /a HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn a_bare_line_feed_makes_no_second_request() {
    one_at_most(&format!("GET /a HTTP/1.1\nHost: a\n\n{}", "")).await;
    one_at_most("POST /a HTTP/1.1\r\nHost: a\r\nX: b\nContent-Length: 0\r\nContent-Length: 38\r\n\r\n").await;
    one_at_most("GET /a HTTP/1.1\r\nHost: a\r\nX: b\rGET /smuggled HTTP/1.1\r\n\r\n").await;
}

#[tokio::test]
async fn a_folded_line_is_refused() {
    refused("POST /a HTTP/1.1\r\nHost: a\r\nX: b\r\n Content-Length: 4\r\n\r\nabcd").await;
    refused("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn a_nul_or_control_byte_in_a_header_is_refused() {
    refused("GET /a HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n").await;
    refused("GET /a HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n").await;
    refused("GET /a HTTP/1.1\r\nHost: a\r\nX: b\x08c\r\n\r\n").await;
}

#[tokio::test]
async fn a_space_before_the_colon_is_refused() {
    refused("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length : 4\r\n\r\nabcd").await;
    refused("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n").await;
    refused("POST /a HTTP/1.1\r\nHost: a\r\n Content-Length: 4\r\n\r\nabcd").await;
}

#[tokio::test]
async fn two_hosts_are_refused() {
    let (requests, answers) = seen("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    assert_eq!(requests, Vec::<String>::new());
    assert!(answers.starts_with("HTTP/1.1 400 "), "{answers}");
}

#[tokio::test]
async fn a_bad_chunk_never_ends_the_request_upstream() {
    let head = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunks in [
        "zz\r\nab\r\n0\r\n\r\n",
        "-1\r\nab\r\n0\r\n\r\n",
        "+2\r\nab\r\n0\r\n\r\n",
        "0x2\r\nab\r\n0\r\n\r\n",
        "10000000000000000\r\nab\r\n0\r\n\r\n",
        "2\r\nabc\r\n0\r\n\r\n",
        "2\nab\n0\n\n",
        "2;x\ny\r\nab\r\n0\r\n\r\n",
    ] {
        let (requests, answers) = seen(&format!("{head}{chunks}{SMUGGLED}")).await;
        assert_eq!(requests, Vec::<String>::new(), "{chunks:?}");
        assert!(!answers.contains(" 200 "), "{chunks:?} gave {answers:?}");
    }
}

#[tokio::test]
async fn chunk_extensions_are_not_passed_on() {
    let head = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let (requests, _) = seen(&format!("{head}2;a=\"0\"\r\nab\r\n0;b\r\n\r\n")).await;
    assert_eq!(requests.len(), 1);
    assert!(requests[0].ends_with("\r\n\r\n2\r\nab\r\n0\r\n\r\n"), "{requests:?}");
}
