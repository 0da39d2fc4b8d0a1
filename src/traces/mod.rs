//! Traces: a span for each request that is sampled, its children, and their export to an OpenTelemetry collector.
//!
//! Whether a request is traced is decided once, at its head. One that is not has no [`TraceParent`], and nothing is made
//! for it. Of one that is, every step that somebody would ask for opens a span under its parent's; a span goes to the
//! exporter's queue when it ends. No span holds a text or a key: attributes are words of the program, numbers, names
//! from the configuration, and the names of collections.

mod body;
mod context;
mod export;
mod metrics;
mod route;
mod settings;
mod span;
mod tracer;

pub use body::traced;
pub use export::ExportError;
pub use metrics::TraceMetrics;
pub use route::{method, route};
pub use settings::{Parents, Propagate, Protocol, SecretHeaders, TraceSettings};
pub use span::{OpenSpan, TraceParent};
pub use tracer::Tracer;
