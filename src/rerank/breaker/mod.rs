//! Stops calling a provider that fails, and probes it before it is used again.

mod circuit;
mod layer;
mod window;

pub use circuit::{CircuitSettings, CircuitState};
pub(super) use layer::{Breaker, Switch};
