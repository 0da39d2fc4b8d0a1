//! What HTTP/2 can say and HTTP/1.1 would read as something else never goes upstream.

use crate::harness::strict::{self, Message};
use crate::harness::{End, Frames, Program, Tap};

const TARGETS: [&str; 3] = ["/a", "/collections/c/points/query", "/i/_search"];
const SMUGGLED: &str = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is never complete upstream, and never answered as if it were.
    Dropped,
    /// It goes on as exactly one request with this body.
    One(&'static str),
}

/// A POST with these fields after (or instead of) its own, and its body, if it has one.
struct Attack {
    fields: Vec<(&'static str, &'static str)>,
    body: Option<&'static str>,
    fate: Fate,
}

fn attack(fields: &[(&'static str, &'static str)], body: Option<&'static str>, fate: Fate) -> Attack {
    Attack { fields: fields.to_vec(), body, fate }
}

fn attacks() -> Vec<Attack> {
    let dropped = |fields: &[_]| attack(fields, Some("ok"), Fate::Dropped);
    let mut attacks = vec![
        attack(&[], Some("ok"), Fate::One("ok")),
        attack(&[], None, Fate::One("")),
        // A length that is not the body's.
        attack(&[("content-length", "2")], Some("ok"), Fate::One("ok")),
        attack(&[("content-length", "5")], Some("ok"), Fate::Dropped),
        attack(&[("content-length", "1")], Some("ok"), Fate::Dropped),
        attack(&[("content-length", "0")], Some("ok"), Fate::Dropped),
        attack(&[("content-length", "5")], None, Fate::Dropped),
        attack(&[("content-length", "0"), ("content-length", "30")], None, Fate::Dropped),
        attack(&[("content-length", "2"), ("content-length", "30")], Some("ok"), Fate::Dropped),
        attack(&[("content-length", "2"), ("content-length", "2")], Some("ok"), Fate::One("ok")),
        attack(&[("content-length", "2"), ("content_length", "30")], Some("ok"), Fate::One("ok")),
        attack(&[("transfer_encoding", "chunked")], Some(SMUGGLED), Fate::One(SMUGGLED)),
        attack(&[("te", "trailers")], Some("ok"), Fate::One("ok")),
        attack(&[("host", "b")], Some("ok"), Fate::One("ok")),
        attack(&[("transfer-encoding", "chunked")], Some(SMUGGLED), Fate::Dropped),
        attack(&[("host", "a"), ("host", "b")], Some("ok"), Fate::Dropped),
    ];
    for length in ["+2", "2, 2", "0x2", "-1", "two", "", "99999999999999999999"] {
        attacks.push(dropped(&[("content-length", length)]));
    }
    // Fields of one connection (RFC 9113 §8.2.2).
    for field in [
        ("transfer-encoding", "identity"),
        ("connection", "keep-alive"),
        ("connection", "transfer-encoding"),
        ("keep-alive", "1"),
        ("proxy-connection", "x"),
        ("upgrade", "h2c"),
        ("te", "gzip"),
        ("te", "chunked"),
    ] {
        attacks.push(dropped(&[field]));
    }
    // Line ends and other bytes that no HTTP/1.1 field can hold (RFC 9113 §8.2.1).
    for field in [
        ("x", "b\r\nContent-Length: 30"),
        ("x", "b\nContent-Length: 30"),
        ("x", "b\rc"),
        ("x", "b\0c"),
        ("x\r\ny", "b"),
        ("x: y", "b"),
        ("x:", "b"),
        ("x y", "b"),
        ("", "b"),
        ("X", "b"),
        ("Content-Length", "30"),
        (":status", "200"),
        (":x", "b"),
    ] {
        attacks.push(dropped(&[field]));
    }
    for path in [
        "",
        "a b",
        "/a HTTP/1.1\r\nHost: a\r\n\r\nGET /smuggled",
        "/a\r\n",
        "/a\nb",
        "/a\0",
        "/a\tb",
        "/a HTTP/1.1",
    ] {
        attacks.push(dropped(&[(":path", path)]));
    }
    for method in ["", "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\nGET", "G T", "GET\r\n", "GET:"] {
        attacks.push(dropped(&[(":method", method)]));
    }
    for authority in ["a\r\nX: b", "a b", "a\0", "a/b\r\n"] {
        attacks.push(dropped(&[(":authority", authority)]));
    }
    attacks
}

/// The pseudo-fields in their order, with the attack's own in place of the usual ones, then its other fields.
fn fields(attack: &Attack, target: &str) -> Vec<(String, String)> {
    let usual = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", target)];
    let own = |name: &str| attack.fields.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
    let pseudo = usual.iter().map(|(name, value)| (*name, own(name).unwrap_or(value)));
    let others = attack.fields.iter().copied().filter(|(name, _)| !usual.iter().any(|(u, _)| u == name));
    pseudo.chain(others).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// How the attack's stream ended. Another stream and another client must get their own responses.
async fn send(program: &Program, attack: &Attack, target: &str) -> Result<End, String> {
    let mut client = Frames::connect(program.addr).await;
    client.head(1, &fields(attack, target), attack.body.is_none()).await;
    if let Some(body) = attack.body {
        client.data(1, body.as_bytes(), true).await;
    }
    let end = client.end(1).await;
    let mut other = if client.is_dead() { Frames::connect(program.addr).await } else { client };
    let get = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", "/clean")];
    other.head(3, &get.map(|(name, value)| (name.to_owned(), value.to_owned())), true).await;
    match other.end(3).await {
        End::ProbeResponse(body) if body == b"GET /clean" => Ok(end),
        end => Err(format!("the next stream got {end:?}")),
    }
}

#[tokio::test]
async fn no_http2_request_becomes_two_upstream() {
    let database = Tap::echoing().await;
    let program = Program::before(database.addr, "").await;
    let (mut problems, mut ended) = (Vec::new(), Vec::new());
    for (number, attack) in attacks().iter().enumerate() {
        for path in TARGETS {
            let target = format!("{path}?{number}");
            match send(&program, attack, &target).await {
                Ok(end) => ended.push((attack.fields.clone(), attack.fate, target, end)),
                Err(problem) => problems.push(format!("{:?}: {problem}", attack.fields)),
            }
        }
    }
    program.stop().await;
    let mut requests = Vec::new();
    for transcript in database.finish().await {
        match strict::requests(&transcript) {
            Ok((found, _)) => requests.extend(found),
            Err(problem) => problems.push(format!("{problem} in {:?}", strict::latin1(&transcript))),
        }
    }
    requests.retain(|request| request.word(1) != "/clean");
    for (fields, fate, target, end) in ended {
        let (own, others): (Vec<Message>, _) = requests.into_iter().partition(|r| r.word(1) == target);
        requests = others;
        let response = End::ProbeResponse(format!("POST {target}").into());
        let well = match fate {
            Fate::Dropped => own.is_empty() && end != response,
            Fate::One(body) => own.len() == 1 && own[0].body == body.as_bytes() && end == response,
        };
        if !well {
            problems.push(format!("{fields:?} to {target}: {fate:?}, but became {own:?}, ended {end:?}"));
        }
    }
    problems.extend(requests.iter().map(|request| format!("nobody sent {request:?}")));
    assert!(problems.is_empty(), "{} broken:\n{}", problems.len(), problems.join("\n"));
}
