//! A scriptable database, a client that sees every byte, and a proxy between them.

mod binary;
mod database;
mod proxy;
mod raw;
mod scripted;
mod sidecar;
mod wire;

pub use binary::Binary;
pub use database::FakeDatabase;
pub use proxy::Proxy;
pub use raw::{RawServer, gzip, request, whole};
pub use scripted::{Scripted, answer, body_of, header, json_of};
pub use sidecar::Sidecar;
pub use wire::Wire;
