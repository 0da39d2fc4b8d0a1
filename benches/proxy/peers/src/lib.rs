//! What the database and the provider of the side-by-side benches share: reading a request with as little work as
//! possible, and the responses.

mod response;
mod request;

pub use response::{Answers, json};
pub use request::{Head, head};
