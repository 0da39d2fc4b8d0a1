//! Wire formats: a page of hits in any of them, and the values of their fields. Pure: bytes in, bytes out.

pub mod json;
mod kind;
mod page;
mod pieces;
pub mod proto;
mod steps;
mod value;

pub use kind::Kind;
pub use page::{FieldObjects, Found, Page, Place, Score};
pub use pieces::Pieces;
pub use value::{Member, Value};

/// The most components of a vector that is read: the most that any of the databases stores (Qdrant 65,536).
pub const MOST_COMPONENTS: usize = 1 << 16;
