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
