//! [`Queue`]: spans on their way to the collector, in batches, from a thread of their own.

use std::{
    fs, io,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use http::{HeaderMap, Uri, uri::PathAndQuery};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol as Encoding, SpanExporter, WithExportConfig, WithHttpConfig,
    WithTonicConfig,
    tonic_types::{
        metadata::MetadataMap,
        transport::{Certificate, ClientTlsConfig},
    },
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkError,
    trace::{SpanData, SpanExporter as _},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Protocol, TraceMetrics, TraceSettings, metrics::Counts};
use crate::{
    telemetry::chain,
    trouble::{self, Failure, Lines, Peer},
};

/// The most spans of one export.
const BATCH: usize = 512;
/// How long the first span of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// Below this path of an endpoint traces are taken (OTLP/HTTP).
const PATH: &str = "/v1/traces";

/// Why traces cannot be exported as configured. Quotes no header.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The certificate authority's file cannot be read.
    #[error("telemetry.otlp.ca_file cannot be read")]
    CaFile(#[source] io::Error),
    /// The HTTP client cannot be set up.
    #[error("the client for telemetry.otlp cannot be set up")]
    Client(#[source] reqwest::Error),
    /// The exporter cannot be.
    #[error("telemetry.otlp cannot be used as configured")]
    Exporter(#[source] ExporterBuildError),
}

/// Where spans wait. Full, it drops them.
pub(super) struct Queue {
    sender: mpsc::Sender<SpanData>,
    scope: InstrumentationScope,
    counts: Counts,
    waiting: Mutex<Option<Waiting>>,
    /// Says that what waits is to be exported now.
    stop: CancellationToken,
    /// True once the thread has ended, or before it has begun.
    over: watch::Sender<bool>,
}

/// What the thread gets.
struct Waiting {
    spans: mpsc::Receiver<SpanData>,
    exporting: Exporting,
}

/// Exports batches.
struct Exporting {
    settings: TraceSettings,
    endpoint: Uri,
    counts: Counts,
    lines: Lines,
}

impl Queue {
    /// `None` where there is no collector.
    pub(super) fn new(settings: &TraceSettings, metrics: &TraceMetrics) -> Result<Option<Self>, ExportError> {
        let Some(endpoint) = settings.endpoint.clone() else { return Ok(None) };
        let endpoint = match settings.protocol {
            Protocol::Http if !settings.is_whole => below(endpoint),
            _ => endpoint,
        };
        if let Some(file) = &settings.ca_file {
            fs::read(file).map_err(ExportError::CaFile)?;
        }
        let (sender, spans) = mpsc::channel(settings.queue.max(1));
        let counts = metrics.counts();
        let exporting = Exporting {
            settings: settings.clone(),
            endpoint,
            counts: counts.clone(),
            lines: Lines::default(),
        };
        Ok(Some(Self {
            sender,
            scope: InstrumentationScope::builder("rerankd").with_version(env!("CARGO_PKG_VERSION")).build(),
            counts,
            waiting: Mutex::new(Some(Waiting { spans, exporting })),
            stop: CancellationToken::new(),
            over: watch::Sender::new(true),
        }))
    }

    /// Puts a span in, if there is room; it is made only then.
    pub(super) fn push(&self, span: impl FnOnce(&InstrumentationScope) -> SpanData) {
        match self.sender.try_reserve() {
            Ok(place) => place.send(span(&self.scope)),
            Err(_) => self.counts.dropped.inc(),
        }
    }

    /// Starts the thread, once.
    pub(super) fn start(&self) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Waiting { spans, exporting }) = waiting else { return };
        let (stop, over) = (self.stop.clone(), self.over.clone());
        over.send_replace(false);
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(exporting.run(spans, stop)),
                Err(error) => tracing::error!(%error, "no traces: their runtime could not be started"),
            }
            over.send_replace(true);
        };
        if let Err(error) = thread::Builder::new().name("rerankd-traces".to_owned()).spawn(run) {
            tracing::error!(%error, "no traces: their thread could not be started");
            self.over.send_replace(true);
        }
    }

    /// Exports what waits, for so long at most.
    pub(super) async fn finish(&self, within: Duration) {
        self.stop.cancel();
        let mut over = self.over.subscribe();
        // What was not exported by then is lost.
        let _ = timeout(within, over.wait_for(|over| *over)).await;
    }
}

impl Exporting {
    async fn run(self, mut spans: mpsc::Receiver<SpanData>, stop: CancellationToken) {
        // Built here: a channel belongs to the runtime that it is made on.
        // Fails only if one is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let exporter = match self.exporter() {
            Ok(exporter) => exporter,
            Err(error) => {
                tracing::error!(error = chain(&error), "no traces are exported");
                return;
            }
        };
        let mut batch = Vec::new();
        loop {
            let more = self.gather(&mut spans, &mut batch, &stop).await;
            let taken = batch.is_empty() || self.export(&exporter, std::mem::take(&mut batch)).await;
            // The program does not wait for a collector that is away.
            if !more || (!taken && stop.is_cancelled()) {
                return;
            }
        }
    }

    /// Waits for spans; whether more may come.
    async fn gather(
        &self,
        spans: &mut mpsc::Receiver<SpanData>,
        batch: &mut Vec<SpanData>,
        stop: &CancellationToken,
    ) -> bool {
        let mut until: Option<Instant> = None;
        while batch.len() < BATCH {
            if stop.is_cancelled() {
                // What is there is exported now, and nothing is taken any more.
                spans.close();
            }
            let room = BATCH - batch.len();
            let next = async {
                let next = spans.recv_many(batch, room);
                match until {
                    Some(until) => timeout_at(until, next).await.ok(),
                    None => Some(next.await),
                }
            };
            let came = tokio::select! {
                biased;
                came = next => came,
                () = stop.cancelled() => continue,
            };
            match came {
                Some(0) => return false,
                Some(_) => until = until.or_else(|| Some(Instant::now() + GATHER)),
                None => return true,
            }
        }
        true
    }

    /// Whether the collector has taken them.
    async fn export(&self, exporter: &SpanExporter, batch: Vec<SpanData>) -> bool {
        let count = batch.len() as u64;
        let exported = timeout(self.settings.timeout, exporter.export(batch)).await;
        let error = match exported.unwrap_or(Err(OTelSdkError::Timeout(self.settings.timeout))) {
            Ok(()) => {
                self.counts.exported.inc_by(count);
                return true;
            }
            Err(error) => error,
        };
        self.counts.failed.inc_by(count);
        let address = format!(
            "{}://{}",
            self.endpoint.scheme_str().unwrap_or_default(),
            self.endpoint.authority().map_or("", |authority| authority.as_str()),
        );
        let peer = Peer { role: "traces", name: "", address: &address };
        let failure = Failure {
            cause: "not_exported",
            remedy: "spans were lost, nothing else: the collector of telemetry.otlp does not take them",
            help: "docs/traces.md".to_owned(),
            error: &error,
        };
        trouble::warn(&self.lines, peer, &failure);
        false
    }

    fn exporter(&self) -> Result<SpanExporter, ExportError> {
        let mut exporter = match self.settings.protocol {
            Protocol::Grpc => self.over_grpc()?,
            Protocol::Http => self.over_http()?,
        };
        exporter.set_resource(&self.resource());
        Ok(exporter)
    }

    fn over_grpc(&self) -> Result<SpanExporter, ExportError> {
        let headers: HeaderMap = self.settings.headers.0.iter().cloned().collect();
        let exporter = SpanExporter::builder()
            .with_tonic()
            .with_endpoint(self.endpoint.to_string())
            .with_timeout(self.settings.timeout)
            .with_metadata(MetadataMap::from_headers(headers));
        let exporter = match (&self.settings.ca_file, self.endpoint.scheme_str()) {
            (_, Some("http")) | (_, None) => exporter,
            (None, _) => exporter.with_tls_config(ClientTlsConfig::new().with_native_roots()),
            (Some(file), _) => {
                let pem = fs::read(file).map_err(ExportError::CaFile)?;
                exporter.with_tls_config(ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)))
            }
        };
        exporter.build().map_err(ExportError::Exporter)
    }

    fn over_http(&self) -> Result<SpanExporter, ExportError> {
        let client = reqwest::Client::builder()
            .timeout(self.settings.timeout)
            .redirect(reqwest::redirect::Policy::none());
        let client = if is_local(&self.endpoint) { client.no_proxy() } else { client };
        let client = match &self.settings.ca_file {
            Some(file) => {
                let pem = fs::read(file).map_err(ExportError::CaFile)?;
                let certificates =
                    reqwest::Certificate::from_pem_bundle(&pem).map_err(ExportError::Client)?;
                client.tls_certs_only(certificates)
            }
            None if self.endpoint.scheme_str() == Some("http") => client.tls_certs_only([]),
            None => client,
        };
        let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = self.settings.headers.0.iter().map(|(name, value)| (name.to_string(), text(value)));
        SpanExporter::builder()
            .with_http()
            .with_http_client(client.build().map_err(ExportError::Client)?)
            .with_endpoint(self.endpoint.to_string())
            .with_protocol(Encoding::HttpBinary)
            .with_timeout(self.settings.timeout)
            .with_headers(headers.collect())
            .build()
            .map_err(ExportError::Exporter)
    }

    /// What is said of the program with every export.
    fn resource(&self) -> Resource {
        let own = [
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", Uuid::new_v4().to_string()),
        ];
        let given = self.settings.attributes.iter().cloned().map(|(key, value)| KeyValue::new(key, value));
        Resource::builder_empty()
            .with_attributes(own)
            .with_attributes(given)
            .with_service_name(self.settings.service_name.clone())
            .build()
    }
}

/// Whether the collector is on this machine, where no proxy finds it.
fn is_local(endpoint: &Uri) -> bool {
    let host = endpoint.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// The URL that traces are sent to, where the endpoint is what all signals have in common.
fn below(endpoint: Uri) -> Uri {
    let path = endpoint.path().trim_end_matches('/');
    if path.ends_with(PATH) {
        return endpoint;
    }
    let mut parts = endpoint.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(format!("{path}{PATH}")).ok();
    Uri::from_parts(parts).unwrap_or(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_is_asked_for_a_collector_of_this_machine() {
        for (endpoint, expected) in [
            ("http://localhost:4318", true),
            ("http://127.0.0.1:4318", true),
            ("http://[::1]:4318", true),
            ("https://otlp.example.com", false),
        ] {
            assert_eq!(is_local(&endpoint.parse().unwrap()), expected, "{endpoint}");
        }
    }

    #[test]
    fn traces_are_sent_below_an_endpoint_that_all_signals_share() {
        for (endpoint, expected) in [
            ("http://c:4318", "http://c:4318/v1/traces"),
            ("http://c:4318/", "http://c:4318/v1/traces"),
            ("https://c/otlp/", "https://c/otlp/v1/traces"),
            ("https://c/v1/traces", "https://c/v1/traces"),
        ] {
            assert_eq!(below(endpoint.parse().unwrap()).to_string(), expected);
        }
    }
}
