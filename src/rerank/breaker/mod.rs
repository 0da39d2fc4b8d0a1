//! Stops asking a provider that fails, and asks again with care.

mod circuit;
mod layer;
mod window;

pub use circuit::{CircuitSettings, CircuitState};
pub(super) use layer::{Breaker, Switch};
