//! A scriptable database, a client that sees every byte, and a proxy between them.

mod database;
mod proxy;
mod wire;

pub use database::FakeDatabase;
pub use proxy::Proxy;
pub use wire::Wire;
