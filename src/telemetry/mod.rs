//! Logs and the metric registry.

mod lines;
mod log;
mod own;
mod registry;
#[cfg(test)]
mod test_support;

pub use log::{LogError, LogFormat, chain, init_logging};
pub use registry::new_registry;
