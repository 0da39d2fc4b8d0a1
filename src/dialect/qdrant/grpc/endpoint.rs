//! A search on its way: its endpoint, then its request.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    operation::Operation,
    request::{self, Request},
    response, widen,
};
use crate::{
    dialect::{DialectError, SearchKind},
    search::{FetchPlan, Head, Rewrite, SearchIntent},
    wire::proto::ProtoPage,
};

/// What the head of a search says.
#[derive(Clone, Debug)]
pub struct GrpcEndpoint {
    operation: Operation,
    /// The path, also where something stands before the service.
    target: String,
}

/// A search that has been read.
#[derive(Clone, Debug)]
pub struct GrpcRequest {
    endpoint: Arc<GrpcEndpoint>,
    message: Bytes,
}

impl GrpcEndpoint {
    /// The search that a head asks for, `None` for what is none; and whether it would be one only without the beginning
    /// of its path.
    pub fn found(head: &Head<'_>) -> Option<(Self, bool)> {
        let (operation, below_prefix) = Operation::found(head)?;
        Some((Self { operation, target: head.path.to_owned() }, below_prefix))
    }

    /// Which search, for metrics and logs.
    pub fn kind(&self) -> SearchKind {
        self.operation.kind()
    }

    /// The most memory that reading a request takes at a time beside it, in bytes.
    pub fn working_bytes(&self, request: &[u8]) -> usize {
        request::reading_bytes(self.operation.form, request)
    }

    /// Takes a request's message, without its prefix and not compressed.
    pub fn read(self: Arc<Self>, request: Bytes) -> Result<GrpcRequest, DialectError> {
        // What is wrong with it is seen in time: at once, not when its intents are asked for.
        Request::read(self.operation.form, &request)?;
        Ok(GrpcRequest { endpoint: self, message: request })
    }
}

impl GrpcRequest {
    /// The message that was read.
    pub fn body(&self) -> &Bytes {
        &self.message
    }

    /// What each of its searches asks for. On `Err` it is forwarded untouched.
    pub fn intents(&self) -> Result<Vec<SearchIntent>, DialectError> {
        let operation = self.endpoint.operation;
        Request::read(operation.form, &self.message)?.intents(operation)
    }

    /// The same searches, requesting the hits and fields of each plan. A plan of [`FetchPlan::as_asked`] changes
    /// nothing; if no search needs a change, the message is the client's own bytes.
    pub fn rewrite(&self, plans: &[FetchPlan]) -> Result<Rewrite, DialectError> {
        let (body, strips) = widen::widen(self.endpoint.operation, &self.message, plans)?;
        Ok(Rewrite { target: self.endpoint.target.clone(), body, strips })
    }

    /// The most memory that the places of the hits of a response take while they are found, in bytes.
    pub fn page_bytes(&self, response: &[u8]) -> usize {
        response::page_bytes(self.endpoint.operation, response)
    }

    /// Finds the hits of a response's message, without its prefix and not compressed.
    pub fn page(&self, response: Bytes) -> Result<ProtoPage, DialectError> {
        response::page(self.endpoint.operation, response)
    }
}
