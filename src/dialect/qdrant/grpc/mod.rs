//! Qdrant's gRPC interface: the service `qdrant.Points`. Source of all field numbers: `points.proto` of Qdrant 1.20.

mod endpoint;
pub mod failure;
mod fields;
mod formula;
pub mod health;
mod numbers;
mod object;
mod operation;
mod query;
mod request;
mod response;
mod status;
#[cfg(test)]
pub(in crate::dialect) mod tests;
mod timeout;
mod widen;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};

use crate::{
    dialect::{Dialect, Route, SearchKind, qdrant::kind},
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

    fn kinds(&self) -> &'static [SearchKind] {
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

/// Whether a message with these headers is gRPC's as it is (gRPC-Web, which browsers speak, is not).
pub fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let media_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let Some((start, rest)) = media_type.split_at_checked(GRPC.len()) else { return false };
    let is_web = rest.get(..4).is_some_and(|rest| rest.eq_ignore_ascii_case(b"-web"));
    start.eq_ignore_ascii_case(GRPC) && !is_web
}
