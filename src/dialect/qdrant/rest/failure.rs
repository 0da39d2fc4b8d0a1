//! Errors of the proxy's own, in the shape of the database's.

use bytes::Bytes;

/// An error as Qdrant's clients read it: `{"status": {"error": …}, "time": …}`, whatever its HTTP status.
pub(super) fn failure(message: &str) -> Bytes {
    let message = serde_json::Value::from(message);
    Bytes::from(format!(r#"{{"status":{{"error":{message}}},"time":0.0}}"#))
}
