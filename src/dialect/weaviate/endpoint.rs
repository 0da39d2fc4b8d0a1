//! A search on its way: its endpoint, then its request.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{fields, query, request, response, widen};
use crate::{
    dialect::{DialectError, Endpoint, Framing, SearchKind, SearchRequest, Verdict, grpc},
    search::{FetchPlan, Head, Rewrite, SearchIntent},
    wire::Page,
};

/// What the head of a search says.
pub(super) struct WeaviateEndpoint {
    /// The path.
    target: String,
    /// Within which the client should have its response.
    timeout: Duration,
}

/// A search that has been read.
struct WeaviateRequest {
    endpoint: Arc<WeaviateEndpoint>,
    message: Bytes,
}

impl WeaviateEndpoint {
    pub(super) fn new(head: &Head<'_>) -> Self {
        Self { target: head.path.to_owned(), timeout: grpc::timeout(head.headers) }
    }
}

impl Endpoint for WeaviateEndpoint {
    fn kind(&self) -> SearchKind {
        SearchKind::Search
    }

    fn framing(&self) -> Framing {
        Framing::Grpc
    }

    fn working_bytes(&self, request: &[u8]) -> usize {
        request::reading_bytes(request)
    }

    fn read(self: Arc<Self>, request: Bytes) -> Result<Arc<dyn SearchRequest>, DialectError> {
        Ok(Arc::new(WeaviateRequest { endpoint: self, message: request }))
    }
}

impl SearchRequest for WeaviateRequest {
    fn body(&self) -> &Bytes {
        &self.message
    }

    fn held_bytes(&self) -> usize {
        0
    }

    fn intents(&self) -> Result<Vec<SearchIntent>, DialectError> {
        let intent = request::intent(&request::read(&self.message)?)?;
        Ok(vec![SearchIntent { timeout: Some(self.endpoint.timeout), ..intent }])
    }

    fn vectors(&self, searches: &[usize], each: &mut dyn FnMut(usize, &[f32])) -> Result<(), DialectError> {
        let search = request::read(&self.message)?;
        searches
            .iter()
            .filter(|at| **at == 0)
            .try_for_each(|&at| query::each_vector(&search, &mut |components| each(at, components)))
    }

    fn rewrite(&self, plans: &[FetchPlan]) -> Result<Rewrite, DialectError> {
        let as_asked = FetchPlan::as_asked();
        let (body, strip) = widen::widen(&self.message, plans.first().unwrap_or(&as_asked))?;
        Ok(Rewrite { target: self.endpoint.target.clone(), body, strips: vec![strip] })
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
        response::page_bytes(response)
    }

    fn page(&self, response: Bytes) -> Result<Arc<dyn Page>, DialectError> {
        Ok(Arc::new(response::page(response)?))
    }

    fn page_for(&self, response: Bytes, plans: &[&FetchPlan]) -> Result<Arc<dyn Page>, DialectError> {
        let page = self.page(response)?;
        let search = request::read(&self.message)?;
        match plans.first().map_or(Ok(true), |plan| fields::has_all(&search, &plan.fields, &*page))? {
            true => Ok(page),
            false => Err(DialectError::LacksNamed),
        }
    }
}
