//! No response of the database is taken for two, or for the response to another request, and none that broke off
//! looks whole.

use std::sync::Arc;

use crate::harness::strict::Message;
use crate::harness::{FakeDatabase, Program, Reply, Tap, echo, strict};

/// A request that is forwarded, and searches of both dialects.
const REQUESTS: [&str; 3] = ["/attack", "/collections/attack/points/query", "/attack/_search"];
const CLEAN: &str = "GET /clean HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const SECOND: &str =
    "HTTP/1.1 200 OK\r\nx-responses: a request that nobody sent\r\ncontent-length: 4\r\n\r\nevil";

/// What the client must get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// One whole response with this status and body, framed in one way.
    Passed(&'static str, &'static str),
    /// The proxy's own 502.
    Bad,
    /// The beginning of a response and a broken connection, never a clean end.
    Broken,
}

/// Method of the request, the database's bytes, whether it hangs up after them, what becomes of it.
type Case = (&'static str, String, bool, Fate);

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut add = |method, bytes: String, fate| cases.push((method, bytes, false, fate));
    let ok = |lines: &str, rest: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n{rest}");
    let passed = Fate::Passed("200", "ok");

    // More than one response.
    add("POST", ok("Content-Length: 2\r\n", &format!("ok{SECOND}")), passed);
    add("POST", ok("Content-Length: 2\r\n", "okay"), passed);
    add("POST", ok("Content-Length: 2\r\n", "ok\r\n"), passed);
    add("POST", ok("Transfer-Encoding: chunked\r\n", &format!("2\r\nok\r\n0\r\n\r\n{SECOND}")), passed);
    add("HEAD", ok("Content-Length: 2\r\n", "ok"), Fate::Passed("200", ""));
    add("HEAD", ok("Content-Length: 104\r\n", SECOND), Fate::Passed("200", ""));
    add("HEAD", ok("Transfer-Encoding: chunked\r\n", &format!("0\r\n\r\n{SECOND}")), Fate::Passed("200", ""));
    for status in ["204", "304"] {
        for lines in ["", "Content-Length: 104\r\n", "Transfer-Encoding: chunked\r\n"] {
            add("POST", format!("HTTP/1.1 {status} X\r\n{lines}\r\n{SECOND}"), Fate::Passed(status, ""));
        }
    }
    add(
        "POST",
        format!(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n{}{SECOND}",
            ok("Content-Length: 2\r\n", "ok")
        ),
        passed,
    );
    add(
        "POST",
        format!("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n{SECOND}"),
        Fate::Bad,
    );

    // Two ends of one response.
    add("POST", ok("Content-Length: 100\r\nTransfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\n\r\n"), passed);
    add("POST", ok("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", "2\r\nok\r\n0\r\n\r\n"), passed);
    add("HEAD", ok("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", ""), Fate::Passed("200", ""));
    add("HEAD", ok("Content-Length: 1\r\nContent-Length: 2\r\n", ""), Fate::Passed("200", ""));
    for lengths in [
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: 2, 2\r\n",
        "Content-Length: 2\r\nContent_Length: 9\r\n",
    ] {
        add("POST", ok(lengths, "ok"), passed);
    }
    for lengths in ["Content-Length: 2\r\nContent-Length: 3\r\n", "Content-Length: 2, 3\r\n"] {
        add("POST", ok(lengths, "ok"), Fate::Bad);
    }
    for length in ["+2", "-2", "0x2", "two", "2;2", "", "99999999999999999999"] {
        add("POST", ok(&format!("Content-Length: {length}\r\n"), "ok"), Fate::Bad);
    }
    for coding in ["gzip, chunked", "chunked, chunked", "chunked, identity", "xchunked", "gzip"] {
        add("POST", ok(&format!("Transfer-Encoding: {coding}\r\n"), "2\r\nok\r\n0\r\n\r\n"), Fate::Bad);
    }
    add("POST", ok("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), Fate::Bad);
    add(
        "POST",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".into(),
        Fate::Bad,
    );

    // Lines that two readers end in two places.
    for line in ["X: a\r\n b", "X: a\0b", "X: a\rb", "X : a", "X", ": a", "X: a\rContent-Length: 9"] {
        add("POST", ok(&format!("Content-Length: 2\r\n{line}\r\n"), "ok"), Fate::Bad);
    }
    add("POST", ok("X: a\nContent-Length: 2\r\n", "ok"), passed);
    for start in [
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 20 OK",
        "HTTP/2 200 OK",
        "HTTP/1.2 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.1 200 O\0K",
        "<html>",
    ] {
        add("POST", format!("{start}\r\nContent-Length: 2\r\n\r\nok"), Fate::Bad);
    }

    // Chunks that are none.
    for chunks in [
        "-2\r\nok\r\n0\r\n\r\n",
        "0x2\r\nok\r\n0\r\n\r\n",
        "10000000000000002\r\nok\r\n0\r\n\r\n",
        "2\r\nokay\r\n0\r\n\r\n",
        "2\nok\r\n0\r\n\r\n",
        "2\r\nok\r\n0\r\nX\r\n\r\n",
    ] {
        add("POST", ok("Transfer-Encoding: chunked\r\n", chunks), Fate::Broken);
    }
    // What broke off.
    let mut cut = |bytes: String, fate| cases.push(("POST", bytes, true, fate));
    cut(ok("Content-Length: 4\r\n", "ok"), Fate::Broken);
    cut(ok("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n"), Fate::Broken);
    cut(ok("Transfer-Encoding: chunked\r\n", "2\r\nok\r\n0\r\n"), Fate::Broken);
    cut("HTTP/1.1 200 OK\r\nContent-Le".into(), Fate::Bad);
    cut(String::new(), Fate::Bad);
    // What ends with the connection is whole when that closes.
    cut(ok("", "ok"), passed);
    cut(ok("Transfer-Encoding: identity\r\n", "ok"), passed);
    cut("HTTP/1.0 200 OK\r\n\r\nok".into(), passed);
    cases
}

fn judge(fate: Fate, got: Option<Message>) -> Result<(), String> {
    match (fate, got) {
        (Fate::Broken, None) => Ok(()),
        (Fate::Bad, Some(response)) if response.word(1) == "502" && response.text().contains("rerankd") => {
            Ok(())
        }
        (Fate::Passed(status, body), Some(response))
            if response.word(1) == status && response.text() == body =>
        {
            Ok(())
        }
        (fate, got) => Err(format!("{fate:?}, but the client got {got:?}")),
    }
}

#[tokio::test]
async fn one_response_at_most_is_read_for_a_request_and_the_rest_of_that_connection_is_dropped() {
    let cases = Arc::new(cases());
    let script = cases.clone();
    let database = Tap::start(move |request| {
        let Some((_, number)) = request.word(1).split_once('?') else { return echo(request) };
        let (_, bytes, last, _) = &script[number.parse::<usize>().unwrap()];
        let bytes = bytes.clone().into();
        if *last { Reply::Last(bytes) } else { Reply::Keep(bytes) }
    })
    .await;
    let program = Program::before(database.addr, "").await;
    let mut problems = Vec::new();
    for (number, (method, bytes, _, fate)) in cases.iter().enumerate() {
        for target in REQUESTS {
            let mut client = program.client().await;
            let head = format!("{method} {target}?{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
            client.send(head + "{}").await;
            let got = client.response(*method == "HEAD").await;
            drop(client);
            let mut other = program.client().await;
            other.send(CLEAN).await;
            let clean = other.response(false).await.map(|response| response.text());
            let judged = judge(*fate, got).and_then(|()| match clean.as_deref() {
                Some("GET /clean") => Ok(()),
                other => Err(format!("the next request got {other:?}")),
            });
            if let Err(problem) = judged {
                problems.push(format!("{method} {target} answered {bytes:?}: {problem}"));
            }
        }
    }
    program.stop().await;
    database.finish().await;
    assert!(problems.is_empty(), "{} broken:\n{}", problems.len(), problems.join("\n"));
}

/// What Qdrant sends unasked on a connection that has been silent for five seconds.
fn unsolicited() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/qdrant/219-http-408-silent.json");
    let recorded: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let response = &recorded["response"];
    assert_eq!(
        (response["status"].as_u64(), response["reason"].as_str()),
        (Some(408), Some("Request Timeout"))
    );
    let headers = response["headers"].as_array().unwrap();
    let lines = headers
        .iter()
        .map(|line| format!("{}: {}\r\n", line[0].as_str().unwrap(), line[1].as_str().unwrap()));
    format!("HTTP/1.1 408 Request Timeout\r\n{}\r\n", lines.collect::<String>())
}

#[tokio::test]
async fn what_comes_unasked_on_an_idle_connection_responses_nobody() {
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for target in REQUESTS {
        for (unasked, hangs_up) in
            [(unsolicited(), true), (unsolicited(), false), (SECOND.into(), false), ("\r\n".into(), false)]
        {
            let database = FakeDatabase::by_hand().await;
            let program = Program::before(database.addr, "").await;
            let mut client = program.client().await;
            let request = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}");
            client.send(&request).await;
            let mut first = database.connection().await;
            first.message().await.unwrap();
            first.send(ok).await;
            assert_eq!(client.response(false).await.unwrap().text(), "ok");

            first.send(&unasked).await;
            if hangs_up {
                drop(first);
            }
            client.send(&request).await;
            let mut second = database.connection().await;
            second.message().await.unwrap();
            second.send(ok.replace("ok", "no")).await;
            assert_eq!(client.response(false).await.unwrap().text(), "no", "after {unasked:?}");
        }
    }
}

#[tokio::test]
async fn a_response_before_the_request_is_over_leaves_nothing_to_the_next() {
    let database = FakeDatabase::by_hand().await;
    let program = Program::before(database.addr, "").await;
    let mut client = program.client().await;
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab").await;
    let mut first = database.connection().await;
    first.head().await;
    assert_eq!(first.exactly(2).await, "ab");
    first.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno").await;
    assert_eq!(client.response(false).await.unwrap().text(), "no");

    // Whoever comes next gets a connection of its own, not the one on which three bytes are owed.
    let mut other = program.client().await;
    other.send(CLEAN).await;
    let mut second = database.connection().await;
    assert!(second.head().await.starts_with("GET /clean HTTP/1.1\r\n"));
    second.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(other.response(false).await.unwrap().text(), "ok");

    // The rest of the body is the rest of the body, not a request.
    client.try_send("cde").await;
    drop((client, other, second));
    program.stop().await;
    let rest = first.rest_bytes().await;
    assert!(["", "cde"].contains(&strict::latin1(&rest).as_str()), "{rest:?}");
}
