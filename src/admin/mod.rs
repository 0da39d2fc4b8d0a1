//! The admin listener: `/livez`, `/readyz` and `/metrics` for everyone, the inspector for whom [`Access`] lets in.

mod access;
mod answers;
mod health;
mod inspector;
mod routes;
mod server;

pub use access::{Access, Ends};
pub use health::{Condition, Readiness};
pub use inspector::Inspector;
pub use routes::Admin;
