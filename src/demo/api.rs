//! What the demonstration database answers over REST: the part of Qdrant's API that its clients need to search.
//!
//! Source of the shapes: exchanges recorded with Qdrant 1.18.3 and 1.19.0. What it cannot do (prefetches, writes) it rejects
//! rather than answering wrongly.

use http::{Method, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use super::{
    COLLECTION, DIMENSIONS, TITLE, VERSION,
    filter::Filter,
    hits::{self, GROUP_SIZE, GROUPS, Hit, LIMIT, Query, Search},
    points::{self, Record, Selection},
    rejection::Rejection,
};

/// A response before its time is known.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum DemoReply {
    /// `{"result":…}`.
    Result(String),
    /// A body of its own.
    Plain(String),
    /// `{"status":{"error":…}}`; without a body where the path is none of this API.
    Error(Rejection),
}

impl DemoReply {
    /// Status and body.
    pub(super) fn into_body(self, seconds: f64) -> (StatusCode, String) {
        match self {
            Self::Result(json) => {
                (StatusCode::OK, format!(r#"{{"result":{json},"status":"ok","time":{seconds}}}"#))
            }
            Self::Plain(json) => (StatusCode::OK, json),
            Self::Error(Rejection::NoSuchMethod) => (StatusCode::NOT_FOUND, String::new()),
            Self::Error(rejection) => {
                let message = Value::String(rejection.over_rest());
                let body = format!(r#"{{"status":{{"error":{message}}},"time":{seconds}}}"#);
                (rejection.status(), body)
            }
        }
    }
}

/// A search; `vector` is the older endpoint's name for `query`. The last two are of searches for groups.
#[derive(Deserialize)]
struct SearchBody {
    #[serde(alias = "vector")]
    query: Option<Value>,
    limit: Option<u64>,
    offset: Option<u64>,
    score_threshold: Option<f32>,
    with_payload: Option<Value>,
    #[serde(alias = "with_vectors")]
    with_vector: Option<Value>,
    #[serde(default)]
    filter: Value,
    prefetch: Option<Value>,
    group_by: Option<String>,
    group_size: Option<u64>,
}

#[derive(Deserialize)]
struct Batch {
    searches: Vec<SearchBody>,
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
    #[serde(default)]
    filter: Value,
}

#[derive(Serialize)]
struct Points {
    points: Vec<Record>,
}

#[derive(Serialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Group {
    id: &'static str,
    hits: Vec<Record>,
}

#[derive(Serialize)]
struct Page {
    points: Vec<Record>,
    next_page_offset: Option<u64>,
}

type Outcome<T> = Result<T, Rejection>;

/// The response to one request.
pub(super) fn respond(method: &Method, path: &str, body: &[u8]) -> DemoReply {
    route(method, path, body).unwrap_or_else(DemoReply::Error)
}

fn route(method: &Method, path: &str, body: &[u8]) -> Outcome<DemoReply> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match (method.as_str(), segments.as_slice()) {
        ("GET", [""]) => Ok(DemoReply::Plain(format!(r#"{{"title":"{TITLE}","version":"{VERSION}"}}"#))),
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
            ["query"] => known(name).and_then(|()| result(&Points { points: page(&parse(body)?)? })),
            ["query", "batch"] => known(name).and_then(|()| {
                let batch: Batch = parse(body)?;
                let points = |one| Ok(Points { points: page(one)? });
                result(&batch.searches.iter().map(points).collect::<Outcome<Vec<_>>>()?)
            }),
            ["search"] => known(name).and_then(|()| result(&page(&parse(body)?)?)),
            ["search", "batch"] => known(name).and_then(|()| {
                let batch: Batch = parse(body)?;
                result(&batch.searches.iter().map(page).collect::<Outcome<Vec<_>>>()?)
            }),
            ["query" | "search", "groups"] => known(name).and_then(|()| result(&groups(&parse(body)?)?)),
            ["scroll"] => known(name).and_then(|()| scroll(&parse(body)?)),
            ["count"] => known(name).and_then(|()| count(&parse(body)?)),
            _ => Err(Rejection::NoSuchMethod),
        },
        _ => Err(Rejection::NoSuchMethod),
    }
}

fn page(body: &SearchBody) -> Outcome<Vec<Record>> {
    let (search, selection) = (search(body)?, selection(body)?);
    let hits = search.page(body.offset.unwrap_or(0), body.limit.unwrap_or(LIMIT))?;
    Ok(records(hits, &selection))
}

fn groups(body: &SearchBody) -> Outcome<Groups> {
    let (search, selection) = (search(body)?, selection(body)?);
    let by =
        body.group_by.as_deref().ok_or_else(|| Rejection::Json("missing field `group_by`".to_owned()))?;
    let size = body.group_size.unwrap_or(GROUP_SIZE);
    let found = search.groups(by, size, body.limit.unwrap_or(GROUPS))?;
    let group = |group: hits::Group| Group { id: group.value, hits: records(group.hits, &selection) };
    Ok(Groups { groups: found.into_iter().map(group).collect() })
}

fn records(hits: Vec<Hit>, selection: &Selection) -> Vec<Record> {
    hits.into_iter().map(|(score, point)| selection.scored(point, score)).collect()
}

fn selection(body: &SearchBody) -> Outcome<Selection> {
    Selection::read(body.with_payload.as_ref(), body.with_vector.as_ref(), false).ok_or_else(wrong_selection)
}

fn search(body: &SearchBody) -> Outcome<Search> {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    if !body.prefetch.as_ref().is_none_or(empty) {
        return Err(Rejection::Unsupported("prefetches"));
    }
    Ok(Search {
        query: query(body.query.as_ref().unwrap_or(&Value::Null))?,
        filter: Filter::from_json(&body.filter)?,
        score_threshold: body.score_threshold,
    })
}

/// An array, the id of a point, or either as `{"nearest": …}`.
fn query(query: &Value) -> Outcome<Query> {
    const UNKNOWN: Rejection = Rejection::Unsupported("this query");
    match query {
        Value::Null => Ok(Query::None),
        Value::Array(numbers) => {
            let vector: Option<Vec<f32>> = numbers.iter().map(|n| n.as_f64().map(|n| n as f32)).collect();
            let wrong = || Rejection::Json("expected a vector of numbers".to_owned());
            vector.map(Query::Vector).ok_or_else(wrong)
        }
        Value::Number(id) => {
            id.as_u64().map(Query::Point).ok_or_else(|| Rejection::UnknownPoint(id.to_string()))
        }
        Value::Object(object) => match object.get("nearest") {
            Some(nearest @ (Value::Array(_) | Value::Number(_))) if object.len() == 1 => self::query(nearest),
            _ => Err(UNKNOWN),
        },
        _ => Err(UNKNOWN),
    }
}

fn retrieve(read: &ReadRequest) -> Outcome<DemoReply> {
    let selection = read_selection(read, false)?;
    let ids = read.ids.as_deref().unwrap_or_default();
    let found = ids.iter().filter_map(|id| points::by_id(id.as_u64()?));
    result(&found.map(|point| selection.plain(point)).collect::<Vec<_>>())
}

fn one(id: &str) -> Outcome<DemoReply> {
    let point = id.parse().ok().and_then(points::by_id);
    let point = point.ok_or_else(|| Rejection::UnknownPoint(id.to_owned()))?;
    result(&Selection::everything().plain(point))
}

fn scroll(read: &ReadRequest) -> Outcome<DemoReply> {
    let selection = read_selection(read, true)?;
    let from = read.offset.as_ref().and_then(Value::as_u64).unwrap_or(0);
    let (found, next) = hits::scroll(&Filter::from_json(&read.filter)?, from, read.limit.unwrap_or(LIMIT))?;
    let points = found.into_iter().map(|point| selection.plain(point)).collect();
    result(&Page { points, next_page_offset: next })
}

fn count(read: &ReadRequest) -> Outcome<DemoReply> {
    let count = hits::count(&Filter::from_json(&read.filter)?);
    Ok(DemoReply::Result(format!(r#"{{"count":{count}}}"#)))
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
    if collection == COLLECTION { Ok(()) } else { Err(Rejection::UnknownCollection(collection.to_owned())) }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Outcome<T> {
    serde_json::from_slice(body).map_err(|error| Rejection::Json(error.to_string()))
}

fn result(value: &impl Serialize) -> Outcome<DemoReply> {
    let json = serde_json::value::to_raw_value(value).map(|raw: Box<RawValue>| raw.get().to_owned());
    json.map(DemoReply::Result).map_err(|_| Rejection::Write)
}

fn wrong_selection() -> Rejection {
    Rejection::Json("data did not match any variant of untagged enum WithPayloadInterface".to_owned())
}

#[cfg(test)]
#[path = "api_tests.rs"]
mod tests;
