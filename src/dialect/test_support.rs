//! Helpers that read a request's body in one step, and the slow form of what splitting notes.

use std::borrow::Cow;

use bytes::Bytes;

use super::{Dialect, DialectError, hits::MOST_NOTED};
use crate::{
    search::{FetchPlan, Field, Fields, Head, Rewrite, SearchIntent},
    wire::json::{Kind, Member, Value},
};

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

/// The object of fields, its members noted one by one.
pub(super) fn slow_fields(object: Value<'_>) -> Option<Fields> {
    let name = |member: &Member<'_>| match member.key {
        Cow::Borrowed(key) => Some(member.key_start + 1..member.key_start + 1 + key.len()),
        Cow::Owned(_) => None,
    };
    let note = |member: Member<'_>| Some(Field { name: name(&member)?, value: member.value.span() });
    let members = object.members().filter(|members| members.len() <= MOST_NOTED);
    let members = members.and_then(|members| members.into_iter().map(note).collect());
    (object.kind() == Kind::Object).then(|| Fields { span: object.span(), members })
}
