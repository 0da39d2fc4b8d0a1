//! Qdrant's gRPC interface: the service `qdrant.Points`. Source of all field numbers: `points.proto` of Qdrant 1.20.

mod endpoint;
mod fields;
mod formula;
pub mod health;
mod numbers;
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
    dialect::{
        Dialect, Route, SearchKind,
        grpc::{failure, is_grpc},
        qdrant::kind,
    },
    search::Head,
};
use endpoint::GrpcEndpoint;
use operation::Operation;

/// Qdrant over gRPC: the same searches as over REST.
#[derive(Clone, Copy, Debug, Default)]
pub struct QdrantGrpc;

impl Dialect for QdrantGrpc {
    fn name(&self) -> &'static str {
        "qdrant-grpc"
    }

    fn kinds(&self) -> &[SearchKind] {
        &kind::ALL
    }

    fn speaks(&self, headers: &HeaderMap) -> bool {
        is_grpc(headers)
    }

    fn route(&self, head: &Head<'_>) -> Option<Route> {
        let (operation, below_prefix) = Operation::found(head)?;
        Some(Route { endpoint: Arc::new(GrpcEndpoint::new(operation, head)), below_prefix })
    }

    fn failure(&self, status: StatusCode, message: &str) -> Response<Bytes> {
        failure::failure(status, message).map(|()| Bytes::new())
    }
}
