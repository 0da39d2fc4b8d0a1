//! Searches over gRPC, reranked: the same as over REST, in messages.

use std::io::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;
use http::HeaderMap;
use rerankd::wire::proto::{Field, Message, framing::unframed, write};

use crate::harness::grpc::{Got, GrpcClient, GrpcServer, Metadata, Move, framed};
use crate::harness::{Program, Scripted};

const QUERY: &str = "/qdrant.Points/Query";
const BATCH: &str = "/qdrant.Points/QueryBatch";
const GROUPS: &str = "/qdrant.Points/QueryGroups";
/// The metadata of a search with a question.
const ASKED: [(&str, &str); 1] = [("x-rerank-query", "which%20giraffe")];
/// Field numbers of the messages (`points.proto`).
const COLLECTION: u32 = 1;
const LIMIT: u32 = 8;
const OFFSET: u32 = 9;
const WITH_PAYLOAD: u32 = 11;

/// A search of collection `docs` for a vector.
fn query(limit: u64, more: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write::bytes(&mut out, COLLECTION, b"docs");
    let dense = |out: &mut Vec<u8>| write::floats(out, 1, &[0.1, 0.2]);
    let nearest = |out: &mut Vec<u8>| write::message(out, 2, dense);
    write::message(&mut out, 3, |out| write::message(out, 1, nearest));
    write::unsigned(&mut out, LIMIT, limit);
    more(&mut out);
    // A field that no version has.
    write::bytes(&mut out, 900, b"kept");
    out
}

fn with_all_payload(out: &mut Vec<u8>) {
    write::message(out, WITH_PAYLOAD, |out| write::boolean(out, 1, true));
}

/// A hit as the server writes it: id, payload with a text, score, version.
fn hit(id: u64, with_text: bool) -> Vec<u8> {
    let mut out = Vec::new();
    write::message(&mut out, 1, |out| write::unsigned(out, 1, id));
    if with_text {
        let text = |out: &mut Vec<u8>| write::bytes(out, 4, format!("giraffe {id}").as_bytes());
        write::message(&mut out, 2, |out| {
            write::bytes(out, 1, b"text");
            write::message(out, 2, text);
        });
    }
    write::float(&mut out, 3, 1.0 - id as f32 / 100.0);
    write::unsigned(&mut out, 5, 7);
    out
}

fn list(ids: impl IntoIterator<Item = u64>, with_text: bool) -> Vec<u8> {
    let mut out = Vec::new();
    for id in ids {
        write::bytes(&mut out, 1, &hit(id, with_text));
    }
    out
}

/// A response with hits of these ids, and its time.
fn respond(ids: impl IntoIterator<Item = u64>, with_text: bool) -> Vec<u8> {
    let mut out = list(ids, with_text);
    write::double(&mut out, 2, 0.001);
    out
}

fn fields(message: &[u8]) -> Vec<Field<'_>> {
    Message::new(message).fields().map(Result::unwrap).collect()
}

/// The value of a field of varints that is given last.
fn number(message: &[u8], field: u32) -> Option<u64> {
    Message::new(message).last(field).unwrap().map(|found| found.unsigned().unwrap())
}

/// The one message of a body.
fn message_of(body: &[u8]) -> Vec<u8> {
    let frame = unframed(&Bytes::copy_from_slice(body)).unwrap();
    assert!(!frame.compressed);
    frame.message.to_vec()
}

fn id(hit: &[u8]) -> u64 {
    number(Message::new(hit).last(1).unwrap().unwrap().bytes().unwrap(), 1).unwrap()
}

/// The ids of the hits of a list.
fn ids(list: &[u8]) -> Vec<u64> {
    fields(list).iter().filter(|field| field.number == 1).map(|field| id(field.bytes().unwrap())).collect()
}

/// A rerank service for which the last of the database's order is the best.
async fn reversing() -> Scripted {
    Scripted::scoring(|text| text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 1000.0).await
}

struct Setup {
    server: GrpcServer,
    service: Scripted,
    program: Program,
    client: GrpcClient,
}

impl Setup {
    async fn new() -> Self {
        Self::with(reversing().await, "").await
    }

    /// `rerank` are more keys of that section.
    async fn with(service: Scripted, rerank: &str) -> Self {
        let server = GrpcServer::start().await;
        let nowhere: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let yaml = format!(
            "listeners:\n  - listen: 127.0.0.1:0\n    dialect: qdrant\n    upstream: {{ url: \"http://{nowhere}\", grpc_url: \"http://{}\" }}\n\
             admin: {{ listen: 127.0.0.1:0 }}\nrerank: {{ deadline: 30s{rerank} }}\n\
             providers:\n  cohere: {{ kind: cohere, base_url: \"http://{}\" }}\n",
            server.addr, service.addr
        );
        let program = Program::start(&yaml, &[("CO_API_KEY", "k")]).await;
        let client = GrpcClient::connect(program.addr).await;
        Self { server, service, program, client }
    }

    /// The response to a call with a question.
    async fn ask(&self, path: &str, message: &[u8]) -> Got {
        self.client.call_with(path, &ASKED, framed(0, message)).await
    }

    /// The messages that the database has got.
    fn asked(&self) -> Vec<Vec<u8>> {
        self.server.seen().iter().map(|call| message_of(&call.frames.concat())).collect()
    }
}

fn status(headers: &HeaderMap) -> &str {
    headers["x-rerank-status"].to_str().unwrap()
}

#[tokio::test]
async fn a_search_is_widened_reranked_and_cut_and_its_metadata_says_so() {
    let setup = Setup::new().await;
    let widened = respond(0..6, true);
    let answer = Move::Answer(
        vec![("x-own", "a")],
        vec![framed(0, &widened)],
        vec![("grpc-status", "0"), ("x-end", "b")],
    );
    setup.server.will([answer]);
    let own = query(2, |_| {});
    let got = setup.ask(QUERY, &own).await;

    let asked = setup.asked().pop().unwrap();
    assert_eq!((number(&asked, LIMIT), number(&asked, OFFSET)), (Some(50), None));
    let include = Message::new(&asked).last(WITH_PAYLOAD).unwrap().unwrap();
    assert!(String::from_utf8_lossy(include.bytes().unwrap()).contains("page_content"));
    let kept = |message: &[u8]| {
        Message::new(message).last(900).unwrap().map(|field| field.bytes().unwrap().to_vec())
    };
    assert_eq!(kept(&asked), Some(b"kept".to_vec()));
    let seen = setup.server.last().headers;
    assert!(seen.keys().all(|name| !name.as_str().starts_with("x-rerank")), "{seen:?}");
    assert!(!seen.contains_key("grpc-accept-encoding") && !seen.contains_key("content-length"), "{seen:?}");

    // The last two of the window, without the payload that nobody had asked for, and the server's own time.
    let mut expected = list([5, 4], false);
    write::double(&mut expected, 2, 0.001);
    assert_eq!(message_of(&got.message()), expected);
    assert_eq!((status(&got.headers), &got.headers["x-own"]), ("applied", &"a".parse().unwrap()));
    assert_eq!(got.headers["x-rerank-query-source"], "header");
    assert!(got.headers.contains_key("server-timing"));
    assert!(!got.headers.contains_key("content-length"));
    let trailers = got.trailers.unwrap();
    assert_eq!(
        (&trailers["grpc-status"], &trailers["x-end"]),
        (&"0".parse().unwrap(), &"b".parse().unwrap())
    );

    let series =
        |name: &str| format!("{name}{{dialect=\"qdrant-grpc\",operation=\"query\",outcome=\"applied\"");
    let metrics = setup.program.metrics().await;
    assert!(metrics.contains(&series("rerankd_searches_total")), "{metrics}");
}

#[tokio::test]
async fn a_search_whose_payload_the_client_wants_keeps_every_byte_of_its_hits() {
    let setup = Setup::new().await;
    setup.server.will([Move::message(respond(0..4, true))]);
    let got = setup.ask(QUERY, &query(4, with_all_payload)).await;
    assert_eq!(message_of(&got.message()), respond((0..4).rev(), true));
    // Asked again, every score is known.
    setup.server.will([Move::message(respond(0..4, true))]);
    let again = setup.ask(QUERY, &query(4, with_all_payload)).await;
    assert_eq!(again.headers["x-rerank-cache"], "4/4");
    assert_eq!(setup.service.seen().len(), 1);
}

#[tokio::test]
async fn each_search_of_a_batch_and_each_group_is_ranked_by_itself() {
    let setup = Setup::new().await;
    let mut batch = Vec::new();
    write::bytes(&mut batch, 1, b"docs");
    for limit in [2, 3] {
        write::bytes(&mut batch, 2, &query(limit, with_all_payload));
    }
    let lists = |orders: [Vec<u64>; 2]| {
        let mut out = Vec::new();
        for order in orders {
            write::bytes(&mut out, 1, &list(order, true));
        }
        write::double(&mut out, 2, 0.001);
        out
    };
    setup.server.will([Move::message(lists([(0..5).collect(), (10..15).collect()]))]);
    let got = setup.ask(BATCH, &batch).await;
    assert_eq!(message_of(&got.message()), lists([vec![4, 3], vec![14, 13, 12]]));
    assert_eq!(status(&got.headers), "applied");

    let group = |ids: Vec<u64>| {
        let mut out = Vec::new();
        write::message(&mut out, 1, |out| write::bytes(out, 2, b"key"));
        for id in ids {
            write::bytes(&mut out, 2, &hit(id, true));
        }
        out
    };
    let groups = |orders: [Vec<u64>; 2]| {
        let mut out = Vec::new();
        write::message(&mut out, 1, |out| {
            orders.into_iter().for_each(|ids| write::bytes(out, 1, &group(ids)))
        });
        write::double(&mut out, 2, 0.001);
        out
    };
    let mut grouped = Vec::new();
    write::bytes(&mut grouped, 1, b"docs");
    let dense = |out: &mut Vec<u8>| write::floats(out, 1, &[0.1, 0.2]);
    write::message(&mut grouped, 3, |out| write::message(out, 1, |out| write::message(out, 2, dense)));
    write::message(&mut grouped, 8, |out| write::boolean(out, 1, true));
    write::unsigned(&mut grouped, 11, 2);
    write::unsigned(&mut grouped, 12, 3);
    write::bytes(&mut grouped, 13, b"topic");
    setup.server.will([Move::message(groups([vec![0, 1, 2], vec![3, 4, 5]]))]);
    let got = setup.ask(GROUPS, &grouped).await;
    assert_eq!(message_of(&got.message()), groups([vec![2, 1, 0], vec![5, 4, 3]]));
    assert_eq!(setup.asked().pop().unwrap(), grouped, "groups are never widened");
}

#[tokio::test]
async fn where_reranking_fails_the_client_has_the_databases_own_page() {
    let broken = Scripted::start(|_| Some(crate::harness::response(500, "text/plain", "no"))).await;
    let setup = Setup::with(broken, "").await;
    setup.server.will([Move::message(respond(0..6, true))]);
    let got = setup.ask(QUERY, &query(2, |_| {})).await;
    assert_eq!((got.code(), ids(&message_of(&got.message()))), ("0", vec![0, 1]));
    assert_eq!(status(&got.headers), "kept; reason=provider_unavailable");
}

#[tokio::test]
async fn a_widened_search_that_the_database_rejects_is_sent_as_its_client_wrote_it() {
    let too_much: Metadata = vec![("grpc-status", "3"), ("grpc-message", "limit%3A%20too%20large")];
    let own = query(3, with_all_payload);
    for rejection in [Move::TrailersOnly(too_much.clone()), Move::Answer(vec![], vec![], too_much.clone())] {
        let setup = Setup::new().await;
        setup.server.will([rejection, Move::message(respond(0..3, true))]);
        let got = setup.ask(QUERY, &own).await;
        assert_eq!(ids(&message_of(&got.message())), [2, 1, 0]);
        assert_eq!(setup.asked().pop().unwrap(), own);
        // The next one is not widened.
        setup.server.will([Move::message(respond(0..3, true))]);
        setup.ask(QUERY, &own).await;
        assert_eq!((setup.asked().len(), setup.asked().pop().unwrap()), (3, own.clone()));
    }
}

#[tokio::test]
async fn an_error_of_the_database_passes_with_its_metadata_and_nothing_is_asked_twice() {
    let setup = Setup::new().await;
    let unknown: Metadata = vec![("grpc-status", "5"), ("grpc-message", "Not%20found"), ("retry-after", "7")];
    setup.server.will([Move::TrailersOnly(unknown)]);
    let got = setup.ask(QUERY, &query(3, |_| {})).await;
    assert_eq!(
        (got.code(), &got.headers["grpc-message"], &got.headers["retry-after"]),
        ("5", &"Not%20found".parse().unwrap(), &"7".parse().unwrap())
    );
    assert!(got.trailers.is_none() && got.frames.is_empty());
    assert_eq!(status(&got.headers), "kept; reason=upstream_error");
    assert_eq!(setup.server.seen().len(), 1);
}

#[tokio::test]
async fn the_clients_own_time_ends_the_rerank_step() {
    let silent = Scripted::start(|_| None).await;
    let setup = Setup::with(silent, "").await;
    setup.server.will([Move::message(respond(0..4, true))]);
    let more = [ASKED[0], ("grpc-timeout", "300m")];
    let got = setup.client.call_with(QUERY, &more, framed(0, query(2, |_| {}))).await;
    assert_eq!((got.code(), ids(&message_of(&got.message()))), ("0", vec![0, 1]));
    assert_eq!(status(&got.headers), "kept; reason=deadline");
}

#[tokio::test]
async fn a_compressed_request_is_read_and_sent_on_uncompressed_if_it_changes() {
    let setup = Setup::new().await;
    let own = query(4, with_all_payload);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&own).unwrap();
    let compressed = framed(1, gzip.finish().unwrap());
    let more = [ASKED[0], ("grpc-encoding", "gzip"), ("grpc-accept-encoding", "identity,gzip")];
    setup.server.will([Move::message(respond(0..4, true))]);
    let got = setup.client.call_with(QUERY, &more, compressed.clone()).await;
    assert_eq!(ids(&message_of(&got.message())), [3, 2, 1, 0]);
    assert_eq!(number(&setup.asked()[0], LIMIT), Some(50));
    assert!(!setup.server.last().headers.contains_key("grpc-encoding"));
    // Switched off, it passes as it came, and the client may have its response compressed.
    let more = [("x-rerank", "off"), more[1], more[2]];
    setup.server.will([Move::message("any")]);
    setup.client.call_with(QUERY, &more, compressed.clone()).await;
    let seen = setup.server.last();
    assert_eq!(Bytes::from(seen.frames.concat()), compressed);
    assert_eq!(seen.headers["grpc-accept-encoding"], "identity,gzip");
}

#[tokio::test]
async fn a_message_that_cannot_be_read_reaches_the_database_as_it_came() {
    let setup = Setup::new().await;
    for odd in [framed(0, [0xff; 9]), framed(0, ""), Bytes::from_static(b"\0\0"), framed(1, "no coding")] {
        setup.server.will([Move::message(respond(0..2, true))]);
        let got = setup.client.call_with(QUERY, &ASKED, odd.clone()).await;
        assert_eq!(got.code(), "0");
        assert!(status(&got.headers).starts_with("kept; reason="), "{:?}", got.headers);
        assert_eq!(Bytes::from(setup.server.last().frames.concat()), odd);
    }
}

#[tokio::test]
async fn a_response_without_its_end_is_never_one_of_ours() {
    let setup = Setup::new().await;
    // A message, but no status after it.
    let endless = Move::Answer(vec![], vec![framed(0, respond(0..4, true))], vec![("x-end", "b")]);
    setup.server.will([endless.clone(), Move::message(respond(0..2, true))]);
    let got = setup.ask(QUERY, &query(2, with_all_payload)).await;
    assert_eq!(
        (got.code(), ids(&message_of(&got.message()))),
        ("0", vec![1, 0]),
        "asked again as the client wrote it"
    );
    assert_eq!(setup.server.seen().len(), 2);
}

#[tokio::test]
async fn a_cancelled_search_gives_everything_back() {
    let silent = Scripted::start(|_| None).await;
    let setup = Setup::with(silent, "").await;
    setup.server.will([Move::message(respond(0..4, true))]);
    let mut call = setup.client.begin(QUERY, &ASKED).await;
    call.send(framed(0, query(2, |_| {})), true);
    setup.program.until("rerankd_searches_in_flight", |held| held == 1).await;
    call.cancel();
    setup.program.until("rerankd_searches_in_flight", |held| held == 0).await;
    drop(setup.client);
    setup.program.until_all_is_given_back().await;
}
