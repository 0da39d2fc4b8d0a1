//! A scriptable database, a client that sees every byte, and a proxy between them.

mod database;
mod process;
mod proxy;
mod scripted;
mod sidecar;
mod tls;
mod wire;

pub use database::FakeDatabase;
pub use process::Process;
pub use proxy::Proxy;
pub use scripted::{Scripted, answer, body_of, header, json_of};
pub use sidecar::{Folder, Sidecar, ask};
pub use tls::{Authority, Identity, TlsDatabase, handshake};
pub use wire::Wire;
