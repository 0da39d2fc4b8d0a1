//! Values as Elasticsearch takes them, and the sizes that it assumes.

use crate::wire::json::{Kind, Value};

/// The most hits of one page: `index.max_result_window`'s default.
pub(super) const MAX_RESULT_WINDOW: u64 = 10_000;
/// The page size where the client names none.
pub(super) const DEFAULT_SIZE: u64 = 10;

/// The elements of an array, or the one value.
pub(super) fn one_or_many(value: Value<'_>) -> Vec<Value<'_>> {
    value.items().unwrap_or_else(|| vec![value])
}

/// Whether a body member is a non-empty object or array.
pub(super) fn is_filled(value: Option<Value<'_>>) -> bool {
    value.is_some_and(|value| match value.kind() {
        Kind::Object => value.members().is_some_and(|members| !members.is_empty()),
        Kind::Array => value.items().is_some_and(|items| !items.is_empty()),
        Kind::Null => false,
        _ => true,
    })
}
