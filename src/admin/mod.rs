//! The admin listener: `/livez`, `/readyz` and `/metrics` for everyone, the inspector for whom [`Access`] lets in.

mod access;
mod answers;
mod health;
mod inspector;
mod routes;
mod scrape;
mod seated;
mod seats;
mod server;

pub use access::{Access, Ends};
pub use health::{Condition, Readiness};
pub use inspector::{Inspector, search_json};
pub use routes::Admin;
pub use scrape::Scrape;
