//! Requests and responses for the benches: made of numbers, so that they are the same bytes every time.

use std::fmt::Write;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use bytes::Bytes;
use rerankd::wire::proto::write;

/// How the text of a hit is written.
#[derive(Clone, Copy, PartialEq)]
pub enum Text {
    /// ASCII without a single escape.
    Plain,
    /// Line breaks, quotes and `\uXXXX` as escapes, and letters beyond ASCII as they are.
    Escaped,
}

/// Bytes of one hit's text, roughly: that of a passage of 300 words.
const TEXT_BYTES: usize = 2000;

const WORDS: [&str; 16] = [
    "vector", "search", "returns", "the", "passages", "nearest", "to", "a", "question", "and", "rerank",
    "reads", "them", "again", "with", "care",
];

const ODD_WORDS: [&str; 6] = ["\\n", "\\\"quoted\\\"", "caf\\u00e9", "Größe", "naïve", "\\n\\nnext"];

/// A generator of whole numbers; the constants are Knuth's (MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// The inside of a JSON string.
fn text(numbers: &mut Numbers, style: Text, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        // One odd word in ten or so: as many as a page of prose with short paragraphs has.
        let word = match style {
            Text::Escaped if numbers.below(10) == 0 => ODD_WORDS[numbers.below(ODD_WORDS.len())],
            _ => WORDS[numbers.below(WORDS.len())],
        };
        text.push_str(word);
        text.push(' ');
    }
    text.push('.');
    text
}

/// The object with a hit's fields.
fn fields(numbers: &mut Numbers, style: Text, hit: usize) -> String {
    let title = text(numbers, style, 40);
    let body = text(numbers, style, TEXT_BYTES);
    format!(
        r#"{{"url":"https://example.org/docs/{hit}","lang":"en","tags":["alpha","beta"],"year":20{:02},"title":"{title}","text":"{body}"}}"#,
        hit % 30
    )
}

/// A response with rows, as a description has them: the same hits as Qdrant's.
pub fn rows_response(hits: usize, style: Text) -> Bytes {
    let mut numbers = Numbers(1);
    let mut out = String::from(r#"{"matches":["#);
    for hit in 0..hits {
        let comma = if hit == 0 { "" } else { "," };
        let fields = fields(&mut numbers, style, hit);
        let score = 0.95 - hit as f64 * 0.001;
        let _ = write!(
            out,
            r#"{comma}{{"id":"5c56c793-69f3-4fbf-87e6-{hit:012}","score":{score:.7},"metadata":{fields}}}"#
        );
    }
    out.push_str(r#"],"namespace":"docs","usage":{"readUnits":6}}"#);
    Bytes::from(out)
}

/// One with columns.
pub fn columns_response(hits: usize, style: Text) -> Bytes {
    let mut numbers = Numbers(1);
    let mut columns = [const { String::new() }; 4];
    for hit in 0..hits {
        let comma = if hit == 0 { "" } else { "," };
        let (title, body) = (text(&mut numbers, style, 40), text(&mut numbers, style, TEXT_BYTES));
        let distance = 0.05 + hit as f64 * 0.001;
        let year = hit % 30;
        let entries = [
            format!(r#""5c56c793-69f3-4fbf-87e6-{hit:012}""#),
            format!("\"{body}\""),
            format!(
                r#"{{"url":"https://example.org/docs/{hit}","lang":"en","year":20{year:02},"title":"{title}"}}"#
            ),
            format!("{distance:.7}"),
        ];
        for (column, entry) in columns.iter_mut().zip(entries) {
            column.push_str(comma);
            column.push_str(&entry);
        }
    }
    let [ids, documents, metadatas, distances] = columns;
    Bytes::from(format!(
        r#"{{"ids":[[{ids}]],"embeddings":null,"documents":[[{documents}]],"uris":null,"metadatas":[[{metadatas}]],"distances":[[{distances}]],"include":["metadatas","documents","distances"]}}"#
    ))
}

/// A response of Qdrant's `points/query`.
pub fn qdrant_response(hits: usize, style: Text) -> Bytes {
    let mut numbers = Numbers(1);
    let mut out = String::from(r#"{"result":{"points":["#);
    for hit in 0..hits {
        let comma = if hit == 0 { "" } else { "," };
        let payload = fields(&mut numbers, style, hit);
        let score = 0.95 - hit as f64 * 0.001;
        let _ = write!(
            out,
            r#"{comma}{{"id":"5c56c793-69f3-4fbf-87e6-{hit:012}","version":7,"score":{score:.7},"payload":{payload}}}"#
        );
    }
    out.push_str(r#"]},"status":"ok","time":0.001347}"#);
    Bytes::from(out)
}

/// The same over gRPC, with the same fields; texts have no escapes there.
pub fn grpc_response(hits: usize) -> Bytes {
    let mut numbers = Numbers(1);
    let mut out = Vec::new();
    for hit in 0..hits {
        let title = text(&mut numbers, Text::Plain, 40);
        let body = text(&mut numbers, Text::Plain, TEXT_BYTES);
        let url = format!("https://example.org/docs/{hit}");
        write::message(&mut out, 1, |out| {
            write::message(out, 1, |out| {
                write::bytes(out, 2, format!("5c56c793-69f3-4fbf-87e6-{hit:012}").as_bytes());
            });
            for (name, text) in [("url", &url), ("title", &title), ("text", &body)] {
                entry(out, name, |out| write::bytes(out, 4, text.as_bytes()));
            }
            entry(out, "year", |out| write::signed(out, 3, 2000 + (hit % 30) as i64));
            write::float(out, 3, 0.95 - hit as f32 * 0.001);
            write::unsigned(out, 5, 7);
        });
    }
    write::double(&mut out, 2, 0.001_347);
    Bytes::from(out)
}

/// An entry of a payload.
fn entry(out: &mut Vec<u8>, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
    write::message(out, 2, |out| {
        write::bytes(out, 1, name.as_bytes());
        write::message(out, 2, value);
    });
}

/// A response of Elasticsearch's `_search`.
pub fn elastic_response(hits: usize, style: Text) -> Bytes {
    let mut numbers = Numbers(1);
    let mut out = String::from(
        r#"{"took":4,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"total":{"value":10000,"relation":"gte"},"max_score":19.5,"hits":["#,
    );
    for hit in 0..hits {
        let comma = if hit == 0 { "" } else { "," };
        let source = fields(&mut numbers, style, hit);
        let score = 19.5 - hit as f64 * 0.01;
        let _ = write!(
            out,
            r#"{comma}{{"_index":"docs","_id":"doc-{hit}","_score":{score:.4},"_source":{source}}}"#
        );
    }
    out.push_str("]}}");
    Bytes::from(out)
}

/// How an embedding call is written.
#[derive(Clone, Copy)]
pub enum Embedding {
    /// The text as a string, the vector as a list of numbers.
    Floats,
    /// As OpenAI's own client asks for it.
    Base64,
    /// As LangChain asks for it: the text as token ids.
    TokenIds,
}

/// An embedding call of one text in OpenAI's form.
pub fn embedding_request(how: Embedding) -> Bytes {
    let (input, format) = match how {
        Embedding::Floats => (r#""how do I get a refund for a late train""#, "float"),
        Embedding::Base64 => (r#""how do I get a refund for a late train""#, "base64"),
        Embedding::TokenIds => ("[[5269,656,358,636,264,21639,369,264,3389,5542]]", "base64"),
    };
    Bytes::from(format!(
        r#"{{"model":"text-embedding-3-small","input":{input},"encoding_format":"{format}"}}"#
    ))
}

/// Its response: a vector of 1536 numbers.
pub fn embedding_response(how: Embedding) -> Bytes {
    let vector = match how {
        Embedding::Floats => vector(1536),
        Embedding::Base64 | Embedding::TokenIds => {
            let mut numbers = Numbers(2);
            let number = |_| (numbers.below(2_000_000) as f32 / 1_000_003.0 - 1.0).to_le_bytes();
            let bytes: Vec<u8> = (0..1536).flat_map(number).collect();
            format!("\"{}\"", BASE64_STANDARD.encode(bytes))
        }
    };
    Bytes::from(format!(
        r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":{vector}}}],"model":"text-embedding-3-small","usage":{{"prompt_tokens":10,"total_tokens":10}}}}"#
    ))
}

/// A request of Qdrant's `points/query` with a vector of 1024 numbers and the query text in a `rerank` object.
pub fn qdrant_request() -> Bytes {
    let vector = vector(1024);
    Bytes::from(format!(
        r#"{{"query":{vector},"limit":10,"with_payload":["title","url"],"filter":{{"must":[{{"key":"lang","match":{{"value":"en"}}}}]}},"rerank":{{"query":"how do I rerank"}}}}"#
    ))
}

/// The same of a described database with rows.
pub fn rows_request() -> Bytes {
    let vector = vector(1024);
    Bytes::from(format!(
        r#"{{"vector":{vector},"topK":10,"namespace":"docs","filter":{{"lang":{{"$eq":"en"}}}},"rerank":{{"query":"how do I rerank"}}}}"#
    ))
}

/// One with columns.
pub fn columns_request() -> Bytes {
    let vector = vector(1024);
    Bytes::from(format!(
        r#"{{"query_embeddings":[{vector}],"n_results":10,"where":{{"lang":"en"}},"include":["metadatas","distances"],"rerank":{{"query":"how do I rerank"}}}}"#
    ))
}

/// The same over gRPC, where the query text stands in a header.
pub fn grpc_request() -> Bytes {
    let mut numbers = Numbers(2);
    let vector: Vec<f32> = (0..1024).map(|_| numbers.below(2_000_000) as f32 / 1_000_003.0 - 1.0).collect();
    let mut out = Vec::new();
    write::bytes(&mut out, 1, b"docs");
    let dense = |out: &mut Vec<u8>| write::floats(out, 1, &vector);
    write::message(&mut out, 3, |out| write::message(out, 1, |out| write::message(out, 2, dense)));
    write::unsigned(&mut out, 8, 10);
    write::message(&mut out, 11, |out| {
        write::message(out, 2, |out| {
            write::bytes(out, 1, b"title");
            write::bytes(out, 1, b"url");
        });
    });
    Bytes::from(out)
}

/// A request of Elasticsearch's `_search` with a kNN vector of 1024 numbers beside a text query.
pub fn elastic_request() -> Bytes {
    let vector = vector(1024);
    Bytes::from(format!(
        r#"{{"knn":{{"field":"embedding","query_vector":{vector},"k":10,"num_candidates":100}},"size":10,"_source":["title","url"],"ext":{{"rerank":{{"query":"how do I rerank"}}}}}}"#
    ))
}

/// As embedding clients write it: seventeen digits.
fn vector(dimensions: usize) -> String {
    let mut numbers = Numbers(2);
    let each: Vec<String> = (0..dimensions)
        .map(|_| format!("{:.17}", numbers.below(2_000_000) as f64 / 1_000_003.0 - 1.0))
        .collect();
    format!("[{}]", each.join(","))
}

/// A vector of 1,536 numbers, another one for each `n`.
pub fn embedding(n: u64) -> Vec<f32> {
    let mut numbers = Numbers(n);
    (0..1536).map(|_| numbers.below(2_000_000) as f32 / 1_000_003.0 - 1.0).collect()
}
