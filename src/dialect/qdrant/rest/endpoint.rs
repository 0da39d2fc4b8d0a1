//! A search of Qdrant's on its way: its endpoint, then its request.

use std::{slice, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{
    operation::Operation,
    request::{self, Request},
    response, widen,
};
use crate::{
    dialect::{
        DialectError, Endpoint, SearchKind, SearchRequest, Verdict, http_response, own,
        qdrant::kind::Form,
        reading::{self, Reading},
    },
    search::{FetchPlan, Head, Rewrite, SearchIntent, Unread},
    wire::{
        Page,
        json::{BlockPlace, JsonPage, page_bytes, reading_bytes},
    },
};

/// What is held for one search of a batch, but for the name of its collection.
const SEARCH_BYTES: usize = 700;
/// A name of one letter in a path takes twenty times its place there.
const NAME_BYTES: usize = 20;

/// What the head of a search says.
pub(super) struct QdrantEndpoint {
    operation: Operation,
    /// Path and query string.
    target: String,
    timeout: Option<Duration>,
}

/// A search that has been read.
struct QdrantRequest {
    endpoint: Arc<QdrantEndpoint>,
    reading: Reading,
}

impl QdrantEndpoint {
    pub(super) fn new(operation: Operation, head: &Head<'_>) -> Self {
        let target = match head.query {
            Some(query) => format!("{}?{query}", head.path),
            None => head.path.to_owned(),
        };
        Self { operation, target, timeout: request::timeout(head.query) }
    }
}

impl Endpoint for QdrantEndpoint {
    fn kind(&self) -> SearchKind {
        self.operation.kind
    }

    fn unread(&self, request: &[u8]) -> Option<Unread<'_>> {
        let one = self.operation.form != Form::Batch && own::is_absent(request);
        one.then(|| Unread { collections: slice::from_ref(&self.operation.collection), expression: false })
    }

    fn working_bytes(&self, request: &[u8]) -> usize {
        let name = self.target.len().saturating_mul(NAME_BYTES);
        reading_bytes(request, SEARCH_BYTES.saturating_add(name))
    }

    fn read(self: Arc<Self>, request: Bytes) -> Result<Arc<dyn SearchRequest>, DialectError> {
        let index = reading::index(&request, request::BODY)?;
        Ok(Arc::new(QdrantRequest { endpoint: self, reading: Reading::new(request, vec![index]) }))
    }
}

impl SearchRequest for QdrantRequest {
    fn body(&self) -> &Bytes {
        self.reading.body()
    }

    fn held_bytes(&self) -> usize {
        self.reading.held_bytes()
    }

    fn intents(&self) -> Result<Vec<SearchIntent>, DialectError> {
        let QdrantEndpoint { operation, timeout, .. } = &*self.endpoint;
        Request::read(operation.form, &self.reading)?.intents(operation, *timeout)
    }

    fn vectors(&self, searches: &[usize], each: &mut dyn FnMut(usize, &[f32])) -> Result<(), DialectError> {
        let operation = &self.endpoint.operation;
        Request::read(operation.form, &self.reading)?.vectors(operation.verb, searches, each)
    }

    fn rewrite(&self, plans: &[FetchPlan]) -> Result<Rewrite, DialectError> {
        let (body, strips) = widen::widen(&self.endpoint.operation, &self.reading, plans)?;
        Ok(Rewrite { target: self.endpoint.target.clone(), body, strips })
    }

    fn verdict(&self, status: StatusCode, _headers: &HeaderMap) -> Verdict {
        http_response::verdict(status)
    }

    fn block_place(&self) -> BlockPlace {
        match self.endpoint.operation.form {
            // Of the older batches each response is a bare list.
            Form::Batch => BlockPlace::Each(vec!["result".to_owned()]),
            Form::Single | Form::Groups => BlockPlace::Top,
        }
    }

    fn can_read(&self, headers: &HeaderMap) -> bool {
        http_response::is_json(headers)
    }

    fn page_bytes(&self, response: &[u8]) -> usize {
        page_bytes(response)
    }

    fn page(&self, response: Bytes) -> Result<Arc<dyn Page>, DialectError> {
        Ok(Arc::new(response::page(&self.endpoint.operation, response)?))
    }

    fn page_without_hits(&self, response: Bytes) -> Option<JsonPage> {
        response::page(&self.endpoint.operation, response).ok()
    }
}
