//! Searches and responses in content codings.

use std::io::Write;

use crate::harness::strict::Message;
use crate::harness::{Program, Reply, Scripted, Tap};

const SEARCH: &str = r#"{"query":[0.1],"limit":3,"with_payload":true}"#;

fn page(order: [u32; 3]) -> String {
    let hit = |id| format!(r#"{{"id":{id},"version":0,"score":0.5,"payload":{{"text":"giraffe {id}"}}}}"#);
    format!(r#"{{"result":{{"points":[{}]}},"status":"ok"}}"#, order.map(hit).join(","))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text, ruzstd::encoding::CompressionLevel::Fastest)
}

/// One stored block and the empty last one (RFC 7932 §9.2).
fn brotli(text: &[u8]) -> Vec<u8> {
    let header = (u32::try_from(text.len()).unwrap() - 1) << 4 | 1 << 20;
    [&header.to_le_bytes()[..3], text, &[3]].concat()
}

/// The program before a database that answers with these bytes in that coding, and a service that prefers later hits.
struct Setup {
    program: Program,
    database: Tap,
    _service: Scripted,
}

impl Setup {
    async fn answering(coding: &'static str, body: Vec<u8>) -> Self {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {coding}\r\nETag: x\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let database = Tap::start(move |_| Reply::Keep([head.as_bytes(), &body].concat())).await;
        let service =
            Scripted::scoring(|text| text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 10.0).await;
        let more = format!(
            "rerank: {{ widen: never, deadline: 20s }}\nproviders:\n  cohere: {{ kind: cohere, api_key_env: KEY, \
             base_url: \"http://{}\" }}\n",
            service.addr
        );
        let listener = format!(
            "listeners:\n  - listen: 127.0.0.1:0\n    upstream: {{ url: \"http://{}\" }}\n\
             admin: {{ listen: 127.0.0.1:0 }}\n",
            database.addr
        );
        let program = Program::start(&(listener + &more), &[("KEY", "key")]).await;
        Self { program, database, _service: service }
    }

    async fn search(&self, lines: &str, body: &[u8]) -> Message {
        let mut client = self.program.client().await;
        let head = format!(
            "POST /collections/c/points/query HTTP/1.1\r\nHost: a\r\nx-rerank-query: zebra\r\n{lines}\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        client.send([head.as_bytes(), body].concat()).await;
        client.response(false).await.unwrap()
    }

    /// The only request that has come.
    async fn seen(self) -> Message {
        self.program.stop().await;
        let all = self.database.finish().await.concat();
        let (mut requests, left) = crate::harness::strict::requests(&all).unwrap();
        assert_eq!((requests.len(), left), (1, 0));
        requests.remove(0)
    }
}

#[tokio::test]
async fn a_compressed_response_is_reranked_and_comes_back_plain() {
    let plain = page([1, 2, 3]);
    let plain = plain.as_bytes();
    for (coding, body) in [
        ("gzip", gzip(plain)),
        ("x-gzip", gzip(plain)),
        ("deflate", zlib(plain)),
        ("deflate", raw_deflate(plain)),
        ("br", brotli(plain)),
        ("zstd", zstd(plain)),
        ("gzip, br", brotli(&gzip(plain))),
    ] {
        let setup = Setup::answering(coding, body).await;
        let got = setup.search("Accept-Encoding: gzip, br, zstd\r\n", SEARCH.as_bytes()).await;
        assert_eq!(got.header("x-rerank-status"), Some("applied"), "{coding}");
        assert_eq!(got.text(), page([3, 2, 1]), "{coding}");
        assert_eq!(got.header("content-encoding"), None, "{coding}");
        assert_eq!(setup.seen().await.header("accept-encoding"), Some("identity"), "{coding}");
    }
}

#[tokio::test]
async fn a_response_whose_coding_cannot_be_read_is_passed_on_unchanged() {
    let plain = page([1, 2, 3]);
    let mut cut = gzip(plain.as_bytes());
    cut.truncate(cut.len() / 2);
    for (coding, body, reason) in [
        ("gzip", cut, "malformed"),
        ("br", plain.clone().into(), "malformed"),
        ("zstd", plain.clone().into(), "malformed"),
        ("deflate", plain.clone().into(), "malformed"),
        ("compress", plain.clone().into(), "unsupported"),
    ] {
        let setup = Setup::answering(coding, body.clone()).await;
        let got = setup.search("", SEARCH.as_bytes()).await;
        assert_eq!(got.header("x-rerank-status"), Some(&*format!("kept; reason={reason}")), "{coding}");
        assert_eq!((got.header("content-encoding"), &got.body), (Some(coding), &body), "{coding}");
    }
}

#[tokio::test]
async fn a_compressed_search_is_understood() {
    let sent = SEARCH.replace('{', r#"{"rerank":{"query":"zebra"},"#);
    for (coding, body) in [
        ("gzip", gzip(sent.as_bytes())),
        ("deflate", zlib(sent.as_bytes())),
        ("br", brotli(sent.as_bytes())),
        ("zstd", zstd(sent.as_bytes())),
    ] {
        let setup = Setup::answering("identity", page([1, 2, 3]).into()).await;
        let got = setup.search(&format!("Content-Encoding: {coding}\r\n"), &body).await;
        assert_eq!(
            (got.header("x-rerank-status"), got.text()),
            (Some("applied"), page([3, 2, 1])),
            "{coding}"
        );
        // Its own members are gone, and so is the coding, which the new body does not have.
        let seen = setup.seen().await;
        assert_eq!((seen.text(), seen.header("content-encoding")), (SEARCH.to_owned(), None), "{coding}");
    }
}

#[tokio::test]
async fn a_compressed_search_that_is_not_changed_goes_on_unchanged() {
    for (coding, body, reason) in [
        ("gzip", gzip(SEARCH.as_bytes()), None),
        ("gzip", gzip(b"no JSON"), Some("malformed")),
        ("gzip", b"not gzip".to_vec(), Some("malformed")),
        ("compress", SEARCH.into(), Some("unsupported")),
    ] {
        let setup = Setup::answering("identity", page([1, 2, 3]).into()).await;
        let got = setup.search(&format!("Content-Encoding: {coding}\r\n"), &body).await;
        let status = reason.map_or("applied".to_owned(), |reason| format!("kept; reason={reason}"));
        assert_eq!(got.header("x-rerank-status"), Some(&*status));
        let seen = setup.seen().await;
        assert_eq!((&seen.body, seen.header("content-encoding")), (&body, Some(coding)));
    }
}
