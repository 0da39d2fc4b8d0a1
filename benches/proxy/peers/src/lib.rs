//! What the servers of the side-by-side benches share: reading a request with as little work as possible, and the
//! responses.

mod collection;
mod embedding;
mod event;
mod message;
mod request;
mod response;

pub use embedding::embeddings;
pub use event::{delays, event};
pub use message::Messages;
pub use request::{Head, head};
pub use response::{Answers, PIECES, json, pieces};
