//! A search of Qdrant's over gRPC on its way: its endpoint, then its request.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{
    operation::Operation,
    request::{self, Request},
    response, status, widen,
};
use crate::{
    dialect::{DialectError, Endpoint, Framing, SearchKind, SearchRequest, Verdict, http_response},
    search::{FetchPlan, Head, Rewrite, SearchIntent},
    wire::Page,
};

/// What the head of a search says.
pub(super) struct GrpcEndpoint {
    operation: Operation,
    /// The path.
    target: String,
}

/// A search that has been read.
struct GrpcRequest {
    endpoint: Arc<GrpcEndpoint>,
    message: Bytes,
}

impl GrpcEndpoint {
    pub(super) fn new(operation: Operation, head: &Head<'_>) -> Self {
        Self { operation, target: head.path.to_owned() }
    }
}

impl Endpoint for GrpcEndpoint {
    fn kind(&self) -> SearchKind {
        self.operation.kind
    }

    fn framing(&self) -> Framing {
        Framing::Grpc
    }

    fn working_bytes(&self, request: &[u8]) -> usize {
        request::reading_bytes(self.operation.form, request)
    }

    fn read(self: Arc<Self>, request: Bytes) -> Result<Arc<dyn SearchRequest>, DialectError> {
        Ok(Arc::new(GrpcRequest { endpoint: self, message: request }))
    }
}

impl SearchRequest for GrpcRequest {
    fn body(&self) -> &Bytes {
        &self.message
    }

    fn held_bytes(&self) -> usize {
        0
    }

    fn intents(&self) -> Result<Vec<SearchIntent>, DialectError> {
        let operation = self.endpoint.operation;
        Request::read(operation.form, &self.message)?.intents(operation)
    }

    fn rewrite(&self, plans: &[FetchPlan]) -> Result<Rewrite, DialectError> {
        let (body, strips) = widen::widen(self.endpoint.operation, &self.message, plans)?;
        Ok(Rewrite { target: self.endpoint.target.clone(), body, strips })
    }

    fn verdict(&self, status: StatusCode, headers: &HeaderMap) -> Verdict {
        status::verdict(status, headers)
    }

    fn complaint(&self, headers: &HeaderMap) -> Option<Vec<u8>> {
        status::message(headers)
    }

    fn can_read(&self, headers: &HeaderMap) -> bool {
        http_response::is_grpc(headers)
    }

    fn page_bytes(&self, response: &[u8]) -> usize {
        response::page_bytes(self.endpoint.operation, response)
    }

    fn page(&self, response: Bytes) -> Result<Arc<dyn Page>, DialectError> {
        Ok(Arc::new(response::page(self.endpoint.operation, response)?))
    }
}
