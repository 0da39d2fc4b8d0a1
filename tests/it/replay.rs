//! Every recorded exchange again, through the whole program and over sockets.
//!
//! With reranking off it must arrive byte for byte (the design's first promise); with reranking applied only what the
//! third promise allows may differ. Hits are found here by a scanner of the tests' own.

#[path = "replay/stage.rs"]
mod stage;

use std::collections::HashMap;

use serde_json::Value;

use crate::harness::fixture::{self, Exchange};
use crate::harness::hits::{envelope, hit_lists, hits};
use crate::harness::strict::Message;
use stage::{Stage, Taken};

const OFF: &str = "rerank: { mode: off, response_headers: false }\n";
const OFF_AND_SAID: &str = "rerank: { mode: off }\n";
/// The page that the client asked for is reranked as it is.
const PAGE: &str = "rerank: { widen: never, deadline: 20s }\n";
/// As it comes: widened, and what was added taken out again.
const WIDENED: &str = "rerank: { deadline: 20s }\n";
const FLOOR: &str = "rerank: { widen: never, min_score: 0.5, deadline: 20s }\n";

type Verdict = Result<(), String>;

fn same<T: PartialEq + std::fmt::Debug>(what: &str, got: &T, expected: &T) -> Verdict {
    if got == expected { Ok(()) } else { Err(format!("{what}\n     got {got:?}\nexpected {expected:?}")) }
}

fn without(headers: &[(String, String)], names: &[&str]) -> Vec<(String, String)> {
    let stays = |name: &str| !names.contains(&name.to_ascii_lowercase().as_str());
    headers.iter().filter(|(name, _)| stays(name)).cloned().collect()
}

const FRAMING: [&str; 2] = ["content-length", "transfer-encoding"];

/// The request that reached the database is the client's, less what belongs to one hop.
fn request_is_the_clients(exchange: &Exchange, seen: &Message, upstream: &str) -> Verdict {
    let target = exchange.target.strip_prefix("http://127.0.0.1:6333").unwrap_or(&exchange.target);
    same("request line", &seen.start, &format!("{} {target} HTTP/1.1", exchange.method))?;
    let mut expected = exchange.request.end_to_end();
    // The body of a search was awaited by the proxy already.
    expected.retain(|(name, _)| name != "Expect");
    for (name, value) in &mut expected {
        if name.eq_ignore_ascii_case("host") {
            upstream.clone_into(value);
        }
    }
    let body = without_own_members(exchange);
    let had_length = fixture::header(&expected, "content-length").is_some();
    let framing = if had_length && body.is_none() { &FRAMING[1..] } else { &FRAMING[..] };
    same("request headers", &without(&seen.headers, framing), &without(&expected, framing))?;
    match body {
        Some(body) => same("request body", &serde_json::from_slice(&seen.body).unwrap_or_default(), &body),
        None => same("request body", &seen.body, &exchange.request.body),
    }
}

/// The body of a search that has members of the proxy's own, less these. OpenSearch's own pipelines read `ext.rerank`
/// themselves: where one is named, it stays.
fn without_own_members(exchange: &Exchange) -> Option<Value> {
    if exchange.method != "POST" || exchange.target.contains("search_pipeline=") {
        return None;
    }
    let mut body: Value = serde_json::from_slice(&exchange.request.decoded).ok()?;
    let object = body.as_object_mut()?;
    let on_top = object.remove("rerank").is_some();
    let in_ext = object.get_mut("ext").and_then(|ext| ext.as_object_mut()?.remove("rerank")).is_some();
    if in_ext && object["ext"] == serde_json::json!({}) {
        object.remove("ext");
    }
    (on_top || in_ext).then_some(body)
}

/// The response that reached the client is the database's, but for headers of these names at the end.
fn response_is_the_databases(exchange: &Exchange, got: &Message, added: &[&str]) -> Verdict {
    let version = if exchange.request.start.ends_with("1.0") { "HTTP/1.0" } else { "HTTP/1.1" };
    let rest = exchange.response.start.split_once(' ').unwrap().1;
    same("status line", &got.start, &format!("{version} {rest}"))?;
    let mut headers = without(&got.headers, &["transfer-encoding", "connection"]);
    if fixture::header(&headers, "x-rerank-status").is_some() {
        let own = headers.split_off(headers.len() - added.len().min(headers.len()));
        let names: Vec<&str> = own.iter().map(|(name, _)| name.as_str()).collect();
        same("added headers", &&names[..], &added)?;
    }
    same("response headers", &headers, &exchange.response.end_to_end())?;
    same("response body", &got.body, &exchange.response.body)
}

async fn replayed_with_reranking_off(folder: &str, left_out: &[&str]) {
    let (exchanges, others) = fixture::exchanges(folder);
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let unknown = others.iter().filter(|name| !left_out.contains(name) && !name.contains("-grpc-"));
    assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&&str>::new(), "files that hold no exchange");
    let silent = Stage::set(OFF).await;
    let saying = Stage::set(OFF_AND_SAID).await;
    let mut problems = Vec::new();
    for exchange in &exchanges {
        for (stage, added) in [(&silent, &[][..]), (&saying, &["x-rerank-status", "server-timing"][..])] {
            let Taken { seen, got } = stage.play(exchange, None).await;
            let judged = same("requests upstream", &seen.len(), &1)
                .and_then(|()| request_is_the_clients(exchange, &seen[0], &stage.upstream()))
                .and_then(|()| response_is_the_databases(exchange, &got, added));
            problems.extend(judged.err().map(|problem| format!("{}: {problem}", exchange.name)));
        }
    }
    assert!(problems.is_empty(), "{} broken:\n{}", problems.len(), problems.join("\n"));
}

/// The request that reached the database has nothing of the proxy's own, and only these headers differ.
fn request_may_ask_for_more(exchange: &Exchange, seen: &Message, upstream: &str) -> Verdict {
    let own: Vec<_> =
        seen.headers.iter().filter(|(name, _)| name.to_lowercase().contains("rerank")).collect();
    same("own headers upstream", &own, &Vec::new())?;
    let stays = exchange.target.contains("search_pipeline=");
    same("own members upstream", &(seen.text().contains("\"rerank\"") && !stays), &false)?;
    let may =
        ["content-length", "transfer-encoding", "content-encoding", "accept-encoding", "expect", "host"];
    let mut expected = without(&exchange.request.end_to_end(), &may);
    expected.sort();
    let mut headers = without(&seen.headers, &may);
    headers.sort();
    same("request headers", &headers, &expected)?;
    same("Host", &seen.header("host"), &Some(upstream))
}

/// How a page came out.
#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
struct Moves {
    moved: bool,
    cut: bool,
}

/// Whether two responses differ only in the order of hits, and in some of them being cut.
fn only_moved_or_cut(before: &[u8], after: &[u8]) -> Result<Moves, String> {
    let (old, new) = (hit_lists(before), hit_lists(after));
    same("lists of hits", &new.len(), &old.len())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    same("envelope", &text(&envelope(after, &new)), &text(&envelope(before, &old)))?;
    let mut moves = Moves::default();
    for (old, new) in old.iter().zip(&new) {
        let (old_hits, new_hits) = (hits(before, &old.array), hits(after, &new.array));
        let mut left: HashMap<String, usize> = HashMap::new();
        for hit in &old_hits {
            *left.entry(unranked(&text(&before[hit.clone()]))).or_default() += 1;
        }
        for hit in &new_hits {
            let hit = unranked(&text(&after[hit.clone()]));
            let count = left.get_mut(&hit).filter(|count| **count > 0);
            *count.ok_or_else(|| format!("a hit that the database did not send: {hit}"))? -= 1;
        }
        moves.cut |= new_hits.len() < old_hits.len();
        let mut rest = old_hits.iter();
        let in_order = new_hits.iter().all(|b| rest.any(|a| before[a.clone()] == after[b.clone()]));
        moves.moved |= !in_order;
        // Commas and white space between the hits.
        if new_hits.len() == old_hits.len() {
            same("bytes between hits", &new.array.len(), &old.array.len())?;
        }
    }
    Ok(moves)
}

/// A hit without the number of its place, which Elasticsearch up to 8.15 writes into it.
fn unranked(hit: &str) -> String {
    match hit.split_once("\"_rank\":") {
        Some((before, after)) => {
            format!("{before}\"_rank\":{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => hit.to_owned(),
    }
}

/// What became of an exchange with a provider at work.
fn judge(exchange: &Exchange, taken: &Taken, upstream: &str, may_cut: bool) -> Result<Moves, String> {
    let Taken { seen, got } = taken;
    for request in seen {
        request_may_ask_for_more(exchange, request, upstream)?;
    }
    let Some(status) = got.header("x-rerank-status") else {
        same("requests upstream", &seen.len(), &1)?;
        request_is_the_clients(exchange, &seen[0], upstream)?;
        response_is_the_databases(exchange, got, &[])?;
        return Ok(Moves::default());
    };
    let coding = ["content-length", "transfer-encoding", "content-encoding", "connection"];
    let mut expected = without(&exchange.response.end_to_end(), &coding);
    let mut headers = without(&got.headers, &coding);
    headers.retain(|(name, _)| !name.starts_with("x-rerank-") && name != "server-timing");
    expected.sort();
    headers.sort();
    same("response headers", &headers, &expected)?;
    let coded = got.header("content-encoding").is_some();
    let original = if coded { &exchange.response.body } else { &exchange.response.decoded };
    let moves = only_moved_or_cut(original, &got.body)?;
    let kept = status.starts_with("kept");
    if (moves.cut && !may_cut) || (kept && moves.moved) {
        return Err(format!("{status}, but {moves:?}"));
    }
    Ok(moves)
}

/// How many exchanges were reranked (or rejected an order) and how many moved or lost hits.
#[derive(Debug, Default)]
struct Count {
    applied: usize,
    moved: usize,
    cut: usize,
}

async fn replayed_with_reranking_on(folder: &str, rerank: &str, may_cut: bool) -> Count {
    let (exchanges, _) = fixture::exchanges(folder);
    let stage = Stage::set(rerank).await;
    let (mut problems, mut count) = (Vec::new(), Count::default());
    for exchange in &exchanges {
        // Another text for each, so that no score comes from the cache.
        let query = (!exchange.has_text).then(|| format!("what the client of {} looks for", exchange.name));
        let taken = stage.play(exchange, query.as_deref()).await;
        match judge(exchange, &taken, &stage.upstream(), may_cut) {
            Ok(moves) => {
                let status = taken.got.header("x-rerank-status").unwrap_or("forwarded");
                count.applied += usize::from(status.starts_with("applied") || status.starts_with("partial"));
                count.moved += usize::from(moves.moved);
                count.cut += usize::from(moves.cut);
            }
            Err(problem) => problems.push(format!("{}: {problem}", exchange.name)),
        }
    }
    assert!(problems.is_empty(), "{} broken:\n{}", problems.len(), problems.join("\n"));
    count
}

/// Nobody made a request there: what the server said is used in `framing_responses.rs`.
const NO_REQUEST: [&str; 3] = ["219-http-408-silent", "220-http-408-partial-head", "queries"];

#[tokio::test]
async fn qdrant_exchanges_pass_byte_for_byte_with_reranking_off() {
    replayed_with_reranking_off("qdrant", &NO_REQUEST).await;
}

#[tokio::test]
async fn elasticsearch_exchanges_pass_byte_for_byte_with_reranking_off() {
    replayed_with_reranking_off("elasticsearch", &[]).await;
}

/// Each way of reranking must have had something to do, so that the comparison was one.
async fn only_the_order_changes(folder: &str, applied: usize) {
    let page = replayed_with_reranking_on(folder, PAGE, false).await;
    let widened = replayed_with_reranking_on(folder, WIDENED, true).await;
    let floor = replayed_with_reranking_on(folder, FLOOR, true).await;
    let reported = format!("{page:?} {widened:?} {floor:?}");
    assert!([&page, &widened, &floor].iter().all(|count| count.applied >= applied), "{reported}");
    assert!(page.moved > applied / 2 && widened.moved > applied / 2, "{reported}");
    assert!(page.cut == 0 && floor.cut > applied / 2, "{reported}");
}

#[tokio::test]
async fn of_qdrant_exchanges_only_the_order_of_hits_changes() {
    only_the_order_changes("qdrant", 90).await;
}

#[tokio::test]
async fn of_elasticsearch_exchanges_only_the_order_of_hits_changes() {
    only_the_order_changes("elasticsearch", 55).await;
}
