//! The few responses that are our own, in JSON that the SDKs of these services can show.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

use crate::body::{self, Body};
use crate::embedding::form::Form;
use crate::proxy::ProxyError;

/// The response to a request that could not be carried to its service.
pub(super) fn unreached(name: &str, form: Form, error: &ProxyError) -> Response<Body> {
    let status = error.status();
    let message = match status.is_server_error() {
        true => format!("rerankd: the embedding service `{name}`: {}", error.said()),
        false => format!("rerankd: {}", error.said()),
    };
    let mut response = said(status, &as_said_by(form, status, &message));
    if matches!(status, StatusCode::BAD_REQUEST | StatusCode::REQUEST_TIMEOUT) {
        // What could not be read may end elsewhere than it seems.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// An error as clients of this form look for its message.
fn as_said_by(form: Form, status: StatusCode, message: &str) -> Value {
    match form {
        Form::Ollama => json!({ "error": message }),
        Form::Tei => json!({ "error": message, "error_type": "rerankd" }),
        Form::Cohere => json!({ "message": message }),
        Form::Google => {
            let word =
                if status == StatusCode::GATEWAY_TIMEOUT { "DEADLINE_EXCEEDED" } else { "UNAVAILABLE" };
            json!({ "error": { "code": status.as_u16(), "message": message, "status": word } })
        }
        Form::OpenAi => {
            json!({ "error": { "message": message, "type": "rerankd", "param": null, "code": status.as_u16().to_string() } })
        }
    }
}

/// A response with this body.
pub(super) fn said(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(body::full(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
