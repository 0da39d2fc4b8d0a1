//! Qdrant's gRPC interface.

pub mod failure;
pub mod health;
