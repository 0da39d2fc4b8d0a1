//! A search of Qdrant's over gRPC on its way: its endpoint, then its request.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{
    operation::Operation,
    request::{self, Request},
    response, widen,
};
use crate::{
    dialect::{DialectError, Endpoint, Framing, SearchKind, SearchRequest, Verdict, grpc},
    search::{FetchPlan, Head, Rewrite, SearchIntent},
    wire::Page,
};

/// What the head of a search says.
pub(super) struct GrpcEndpoint {
    operation: Operation,
    /// The path.
    target: String,
    /// Within which the client should have its response.
    timeout: Duration,
}

/// A search that has been read.
struct GrpcRequest {
    endpoint: Arc<GrpcEndpoint>,
    message: Bytes,
}

impl GrpcEndpoint {
    pub(super) fn new(operation: Operation, head: &Head<'_>) -> Self {
        Self { operation, target: head.path.to_owned(), timeout: grpc::timeout(head.headers) }
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
        let mut intents = Request::read(operation.form, &self.message)?.intents(operation)?;
        for intent in &mut intents {
            let own = intent.timeout.map_or(self.endpoint.timeout, |own| own.min(self.endpoint.timeout));
            intent.timeout = Some(own);
        }
        Ok(intents)
    }

    fn vectors(&self, searches: &[usize], each: &mut dyn FnMut(usize, &[f32])) -> Result<(), DialectError> {
        let operation = self.endpoint.operation;
        Request::read(operation.form, &self.message)?.vectors(operation, searches, each)
    }

    fn rewrite(&self, plans: &[FetchPlan]) -> Result<Rewrite, DialectError> {
        let (body, strips) = widen::widen(self.endpoint.operation, &self.message, plans)?;
        Ok(Rewrite { target: self.endpoint.target.clone(), body, strips })
    }

    fn verdict(&self, status: StatusCode, headers: &HeaderMap) -> Verdict {
        grpc::verdict(status, headers)
    }

    fn ends_well(&self, trailers: Option<&HeaderMap>) -> bool {
        trailers.is_some_and(grpc::is_success)
    }

    fn complaint(&self, headers: &HeaderMap) -> Option<Vec<u8>> {
        grpc::message(headers)
    }

    fn can_read(&self, headers: &HeaderMap) -> bool {
        grpc::is_grpc(headers)
    }

    fn page_bytes(&self, response: &[u8]) -> usize {
        response::page_bytes(self.endpoint.operation, response)
    }

    fn page(&self, response: Bytes) -> Result<Arc<dyn Page>, DialectError> {
        Ok(Arc::new(response::page(self.endpoint.operation, response)?))
    }
}
