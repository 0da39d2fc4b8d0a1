//! Qdrant's REST interface.

mod endpoint;
mod failure;
mod fields;
mod formula;
mod object;
mod operation;
mod query;
mod request;
mod response;
#[cfg(test)]
pub(in crate::dialect) mod tests;
mod widen;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use crate::{
    dialect::{Dialect, Route, SearchKind, grpc::is_grpc, http_response, qdrant::kind},
    search::Head,
};
use endpoint::QdrantEndpoint;

/// Qdrant: `query`, and the older `search`, `recommend` and `discover`, alone, in batches and in groups.
#[derive(Clone, Copy, Debug, Default)]
pub struct Qdrant;

impl Dialect for Qdrant {
    fn name(&self) -> &'static str {
        "qdrant"
    }

    fn kinds(&self) -> &[SearchKind] {
        &kind::ALL
    }

    fn speaks(&self, headers: &HeaderMap) -> bool {
        !is_grpc(headers)
    }

    fn route(&self, head: &Head<'_>) -> Option<Route> {
        let (operation, below_prefix) = operation::Operation::found(head)?;
        Some(Route { endpoint: Arc::new(QdrantEndpoint::new(operation, head)), below_prefix })
    }

    fn failure(&self, status: StatusCode, message: &str) -> Response<Bytes> {
        http_response::json_failure(status, failure::failure(message))
    }
}
