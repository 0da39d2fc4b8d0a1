//! A database and a rerank service that keep every byte they get, and the command between them.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Scripted, json_of, response, run};

pub const JSON: &str = "application/json";
pub const KEY: &str = "canary-provider-key";
pub const SECRET: &str = "canary-database-secret";
pub const QUERY: &str = "zebra crossing";
pub const LINE: &str = "POST /collections/docs/points/query";
pub const BODY: &str = r#"{"query":[0.1,0.2],"limit":3}"#;
/// As many points as the database has.
pub const COUNT: u64 = 8;

/// A point; the third has no text, and the last one a key in it.
pub fn point(id: u64) -> Value {
    let payload = match id {
        2 => json!({"colour": "grey"}),
        7 => json!({"text": format!("giraffe 7 {KEY}")}),
        _ => json!({"text": format!("giraffe {id} é\u{1b}[31m")}),
    };
    json!({"id": id, "version": 0, "score": (90 - id) as f64 / 100.0, "payload": payload})
}

pub fn page(request: &str) -> String {
    let asked = json_of(request);
    let most = asked["limit"].as_u64().unwrap_or(10).min(COUNT);
    let points: Vec<Value> = (0..most).map(point).collect();
    response(200, JSON, &json!({"result": {"points": points}, "status": "ok", "time": 0.1}).to_string())
}

/// The later in the database's order, the better.
pub fn relevance(text: &str) -> f64 {
    text.split(' ').nth(1).and_then(|word| word.parse::<f64>().ok()).unwrap_or(0.0) / 10.0
}

/// A configuration before these two.
pub struct Bench {
    pub database: Scripted,
    pub service: Scripted,
    pub folder: TempDir,
}

impl Bench {
    pub async fn start() -> Self {
        let database = Scripted::start(|request| Some(page(request))).await;
        Self::of(database, Scripted::scoring(relevance).await, "", "").await
    }

    pub async fn of(database: Scripted, service: Scripted, rerank: &str, more: &str) -> Self {
        let providers = format!(
            "providers: {{ cohere: {{ kind: cohere, base_url: 'http://{}' }} }}\n{more}",
            service.addr
        );
        Self::with(database, service, &format!("rerank: {{ {rerank} }}\n{providers}"))
    }

    pub fn with(database: Scripted, service: Scripted, yaml: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = format!("listeners: [{{ upstream: {{ url: 'http://{}' }} }}]\n", database.addr);
        std::fs::write(folder.path().join("rerankd.yaml"), listener + yaml).unwrap();
        Self { database, service, folder }
    }

    /// Exit code, standard output and standard error; the key is in none of it.
    pub async fn explain(&self, args: &[&str]) -> (i32, String, String) {
        let config = self.folder.path().join("rerankd.yaml");
        let args = [&["explain", "--config", config.to_str().unwrap()], args].concat();
        let ended = run(&args, &[("CO_API_KEY", KEY), ("RUST_LOG", "debug")]).await;
        for text in [&ended.stdout, &ended.stderr] {
            assert!(!text.contains("canary-"), "{text}");
        }
        assert!(!ended.stdout.contains('\u{1b}'), "an escape of a document reached the terminal");
        (ended.status.code().unwrap(), ended.stdout, ended.stderr)
    }

    pub async fn json(&self, args: &[&str]) -> Value {
        let (code, out, err) = self.explain(&[args, &["--json"]].concat()).await;
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    }

    pub async fn search(&self, more: &[&str]) -> Value {
        self.json(&[&[LINE, "--body", BODY, "--query", QUERY], more].concat()).await
    }
}
