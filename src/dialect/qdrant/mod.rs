//! Qdrant.

pub mod grpc;
mod kind;
mod order;
mod paths;
pub mod rest;

pub use rest::Qdrant;
