//! Weaviate's gRPC interface: `Search` of the service `weaviate.v1.Weaviate`, which all clients of version 4 of its API
//! use. Its GraphQL is described as data, in `paths/presets/weaviate.yaml`. Source of all field numbers: the protocol
//! files of Weaviate 1.35.

mod endpoint;
mod fields;
mod numbers;
mod query;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod widen;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use super::{
    Dialect, Route, SearchKind,
    grpc::{self, failure, is_grpc},
};
use crate::search::Head;
use endpoint::WeaviateEndpoint;

#[cfg(test)]
pub(super) use tests::{samples, widened};

/// The service with the search.
const SERVICE: &str = "weaviate.v1.Weaviate";

/// Weaviate over gRPC.
#[derive(Clone, Copy, Debug, Default)]
pub struct WeaviateGrpc;

impl Dialect for WeaviateGrpc {
    fn name(&self) -> &'static str {
        "weaviate-grpc"
    }

    fn kinds(&self) -> &[SearchKind] {
        &[SearchKind::Search]
    }

    fn speaks(&self, headers: &HeaderMap) -> bool {
        is_grpc(headers)
    }

    fn route(&self, head: &Head<'_>) -> Option<Route> {
        let (method, below_prefix) = grpc::method_of(SERVICE, head)?;
        let endpoint = || Arc::new(WeaviateEndpoint::new(head));
        (method == "Search").then(|| Route { endpoint: endpoint(), below_prefix })
    }

    fn failure(&self, status: StatusCode, message: &str) -> Response<Bytes> {
        failure::failure(status, message).map(|()| Bytes::new())
    }
}
