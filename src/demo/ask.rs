//! One search over HTTP, as any client would send it.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::Deserialize;

use super::{COLLECTION, Question, embed};
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

/// A response: the hits, and `x-rerank-status` if it has one.
#[derive(Debug)]
pub struct Found {
    /// Best first.
    pub points: Vec<FoundPoint>,
    /// The `x-rerank-status` header.
    pub status: Option<String>,
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
    #[error("the search could not be sent")]
    Send(#[from] hyper_util::client::legacy::Error),
    /// The response broke off.
    #[error("the response could not be read")]
    Read(#[from] hyper::Error),
    /// The request could not be built.
    #[error("the request could not be built")]
    Build(#[from] http::Error),
    /// The response is not what Qdrant would say.
    #[error("the response could not be understood")]
    Understand(#[from] serde_json::Error),
}

/// Sends a question to the server at `address` for `limit` hits; `off` switches reranking off.
pub async fn ask(
    address: SocketAddr,
    question: &Question,
    limit: usize,
    off: bool,
) -> Result<Found, AskError> {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let text = percent_encoding::utf8_percent_encode(&question.text, percent_encoding::NON_ALPHANUMERIC);
    let mut request = Request::post(format!("http://{address}/collections/{COLLECTION}/points/query"))
        .header(CONTENT_TYPE, "application/json")
        .header("x-rerank-query", text.to_string());
    if off {
        request = request.header("x-rerank", "off");
    }
    let response = client.request(request.body(Full::from(query_body(question, limit)))?).await?;
    let status = response.headers().get("x-rerank-status").and_then(|value| value.to_str().ok());
    let status = status.map(str::to_owned);
    let body = response.into_body().collect().await?.to_bytes();
    let response: DemoResponse = serde_json::from_slice(&body)?;
    Ok(Found { points: response.result.points, status })
}

/// The search's body: the query's vector and a limit.
pub fn query_body(question: &Question, limit: usize) -> String {
    serde_json::json!({ "query": embed(&question.text), "limit": limit }).to_string()
}
