//! A small engine that answers as Qdrant does: queries over prefetches, limits, pages, chosen fields of the payload.

use serde_json::{Map, Value, json};

use super::{json_of, response};

const JSON: &str = "application/json";
/// How many hits a query or a prefetch gives that names no limit.
const DEFAULT_LIMIT: u64 = 10;

/// One point.
pub struct Point {
    pub id: u64,
    pub vector: [f64; 3],
    /// What `order_by` sorts by.
    pub number: u64,
    pub payload: Value,
}

/// A collection.
pub struct Engine {
    pub points: Vec<Point>,
    /// As in strict mode: no search may ask for more hits.
    pub most: u64,
}

/// Points whose texts name them, their vectors and numbers in no order.
pub fn collection(count: u64) -> Engine {
    let mix =
        |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let part = |n: u64| (mix(n) >> 40) as f64 / (1u64 << 24) as f64 - 0.5;
    let point = |id| Point {
        id,
        vector: [part(3 * id), part(3 * id + 1), part(3 * id + 2)],
        number: mix(id) % 1000,
        payload: json!({"text": format!("point {id}"), "other": id}),
    };
    Engine { points: (1..=count).map(point).collect(), most: u64::MAX }
}

impl Engine {
    /// The whole response to a request, alone or a batch.
    pub fn response(&self, request: &str) -> String {
        let asked = json_of(request);
        let searches = asked["searches"].as_array().cloned();
        let all = searches.clone().unwrap_or_else(|| vec![asked]);
        if let Some(limit) = all.iter().map(limit).find(|limit| *limit > self.most) {
            let most = self.most;
            let error = format!(
                "Bad request: Limit exceeded {limit} > {most} for \"limit\". Help: Reduce the \"limit\" parameter \
                 to or below {most}."
            );
            return response(400, JSON, &json!({"status": {"error": error}, "time": 0.1}).to_string());
        }
        let older = request.lines().next().is_some_and(|line| !line.contains("/points/query"));
        let list = |search: &Value| match older {
            true => self.page(search),
            false => format!("{{\"points\":{}}}", self.page(search)),
        };
        let result = match searches {
            Some(searches) => format!("[{}]", searches.iter().map(list).collect::<Vec<_>>().join(",")),
            None => list(&all[0]),
        };
        response(200, JSON, &format!("{{\"result\":{result},\"status\":\"ok\",\"time\":0.1}}"))
    }

    fn page(&self, search: &Value) -> String {
        let offset = search["offset"].as_u64().unwrap_or(0);
        let found = self.found(search, offset.saturating_add(limit(search)));
        let hit = |(id, score): &(u64, f64)| {
            let point = self.points.iter().find(|point| point.id == *id).unwrap();
            format!(
                "{{\"id\":{id},\"version\":1,\"score\":{score:?}{}}}",
                payload(&search["with_payload"], &point.payload)
            )
        };
        let hits: Vec<String> = found.iter().skip(offset as usize).map(hit).collect();
        format!("[{}]", hits.join(","))
    }

    /// Ids and scores, best first; equal scores by id.
    fn found(&self, search: &Value, limit: u64) -> Vec<(u64, f64)> {
        let prefetches = match &search["prefetch"] {
            Value::Array(list) => list.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        let lists: Vec<Vec<(u64, f64)>> =
            prefetches.iter().map(|prefetch| self.found(prefetch, self::limit(prefetch))).collect();
        let among = |id: u64| lists.is_empty() || lists.iter().flatten().any(|(there, _)| *there == id);
        let points = || self.points.iter().filter(|point| among(point.id));
        let query = if search["query"].is_null() { &search["vector"] } else { &search["query"] };
        let mut found: Vec<(u64, f64)> = match query {
            Value::Array(vector) => points().map(|point| (point.id, dot(vector, point))).collect(),
            Value::Object(query) if query.contains_key("order_by") => {
                let mut newest: Vec<&Point> = points().collect();
                newest.sort_by_key(|point| (u64::MAX - point.number, point.id));
                return newest.iter().take(limit as usize).map(|point| (point.id, 1.0)).collect();
            }
            Value::Object(query) if query.contains_key("formula") => {
                points().map(|point| (point.id, 2.0 * best(&lists, point.id))).collect()
            }
            Value::Object(_) => points().map(|point| (point.id, fused(&lists, point.id))).collect(),
            _ => points().map(|point| (point.id, 1.0)).collect(),
        };
        found.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        found.truncate(limit as usize);
        found
    }
}

fn limit(search: &Value) -> u64 {
    search["limit"].as_u64().or(search["top"].as_u64()).unwrap_or(DEFAULT_LIMIT)
}

fn dot(vector: &[Value], point: &Point) -> f64 {
    vector.iter().zip(point.vector).map(|(a, b)| a.as_f64().unwrap() * b).sum()
}

fn fused(lists: &[Vec<(u64, f64)>], id: u64) -> f64 {
    let places = lists.iter().filter_map(|list| list.iter().position(|(there, _)| *there == id));
    places.map(|place| 1.0 / (2.0 + place as f64)).sum()
}

fn best(lists: &[Vec<(u64, f64)>], id: u64) -> f64 {
    let scores = lists.iter().flatten().filter(|(there, _)| *there == id).map(|(_, score)| *score);
    scores.fold(f64::NEG_INFINITY, f64::max)
}

/// One step of a path into a payload.
#[derive(Clone, PartialEq)]
enum Step {
    Key(String),
    Elements,
}

/// The `payload` member that is given for a `with_payload`, with the comma before it.
pub fn payload(with_payload: &Value, payload: &Value) -> String {
    let listed = |list: &Value| {
        let paths: Vec<Vec<Step>> =
            list.as_array().unwrap().iter().map(|path| steps(path.as_str().unwrap())).collect();
        format!(",\"payload\":{}", filtered(&mut Vec::new(), payload, &paths))
    };
    match with_payload {
        Value::Null | Value::Bool(false) => String::new(),
        Value::Bool(true) => format!(",\"payload\":{payload}"),
        Value::Object(object) => listed(&object["include"]),
        list => listed(list),
    }
}

/// The server's filter of payloads. Source: Qdrant's `JsonPath::value_filter` and `check_include_pattern`.
fn filtered(path: &mut Vec<Step>, value: &Value, patterns: &[Vec<Step>]) -> Value {
    let keeps = |path: &[Step]| {
        patterns.iter().any(|pattern| path.iter().zip(pattern).all(|(step, other)| step == other))
    };
    match value {
        Value::Array(items) => {
            path.push(Step::Elements);
            let kept = items.iter().filter(|_| keeps(path)).collect::<Vec<_>>();
            let kept = kept.into_iter().map(|item| filtered(path, item, patterns)).collect();
            path.pop();
            Value::Array(kept)
        }
        Value::Object(object) => {
            let mut kept = Map::new();
            for (key, value) in object {
                path.push(Step::Key(key.clone()));
                if keeps(path) {
                    kept.insert(key.clone(), filtered(path, value, patterns));
                }
                path.pop();
            }
            Value::Object(kept)
        }
        value => value.clone(),
    }
}

/// A path by the server's grammar.
fn steps(path: &str) -> Vec<Step> {
    let (mut steps, mut rest) = (Vec::new(), path);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("[]") {
            steps.push(Step::Elements);
            rest = after;
            continue;
        }
        rest = rest.strip_prefix('.').unwrap_or(rest);
        let (key, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap(),
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        assert!(rest.starts_with('"') || (!key.is_empty() && key.chars().all(plain)), "{path}");
        steps.push(Step::Key(key.to_owned()));
        rest = after;
    }
    steps
}
