//! Qdrant's own health check: `qdrant.Qdrant/HealthCheck`.

use bytes::Bytes;

use crate::wire::proto::{Message, framing::unframed};

/// Its path. Its request is a message without fields.
pub const PATH: &str = "/qdrant.Qdrant/HealthCheck";

/// The server's version in the body of the response (`HealthCheckReply`: title 1, version 2).
pub fn version(body: &Bytes) -> Option<String> {
    let frame = unframed(body).ok()?;
    let version = Message::new(&frame.message).last(2).ok()??;
    Some(version.text().ok()?.chars().take(40).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_and_anything_else_is_none() {
        let reply = b"\0\0\0\0\x0f\x0a\x06qdrant\x12\x051.2.3";
        assert_eq!(version(&Bytes::from_static(reply)).as_deref(), Some("1.2.3"));
        for other in [&b""[..], b"\0\0\0\0\0", b"\0\0\0\0\x01\x12", b"<html>"] {
            assert_eq!(version(&Bytes::copy_from_slice(other)), None);
        }
    }
}
