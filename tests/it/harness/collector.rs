//! A collector of OpenTelemetry that keeps what it gets: OTLP over gRPC and over HTTP, on one port.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// What a gRPC client calls.
const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// Listens on a free port; stops when dropped.
pub struct Collector {
    pub addr: SocketAddr,
    got: Arc<Mutex<Got>>,
    changed: watch::Receiver<()>,
    task: AbortHandle,
}

#[derive(Default)]
struct Got {
    spans: Vec<Span>,
    resource: BTreeMap<String, String>,
    heads: Vec<(String, HeaderMap)>,
    /// Every byte of every message.
    bytes: Vec<u8>,
}

/// A span as it came.
#[derive(Clone, Debug)]
pub struct Span {
    pub name: String,
    /// Of the specification: 1 internal, 2 server, 3 client.
    pub kind: i32,
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub state: String,
    pub attributes: BTreeMap<String, String>,
    pub failed: bool,
    /// Nanoseconds.
    pub times: (u64, u64),
}

impl Collector {
    pub async fn start() -> Self {
        Self::answering(200).await
    }

    /// One that says so to every export.
    pub async fn answering(status: u16) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let got: Arc<Mutex<Got>> = Arc::default();
        let (change, changed) = watch::channel(());
        let (keep, change) = (got.clone(), Arc::new(change));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let (keep, change) = (keep.clone(), change.clone());
                let service =
                    service_fn(move |request| respond(status, request, keep.clone(), change.clone()));
                let server = auto::Builder::new(TokioExecutor::new());
                tokio::spawn(async move {
                    server.serve_connection(TokioIo::new(stream), service).await.ok();
                });
            }
        })
        .abort_handle();
        Self { addr, got, changed, task }
    }

    /// The lines of a configuration that send everything here.
    pub fn wanted(&self, protocol: &str, more: &str) -> String {
        format!("telemetry: {{ otlp: {{ endpoint: 'http://{}', protocol: {protocol}{more} }} }}\n", self.addr)
    }

    /// The spans that have come.
    pub fn spans(&self) -> Vec<Span> {
        self.got.lock().unwrap().spans.clone()
    }

    /// Waits until so many have come.
    pub async fn until(&self, count: usize) -> Vec<Span> {
        let mut changed = self.changed.clone();
        let come = changed.wait_for(|()| self.spans().len() >= count);
        let waited = tokio::time::timeout(Duration::from_secs(60), come).await;
        assert!(waited.is_ok(), "{} of {count} spans: {:#?}", self.spans().len(), self.spans());
        self.spans()
    }

    /// What is said of the program.
    pub fn resource(&self) -> BTreeMap<String, String> {
        self.got.lock().unwrap().resource.clone()
    }

    /// The path and the headers of each export.
    pub fn heads(&self) -> Vec<(String, HeaderMap)> {
        self.got.lock().unwrap().heads.clone()
    }

    /// Whether a text stands anywhere in what has come.
    pub fn has(&self, text: &str) -> bool {
        memchr::memmem::find(&self.got.lock().unwrap().bytes, text.as_bytes()).is_some()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Said = StreamBody<
    futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, std::convert::Infallible>>>,
>;

async fn respond(
    status: u16,
    request: Request<Incoming>,
    got: Arc<Mutex<Got>>,
    change: Arc<watch::Sender<()>>,
) -> Result<Response<Said>, std::convert::Infallible> {
    let (parts, body) = request.into_parts();
    let mut bytes = body.collect().await.unwrap().to_bytes();
    let is_grpc = parts.uri.path() == EXPORT;
    if is_grpc {
        assert_eq!(bytes[0], 0, "not compressed");
        bytes.advance(5);
    }
    let export = ExportTraceServiceRequest::decode(bytes.clone()).expect("an export");
    got.lock().unwrap().take(parts.uri.path(), parts.headers, &bytes, export);
    change.send_replace(());
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let frames = match is_grpc {
        true => vec![Ok(Frame::data(Bytes::from_static(&[0; 5]))), Ok(Frame::trailers(trailers))],
        false => Vec::new(),
    };
    let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)));
    *response.status_mut() = status.try_into().unwrap();
    let media_type = if is_grpc { "application/grpc" } else { "application/x-protobuf" };
    response.headers_mut().insert("content-type", media_type.parse().unwrap());
    Ok(response)
}

impl Got {
    fn take(&mut self, path: &str, headers: HeaderMap, bytes: &[u8], export: ExportTraceServiceRequest) {
        self.heads.push((path.to_owned(), headers));
        self.bytes.extend_from_slice(bytes);
        for of_resource in export.resource_spans {
            self.resource = attributes(of_resource.resource.unwrap_or_default().attributes);
            let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.extend(spans.map(|span| Span {
                name: span.name,
                kind: span.kind,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                state: span.trace_state,
                attributes: attributes(span.attributes),
                failed: span.status.is_some_and(|status| status.code == 2),
                times: (span.start_time_unix_nano, span.end_time_unix_nano),
            }));
        }
    }
}

fn attributes(all: Vec<KeyValue>) -> BTreeMap<String, String> {
    all.into_iter().map(|pair| (pair.key, pair.value.map(text).unwrap_or_default())).collect()
}

fn text(value: AnyValue) -> String {
    match value.value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Span {
    /// The value of an attribute; empty where there is none.
    pub fn says(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }
}
