//! Wire formats. Pure: bytes in, bytes out.

pub mod json;
