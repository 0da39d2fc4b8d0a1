//! A small Qdrant-shaped collection before the program, and searches of it.

use std::net::SocketAddr;

use serde_json::Value;

use super::{Program, Scripted, Wire, body_of, header, json_of, response};

/// What every search asks for.
pub const QUERY: &str = "zebra crossing";

/// How many points there are, best first by id.
const COUNT: u64 = 120;

/// A database of points, and the program before it.
pub struct Points {
    pub database: Scripted,
    pub program: Program,
}

impl Points {
    /// `more` are further lines of the configuration, from the left margin.
    pub async fn before(provider: SocketAddr, more: &str) -> Self {
        let providers = format!("providers:\n  cohere: {{ base_url: \"http://{provider}\" }}\n");
        Self::with(&format!("{providers}{more}")).await
    }

    /// With the whole configuration but listeners and admin.
    pub async fn with(yaml: &str) -> Self {
        let database = Scripted::start(|request| Some(found(request))).await;
        let listener = super::program::listener(&format!("{{ url: \"http://{}\" }}", database.addr));
        let program = Program::start(&format!("{listener}{yaml}"), &[("CO_API_KEY", "sekrit")]).await;
        Self { database, program }
    }

    /// The response to a search for the best `limit` points by `query`.
    pub async fn search(&self, query: &str, limit: u64) -> Found {
        self.search_with(query, limit, "").await
    }

    /// The same with further header lines, each ended by CRLF.
    pub async fn search_with(&self, query: &str, limit: u64, headers: &str) -> Found {
        let mut client = Wire::connect(self.program.addr).await;
        client.send(request(query, limit, headers)).await;
        Found(client.message().await.expect("a response"))
    }

    /// The value of one series of `/metrics`, named as it is printed; 0 if it is not there.
    pub async fn metric(&self, series: &str) -> f64 {
        let text = self.program.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.trim().parse().unwrap())
    }

    /// Asks for metrics until one has reached `least`.
    pub async fn until(&self, series: &str, least: f64) {
        let reached = async { while self.metric(series).await < least {} };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(30), reached).await;
        assert!(waited.is_ok(), "{series} never reached {least}, is {}", self.metric(series).await);
    }
}

/// A response to a search.
pub struct Found(pub String);

impl Found {
    /// The ids, in order.
    pub fn ids(&self) -> Vec<u64> {
        let points = &json_of(&self.0)["result"]["points"];
        points.as_array().expect("points").iter().map(|point| point["id"].as_u64().unwrap()).collect()
    }

    /// The hits' scores, in order.
    pub fn scores(&self) -> Vec<f64> {
        let points = &json_of(&self.0)["result"]["points"];
        points.as_array().expect("points").iter().map(|point| point["score"].as_f64().unwrap()).collect()
    }

    pub fn status(&self) -> &str {
        header(&self.0, "x-rerank-status").expect("a status header")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        header(&self.0, name)
    }

    /// That it is what the database alone would have sent, kept for this reason.
    pub fn assert_kept(&self, reason: &str, limit: u64, case: &str) {
        assert_eq!(self.status(), format!("kept; reason={reason}"), "{case}");
        assert_eq!(body_of(&self.0), page(0..limit, false), "{case}");
    }
}

/// A search for the best `limit` points.
pub fn request(query: &str, limit: u64, headers: &str) -> String {
    let body = format!(r#"{{"query":[0.1,0.2],"limit":{limit}}}"#);
    let length = body.len();
    format!(
        "POST /collections/docs/points/query HTTP/1.1\r\nhost: x\r\nx-rerank-query: {query}\r\n{headers}\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

fn found(request: &str) -> String {
    let asked = json_of(request);
    let (offset, limit) = (asked["offset"].as_u64().unwrap_or(0), asked["limit"].as_u64().unwrap_or(10));
    let with_text = !matches!(asked["with_payload"], Value::Null | Value::Bool(false));
    response(200, "application/json", &page(offset..(offset + limit).min(COUNT), with_text))
}

fn page(ids: std::ops::Range<u64>, with_text: bool) -> String {
    let hits: Vec<String> = ids.map(|id| hit(id, with_text)).collect();
    format!(r#"{{"result":{{"points":[{}]}},"status":"ok","time":0.00100}}"#, hits.join(","))
}

/// A response with points of these texts.
pub fn hits(texts: &[&str]) -> String {
    let hit = |(id, text)| format!(r#"{{"id":{id},"score":0.{},"payload":{{"text":"{text}"}}}}"#, 9 - id);
    let hits: Vec<String> = texts.iter().enumerate().map(hit).collect();
    format!(r#"{{"result":{{"points":[{}]}},"status":"ok","time":0.001}}"#, hits.join(","))
}

/// One hit's bytes, in no printer's style.
fn hit(id: u64, with_text: bool) -> String {
    let payload = if with_text { format!(r#","payload":{{"text":"giraffe {id}"}}"#) } else { String::new() };
    format!(r#"{{ "id" : {id},"version":0, "score":0.{:03}0{payload}}}"#, 999 - id)
}
