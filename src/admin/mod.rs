//! The admin listener: `/livez`, `/readyz` and `/metrics` for everyone, the inspector for those that [`Access`]
//! admits.

mod access;
mod gzip;
mod health;
mod inspector;
mod responses;
mod routes;
mod scrape;
mod server;
mod slot_stream;
mod slots;

pub use access::{Access, Ends};
pub use health::{Condition, Readiness};
pub use inspector::{Inspector, search_json};
pub use routes::Admin;
pub use scrape::Scrape;
