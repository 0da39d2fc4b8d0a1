//! A service that gives every text a vector of its own, a database that knows only vectors, and the program between them
//! and their clients.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{Program, Scripted, Wire, body_of, header, json_of, program::listener, response};

const JSON: &str = "application/json";

/// A vector that no other text has.
pub fn vector(text: &str) -> Vec<f32> {
    let mut state = text.bytes().fold(7_u32, |state, byte| state.wrapping_mul(31).wrapping_add(byte.into()));
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..24).map(|_| next()).collect()
}

/// The response of a service of OpenAI's form.
pub fn embedded(request: &str) -> String {
    let asked = json_of(request);
    let texts = match &asked["input"] {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector(text.as_str().unwrap_or_default())}))
        .collect();
    json!({"object": "list", "data": data, "model": asked["model"], "usage": {"total_tokens": 3}}).to_string()
}

/// An OpenAI-shaped service.
pub async fn openai() -> Scripted {
    Scripted::start(|request| Some(response(200, JSON, &embedded(request)))).await
}

/// Hits of which each but the first is liked better by the reranker the further down it stands.
fn page(elastic: bool) -> String {
    let texts = ["a giraffe", "a zebra", "a zebra crossing"];
    let hits: Vec<Value> = (0..3)
        .map(|id: usize| match elastic {
            true => json!({"_index": "docs", "_id": id.to_string(), "_score": 0.9 - id as f64 / 10.0, "_source": {"text": texts[id]}}),
            false => json!({"id": id, "version": 0, "score": 0.9 - id as f64 / 10.0, "payload": {"text": texts[id]}}),
        })
        .collect();
    match elastic {
        true => json!({"took": 1, "timed_out": false, "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
                       "hits": {"total": {"value": 3, "relation": "eq"}, "max_score": 0.9, "hits": hits}})
        .to_string(),
        false => json!({"result": {"points": hits}, "status": "ok", "time": 0.001}).to_string(),
    }
}

/// A database of either kind, by the path that is asked.
pub async fn database() -> Scripted {
    Scripted::start(|request| {
        let elastic = request.lines().next().is_some_and(|line| line.contains("_search"));
        Some(response(200, JSON, &page(elastic)))
    })
    .await
}

/// A program with the services of `services` (the inside of that section), before such a database and a reranker.
pub struct Embedding {
    pub program: Program,
    pub reranker: Scripted,
    _database: Scripted,
}

impl Embedding {
    /// `more` are further lines of the configuration, from the left margin.
    pub async fn serving(services: &str, more: &str) -> Self {
        let section = format!("embeddings: {{ listen: 127.0.0.1:0, services: {{ {services} }} }}\n");
        Self::with(&format!("{section}{more}")).await
    }

    /// One service `openai` at this address.
    pub async fn before(service: SocketAddr) -> Self {
        Self::serving(&format!("openai: {{ url: 'http://{service}/v1' }}"), "").await
    }

    /// With the whole configuration but listeners, admin and providers.
    pub async fn with(yaml: &str) -> Self {
        let database = database().await;
        let reranker = Scripted::scoring(|text| text.len() as f64 / 100.0).await;
        let program = Program::start(
            &format!(
                "{}providers: {{ cohere: {{ base_url: 'http://{}' }} }}\n{yaml}",
                listener(&format!("{{ url: 'http://{}' }}", database.addr)),
                reranker.addr
            ),
            &[("CO_API_KEY", "sekrit-key-123")],
        )
        .await;
        Self { program, reranker, _database: database }
    }

    /// A connection to the listener for embedding services.
    pub async fn client(&self) -> Wire {
        Wire::connect(self.program.embeddings.expect("a listener")).await
    }

    /// The whole response to one request there.
    pub async fn ask(&self, request: impl AsRef<[u8]>) -> String {
        let mut client = self.client().await;
        client.send(request).await;
        client.message().await.expect("a response")
    }

    /// Embeds one text with the service `openai`.
    pub async fn embed(&self, text: &str) -> String {
        self.ask(post("/openai/v1/embeddings", &embedding(text))).await
    }

    /// A search of a Qdrant by the vector of this text; what it says of itself.
    pub async fn search(&self, text: &str) -> Searched {
        let body = json!({"query": vector(text), "limit": 3, "with_payload": true}).to_string();
        Searched::of(&self.program.ask(&post("/collections/docs/points/query", &body)).await)
    }

    /// How many calls of a service have ended like this.
    pub async fn calls(&self, service: &str, result: &str) -> u64 {
        let series = format!("rerankd_embedding_calls_total{{result=\"{result}\",service=\"{service}\"}}");
        let metrics = self.program.metrics().await;
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
        line.map_or(0, |value| value.trim().parse().unwrap())
    }
}

/// How a search was answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Searched {
    pub status: String,
    pub source: Option<String>,
    pub ids: Vec<String>,
}

impl Searched {
    pub fn of(response: &str) -> Self {
        let body = json_of(response);
        let hits = body["result"]["points"].as_array().or(body["hits"]["hits"].as_array());
        let id = |hit: &Value| hit.get("id").or(hit.get("_id")).unwrap().to_string().replace('"', "");
        Self {
            status: header(response, "x-rerank-status").unwrap_or_default().to_owned(),
            source: header(response, "x-rerank-query-source").map(str::to_owned),
            ids: hits.map(|hits| hits.iter().map(id).collect()).unwrap_or_default(),
        }
    }

    /// That it was reranked by the text of its vector.
    pub fn is_recalled(&self) -> bool {
        self.status.starts_with("applied")
            && self.source.as_deref() == Some("embedding")
            && self.ids == ["2", "0", "1"]
    }
}

/// A request for the embedding of one text, as OpenAI's SDKs write it.
pub fn embedding(text: &str) -> String {
    json!({"input": text, "model": "text-embedding-3-small", "encoding_format": "float"}).to_string()
}

/// A `POST` of a JSON body with a key.
pub fn post(target: &str, body: &str) -> String {
    format!(
        "POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-callers-own\r\nContent-Type: {JSON}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A response's status, and its body.
pub fn said(response: &str) -> (u16, &str) {
    (response.split(' ').nth(1).unwrap().parse().unwrap(), body_of(response))
}
