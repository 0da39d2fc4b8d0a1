//! JSON as byte ranges of a body: what is not changed is never parsed and printed again.
//!
//! [`Value`] looks into a body without copying it, [`ObjectEdit`] and [`Edits`] change members of it and
//! leave every other byte alone. Parsing is serde_json's (`RawValue`); the ranges are ours.

mod edit;
mod value;

pub use edit::{Edits, ObjectEdit};
pub use value::{Kind, Malformed, Member, Object, Value, is_deeper_than};
