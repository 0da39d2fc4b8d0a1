//! The health check that every server of gRPC may have. Source: gRPC Health Checking Protocol.

/// Its path.
pub const PATH: &str = "/grpc.health.v1.Health/Check";
/// Its request: a message without fields, which asks for the server as a whole.
pub const REQUEST: &[u8] = &[0; 5];
