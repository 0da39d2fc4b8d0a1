//! [`Kinds`]: at which field numbers a value's message has what. Each database has a message of its own for this.

/// What a field of a value's message holds, by the field's number.
#[derive(Debug, PartialEq, Eq)]
pub struct Kinds([Option<ValueKind>; MOST]);

/// What such a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Nothing.
    Null,
    /// A `double`.
    Double,
    /// A whole number.
    Integer,
    /// A text.
    String,
    /// A truth value.
    Bool,
    /// A message with a map from names to values.
    Object,
    /// A message with values.
    List,
    /// A message with one of these fields, which holds a message whose elements are all of that kind.
    ListOf(&'static Kinds),
    /// What has no text: it is taken for nothing.
    Other,
}

/// No field of a value has this number, or a higher one.
const MOST: usize = 16;

impl Kinds {
    const fn of<const N: usize>(numbered: [(usize, ValueKind); N]) -> Self {
        let mut kinds = [None; MOST];
        let mut at = 0;
        while at < N {
            let (number, kind) = numbered[at];
            kinds[number] = Some(kind);
            at += 1;
        }
        Self(kinds)
    }

    /// What the field of this number holds; `None` for one that nobody knows.
    #[inline]
    pub fn at(&self, number: u32) -> Option<ValueKind> {
        *self.0.get(number as usize)?
    }
}

/// Qdrant's `Value` (`json_with_int.proto`): that of `google.protobuf` with whole numbers.
pub static QDRANT: Kinds = Kinds::of([
    (1, ValueKind::Null),
    (2, ValueKind::Double),
    (3, ValueKind::Integer),
    (4, ValueKind::String),
    (5, ValueKind::Bool),
    (6, ValueKind::Object),
    (7, ValueKind::List),
]);

/// Weaviate's `Value` (`properties.proto`). 2 is the text of servers before 1.25, 13 that of newer ones; what has no
/// text are coordinates, blobs and telephone numbers.
pub static WEAVIATE: Kinds = Kinds::of([
    (1, ValueKind::Double),
    (2, ValueKind::String),
    (3, ValueKind::Bool),
    (4, ValueKind::Object),
    (5, ValueKind::ListOf(&WEAVIATE_LISTS)),
    (6, ValueKind::String),
    (7, ValueKind::String),
    (8, ValueKind::Integer),
    (9, ValueKind::Other),
    (10, ValueKind::Other),
    (11, ValueKind::Other),
    (12, ValueKind::Null),
    (13, ValueKind::String),
]);

/// Its `ListValue`: objects, dates, UUIDs and texts. Numbers and truth values are packed, and no text.
static WEAVIATE_LISTS: Kinds = Kinds::of([
    (4, ValueKind::Object),
    (5, ValueKind::String),
    (6, ValueKind::String),
    (8, ValueKind::String),
]);
