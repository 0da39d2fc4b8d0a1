//! [`Object`]: an object of a request, read as the server reads it.

use crate::{
    dialect::DialectError,
    wire::json::{self, ObjectEdit, Value},
};

/// How deep prefetches may nest: far more than anybody writes, and less than a stack holds.
pub(super) const MAX_DEPTH: usize = 16;

/// Deeper ones.
pub(super) const TOO_DEEP: DialectError = DialectError::Unsupported("a prefetch nested this deep");

/// The members whose meaning matters here; the server rejects each of them when it is given twice.
const KNOWN: [&str; 14] = [
    "query",
    "prefetch",
    "vector",
    "positive",
    "target",
    "strategy",
    "limit",
    "offset",
    "group_size",
    "with_payload",
    "with_vector",
    "with_vectors",
    "searches",
    "using",
];

/// One object of a request, its members read once.
pub(super) struct Object<'a>(json::Object<'a>);

impl<'a> Object<'a> {
    pub fn new(value: Value<'a>, member: &'static str) -> Result<Self, DialectError> {
        let object = json::Object::new(value);
        Self::of(object.ok_or(DialectError::Malformed { member, expected: "an object" })?)
    }

    /// For an object that has been read already.
    pub fn of(object: json::Object<'a>) -> Result<Self, DialectError> {
        for known in KNOWN {
            if object.members().iter().filter(|member| member.key == known).count() > 1 {
                return Err(DialectError::Malformed { member: known, expected: "given once" });
            }
        }
        Ok(Self(object))
    }

    /// For changes to it.
    pub fn edit(&self) -> ObjectEdit<'a> {
        ObjectEdit::of(self.0.clone())
    }

    /// A member's value; `null` counts as absent, as it does for the server.
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.member(key).filter(|value| !value.is_null())
    }

    /// A member's value, `null` too.
    pub fn member(&self, key: &str) -> Option<Value<'a>> {
        self.0.get(key)
    }

    /// A whole number from 0 up.
    pub fn count(&self, key: &'static str) -> Result<Option<u64>, DialectError> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let malformed = DialectError::Malformed { member: key, expected: "a whole number" };
        value.as_u64().map(Some).ok_or(malformed)
    }

    /// The prefetches of a query or a prefetch: a list, or a single one without brackets.
    pub fn prefetches(&self) -> Result<Vec<Object<'a>>, DialectError> {
        let Some(value) = self.get("prefetch") else { return Ok(Vec::new()) };
        let prefetches = value.items().unwrap_or_else(|| vec![value]);
        prefetches.into_iter().map(|one| Object::new(one, "prefetch")).collect()
    }
}
