//! The queries to run: one JSON object a line, with a ready request or with a text.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header::CONTENT_TYPE};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{json, value::RawValue};

use super::input::{InputProblem, InputProblems, Members, lines};
use crate::probe::Ask;

/// One query. Without `Debug`: it holds the query's text.
#[derive(Clone)]
pub struct Query {
    /// Its id; the number of its line where it has none.
    pub id: String,
    /// The line that it stands on.
    pub line: usize,
    /// The kind of query that it is.
    pub category: Option<String>,
    /// The request to send.
    pub ask: Ask,
}

/// The queries of a file, and what is odd about it.
#[derive(Clone, Default)]
pub struct Queries {
    /// In the file's order, ids distinct.
    pub queries: Vec<Query>,
    /// Ids of queries whose category is blank; they are as if they had none.
    pub blank_categories: Vec<String>,
}

/// Defaults for what lines leave out.
#[derive(Clone, Debug, Default)]
pub struct Defaults {
    /// The collection or index to search.
    pub collection: Option<String>,
    /// How many hits to request.
    pub limit: u64,
}

const MEMBERS: [&str; 11] =
    ["id", "category", "method", "path", "headers", "body", "text", "vector", "using", "collection", "limit"];

impl Queries {
    /// Reads a file; every bad line is reported.
    pub fn read(file: &str, bytes: &[u8], defaults: &Defaults) -> Result<Self, InputProblems> {
        let mut found = Self::default();
        let mut problems = InputProblems::default();
        let mut lines_of: HashMap<String, usize> = HashMap::new();
        for (line, text) in lines(bytes) {
            let read = text.ok_or_else(|| "expected UTF-8".to_owned());
            let read = read.and_then(|text| query(text, line, defaults)).and_then(|query| {
                match lines_of.entry(query.id.clone()) {
                    Entry::Vacant(place) => _ = place.insert(line),
                    Entry::Occupied(first) => return Err(taken(*first.get())),
                }
                Ok(query)
            });
            match read {
                Err(expected) => problems.0.push(InputProblem { file: file.to_owned(), line, expected }),
                Ok(query) => found.add(query),
            }
        }
        if found.queries.is_empty() && problems.0.is_empty() {
            let expected = "expected at least one query".to_owned();
            problems.0.push(InputProblem { file: file.to_owned(), line: 0, expected });
        }
        problems.or(found)
    }

    fn add(&mut self, mut query: Query) {
        if query.category.as_ref().is_some_and(|category| category.trim().is_empty()) {
            query.category = None;
            self.blank_categories.push(query.id.clone());
        }
        self.queries.push(query);
    }
}

/// A string and a number that read alike are the same id; a line without one has its number.
fn taken(line: usize) -> String {
    format!("expected an id of its own: line {line} has the same (a line without an id has its number)")
}

fn query(line: &str, number: usize, defaults: &Defaults) -> Result<Query, String> {
    let members = Members::read(line)?;
    members.only(&MEMBERS)?;
    let ask = match (members.raw("path"), members.raw("text")) {
        (Some(_), None) => ready(&members)?,
        (None, Some(_)) => from_text(&members, defaults)?,
        _ => return Err("expected either `path` and `body` (a ready request) or `text`".to_owned()),
    };
    Ok(Query {
        id: members.id("id")?.unwrap_or_else(|| number.to_string()),
        line: number,
        category: members.get("category", "a string")?,
        ask,
    })
}

/// A request that the file spells out.
fn ready(members: &Members<'_>) -> Result<Ask, String> {
    let method: Option<String> = members.get("method", "a string")?;
    let method = method.as_deref().unwrap_or("POST").parse();
    let path: String = members.get("path", "a string")?.unwrap_or_default();
    let target = path.parse::<Uri>().ok().filter(|_| path.starts_with('/'));
    let mut headers = content_type();
    let own: Option<BTreeMap<String, String>> = members.get("headers", "an object of strings")?;
    for (name, value) in own.unwrap_or_default() {
        let pair = (name.parse::<HeaderName>().ok(), HeaderValue::from_bytes(value.as_bytes()).ok());
        let (Some(name), Some(value)) = pair else {
            return Err("expected `headers` to hold names and values of HTTP headers".to_owned());
        };
        headers.insert(name, value);
    }
    let body = match members.raw("body") {
        // A body that is no JSON object, such as one in NDJSON, is written as a string.
        Some(raw) if raw.starts_with('"') => {
            members.get::<String>("body", "JSON")?.unwrap_or_default().into()
        }
        Some(raw) => Bytes::copy_from_slice(raw.as_bytes()),
        None => Bytes::new(),
    };
    Ok(Ask {
        method: method.map_err(|_| "expected `method` to be an HTTP method")?,
        target: target
            .ok_or("expected `path` to begin with / and to be a path, with a query string if need be")?,
        headers,
        body,
    })
}

/// A plain search for a text: nearest neighbours in Qdrant where the line has a vector, else all fields of an
/// Elasticsearch or OpenSearch index.
fn from_text(members: &Members<'_>, defaults: &Defaults) -> Result<Ask, String> {
    for member in ["method", "headers", "body"] {
        if members.raw(member).is_some() {
            return Err(format!(
                "expected no `{member}` beside `text`: it belongs to a ready request with a `path`"
            ));
        }
    }
    let text: String = members.get("text", "a string")?.unwrap_or_default();
    if text.trim().is_empty() {
        return Err("expected `text` not to be blank".to_owned());
    }
    let collection: Option<String> = members.get("collection", "a string")?;
    let collection = collection.or_else(|| defaults.collection.clone()).filter(|name| !name.is_empty());
    let collection =
        collection.ok_or("expected `collection` beside `text`, or --collection for all lines")?;
    let collection = utf8_percent_encode(&collection, NON_ALPHANUMERIC);
    let limit = members.get("limit", "a whole number over 0")?.unwrap_or(defaults.limit);
    let limit =
        Some(limit).filter(|&limit| limit > 0).ok_or("expected `limit` to be a whole number over 0")?;
    let mut headers = content_type();
    let (path, body) = match members.raw("vector") {
        None => (
            format!("/{collection}/_search"),
            json!({ "query": { "multi_match": { "query": text } }, "size": limit }).to_string(),
        ),
        Some(raw) => {
            let numbers =
                members.get::<Vec<f64>>("vector", "an array of numbers")?.is_some_and(|v| !v.is_empty());
            // As it stands in the file: another number of digits would be another vector.
            let vector: &RawValue = serde_json::from_str(raw).map_err(|_| "expected `vector`")?;
            if !numbers {
                return Err("expected `vector` to be an array of numbers".to_owned());
            }
            let using: Option<String> = members.get("using", "a string")?;
            let encoded = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
            let value = HeaderValue::from_str(&encoded).map_err(|_| "expected `text` to be a text")?;
            headers.insert(HeaderName::from_static("x-rerank-query"), value);
            let body = NearestQuery { query: vector, limit, using };
            let body =
                serde_json::to_string(&body).map_err(|_| "expected `vector` to be an array of numbers")?;
            (format!("/collections/{collection}/points/query"), body)
        }
    };
    let target = path.parse().map_err(|_| "expected `collection` to be a name")?;
    Ok(Ask { method: Method::POST, target, headers, body: body.into() })
}

/// Qdrant's query by a vector.
#[derive(serde::Serialize)]
struct NearestQuery<'a> {
    query: &'a RawValue,
    limit: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    using: Option<String>,
}

fn content_type() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Queries, InputProblems> {
        Queries::read("f", text.as_bytes(), &Defaults { collection: None, limit: 10 })
    }

    fn one(text: &str) -> Query {
        read(text).unwrap_or_else(|problems| panic!("{problems}")).queries.remove(0)
    }

    #[test]
    fn a_ready_request_is_sent_as_it_stands() {
        let query = one(
            r#"{"id": 7, "category": "faq", "path": "/c/_search?size=5", "body": {"a" : 1.50, "n":12345678901234567890},
                "headers": {"X-Rerank-Query": "x"}}"#
                .replace('\n', " ")
                .as_str(),
        );
        assert_eq!((query.id.as_str(), query.category.as_deref(), query.line), ("7", Some("faq"), 1));
        assert_eq!(query.ask.method, Method::POST);
        assert_eq!(query.ask.target, "/c/_search?size=5");
        assert_eq!(query.ask.body, r#"{"a" : 1.50, "n":12345678901234567890}"#);
        assert_eq!(query.ask.headers["x-rerank-query"], "x");
        let lines = one(r#"{"path": "/_msearch", "body": "{}\n{}\n"}"#);
        assert_eq!((lines.ask.body.as_ref(), lines.id.as_str()), (&b"{}\n{}\n"[..], "1"));
    }

    #[test]
    fn a_text_with_a_vector_asks_qdrant_and_one_without_asks_every_field() {
        let query = one(
            r#"{"text": "stale brød", "vector": [0.10, 1e-3], "collection": "my docs", "limit": 3, "using": "v"}"#,
        );
        assert_eq!(query.ask.target, "/collections/my%20docs/points/query");
        assert_eq!(query.ask.body, r#"{"query":[0.10, 1e-3],"limit":3,"using":"v"}"#);
        assert_eq!(query.ask.headers["x-rerank-query"], "stale%20br%C3%B8d");
        let query = one(r#"{"text": "red \"shoes\"", "collection": "c"}"#);
        assert_eq!(query.ask.target, "/c/_search");
        assert_eq!(query.ask.body, r#"{"query":{"multi_match":{"query":"red \"shoes\""}},"size":10}"#);
    }

    #[test]
    fn every_bad_line_is_reported_and_none_is_quoted() {
        let text = [
            r#"{"path": "/a/_search", "body": {}}"#,
            r#"{"text": "secret"}"#,
            r#"{"text": "secret", "path": "/x"}"#,
            r#"{"text": "secret", "collection": "c", "vector": ["secret"]}"#,
            r#"{"text": "secret", "collection": "c", "limit": 0}"#,
            r#"{"text": "secret", "collection": "c", "body": {}}"#,
            r#"{"path": "secret"}"#,
            r#"{"path": "/a secret"}"#,
            r#"{"path": "/x", "headers": {"a b": "secret"}}"#,
            r#"{"path": "/x", "method": "P T"}"#,
            r#"{"path": "/x", "secret": 1}"#,
            r#"{"text": "secret"#,
            r#"{"text": " ", "collection": "c"}"#,
            r#"{}"#,
        ]
        .join("\n");
        let Err(problems) = read(&text) else { panic!("read") };
        let reported: Vec<usize> = problems.0.iter().map(|problem| problem.line).collect();
        assert_eq!(reported, (2..=14).collect::<Vec<_>>(), "{problems}");
        let text = problems.to_string();
        assert!(!text.contains("secret") && text.lines().all(|line| line.contains("expected")), "{text}");
        assert!(read("\n").is_err());
    }

    #[test]
    fn blank_categories_are_named() {
        let queries = read(r#"{"id": "a", "path": "/x", "category": " "}"#);
        let queries = queries.unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(queries.blank_categories, ["a"]);
        assert_eq!(queries.queries[0].category, None);
    }

    #[test]
    fn an_id_that_comes_again_is_an_error_that_names_both_lines() {
        let text = r#"{"id": "q1", "path": "/x"}
            {"id": 7, "path": "/x"}
            {"id": "q1", "path": "/y"}
            {"path": "/x"}

            {"id": "7", "path": "/x"}
            {"id": "4", "path": "/x"}
            {"id": "q1", "path": "/z"}"#;
        let Err(problems) = read(text) else { panic!("read") };
        let reported: Vec<String> = problems.0.iter().map(ToString::to_string).collect();
        for (at, (line, first)) in [(3, 1), (6, 2), (7, 4), (8, 1)].into_iter().enumerate() {
            assert!(
                reported[at].starts_with(&format!("f:{line}: expected an id of its own: line {first} has")),
                "{reported:?}"
            );
        }
        assert_eq!(reported.len(), 4);
    }
}
