//! Searches composed of others, and the databases and rerank services that tell how they were asked.

use serde_json::{Value, json};

use super::{Scripted, json_of, response};

const JSON: &str = "application/json";

/// A search of Qdrant over the hits of a prefetch.
pub const COMPOSED: &str =
    r#"{"prefetch":[{"query":[0.1,0.2],"limit":50}],"query":{"fusion":"rrf"},"limit":3}"#;

/// A Qdrant of points whose every search is composed of a prefetch; `status` for what asks for at most `narrow`.
pub async fn composed(narrow: u64, status: u16) -> Scripted {
    Scripted::start(move |request| {
        let limit = json_of(request)["limit"].as_u64().unwrap();
        if limit <= narrow && status != 200 {
            return Some(response(status, JSON, r#"{"status":{"error":"busy"}}"#));
        }
        Some(response(200, JSON, &format!(r#"{{"result":{{"points":[{}]}}}}"#, hits(limit))))
    })
    .await
}

pub fn hits(count: u64) -> String {
    let hit = |id| format!(r#"{{"id":{id},"score":0.{:03},"payload":{{"text":"giraffe {id}"}}}}"#, 999 - id);
    (0..count).map(hit).collect::<Vec<_>>().join(",")
}

pub async fn rejecting() -> Scripted {
    Scripted::start(|_| Some(response(503, JSON, "{}"))).await
}

pub async fn reversing() -> Scripted {
    Scripted::scoring(|text| text.rsplit(' ').next().unwrap().parse::<f64>().unwrap() / 1e3).await
}

pub fn limits_of(database: &Scripted) -> Vec<u64> {
    database.seen().iter().map(|request| json_of(request)["limit"].as_u64().unwrap()).collect()
}

/// What an Elasticsearch answers whose index gives at most `most` hits at a time.
pub fn within(asked: &Value, most: u64) -> Value {
    let size = asked["size"].as_u64().unwrap_or(10);
    if size > most {
        return json!({"error": {"type": "search_phase_execution_exception"}, "status": 400});
    }
    let hits: Vec<Value> = (0..size)
        .map(|id| json!({"_index": "a", "_id": id.to_string(), "_score": 90.5 - id as f64, "_source": {"body": format!("text {id}")}}))
        .collect();
    json!({"_shards": {"total": 1, "failed": 0}, "hits": {"total": {"value": 30}, "max_score": 90.5, "hits": hits}, "status": 200})
}
