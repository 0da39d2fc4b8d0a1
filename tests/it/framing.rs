//! No ambiguous framing makes two requests of one, or leaves bytes behind for the next request upstream.
//!
//! The database keeps every byte that reaches it and reads by the strictest rules there are. Each attack goes to a
//! forwarded path and to searches of both dialects.

#[path = "framing/attacks.rs"]
mod attacks;

use crate::harness::strict::{self, Message};
use crate::harness::{Program, Tap};
use attacks::{Attack, Fate, SMUGGLED};

const TARGETS: [&str; 3] = ["/a", "/collections/c/points/query", "/i/_search"];
const SENTINEL: &str = "GET /sentinel HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const CLEAN: &str = "GET /clean HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/// What came of an attack.
struct Outcome {
    /// The requests that the database took to be complete.
    requests: Vec<Message>,
    /// What the client that attacked got.
    responses: Vec<Message>,
}

/// Sends the bytes and, on the same connection, a harmless request; then another client's request, which must
/// be answered as what it is. What the first client got.
async fn attack(program: &Program, raw: &[u8], hang_up: bool) -> Result<Vec<Message>, String> {
    let mut client = program.client().await;
    client.try_send([raw, SENTINEL.as_bytes()].concat()).await;
    if hang_up {
        client.end().await;
    }
    let responses = client.rest_bytes().await;
    let mut other = program.client().await;
    other.send(CLEAN).await;
    let clean = other.response(false).await.ok_or("the next client got no response")?;
    if clean.header("x-responses") != Some("GET /clean") || clean.body != b"GET /clean" {
        return Err(format!("the next client got another's response: {clean:?}"));
    }
    let mut responses = strict::responses(&responses)?;
    responses.retain(|response| response.word(1) != "100");
    Ok(responses)
}

/// What is left of a request's own target after the one that the attack has been given.
fn left<'a>(request: &'a Message, target: &str) -> Option<&'a str> {
    request.word(1).strip_prefix(target).filter(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Whether the attack has met its fate.
fn judge(attack: &Attack, target: &str, outcome: &Outcome) -> Result<(), String> {
    let Outcome { requests, responses } = outcome;
    let fate = attack.fate;
    let statuses: Vec<&str> = responses.iter().map(|response| response.word(1)).collect();
    match fate {
        Fate::Rejected(status) if requests.is_empty() && statuses == [status] => Ok(()),
        Fate::Unfinished if requests.is_empty() && !statuses.contains(&"200") => Ok(()),
        Fate::One(body) if requests.len() == 1 && requests[0].body == body.as_bytes() => {
            let own = responses.first().and_then(|response| response.header("x-responses"));
            let after = attack.raw.split("/TARGET").nth(1).and_then(|rest| rest.split([' ', '\t']).next());
            if left(&requests[0], target) != after {
                return Err(format!("became {requests:?}"));
            }
            let expected = format!("{} {}", requests[0].word(0), requests[0].word(1));
            let next =
                responses.get(1).map(|response| response.header("x-responses").unwrap_or(response.word(1)));
            let harmless = next.is_none_or(|next| ["GET /sentinel", "400"].contains(&next));
            let fits = own == Some(&expected) && harmless && responses.len() <= 2;
            fits.then_some(()).ok_or_else(|| format!("answered {responses:?}"))
        }
        _ => Err(format!("{fate:?}, but became {requests:?}, answered {responses:?}")),
    }
}

async fn check(attacks: Vec<Attack>) {
    let database = Tap::echoing().await;
    let program = Program::before(database.addr, "").await;
    let mut problems = Vec::new();
    let mut answered = Vec::new();
    for (number, one) in attacks.iter().enumerate() {
        for path in TARGETS {
            let target = format!("{path}?{number}");
            let raw = strict::bytes_of(&one.raw.replace("/TARGET", &target));
            match attack(&program, &raw, one.fate == Fate::Unfinished).await {
                Ok(responses) => answered.push((number, target, responses)),
                Err(problem) => problems.push(format!("{:?} to {path}: {problem}", one.raw)),
            }
        }
    }
    program.stop().await;
    let mut requests = Vec::new();
    for transcript in database.finish().await {
        match strict::requests(&transcript) {
            Ok((found, left)) => {
                requests.extend(found);
                let cut = strict::latin1(&transcript[transcript.len() - left..]);
                if cut.starts_with("GET /smuggled") {
                    problems
                        .push(format!("a smuggled request was begun in {:?}", strict::latin1(&transcript)));
                }
            }
            Err(problem) => problems.push(format!("{problem} in {:?}", strict::latin1(&transcript))),
        }
    }
    let harmless = |request: &Message| ["/sentinel", "/clean"].contains(&request.word(1));
    requests.retain(|request| !harmless(request));
    for (number, target, responses) in answered {
        let (own, others) = requests.into_iter().partition(|request| left(request, &target).is_some());
        requests = others;
        if let Err(problem) = judge(&attacks[number], &target, &Outcome { requests: own, responses }) {
            problems.push(format!("{:?} to {target}: {problem}", attacks[number].raw));
        }
    }
    problems.extend(requests.iter().map(|request| format!("nobody sent {request:?}")));
    assert!(problems.is_empty(), "{} broken:\n{}", problems.len(), problems.join("\n"));
}

#[tokio::test]
async fn lengths_that_could_be_read_twice_never_are() {
    check(attacks::lengths()).await;
}

#[tokio::test]
async fn transfer_codings_other_than_chunked_are_rejected() {
    check(attacks::transfer_codings()).await;
}

#[tokio::test]
async fn chunks_end_where_every_reader_ends_them() {
    check(attacks::chunks()).await;
}

#[tokio::test]
async fn lines_end_where_every_reader_ends_them() {
    check(attacks::lines()).await;
}

#[tokio::test]
async fn no_byte_of_a_target_moves_a_boundary() {
    check(attacks::targets()).await;
}

#[tokio::test]
async fn an_expectation_moves_no_boundary() {
    check(attacks::expectations()).await;
}

#[tokio::test]
async fn the_strict_reader_sees_what_the_tests_rely_on_it_to_see() {
    let read = |text: &str| strict::requests(text.as_bytes()).map(|(found, left)| (found.len(), left));
    let head = "POST /a HTTP/1.1\r\nHost: a\r\n";
    assert_eq!(read(&format!("{head}Content-Length: 2\r\n\r\nok{SMUGGLED}")), Ok((2, 0)));
    assert_eq!(read(&format!("{head}Content-Length: 9\r\n\r\nok")), Ok((0, 50)));
    for ambiguous in [
        "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "Content-Length: +2\r\n\r\nok",
        "Content_Length: 2\r\n\r\nok",
        "X: a\nY: b\r\n\r\n",
        "X: a\r\n b\r\n\r\n",
        "Host: b\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\n\r\n",
    ] {
        assert!(read(&format!("{head}{ambiguous}")).is_err(), "{ambiguous:?}");
    }
}
