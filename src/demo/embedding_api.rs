//! What the demonstration's embedding service answers: OpenAI's `POST /v1/embeddings` around the toy embedding, and its list
//! of models.
//!
//! Source of the shapes: OpenAI's API reference, and exchanges recorded with its clients. What it cannot do (chat, files) it
//! rejects in the words that OpenAI's clients show.

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{DIMENSIONS, embed};
use crate::embedding::form::text_of_ids;

/// The name that it has for its model. It answers for any other one too: programs name the model that they know.
const MODEL: &str = "toy-embedding";

#[derive(Deserialize)]
struct EmbeddingsBody {
    input: Value,
    #[serde(default)]
    model: String,
    encoding_format: Option<String>,
    dimensions: Option<u64>,
}

type Answer = (StatusCode, String);

/// The response to one request; `body` is `None` where it is broken or too large.
pub(super) fn respond(method: &Method, path: &str, body: Option<&[u8]>) -> Answer {
    let Some(body) = body else { return rejection("the body is broken or over 1 MiB") };
    match (method.as_str(), path) {
        ("POST", "/v1/embeddings") => embeddings(body),
        ("GET", "/v1/models") => {
            let model = json!({ "id": MODEL, "object": "model", "created": 0, "owned_by": "rerankd" });
            (StatusCode::OK, json!({ "object": "list", "data": [model] }).to_string())
        }
        _ => error(
            StatusCode::NOT_FOUND,
            &format!(
                "the demonstration's service has only POST /v1/embeddings and GET /v1/models, not {method} {path}"
            ),
        ),
    }
}

fn embeddings(body: &[u8]) -> Answer {
    let body: EmbeddingsBody = match serde_json::from_slice(body) {
        Ok(body) => body,
        Err(error) => return rejection(&format!("the body is no request for embeddings: {error}")),
    };
    if body.dimensions.is_some_and(|asked| asked != DIMENSIONS as u64) {
        return rejection(&format!("'dimensions' can only be {DIMENSIONS} here"));
    }
    let Some(texts) = texts(&body) else {
        return rejection("'input' must be a text, a list of texts, or token ids of a model of OpenAI's");
    };
    let base64 = body.encoding_format.as_deref() == Some("base64");
    let vector = |text: &String| match base64 {
        true => Value::String(
            BASE64_STANDARD.encode(embed(text).iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>()),
        ),
        false => json!(embed(text)),
    };
    let item = |(index, text)| json!({ "object": "embedding", "index": index, "embedding": vector(text) });
    let data: Vec<Value> = texts.iter().enumerate().map(item).collect();
    let tokens: usize = texts.iter().map(|text| text.split_whitespace().count()).sum();
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    let response = json!({ "object": "list", "data": data, "model": body.model, "usage": usage });
    (StatusCode::OK, response.to_string())
}

/// The texts of an input in any of the forms that OpenAI takes; `None` for anything else.
fn texts(body: &EmbeddingsBody) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(ids) => {
            let ids: Option<Vec<u64>> = ids.iter().map(Value::as_u64).collect();
            text_of_ids(&ids?, &body.model).map(|text| text.to_string())
        }
        _ => None,
    };
    match &body.input {
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) if !items[0].is_u64() => items.iter().map(one).collect(),
        input => Some(vec![one(input)?]),
    }
}

fn rejection(message: &str) -> Answer {
    error(StatusCode::BAD_REQUEST, message)
}

fn error(status: StatusCode, message: &str) -> Answer {
    let error = json!({ "message": message, "type": "invalid_request_error", "param": null, "code": null });
    (status, json!({ "error": error }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(body: &Value) -> (u16, Value) {
        let (status, body) = respond(&Method::POST, "/v1/embeddings", Some(body.to_string().as_bytes()));
        (status.as_u16(), serde_json::from_str(&body).unwrap())
    }

    #[test]
    fn a_text_is_embedded_in_every_form_in_which_openais_clients_send_it() {
        let text = "stale bread";
        let ids = tiktoken::get_encoding("cl100k_base").unwrap().encode(text);
        let (ids, lists) = (json!(ids), json!([ids]));
        let written: Vec<f64> = embed(text).into_iter().map(f64::from).collect();
        for input in [json!(text), json!([text]), ids, lists] {
            let (status, body) = post(&json!({ "input": input, "model": "text-embedding-ada-002" }));
            assert_eq!((status, body["data"].as_array().unwrap().len()), (200, 1), "{input}");
            let read: Vec<f64> = serde_json::from_value(body["data"][0]["embedding"].clone()).unwrap();
            assert!(
                read.iter().zip(&written).all(|(read, written)| *read as f32 == *written as f32),
                "{input}"
            );
        }
    }

    #[test]
    fn base_64_holds_the_same_numbers_little_endian() {
        let (_, body) = post(&json!({ "input": "stale bread", "encoding_format": "base64" }));
        let bytes = BASE64_STANDARD.decode(body["data"][0]["embedding"].as_str().unwrap()).unwrap();
        let read: Vec<f32> =
            bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        assert_eq!(read, embed("stale bread"));
    }

    #[test]
    fn what_it_cannot_do_is_rejected_in_a_form_that_clients_show() {
        for (input, part) in [
            (json!({ "input": "a", "dimensions": 1536 }), "can only be 16"),
            (json!({ "input": [] }), "'input' must be"),
            (json!({ "input": [[1, 2]], "model": "bge-m3" }), "'input' must be"),
            (json!({ "input": ["a", 7] }), "'input' must be"),
            (json!({ "texts": "a" }), "missing field `input`"),
        ] {
            let (status, body) = post(&input);
            assert!(
                status == 400 && body["error"]["message"].as_str().unwrap().contains(part),
                "{input} {body}"
            );
        }
        let (status, body) = respond(&Method::POST, "/v1/chat/completions", Some(b"{}"));
        assert!(status == StatusCode::NOT_FOUND && body.contains("only POST /v1/embeddings"), "{body}");
        assert_eq!(respond(&Method::POST, "/v1/embeddings", None).0, StatusCode::BAD_REQUEST);
    }
}
