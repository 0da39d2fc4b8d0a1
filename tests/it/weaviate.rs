//! Weaviate's searches over gRPC, reranked: the calls of a listener whose REST goes elsewhere.

use bytes::Bytes;
use rerankd::wire::proto::{Field, Message, framing::unframed, write};

use crate::harness::grpc::{Got, GrpcClient, GrpcServer, Metadata, Move};
use crate::harness::{Program, Scripted, response};

const SEARCH: &str = "/weaviate.v1.Weaviate/Search";
/// Field numbers of a search (`search_get.proto`).
const PROPERTIES: u32 = 20;
const LIMIT: u32 = 30;
const OFFSET: u32 = 31;
const BM25: u32 = 42;
/// A result, its properties and its metadata.
const RESULT: u32 = 2;

/// A search of `Docs` for words.
fn bm25(limit: u64, more: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    write::bytes(&mut out, 1, b"Docs");
    write::unsigned(&mut out, LIMIT, limit);
    write::message(&mut out, BM25, |out| write::bytes(out, 1, b"which giraffe"));
    more(&mut out);
    write::boolean(&mut out, 100, true);
    out
}

/// Asks for the property `n` alone.
fn only_n(out: &mut Vec<u8>) {
    write::message(out, PROPERTIES, |out| write::bytes(out, 1, b"n"));
}

/// A hit as the server writes it: properties `n` and perhaps `text`, id and score.
fn hit(n: u64, with_text: bool) -> Vec<u8> {
    let property = |out: &mut Vec<u8>, name: &str, value: &dyn Fn(&mut Vec<u8>)| {
        write::message(out, 1, |out| {
            write::bytes(out, 1, name.as_bytes());
            write::message(out, 2, value);
        });
    };
    let mut out = Vec::new();
    write::message(&mut out, 1, |out| {
        write::bytes(out, 3, b"Docs");
        write::message(out, 11, |out| {
            if with_text {
                property(out, "text", &|out| write::bytes(out, 13, format!("giraffe {n}").as_bytes()));
            }
            property(out, "n", &|out| write::unsigned(out, 8, n));
        });
    });
    write::message(&mut out, 2, |out| {
        write::bytes(out, 1, format!("00000000-0000-0000-0000-{n:012}").as_bytes());
        write::float(out, 11, 1.0 - n as f32 / 100.0);
        write::boolean(out, 12, true);
    });
    out
}

/// A reply with these hits, and how long it took.
fn reply(hits: impl IntoIterator<Item = u64>, with_text: bool) -> Vec<u8> {
    let mut out = Vec::new();
    write::float(&mut out, 1, 0.001);
    hits.into_iter().for_each(|n| write::bytes(&mut out, RESULT, &hit(n, with_text)));
    write::bytes(&mut out, 3, b"");
    out
}

fn last<'a>(message: &'a [u8], number: u32) -> Option<Field<'a>> {
    Message::new(message).last(number).unwrap()
}

fn number(message: &[u8], field: u32) -> Option<u64> {
    last(message, field).map(|found| found.unsigned().unwrap())
}

fn message_of(body: &[u8]) -> Vec<u8> {
    unframed(&Bytes::copy_from_slice(body)).unwrap().message.to_vec()
}

struct Setup {
    server: GrpcServer,
    rest: Scripted,
    service: Scripted,
    program: Program,
    client: GrpcClient,
}

impl Setup {
    /// Before a Weaviate, and a service for which the last of the database's order is the best.
    async fn new(rerank: &str) -> Self {
        let by_number = |text: &str| text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 1000.0;
        Self::with(Scripted::scoring(by_number).await, rerank).await
    }

    async fn with(service: Scripted, rerank: &str) -> Self {
        let server = GrpcServer::start().await;
        let rest =
            Scripted::start(|_| Some(response(200, "application/json", r#"{"version":"1.35.2"}"#))).await;
        let yaml = format!(
            "listeners:\n  - listen: 127.0.0.1:0\n    dialect: weaviate\n    upstream: {{ url: \"http://{}\", grpc_url: \"http://{}\" }}\n\
             admin: {{ listen: 127.0.0.1:0 }}\nrerank: {{ deadline: 30s{rerank} }}\n\
             providers:\n  cohere: {{ kind: cohere, base_url: \"http://{}\" }}\n",
            rest.addr, server.addr, service.addr
        );
        let program = Program::start(&yaml, &[("CO_API_KEY", "k")]).await;
        let client = GrpcClient::connect(program.addr).await;
        Self { server, rest, service, program, client }
    }

    async fn ask(&self, message: &[u8]) -> Got {
        self.client.call(SEARCH, message).await
    }

    /// The last message that the database has got.
    fn asked(&self) -> Vec<u8> {
        message_of(&self.server.last().frames.concat())
    }
}

fn status(got: &Got) -> &str {
    got.headers["x-rerank-status"].to_str().unwrap()
}

#[tokio::test]
async fn a_search_by_words_is_widened_reranked_and_cut_without_the_property_that_was_added() {
    let setup = Setup::new("").await;
    setup.server.will([Move::message(reply(0..6, true))]);
    let got = setup.ask(&bm25(2, only_n)).await;
    let asked = setup.asked();
    assert_eq!((number(&asked, LIMIT), number(&asked, OFFSET)), (Some(50), None));
    let properties = last(&asked, PROPERTIES).unwrap().bytes().unwrap().to_vec();
    assert_eq!(properties, b"\x0a\x01n\x58\x01", "all of them, since unknown names are rejected");
    assert_eq!(message_of(&got.message()), reply([5, 4], false));
    assert_eq!(
        (status(&got), &got.headers["x-rerank-query-source"]),
        ("applied", &"native".parse().unwrap())
    );
    assert_eq!(got.trailers.as_ref().unwrap()["grpc-status"], "0");
    let metrics = setup.program.metrics().await;
    let series = "rerankd_searches_total{dialect=\"weaviate-grpc\",operation=\"search\",outcome=\"applied\"";
    assert!(metrics.contains(series), "{metrics}");
    assert!(setup.rest.seen().is_empty());
}

#[tokio::test]
async fn the_pages_of_a_walk_hold_every_hit_once() {
    let setup = Setup::new(", window: 4").await;
    let mut walked = Vec::new();
    for offset in [0, 2, 4] {
        let hits = if offset < 4 { 0..4 } else { 4..6 };
        setup.server.will([Move::message(reply(hits, true))]);
        let got = setup.ask(&bm25(2, |out| write::unsigned(out, OFFSET, offset))).await;
        walked.push(message_of(&got.message()));
    }
    assert_eq!(walked, [reply([3, 2], true), reply([1, 0], true), reply([4, 5], true)]);
}

#[tokio::test]
async fn where_reranking_fails_the_client_has_the_databases_own_page() {
    let broken = Scripted::start(|_| Some(response(500, "text/plain", "no"))).await;
    let setup = Setup::with(broken, "").await;
    setup.server.will([Move::message(reply(0..6, true))]);
    let got = setup.ask(&bm25(2, only_n)).await;
    assert_eq!(message_of(&got.message()), reply([0, 1], false));
    assert_eq!((got.code(), status(&got)), ("0", "kept; reason=provider_unavailable"));
}

#[tokio::test]
async fn a_widened_search_that_the_database_rejects_is_sent_as_its_client_wrote_it() {
    let setup = Setup::new("").await;
    let unknown: Metadata = vec![("grpc-status", "2"), ("grpc-message", "no such prop")];
    setup.server.will([Move::TrailersOnly(unknown), Move::message(reply(0..2, true))]);
    let own = bm25(2, only_n);
    let got = setup.ask(&own).await;
    assert_eq!(setup.asked(), own);
    assert_eq!(message_of(&got.message()), reply([1, 0], true));
}

#[tokio::test]
async fn a_property_that_comes_only_where_it_is_named_is_not_lost() {
    let setup = Setup::new("").await;
    let own = bm25(2, |out| {
        write::message(out, PROPERTIES, |out| {
            write::bytes(out, 1, b"n");
            write::bytes(out, 1, b"photo");
        });
    });
    setup.server.will([Move::message(reply(0..6, true)), Move::message(reply(0..6, false))]);
    let got = setup.ask(&own).await;
    let asked = setup.asked();
    assert_eq!(last(&asked, PROPERTIES).unwrap().bytes().unwrap(), b"\x0a\x01n\x0a\x05photo");
    assert_eq!(number(&asked, LIMIT), Some(50), "only the properties are taken back");
    assert_eq!(message_of(&got.message()), reply(0..2, false));
    assert_eq!(status(&got), "kept; reason=upstream_error", "it has not given what was requested");
    // The searches of others are none the worse.
    setup.server.will([Move::message(reply(0..6, true))]);
    let got = setup.ask(&bm25(2, only_n)).await;
    assert_eq!((message_of(&got.message()), status(&got)), (reply([5, 4], false), "applied"));
}

#[tokio::test]
async fn an_excluded_collection_is_never_read() {
    let setup = Setup::new(", collections: ['*', '-Docs']").await;
    setup.server.will([Move::message(reply(0..2, true))]);
    let own = bm25(2, |_| {});
    let got = setup.ask(&own).await;
    assert_eq!((setup.asked(), message_of(&got.message())), (own, reply(0..2, true)));
    assert_eq!(status(&got), "kept; reason=off");
    assert!(setup.service.seen().is_empty(), "no text has left");
}

#[tokio::test]
async fn other_calls_pass_and_rest_goes_to_its_own_port() {
    let setup = Setup::new("").await;
    setup.server.will([Move::message(b"\x08\x01"), Move::message(b"\x09\x09")]);
    for path in ["/grpc.health.v1.Health/Check", "/weaviate.v1.Weaviate/BatchObjects"] {
        let got = setup.client.call(path, b"").await;
        assert!(!got.headers.contains_key("x-rerank-status"), "{path}");
        assert_eq!((got.code(), setup.server.last().path.as_str()), ("0", path));
    }
    let got = crate::harness::ask(setup.program.addr, "/v1/meta").await;
    assert!(got.contains(r#"{"version":"1.35.2"}"#), "{got}");
    assert_eq!(setup.rest.seen().len(), 1);
}

#[tokio::test]
async fn a_database_that_is_not_there_is_a_status_of_grpcs() {
    let yaml = "listeners: [{ listen: '127.0.0.1:0', dialect: weaviate, upstream: { url: 'http://127.0.0.1:1', grpc_url: 'http://127.0.0.1:1' } }]\n\
                admin: { listen: 127.0.0.1:0 }\n";
    let program = Program::start(yaml, &[]).await;
    let got = GrpcClient::connect(program.addr).await.call(SEARCH, bm25(2, |_| {})).await;
    assert!(!got.own_failure("14").is_empty());
}
