//! Recorded gRPC calls through a listener that forwards only, over cleartext HTTP/2 on both sides.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rerankd::body::{self, Body};
use serde_json::Value;
use tokio::net::TcpListener;

use crate::harness::Program;

type Fields = Vec<(String, String)>;

#[derive(Clone, Default)]
struct Call {
    name: String,
    path: String,
    request: Fields,
    sent: Vec<u8>,
    response: Fields,
    received: Vec<u8>,
    trailers: Fields,
    trailers_only: bool,
}

fn calls() -> Vec<Call> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/qdrant");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().filter_map(|file| call(file)).collect()
}

fn call(file: &Path) -> Option<Call> {
    let json: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).ok()?;
    json["protocol"].as_str()?.contains("gRPC").then_some(())?;
    let (request, response) = (&json["request"], &json["response"]);
    Some(Call {
        name: file.file_stem()?.to_string_lossy().into_owned(),
        path: request["path"].as_str()?.to_owned(),
        request: fields(&request["headers"]),
        sent: messages(&request["messages"]),
        response: fields(&response["headers"]),
        received: messages(&response["messages"]),
        trailers: fields(&response["trailers"]),
        trailers_only: response["trailers_only"].as_bool()?,
    })
}

/// Without the pseudo-fields.
fn fields(pairs: &Value) -> Fields {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pairs = pairs.as_array().cloned().unwrap_or_default();
    pairs
        .iter()
        .map(|pair| (text(&pair[0]), text(&pair[1])))
        .filter(|(name, _)| !name.starts_with(':'))
        .collect()
}

/// With the five bytes before each: compressed or not, and the length.
fn messages(list: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in list.as_array().unwrap() {
        let data = message["message_base64"].as_str().unwrap();
        let data = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
        bytes.push(u8::try_from(message["compressed"].as_u64().unwrap()).unwrap());
        bytes.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(data);
    }
    bytes
}

fn map(fields: &Fields) -> HeaderMap {
    let name = |text: &str| HeaderName::from_bytes(text.as_bytes()).unwrap();
    fields.iter().map(|(n, value)| (name(n), HeaderValue::from_str(value).unwrap())).collect()
}

fn flat(headers: &HeaderMap) -> Fields {
    let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// Responses what was recorded of the call that is on; keeps the path, headers and bytes of what it was asked.
#[derive(Clone, Default)]
struct Server {
    on: Arc<Mutex<Call>>,
    seen: Arc<Mutex<Vec<(String, Fields, Bytes)>>>,
}

impl Server {
    async fn response(self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let path = request.uri().path().to_owned();
        let headers = flat(request.headers());
        let sent = request.into_body().collect().await.unwrap().to_bytes();
        self.seen.lock().unwrap().push((path, headers, sent));
        let call = self.on.lock().unwrap().clone();
        let frames = [
            Ok::<_, Infallible>(Frame::data(Bytes::from(call.received))),
            Ok(Frame::trailers(map(&call.trailers))),
        ];
        let body = match call.trailers_only {
            true => body::empty(),
            false => body::boxed(StreamBody::new(futures_util::stream::iter(frames))),
        };
        let mut response = Response::new(body);
        *response.headers_mut() = map(&call.response);
        Ok(response)
    }

    async fn listen(&self) -> SocketAddr {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, server) = (socket.local_addr().unwrap(), self.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let server = server.clone();
                let service = service_fn(move |request| server.clone().response(request));
                let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .auto_date_header(false)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::spawn(connection);
            }
        });
        addr
    }
}

/// The call as the client makes it, and all that it gets.
async fn make(
    client: &Client<HttpConnector, Body>,
    proxy: SocketAddr,
    call: &Call,
) -> (Fields, Bytes, Fields, bool) {
    // Of no known length, as gRPC clients send it.
    let sent = Ok::<_, Infallible>(Frame::data(Bytes::from(call.sent.clone())));
    let body = body::boxed(StreamBody::new(futures_util::stream::iter([sent])));
    let mut request = Request::post(format!("http://{proxy}{}", call.path)).body(body).unwrap();
    *request.headers_mut() = map(&call.request);
    let response = client.request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let ended = response.body().is_end_stream();
    let headers = flat(response.headers());
    let got = response.into_body().collect().await.unwrap();
    let trailers = got.trailers().map(flat).unwrap_or_default();
    (headers, got.to_bytes(), trailers, ended)
}

#[tokio::test]
async fn recorded_grpc_calls_pass_with_every_byte_and_trailer() {
    let server = Server::default();
    let upstream = server.listen().await;
    let yaml = format!(
        "listeners:\n  - listen: 127.0.0.1:0\n    dialect: none\n    upstream: {{ url: \"http://{upstream}\", \
         http2: true }}\nadmin: {{ listen: 127.0.0.1:0 }}\n"
    );
    let program = Program::start(&yaml, &[]).await;
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let calls = calls();
    assert_eq!(calls.len(), 22);
    let mut problems = Vec::new();
    for call in calls {
        *server.on.lock().unwrap() = call.clone();
        let got = make(&client, program.addr, &call).await;
        let mut expected = call.request.clone();
        // The proxy's own headers stay here, whatever the dialect.
        expected.retain(|(name, _)| !name.starts_with("x-rerank"));
        let seen = std::mem::take(&mut *server.seen.lock().unwrap());
        if seen != [(call.path.clone(), expected, call.sent.clone().into())] {
            problems.push(format!("{}: the server saw {seen:?}", call.name));
        }
        if got != (call.response.clone(), call.received.clone().into(), call.trailers, call.trailers_only) {
            problems.push(format!("{}: the client got {got:?}", call.name));
        }
    }
    assert!(problems.is_empty(), "{} broken:\n{}", problems.len(), problems.join("\n"));
}
