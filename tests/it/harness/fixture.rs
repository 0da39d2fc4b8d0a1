//! Recorded HTTP exchanges (`tests/fixtures/*/README.md`), as bytes on a wire.

use std::path::Path;

use base64::Engine;
use serde_json::Value;

use super::strict::bytes_of;

/// One side of an exchange. Header texts hold one character a byte.
#[derive(Clone, Debug)]
pub struct Side {
    pub start: String,
    pub headers: Vec<(String, String)>,
    /// Content codings unchanged, transfer coding off.
    pub body: Vec<u8>,
    /// The body without content codings.
    pub decoded: Vec<u8>,
    chunk_sizes: Vec<usize>,
}

/// A request and its response.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub name: String,
    pub method: String,
    pub target: String,
    pub request: Side,
    pub response: Side,
    /// Whether the request itself has a text that can be searched by.
    pub has_text: bool,
}

/// Every exchange of a folder of `tests/fixtures` in which a whole request was made over HTTP/1, and the names of
/// the other files.
pub fn exchanges(folder: &str) -> (Vec<Exchange>, Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let json: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        match exchange(&name, &json) {
            Some(exchange) => found.push(exchange),
            None => others.push(name),
        }
    }
    (found, others)
}

fn exchange(name: &str, json: &Value) -> Option<Exchange> {
    let (request, response) = (json.get("request")?, json.get("response")?);
    let (method, target) = (request["method"].as_str()?, request["target"].as_str()?);
    let version = |side: &Value| side["http_version"].as_str().unwrap().to_owned();
    let status =
        format!("{} {} {}", version(response), response["status"], response["reason"].as_str().unwrap());
    let request = side(request, format!("{method} {target} {}", version(request)));
    Some(Exchange {
        name: name.to_owned(),
        method: method.to_owned(),
        target: target.to_owned(),
        has_text: json["query_text"].is_string() || header(&request.headers, "x-rerank-query").is_some(),
        request,
        response: side(response, status),
    })
}

fn side(json: &Value, start: String) -> Side {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let headers = json["headers"].as_array().unwrap().iter().map(|pair| (text(&pair[0]), text(&pair[1])));
    let body = body(&json["body"], &json["body_encoding"]);
    let decoded = match &json["body_decoded"] {
        Value::Null => body.clone(),
        coded => self::body(coded, &Value::Null),
    };
    let sizes = json["chunk_sizes"].as_array().cloned().unwrap_or_default();
    let chunk_sizes = sizes.iter().map(|size| usize::try_from(size.as_u64().unwrap()).unwrap()).collect();
    Side { start, headers: headers.collect(), body, decoded, chunk_sizes }
}

/// Either form of the two folders: the text with its encoding beside it, or an object of both.
fn body(value: &Value, encoding: &Value) -> Vec<u8> {
    let (data, encoding) = match value {
        Value::Object(_) => (value["data"].as_str().unwrap(), value["encoding"].as_str()),
        other => (other.as_str().unwrap_or_default(), encoding.as_str()),
    };
    match encoding {
        Some("base64") => base64::engine::general_purpose::STANDARD.decode(data).unwrap(),
        _ => data.as_bytes().to_vec(),
    }
}

/// The first header of that name, of any case.
pub fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

impl Side {
    /// The message as it was on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let lines: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut bytes = bytes_of(&format!("{}\r\n{lines}\r\n", self.start));
        match header(&self.headers, "transfer-encoding") {
            Some(_) => bytes.extend(self.chunks()),
            None => bytes.extend(&self.body),
        }
        bytes
    }

    fn chunks(&self) -> Vec<u8> {
        let (mut bytes, mut rest) = (Vec::new(), &self.body[..]);
        for &size in self.chunk_sizes.iter().filter(|&&size| size > 0) {
            let (chunk, after) = rest.split_at(size);
            bytes.extend([format!("{size:x}\r\n").as_bytes(), chunk, b"\r\n"].concat());
            rest = after;
        }
        assert!(rest.is_empty(), "the chunks are the body");
        bytes.extend(b"0\r\n\r\n");
        bytes
    }

    /// The same without content codings and with this body, as whoever was asked for no coding sends it.
    pub fn plain(&self, body: Vec<u8>) -> Self {
        let mut side = Self { body: body.clone(), decoded: body, chunk_sizes: Vec::new(), ..self.clone() };
        let framing = ["content-length", "transfer-encoding", "content-encoding"];
        side.headers.retain(|(name, _)| !framing.contains(&name.to_ascii_lowercase().as_str()));
        side.headers.push(("content-length".to_owned(), side.body.len().to_string()));
        side
    }

    /// What has to arrive of the headers: the end-to-end ones, names by their first appearance (the design's first
    /// promise), none of the proxy's own.
    pub fn end_to_end(&self) -> Vec<(String, String)> {
        let lower = |name: &str| name.to_ascii_lowercase();
        let nominated: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| lower(name) == "connection")
            .flat_map(|(_, value)| value.split(',').map(|token| lower(token.trim())))
            .collect();
        let hops = ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];
        let stays = |name: &str| {
            !hops.contains(&name) && !nominated.iter().any(|own| own == name) && !name.starts_with("x-rerank")
        };
        let mut names: Vec<String> = Vec::new();
        for (name, _) in &self.headers {
            if stays(&lower(name)) && !names.contains(&lower(name)) {
                names.push(lower(name));
            }
        }
        let of = |wanted: String| self.headers.iter().filter(move |(name, _)| lower(name) == wanted).cloned();
        names.into_iter().flat_map(of).collect()
    }
}
