//! What a test asks of a request's body in one step.

use bytes::Bytes;

use super::{Dialect, DialectError};
use crate::search::{FetchPlan, Head, Rewrite, SearchIntent};

/// A body read for one question.
pub(super) trait OfBody: Dialect {
    /// As [`Dialect::parse`].
    fn parse_body(&self, head: &Head<'_>, body: &Bytes) -> Result<Vec<SearchIntent>, DialectError> {
        self.parse(head, &self.read(head, body.clone())?)
    }

    /// As [`Dialect::widen`].
    fn widen_body(
        &self,
        head: &Head<'_>,
        body: &Bytes,
        plans: &[FetchPlan],
    ) -> Result<Rewrite, DialectError> {
        self.widen(head, &self.read(head, body.clone())?, plans)
    }
}

impl<D: Dialect + ?Sized> OfBody for D {}
