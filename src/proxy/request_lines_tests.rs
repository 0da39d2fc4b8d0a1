use std::sync::Arc;

use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::*;
use crate::proxy::connection::Connections;

fn handle() -> ConnectionHandle {
    let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    Connections::new(Default::default()).open(place, None)
}

/// What hyper gets of these bytes, which come in pieces of this size, and the targets that were found.
fn passed(bytes: &[u8], piece: usize, handle: &ConnectionHandle) -> (String, Vec<(usize, String)>) {
    let mut lines = RequestLines::after(0);
    let mut bytes = bytes.to_vec();
    bytes.chunks_mut(piece).for_each(|part| lines.pass(part, handle));
    let mut targets = Vec::new();
    for number in 1..20 {
        if let Some(target) = handle.begin(None).odd_target() {
            targets.push((number, target.iter().map(|&byte| char::from(byte)).collect()));
        }
    }
    (bytes.iter().map(|&byte| char::from(byte)).collect(), targets)
}

/// The same in pieces of all sizes.
fn pass(text: &str) -> (String, Vec<(usize, String)>) {
    let bytes: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let whole = passed(&bytes, bytes.len(), &handle());
    for piece in 1..bytes.len().min(100) {
        assert_eq!(passed(&bytes, piece, &handle()), whole, "in pieces of {piece}");
    }
    whole
}

const HEAD: &str = "Host: a\r\nX: \"<>\r\n\r\n";
const ODD: &str = "GET /a?q=\"b\" HTTP/1.1\r\nHost: a\r\n\r\n";
const CLEAN: &str = "GET /a?q=!b! HTTP/1.1\r\nHost: a\r\n\r\n";

fn is_followed(before: &str) -> bool {
    let (bytes, targets) = pass(&format!("{before}{ODD}"));
    match targets[..] {
        [(_, ref target)] if target == "/a?q=\"b\"" && bytes == format!("{before}{CLEAN}") => true,
        [] if bytes == format!("{before}{ODD}") => false,
        _ => panic!("{targets:?} of {bytes:?}"),
    }
}

#[test]
fn what_is_odd_in_a_target_is_replaced_and_nothing_else() {
    let text = format!("POST /\u{e9}<a>?{{q=\"b\"}}#`|\\^ HTTP/1.1\r\n{HEAD}");
    let (bytes, targets) = pass(&text);
    assert_eq!(bytes, format!("POST /!!a!?!q=!b!!!!!!! HTTP/1.1\r\n{HEAD}"));
    assert_eq!(targets, [(1, "/\u{e9}<a>?{q=\"b\"}#`|\\^".to_owned())]);
    let text = format!("GET /a?q=[b]&c='d'!;~$%%20 HTTP/1.1\r\n{HEAD}");
    assert_eq!(pass(&text), (text, vec![]));
}

#[test]
fn before_the_path_nothing_odd_is_made_acceptable() {
    let target =
        |text: &str| pass(&format!("GET {text} HTTP/1.1\r\n{HEAD}")).0.split(' ').nth(1).map(str::to_owned);
    assert_eq!(target("http://a/<b>").as_deref(), Some("http://a/!b!"));
    assert_eq!(target("http://a?<b>").as_deref(), Some("http://a?!b!"));
    assert_eq!(target("http://<a>/b").as_deref(), Some("http://\"a\"/b"));
    assert_eq!(target("http://a#b").as_deref(), Some("http://a\"b"));
    assert_eq!(target("<a>").as_deref(), Some("\"a\""));
    assert_eq!(target("\u{e9}/a").as_deref(), Some("\"/a"));
}

#[test]
fn requests_are_followed_over_bodies_of_every_plain_kind() {
    for before in [
        "",
        "\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\nHost: a\n\n",
        "POST / HTTP/1.1\r\ncontent-length: 9\r\nHost: a\r\n\r\nGET /\"\r\n\r",
        "POST / HTTP/1.1\r\nContent-Length:0\r\nTrace: a\r\nC\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n07\r\nGET /\" \r\n1\r\n\n\r\n0\r\n\r\n",
    ] {
        assert!(is_followed(before), "{before:?}");
    }
}

#[test]
fn after_what_may_be_read_in_two_ways_nothing_is_changed() {
    let post = |lines: &str| format!("POST / HTTP/1.1\r\n{lines}\r\n\r\n");
    for before in [
        post("Content-Length: 0\r\nContent-Length: 0"),
        post("Content-Length: +0"),
        post("Content-Length: 0, 0"),
        post("Content-Length: 99999999999999999999"),
        post("Content-Length: 0\r\nTransfer-Encoding: chunked") + "0\r\n\r\n",
        post("Transfer-Encoding: chunked\r\nContent-Length: 0") + "0\r\n\r\n",
        post("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n",
        post(&format!("Content-Length: {}0", " ".repeat(LINE))),
        post("Transfer-Encoding: chunked") + "0;a\r\n\r\n",
        post("Transfer-Encoding: chunked") + "0\r\nX: a\r\n\r\n",
        post("Transfer-Encoding: chunked") + "0\n\n",
        post("Transfer-Encoding: chunked") + "1\r\nab\r\n0\r\n\r\n",
        "GET / HTTP/2.0\r\n\r\n".to_owned(),
        "GET /\t HTTP/1.1\r\n\r\n".to_owned(),
        "GET / x HTTP/1.1\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        assert!(!is_followed(&before), "{before:?}");
    }
}

#[test]
fn after_a_question_for_another_protocol_it_waits_for_the_response() {
    let upgrade = b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";
    let after = |handle: &ConnectionHandle, between: &dyn Fn()| {
        let mut lines = RequestLines::after(0);
        lines.pass(&mut upgrade.to_vec(), handle);
        between();
        let mut odd = ODD.as_bytes().to_vec();
        lines.pass(&mut odd, handle);
        odd != ODD.as_bytes()
    };
    let one = handle();
    assert!(after(&one, &|| drop(one.begin(None))), "answered otherwise");
    assert!(!after(&handle(), &|| {}), "not answered");
    let one = handle();
    assert!(!after(&one, &|| {
        one.becomes_tunnel();
        drop(one.begin(None));
    }));
}

#[test]
fn a_target_without_end_is_let_go() {
    let text = format!("GET /\"{}", "a".repeat(LARGEST_TARGET));
    let (bytes, targets) = passed(text.as_bytes(), 1000, &handle());
    assert_eq!((bytes.len(), targets.len()), (text.len(), 0));
}

proptest! {
    #[test]
    fn lengths_never_change_and_bodies_never_do(
        bodies in prop::collection::vec("[\"<>a GET/\r\n]{0,40}", 0..4), piece in 1..50_usize
    ) {
        let head = |body: &str| format!("POST /\" HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let text: String = bodies.iter().map(|body| head(body)).collect();
        let (bytes, targets) = passed(text.as_bytes(), piece, &handle());
        prop_assert_eq!(bytes, text.replace("POST /\" HTTP/1.1\r\nContent", "POST /! HTTP/1.1\r\nContent"));
        prop_assert_eq!(targets.len(), bodies.len());
    }
}
