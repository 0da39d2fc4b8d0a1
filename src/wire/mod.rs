//! Wire formats. Pure: bytes in, bytes out.

pub mod json;
mod kind;
mod pieces;
pub mod proto;

pub use kind::Kind;
pub use pieces::Pieces;
