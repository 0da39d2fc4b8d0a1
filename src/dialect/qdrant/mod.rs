//! Qdrant.

pub mod grpc;
mod kind;
mod order;
mod paths;
pub mod rest;

pub use grpc::QdrantGrpc;
#[cfg(test)]
pub(in crate::dialect) use grpc::tests::{samples as grpc_samples, widened as grpc_widened};
pub use rest::Qdrant;
#[cfg(test)]
pub(in crate::dialect) use rest::tests::{samples as rest_samples, widened as rest_widened};
