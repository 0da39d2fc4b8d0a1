//! `rerankd explain`: one search, hit by hit, and the exact bytes that were sent for it. The only output that shows
//! text; keys and the client's credentials are masked in it.

mod call;
mod facts;
pub mod json;
mod masks;
mod message;
pub mod request;
mod run;
mod settings;
pub mod table;

use crate::{pipeline::Seen, rerank::ProviderCall};

pub use run::{ExplainError, Subject, explain};

/// Everything that is known of one search. Without `Debug`: it holds text.
#[derive(Clone, Default)]
pub struct Explanation {
    /// The method.
    pub method: String,
    /// Path and query string, credentials masked.
    pub target: String,
    /// The client's headers, credentials masked.
    pub headers: Vec<(String, String)>,
    /// The database's URL.
    pub upstream: String,
    /// The dialect's name.
    pub dialect: &'static str,
    /// The operation, by the word of metrics and logs.
    pub operation: &'static str,
    /// Whether it is a gRPC call, whose bodies are protobuf.
    pub grpc: bool,
    /// The status of the client's response: that of HTTP, or in a call the one that gRPC has.
    pub status: u16,
    /// What the database says instead of hits, credentials masked.
    pub rejection: Option<String>,
    /// Notes to be shown beside that.
    pub notes: Vec<String>,
    /// What was done.
    pub seen: Seen,
    /// The calls that were made to providers, keys masked.
    pub calls: Vec<ProviderCall>,
}
