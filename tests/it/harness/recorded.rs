//! Recorded responses of a Qdrant 1.19.0, cut to what a search asks for, and rerank services for them.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::{Scripted, Sidecar, engine::payload, json_of, response};

const JSON: &str = "application/json";

pub fn recorded(case: &str, name: &str) -> String {
    let path = format!("{}/tests/fixtures/cases/{case}/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub fn recorded_json(case: &str, name: &str) -> Value {
    serde_json::from_str(&recorded(case, name)).unwrap()
}

pub fn points(response: &Value) -> Vec<Value> {
    let result = &response["result"];
    result["points"].as_array().or(result.as_array()).unwrap().clone()
}

pub fn ids(points: &[Value]) -> Vec<u64> {
    points.iter().map(|point| point["id"].as_u64().unwrap()).collect()
}

/// These points as far as a search asks for them, as a response.
pub fn cut(points: &[Value], search: &Value) -> Value {
    let number = |key: &str, other: u64| search[key].as_u64().unwrap_or(other) as usize;
    let limit = number("limit", number("top", 10) as u64);
    let shown = points.iter().skip(number("offset", 0)).take(limit).map(|point| {
        let mut shown = point.clone();
        let given = payload(&search["with_payload"], &point["payload"]);
        shown.as_object_mut().unwrap().remove("payload");
        if let Some(given) = given.strip_prefix(",\"payload\":") {
            shown["payload"] = serde_json::from_str(given).unwrap();
        }
        shown
    });
    Value::Array(shown.collect())
}

pub fn found(points: &[Value], search: &Value) -> String {
    let body = json!({"result": {"points": cut(points, search)}, "status": "ok", "time": 0.1});
    response(200, JSON, &body.to_string())
}

/// A rerank service that likes the database's last hits best.
pub async fn reversing() -> Scripted {
    let calls = AtomicU32::new(0);
    Scripted::scoring(move |_| f64::from(calls.fetch_add(1, Ordering::Relaxed)) / 1e6).await
}

pub async fn failing() -> Scripted {
    Scripted::start(|_| Some(response(500, JSON, "{}"))).await
}

pub fn documents(sidecar: &Sidecar) -> Vec<String> {
    let seen = sidecar.service.seen();
    let all = json_of(seen.last().expect("a call"))["documents"].clone();
    all.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}
