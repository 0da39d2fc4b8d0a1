//! Protocol Buffers as byte ranges: the fields of a message where they stand, edits that keep all other bytes, and
//! gRPC's framing of messages.
//!
//! The scanner is our own, since no message may be decoded and encoded again: fields that nobody here knows, their order
//! and the way numbers are written have to stay. Tests hold it to what prost reads and writes.

mod edit;
mod field;
pub mod framing;
mod hits;
pub mod kinds;
mod layout;
mod message;
mod page;
mod reorder;
mod score;
mod strip;
#[cfg(test)]
mod tests;
mod value;
pub mod write;

pub use edit::{MessageEdit, Part};
pub use field::{Content, Field};
pub use kinds::{Kinds, ValueKind};
pub use layout::{FieldsAt, IdAt, Layout, Marked, ScoreAt};
pub use message::{Fields, Message};
pub use page::ProtoPage;
pub use value::{Member, Value, member};

/// The bytes are not a protobuf message, or a field has not the type that it has to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed protobuf message")]
pub struct Malformed;
