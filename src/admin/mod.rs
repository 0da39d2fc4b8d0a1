//! The admin listener: `/livez`, `/readyz`, `/metrics`.

mod health;
mod server;

pub use health::{Condition, Readiness};
pub use server::Admin;
