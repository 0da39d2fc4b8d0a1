//! What the demonstration database answers: the part of Qdrant's REST that its clients need to search.
//!
//! Source of the shapes: exchanges recorded with Qdrant 1.18.3. What it cannot do (filters, prefetches, writes)
//! it rejects rather than answering wrongly.

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use super::{
    COLLECTION, DIMENSIONS,
    points::{self, Point, Record, Selection},
};

const VERSION: &str = r#"{"title":"qdrant - vector search engine","version":"1.18.3"}"#;

/// A response before its time is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum DemoReply {
    /// `{"result":…}`.
    Result(String),
    /// A body of its own.
    Plain(&'static str),
    /// `{"status":{"error":…}}`.
    Error(StatusCode, String),
    /// 404 with no body: not a path of this API.
    NoSuchPath,
}

impl DemoReply {
    pub(super) fn error(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Error(status, message.into())
    }

    /// Status and body.
    pub(super) fn into_body(self, seconds: f64) -> (StatusCode, String) {
        match self {
            Self::Result(json) => {
                (StatusCode::OK, format!(r#"{{"result":{json},"status":"ok","time":{seconds}}}"#))
            }
            Self::Plain(json) => (StatusCode::OK, json.to_owned()),
            Self::Error(status, message) => {
                let message = Value::String(message);
                (status, format!(r#"{{"status":{{"error":{message}}},"time":{seconds}}}"#))
            }
            Self::NoSuchPath => (StatusCode::NOT_FOUND, String::new()),
        }
    }
}

/// A search; `vector` is the older endpoint's name for `query`.
#[derive(Deserialize)]
struct Search {
    #[serde(alias = "vector")]
    query: Option<Value>,
    limit: Option<u64>,
    offset: Option<u64>,
    score_threshold: Option<f32>,
    with_payload: Option<Value>,
    #[serde(alias = "with_vectors")]
    with_vector: Option<Value>,
    filter: Option<Value>,
    prefetch: Option<Value>,
}

#[derive(Deserialize)]
struct Batch {
    searches: Vec<Search>,
}

/// A retrieval by ids, a scroll, or a count.
#[derive(Deserialize)]
struct ReadRequest {
    ids: Option<Vec<Value>>,
    limit: Option<u64>,
    offset: Option<Value>,
    with_payload: Option<Value>,
    #[serde(alias = "with_vectors")]
    with_vector: Option<Value>,
    filter: Option<Value>,
}

#[derive(Serialize)]
struct Points {
    points: Vec<Record>,
}

#[derive(Serialize)]
struct Page {
    points: Vec<Record>,
    next_page_offset: Option<u64>,
}

type Outcome<T> = Result<T, DemoReply>;

/// The response to one request.
pub(super) fn respond(method: &Method, path: &str, body: &[u8]) -> DemoReply {
    route(method, path, body).unwrap_or_else(|rejection| rejection)
}

fn route(method: &Method, path: &str, body: &[u8]) -> Outcome<DemoReply> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method.as_str(), segments.as_slice()) {
        ("GET", [""]) => Ok(DemoReply::Plain(VERSION)),
        ("GET", ["collections"]) => {
            Ok(DemoReply::Result(format!(r#"{{"collections":[{{"name":"{COLLECTION}"}}]}}"#)))
        }
        ("GET", ["collections", name, "exists"]) => {
            Ok(DemoReply::Result(format!(r#"{{"exists":{}}}"#, *name == COLLECTION)))
        }
        ("GET", ["collections", name]) => known(name).map(|()| DemoReply::Result(info())),
        ("GET", ["collections", name, "points", id]) => known(name).and_then(|()| one(id)),
        ("POST", ["collections", name, "points", rest @ ..]) => match rest {
            [] => known(name).and_then(|()| retrieve(&parse(body)?)),
            ["query"] => known(name).and_then(|()| result(&Points { points: search(&parse(body)?)? })),
            ["query", "batch"] => known(name).and_then(|()| {
                let batch: Batch = parse(body)?;
                let points = |one| Ok(Points { points: search(one)? });
                result(&batch.searches.iter().map(points).collect::<Outcome<Vec<_>>>()?)
            }),
            ["search"] => known(name).and_then(|()| result(&search(&parse(body)?)?)),
            ["search", "batch"] => known(name).and_then(|()| {
                let batch: Batch = parse(body)?;
                result(&batch.searches.iter().map(search).collect::<Outcome<Vec<_>>>()?)
            }),
            ["scroll"] => known(name).and_then(|()| scroll(&parse(body)?)),
            ["count"] => known(name).and_then(|()| count(&parse(body)?)),
            _ => Err(DemoReply::NoSuchPath),
        },
        _ => Err(DemoReply::NoSuchPath),
    }
}

fn search(search: &Search) -> Outcome<Vec<Record>> {
    reject(search.filter.as_ref(), "filters")?;
    reject(search.prefetch.as_ref(), "prefetches")?;
    let limit = search.limit.unwrap_or(10);
    at_least_1(limit)?;
    let selection = Selection::read(search.with_payload.as_ref(), search.with_vector.as_ref(), false);
    let selection = selection.ok_or_else(wrong_selection)?;
    let mut hits: Vec<(f32, &Point)> = match search.query.as_ref().filter(|query| !query.is_null()) {
        None => points::all().iter().map(|point| (0.0, point)).collect(),
        Some(query) => points::nearest(&vector(query)?, excluded(query)),
    };
    hits.retain(|(score, _)| search.score_threshold.is_none_or(|floor| *score >= floor));
    let skip = usize::try_from(search.offset.unwrap_or(0)).unwrap_or(usize::MAX);
    let take = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(hits.into_iter().skip(skip).take(take).map(|(score, p)| selection.scored(p, score)).collect())
}

/// The vector of a query: an array, `{"nearest": …}`, or the id of a point.
fn vector(query: &Value) -> Outcome<Vec<f32>> {
    match query {
        Value::Array(numbers) => {
            let vector: Option<Vec<f32>> = numbers.iter().map(|n| n.as_f64().map(|n| n as f32)).collect();
            let vector = vector.ok_or_else(|| format_error("expected a vector of numbers"))?;
            if vector.len() != DIMENSIONS {
                let got = vector.len();
                return Err(DemoReply::error(
                    StatusCode::BAD_REQUEST,
                    format!("Wrong input: Vector dimension error: expected dim: {DIMENSIONS}, got {got}"),
                ));
            }
            Ok(vector)
        }
        Value::Number(_) => {
            let point = query.as_u64().and_then(points::by_id);
            point.map(|point| point.vector.clone()).ok_or_else(|| not_found(query))
        }
        Value::Object(object) => match object.get("nearest") {
            Some(nearest @ (Value::Array(_) | Value::Number(_))) if object.len() == 1 => vector(nearest),
            _ => Err(unsupported("this query")),
        },
        _ => Err(unsupported("this query")),
    }
}

/// A point is not its own neighbour.
fn excluded(query: &Value) -> Option<u64> {
    query.as_u64().or_else(|| query.get("nearest")?.as_u64())
}

fn retrieve(read: &ReadRequest) -> Outcome<DemoReply> {
    let selection = read_selection(read, false)?;
    let ids = read.ids.as_deref().unwrap_or_default();
    let found = ids.iter().filter_map(|id| points::by_id(id.as_u64()?));
    result(&found.map(|point| selection.plain(point)).collect::<Vec<_>>())
}

fn one(id: &str) -> Outcome<DemoReply> {
    let point = id.parse().ok().and_then(points::by_id);
    let point = point.ok_or_else(|| not_found(&Value::String(id.to_owned())))?;
    result(&Selection::everything().plain(point))
}

fn scroll(read: &ReadRequest) -> Outcome<DemoReply> {
    reject(read.filter.as_ref(), "filters")?;
    let selection = read_selection(read, true)?;
    let limit = read.limit.unwrap_or(10);
    at_least_1(limit)?;
    let from = read.offset.as_ref().and_then(Value::as_u64).unwrap_or(0);
    let mut rest = points::all().iter().filter(|point| point.passage.id >= from);
    let take = usize::try_from(limit).unwrap_or(usize::MAX);
    let points = rest.by_ref().take(take).map(|point| selection.plain(point)).collect();
    result(&Page { points, next_page_offset: rest.next().map(|point| point.passage.id) })
}

fn count(read: &ReadRequest) -> Outcome<DemoReply> {
    reject(read.filter.as_ref(), "filters")?;
    Ok(DemoReply::Result(format!(r#"{{"count":{}}}"#, points::all().len())))
}

/// All that typed clients insist on.
fn info() -> String {
    let count = points::all().len();
    let params = format!(
        r#"{{"vectors":{{"size":{DIMENSIONS},"distance":"Cosine"}},"shard_number":1,"replication_factor":1,"write_consistency_factor":1,"on_disk_payload":false}}"#
    );
    let hnsw =
        r#"{"m":16,"ef_construct":100,"full_scan_threshold":10000,"max_indexing_threads":0,"on_disk":false}"#;
    let optimizer = r#"{"deleted_threshold":0.2,"vacuum_min_vector_number":1000,"default_segment_number":0,"max_segment_size":null,"memmap_threshold":null,"indexing_threshold":10000,"flush_interval_sec":5,"max_optimization_threads":null}"#;
    let wal = r#"{"wal_capacity_mb":32,"wal_segments_ahead":0,"wal_retain_closed":1}"#;
    format!(
        r#"{{"status":"green","optimizer_status":"ok","indexed_vectors_count":0,"points_count":{count},"segments_count":1,"config":{{"params":{params},"hnsw_config":{hnsw},"optimizer_config":{optimizer},"wal_config":{wal},"quantization_config":null}},"payload_schema":{{}}}}"#
    )
}

/// `default`: without the member Qdrant shows payloads in scrolls, but not in retrievals.
fn read_selection(read: &ReadRequest, default: bool) -> Outcome<Selection> {
    Selection::read(read.with_payload.as_ref(), read.with_vector.as_ref(), default)
        .ok_or_else(wrong_selection)
}

fn known(collection: &str) -> Outcome<()> {
    if collection == COLLECTION {
        return Ok(());
    }
    let message = format!("Not found: Collection `{collection}` doesn't exist!");
    Err(DemoReply::error(StatusCode::NOT_FOUND, message))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Outcome<T> {
    serde_json::from_slice(body).map_err(|error| format_error(&error.to_string()))
}

fn result(value: &impl Serialize) -> Outcome<DemoReply> {
    let json = serde_json::value::to_raw_value(value).map(|raw: Box<RawValue>| raw.get().to_owned());
    json.map(DemoReply::Result).map_err(|_| {
        DemoReply::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Service internal error: the response cannot be written",
        )
    })
}

fn at_least_1(limit: u64) -> Outcome<()> {
    if limit > 0 {
        return Ok(());
    }
    let message = "Validation error in JSON body: [internal.limit: value 0 invalid, must be 1 or larger]";
    Err(DemoReply::error(StatusCode::UNPROCESSABLE_ENTITY, message))
}

fn reject(member: Option<&Value>, what: &str) -> Outcome<()> {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(Value::is_null),
        _ => false,
    };
    if member.is_none_or(empty) { Ok(()) } else { Err(unsupported(what)) }
}

fn unsupported(what: &str) -> DemoReply {
    DemoReply::error(
        StatusCode::BAD_REQUEST,
        format!("Wrong input: the demonstration database does not support {what}"),
    )
}

fn format_error(message: &str) -> DemoReply {
    DemoReply::error(StatusCode::BAD_REQUEST, format!("Format error in JSON body: {message}"))
}

fn wrong_selection() -> DemoReply {
    format_error("data did not match any variant of untagged enum WithPayloadInterface")
}

fn not_found(id: &Value) -> DemoReply {
    let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    DemoReply::error(StatusCode::NOT_FOUND, format!("Not found: No point with id {id} found"))
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
