//! A scriptable database, a client that sees every byte, and a proxy between them.

mod database;
mod faulty;
pub mod points;
mod program;
mod proxy;
mod scripted;
mod sidecar;
mod wire;

pub use database::FakeDatabase;
pub use faulty::{Fault, Faulty};
pub use points::{Points, QUERY};
pub use program::Program;
pub use proxy::Proxy;
pub use scripted::{Scripted, answer, body_of, header, json_of};
pub use sidecar::Sidecar;
pub use wire::Wire;
