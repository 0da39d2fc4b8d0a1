//! Qdrant.

pub mod grpc;
mod kind;
mod order;
mod paths;
pub mod rest;

pub use grpc::QdrantGrpc;
pub use rest::Qdrant;
