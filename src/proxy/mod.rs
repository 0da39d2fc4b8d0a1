//! Between the client's connection and the upstream: accept, forward, answer.

pub mod body;
mod error;
mod expect;
mod forward;
pub mod headers;
mod listener;
pub mod respond;

pub use body::Body;
pub use error::ProxyError;
pub use forward::Forwarder;
pub use listener::{ClientAddr, Listener, ListenerSettings};
