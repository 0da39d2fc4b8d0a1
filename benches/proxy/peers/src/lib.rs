//! What the database and the provider of the side-by-side benches share: reading a request with as little work as
//! possible, and the responses.

mod collection;
mod message;
mod request;
mod response;

pub use message::Messages;
pub use request::{Head, head};
pub use response::{Answers, json};
