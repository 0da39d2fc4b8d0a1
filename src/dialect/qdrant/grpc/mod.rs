//! Qdrant's gRPC interface: the service `qdrant.Points`. Source of all field numbers: `points.proto` of Qdrant 1.20.

mod endpoint;
pub mod failure;
mod fields;
mod formula;
pub mod health;
mod numbers;
mod object;
mod operation;
mod query;
mod request;
mod response;
mod status;
#[cfg(test)]
mod tests;
mod widen;

pub use endpoint::{GrpcEndpoint, GrpcRequest};
pub use status::{code, is_success, message};
