//! A scriptable database, a client that sees every byte, and a proxy between them.

pub mod binary;
mod database;
pub mod fixture;
mod frames;
pub mod hits;
mod program;
mod proxy;
mod scripted;
pub mod strict;
mod tap;
mod wire;

pub use database::FakeDatabase;
pub use frames::{End, Frames};
pub use program::Program;
pub use proxy::Proxy;
pub use scripted::{Scripted, answer, body_of, header, json_of};
pub use tap::{Reply, Tap, echo};
pub use wire::Wire;
