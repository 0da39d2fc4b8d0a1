//! Qdrant's gRPC interface.

pub mod failure;
