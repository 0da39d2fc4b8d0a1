//! Errors of the proxy's own, in the shape of the database's.

use bytes::Bytes;
use http::StatusCode;

/// An error as every client library of the family reads it.
pub(super) fn failure(status: StatusCode, reason: &str) -> Bytes {
    let cause = serde_json::json!({"type": "rerankd_exception", "reason": reason});
    let mut error = cause.clone();
    error["root_cause"] = serde_json::Value::Array(vec![cause]);
    Bytes::from(serde_json::json!({"error": error, "status": status.as_u16()}).to_string())
}
