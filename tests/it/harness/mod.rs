//! A scriptable database, a client that sees every byte, and a proxy between them.

mod database;
mod faulty;
pub mod fixture;
mod frames;
pub mod hits;
pub mod points;
mod process;
mod program;
mod proxy;
mod qdrant;
mod raw;
mod redis;
pub mod rerank_api;
mod scripted;
mod sidecar;
pub mod strict;
mod tap;
mod tls;
mod watched;
mod wire;

pub use database::FakeDatabase;
pub use faulty::{Fault, Faulty};
pub use frames::{End, Frames};
pub use points::{Points, QUERY};
pub use process::{Process, run};
pub use program::Program;
pub use proxy::Proxy;
pub use qdrant::{qdrant_hits, search};
pub use raw::{RawServer, gzip, request, whole};
pub use redis::FakeRedis;
pub use scripted::{Scripted, answer, body_of, header, json_of};
pub use sidecar::Sidecar;
pub use tap::{Reply, Tap, echo};
pub use tls::{Authority, Identity, TlsDatabase, handshake};
pub use watched::{Folder, Watched, ask};
pub use wire::Wire;
