//! A scriptable database, a client that sees every byte, and a proxy between them.

mod database;
mod program;
mod proxy;
mod scripted;
mod wire;

pub use database::FakeDatabase;
pub use program::{Program, hits, search};
pub use proxy::Proxy;
pub use scripted::{Scripted, answer, body_of, header, json_of};
pub use wire::Wire;
