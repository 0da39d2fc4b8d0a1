//! Logs and the metric registry.

mod log;
mod registry;

pub use log::{LogError, LogFormat, chain, init_logging};
pub use registry::new_registry;
