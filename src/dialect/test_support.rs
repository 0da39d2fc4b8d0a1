//! Requests read in one step.

use std::sync::Arc;

use bytes::Bytes;

use super::{Dialect, DialectError, SearchKind, SearchRequest};
use crate::search::{FetchPlan, Head, Rewrite, SearchIntent};

/// A body read for one question.
pub(super) trait OfBody: Dialect {
    /// The kind of search that a head asks for.
    fn kind(&self, head: &Head<'_>) -> Option<SearchKind> {
        let found = self.route(head).filter(|route| !route.below_prefix);
        found.map(|route| route.endpoint.kind())
    }

    /// What it would be without the beginning of its path.
    fn kind_below_prefix(&self, head: &Head<'_>) -> Option<SearchKind> {
        let found = self.route(head).filter(|route| route.below_prefix);
        found.map(|route| route.endpoint.kind())
    }

    /// The request, read.
    fn read_body(&self, head: &Head<'_>, body: &Bytes) -> Result<Arc<dyn SearchRequest>, DialectError> {
        let found = self.route(head).filter(|route| !route.below_prefix);
        found.ok_or(DialectError::Unsupported("this path"))?.endpoint.read(body.clone())
    }

    /// As [`SearchRequest::intents`].
    fn parse_body(&self, head: &Head<'_>, body: &Bytes) -> Result<Vec<SearchIntent>, DialectError> {
        self.read_body(head, body)?.intents()
    }

    /// As [`SearchRequest::rewrite`].
    fn widen_body(
        &self,
        head: &Head<'_>,
        body: &Bytes,
        plans: &[FetchPlan],
    ) -> Result<Rewrite, DialectError> {
        self.read_body(head, body)?.rewrite(plans)
    }
}

impl<D: Dialect + ?Sized> OfBody for D {}
