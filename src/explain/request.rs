//! From what was typed to the search that is meant.

use std::{io, path::Path};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri,
    header::{CONTENT_TYPE, TE},
};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use super::call;
use crate::probe::Ask;

/// What was typed.
#[derive(Clone, Copy, Default)]
pub struct Typed<'a> {
    /// A request line, or with `path` or `grpc` the file of the body.
    pub request: Option<&'a str>,
    /// A gRPC method: the search is a call of it.
    pub grpc: Option<&'a str>,
    /// Path and query string.
    pub path: Option<&'a str>,
    /// The method.
    pub method: Option<&'a str>,
    /// The body itself, or `@` and a file, `@-` for standard input.
    pub body: Option<&'a str>,
    /// `name: value` each.
    pub headers: &'a [String],
    /// The query text.
    pub query: Option<&'a str>,
}

/// Why no search could be made of it. Holds nothing of bodies and headers.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Neither a request nor a path.
    #[error(
        "no search was named: give a request line such as 'POST /collections/docs/points/query' with --body, or a \
         file with a search's body and --path"
    )]
    Missing,
    /// Not a request line.
    #[error(
        "`{0}` is no request line such as 'POST /collections/docs/points/query' or '/docs/_search?q=red'; where it is \
         a file with a search's body, --path says what it is sent to"
    )]
    NotARequest(String),
    /// A whole URL.
    #[error("give the path alone, such as 'POST /docs/_search': the database's URL goes into --upstream")]
    WholeUrl,
    /// A body from two places.
    #[error("the body was given twice: as the file and as --body")]
    TwoBodies,
    /// Not a method.
    #[error("`{0}` is no HTTP method")]
    Method(String),
    /// Not a path.
    #[error("`{0}` is no path: it begins with a slash, and spaces in it are written %20")]
    Path(String),
    /// Not a header.
    #[error("header {0} is not of the form 'name: value'")]
    Header(usize),
    /// A call without its message.
    #[error(
        "a gRPC search needs its message: a file, - for standard input, or --body; as its bytes, or as hexadecimal or base64 text"
    )]
    NoMessage,
    /// A message that no call can carry.
    #[error("the message is larger than gRPC can carry")]
    Message,
    /// An unreadable body.
    #[error("the body cannot be read from {file}")]
    Body {
        /// Where it was to be.
        file: String,
        /// What the system said.
        source: io::Error,
    },
}

/// The search that was typed; `read` gives the bytes of a file, of standard input for `-`.
pub fn ask(typed: &Typed<'_>, read: impl Fn(&str) -> io::Result<Vec<u8>>) -> Result<Ask, RequestError> {
    if let Some(method) = typed.grpc {
        return called(method, typed, &read);
    }
    let (own_method, target, file) = line(typed)?;
    let body = body(typed, file, &read)?;
    let method = match typed.method.or(own_method) {
        Some(name) => name.to_ascii_uppercase().parse().map_err(|_| RequestError::Method(name.to_owned()))?,
        None if body.is_some() || !target.contains('?') => Method::POST,
        None => Method::GET,
    };
    let encoded = utf8_percent_encode(target, UNSAFE).to_string();
    let uri: Option<Uri> = encoded.parse().ok().filter(|_| target.starts_with('/'));
    let target = uri.ok_or_else(|| RequestError::Path(target.to_owned()))?;
    let mut headers = headers(typed)?;
    if body.is_some() {
        let lines = target.path().contains("/_msearch");
        let media = if lines { "application/x-ndjson" } else { "application/json" };
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(media));
    }
    Ok(Ask { method, target, headers, body: body.unwrap_or_default() })
}

/// A call of a gRPC method, whose message is the body.
fn called(
    method: &str,
    typed: &Typed<'_>,
    read: impl Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Ask, RequestError> {
    let path = call::path(method);
    let target = path.parse().map_err(|_| RequestError::Path(path))?;
    let message = body(typed, typed.request, read)?.ok_or(RequestError::NoMessage)?;
    let mut headers = headers(typed)?;
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    Ok(Ask {
        method: Method::POST,
        target,
        headers,
        body: call::body(&message).ok_or(RequestError::Message)?,
    })
}

/// The body, from its file or as it was typed.
fn body(
    typed: &Typed<'_>,
    file: Option<&str>,
    read: impl Fn(&str) -> io::Result<Vec<u8>>,
) -> Result<Option<Bytes>, RequestError> {
    Ok(match (file, typed.body) {
        (Some(_), Some(_)) => return Err(RequestError::TwoBodies),
        (Some(file), None) => Some(bytes(file, &read)?),
        (None, Some(text)) => Some(match text.strip_prefix('@') {
            Some(file) => bytes(file, &read)?,
            None => Bytes::copy_from_slice(text.as_bytes()),
        }),
        (None, None) => None,
    })
}

/// What people type into a path that a `Uri` does not take; what else is not ASCII is encoded too.
const UNSAFE: &AsciiSet = &CONTROLS.add(b'"').add(b'<').add(b'>').add(b'`');

/// Method, target and the file of the body, as far as they were typed.
fn line<'a>(typed: &Typed<'a>) -> Result<(Option<&'a str>, &'a str, Option<&'a str>), RequestError> {
    match (typed.request.map(str::trim), typed.path) {
        (file, Some(path)) => Ok((None, path, file)),
        (None, None) => Err(RequestError::Missing),
        (Some(text), None) if text.contains("://") => Err(RequestError::WholeUrl),
        (Some(text), None) => match text.split_once(char::is_whitespace) {
            Some((method, target)) if target.trim_start().starts_with('/') => {
                Ok((Some(method), target.trim(), None))
            }
            None if text.starts_with('/') && !Path::new(text).is_file() => Ok((None, text, None)),
            _ => Err(RequestError::NotARequest(text.to_owned())),
        },
    }
}

fn bytes(file: &str, read: impl Fn(&str) -> io::Result<Vec<u8>>) -> Result<Bytes, RequestError> {
    let named = || if file == "-" { "standard input".to_owned() } else { file.to_owned() };
    read(file).map(Bytes::from).map_err(|source| RequestError::Body { file: named(), source })
}

fn headers(typed: &Typed<'_>) -> Result<HeaderMap, RequestError> {
    let mut headers = HeaderMap::new();
    for (at, line) in typed.headers.iter().enumerate() {
        let pair = line.split_once(':').and_then(|(name, value)| {
            let value = HeaderValue::from_bytes(value.trim().as_bytes()).ok()?;
            Some((name.trim().parse::<HeaderName>().ok()?, value))
        });
        let (name, value) = pair.ok_or(RequestError::Header(at + 1))?;
        headers.append(name, value);
    }
    if let Some(text) = typed.query {
        let text = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert("x-rerank-query", value);
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(typed: Typed<'_>) -> Result<Ask, RequestError> {
        ask(&typed, |file| match file {
            "gone.json" => Err(io::ErrorKind::NotFound.into()),
            name => Ok(format!("body of {name}").into_bytes()),
        })
    }

    fn reported(found: Result<Ask, RequestError>) -> String {
        let Ask { method, target, headers, body } = found.unwrap_or_else(|error| panic!("{error}"));
        let media = headers.get(CONTENT_TYPE).map_or("-", |media| media.to_str().unwrap());
        format!("{method} {target} {media} {}", String::from_utf8_lossy(&body))
    }

    #[test]
    fn a_request_line_with_a_body_is_what_curl_would_send() {
        let line = Some("POST /collections/docs/points/query");
        let reported = |body| reported(typed(Typed { request: line, body: Some(body), ..Typed::default() }));
        assert_eq!(reported("{}"), "POST /collections/docs/points/query application/json {}");
        assert_eq!(
            reported("@a.json"),
            "POST /collections/docs/points/query application/json body of a.json"
        );
        assert_eq!(reported("@-"), "POST /collections/docs/points/query application/json body of -");
    }

    #[test]
    fn a_file_with_a_path_is_posted_and_a_query_string_alone_is_got() {
        let request = |request, path| typed(Typed { request, path, ..Typed::default() });
        let file = request(Some("body.json"), Some("/docs/_search"));
        assert_eq!(reported(file), "POST /docs/_search application/json body of body.json");
        let lines = request(Some("-"), Some("/_msearch"));
        assert_eq!(reported(lines), "POST /_msearch application/x-ndjson body of -");
        assert_eq!(reported(request(None, Some("/docs/_search?q=red"))), "GET /docs/_search?q=red - ");
        assert_eq!(reported(request(Some("/docs/_search?q=red"), None)), "GET /docs/_search?q=red - ");
        assert_eq!(reported(request(Some("get /docs/_search?q=red"), None)), "GET /docs/_search?q=red - ");
        assert_eq!(reported(request(Some("/docs/_search"), None)), "POST /docs/_search - ");
        let raw = request(Some("/docs/_search?q=\"caf\u{e9}\"&a=<b>"), None);
        assert_eq!(reported(raw), "GET /docs/_search?q=%22caf%C3%A9%22&a=%3Cb%3E - ");
    }

    #[test]
    fn a_grpc_search_is_a_call_with_its_message_from_a_file_standard_input_or_the_line() {
        let call = |request, body| {
            let typed =
                Typed { request, body, grpc: Some("Query"), query: Some("café"), ..Typed::default() };
            ask(&typed, |file| Ok(if file == "-" { b"CgFh".to_vec() } else { b"\x0a\x01a".to_vec() }))
        };
        for (request, body) in
            [(Some("a.bin"), None), (Some("-"), None), (None, Some("@-")), (None, Some("0a0161"))]
        {
            let Ask { method, target, headers, body } = call(request, body).ok().unwrap();
            assert_eq!((method, target.path()), (Method::POST, "/qdrant.Points/Query"));
            assert_eq!(headers[CONTENT_TYPE], "application/grpc");
            assert_eq!(headers[TE], "trailers");
            assert_eq!(headers["x-rerank-query"], "caf%C3%A9");
            assert_eq!(body, &b"\0\0\0\0\x03\x0a\x01a"[..]);
        }
        assert!(matches!(call(None, None), Err(RequestError::NoMessage)));
        assert!(matches!(call(Some("a.bin"), Some("00")), Err(RequestError::TwoBodies)));
    }

    #[test]
    fn headers_are_sent_as_they_are_and_the_query_text_encoded() {
        let headers = ["Authorization: Basic x".to_owned(), "content-type:application/cbor".to_owned()];
        let typed = Typed { headers: &headers, query: Some("café au lait"), ..Typed::default() };
        let ask =
            super::ask(&Typed { request: Some("/i/_search"), body: Some("{}"), ..typed }, |_| Ok(vec![]));
        let headers = ask.map(|ask| ask.headers).ok().unwrap();
        assert_eq!(headers["authorization"], "Basic x");
        assert_eq!(headers["content-type"], "application/cbor");
        assert_eq!(headers["x-rerank-query"], "caf%C3%A9%20au%20lait");
    }

    #[test]
    fn what_was_meant_is_said_where_nothing_can_be_made_of_it() {
        let said = |request, path, body| match typed(Typed { request, path, body, ..Typed::default() }) {
            Ok(_) => "no error".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(said(None, None, None).contains("--path"));
        assert!(said(Some("body.json"), None, None).contains("--path"));
        assert!(said(Some("http://db:9200/docs/_search"), None, None).contains("--upstream"));
        assert!(said(Some("a.json"), Some("/docs/_search"), Some("{}")).contains("twice"));
        assert!(said(Some("P{}ST /docs/_search"), None, None).contains("no HTTP method"));
        assert!(said(None, Some("docs/_search"), None).contains("slash"));
        assert!(said(Some("POST /docs/_search"), None, Some("@gone.json")).contains("gone.json"));
        let headers = ["a: b".to_owned(), "canary".to_owned()];
        let error = typed(Typed { request: Some("/i/_search"), headers: &headers, ..Typed::default() });
        assert_eq!(error.err().unwrap().to_string(), "header 2 is not of the form 'name: value'");
    }
}
