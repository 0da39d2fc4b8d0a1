//! `telemetry`.

use crate::{
    config::{
        kind::Kind,
        setting::{By, Setting, Shown, by, setting},
        words::{PARENTS, PROPAGATE, PROTOCOLS},
    },
    traces::TraceSettings,
};

/// `telemetry`.
pub(in crate::config) static TELEMETRY: &[Setting<TraceSettings>] = &[
    by(
        "otlp.endpoint",
        Kind::Url,
        "an OpenTelemetry collector, such as http://localhost:4318 (or :4317 for grpc): traces are sent there; none if not \
         set. Over HTTP the path /v1/traces is appended",
        By::Hand(|of| match &of.endpoint {
            Some(url) => Shown::One(url.to_string().trim_end_matches('/').to_owned()),
            None => Shown::Null,
        }),
    ),
    setting("otlp.protocol", Kind::Word(PROTOCOLS), "http/protobuf | grpc", |to| &mut to.protocol),
    setting(
        "otlp.headers_file",
        Kind::File,
        "a file with headers for the collector, name=value one a line, such as a key; beside OTEL_EXPORTER_OTLP_HEADERS, which wins",
        |to| &mut to.headers_file,
    ),
    setting(
        "otlp.ca_file",
        Kind::Certificate,
        "trust this PEM file instead of the system's roots (https://)",
        |to| &mut to.ca_file,
    ),
    setting("otlp.timeout", Kind::Duration, "for one export, its repetitions included", |to| &mut to.timeout),
    setting(
        "otlp.sample",
        Kind::Share,
        "share of requests that are traced where no caller decides; 1% is enough under load",
        |to| &mut to.ratio,
    ),
    setting(
        "otlp.parent",
        Kind::Word(PARENTS),
        "what a caller's traceparent decides: follow (sampled or not, as it says) | only (likewise, and nothing without \
         one is traced) | ignore (sample alone decides)",
        |to| &mut to.parents,
    ),
    setting(
        "otlp.propagate",
        Kind::Word(PROPAGATE),
        "who gets a traceparent of rerankd's: off (the client's goes on unchanged) | upstream (the database) | all (and \
         the providers)",
        |to| &mut to.propagate,
    ),
    setting(
        "otlp.queue",
        Kind::Whole(1, 1_000_000),
        "spans that wait for an export; more are dropped and counted",
        |to| &mut to.queue,
    ),
    setting("otlp.service_name", Kind::Name, "the service.name of the traces", |to| &mut to.service_name),
];
