//! One embedding call and one search over HTTP, as any client would send them.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Deserialize;

use super::COLLECTION;
use crate::search::KeepReason;

/// A hit as a client reads it.
#[derive(Debug, Deserialize)]
pub struct FoundPoint {
    /// The passage.
    pub id: u64,
    /// The database's score.
    pub score: f32,
    /// The relevance score, where the proxy annotates.
    pub rerank_score: Option<f32>,
}

/// A response: the hits, and what its headers say of reranking.
#[derive(Debug)]
pub struct Found {
    /// Best first.
    pub points: Vec<FoundPoint>,
    /// The `x-rerank-status` header.
    pub status: Option<String>,
    /// The `x-rerank-query-source` header.
    pub source: Option<String>,
}

impl Found {
    /// Why the proxy kept the order, if it did.
    pub fn kept(&self) -> Option<KeepReason> {
        let (_, word) = self.status.as_deref()?.strip_prefix("kept")?.split_once("reason=")?;
        KeepReason::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

#[derive(Deserialize)]
struct DemoResponse {
    result: Points,
}

#[derive(Deserialize)]
struct Points {
    points: Vec<FoundPoint>,
}

/// Why a question got no response.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The connection failed.
    #[error("the request could not be sent")]
    Send(#[from] hyper_util::client::legacy::Error),
    /// The response broke off.
    #[error("the response could not be read")]
    Read(#[from] hyper::Error),
    /// The request could not be built.
    #[error("the request could not be built")]
    Build(#[from] http::Error),
    /// The response is not what Qdrant, or OpenAI, would say.
    #[error("the response could not be understood")]
    Understand(#[from] serde_json::Error),
    /// The embedding service gave no vector.
    #[error("the embedding service gave no vector")]
    NoVector,
}

#[derive(Deserialize)]
struct EmbeddingsResponse {
    data: Vec<Embedded>,
}

#[derive(Deserialize)]
struct Embedded {
    embedding: Vec<f32>,
}

/// Has a text embedded by what listens at `address`, as OpenAI's clients do.
pub async fn embedded(address: SocketAddr, text: &str) -> Result<Vec<f32>, AskError> {
    let body = embeddings_body(text);
    let (_, body) = post(&embeddings_url(address), None, body).await?;
    let response: EmbeddingsResponse = serde_json::from_slice(&body)?;
    response.data.into_iter().next().map(|first| first.embedding).ok_or(AskError::NoVector)
}

/// What OpenAI's clients post to, where their base URL is one of rerankd's at `address`.
pub fn embeddings_url(address: SocketAddr) -> String {
    format!("http://{address}/openai/v1/embeddings")
}

/// A request for the embedding of one text.
pub fn embeddings_body(text: &str) -> String {
    serde_json::json!({ "model": "toy-embedding", "input": text }).to_string()
}

/// Sends a search to the server at `address`: a vector, and no text. `off` switches reranking off.
pub async fn ask(address: SocketAddr, vector: &[f32], limit: usize, off: bool) -> Result<Found, AskError> {
    let url = format!("http://{address}/collections/{COLLECTION}/points/query");
    let (headers, body) = post(&url, off.then_some("off"), query_body(vector, limit)).await?;
    let said = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let response: DemoResponse = serde_json::from_slice(&body)?;
    let (status, source) = (said("x-rerank-status"), said("x-rerank-query-source"));
    Ok(Found { points: response.result.points, status, source })
}

/// The search's body: the query's vector and a limit.
pub fn query_body(vector: &[f32], limit: usize) -> String {
    serde_json::json!({ "query": vector, "limit": limit }).to_string()
}

async fn post(url: &str, rerank: Option<&str>, body: String) -> Result<(HeaderMap, Bytes), AskError> {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let mut request = Request::post(url).header(CONTENT_TYPE, "application/json");
    if let Some(rerank) = rerank {
        request = request.header("x-rerank", rerank);
    }
    let response = client.request(request.body(Full::from(body))?).await?;
    let (head, body) = response.into_parts();
    Ok((head.headers, body.collect().await?.to_bytes()))
}
