//! What the database and the provider of the side-by-side benches share: reading a request with as little work as
//! possible, and the answers.

mod answer;
mod request;

pub use answer::{Answers, json};
pub use request::{Head, head};
