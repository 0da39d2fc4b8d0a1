//! `rerankd`: a reranking sidecar proxy for vector and search databases.
//!
//! The folders are the path of a request; `README.md` and `docs/` say what the program does for its user.

// A reader that has gone away (`rerankd demo | head`) is no reason to panic, as these do.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod admin;
pub mod app;
pub mod body;
pub mod bounds;
pub mod cli;
pub mod config;
pub mod demo;
pub mod dialect;
pub mod document;
pub mod embedding;
pub mod embedding_api;
pub mod eval;
pub mod explain;
pub mod fleet;
pub mod pipeline;
pub mod probe;
pub mod proxy;
pub mod rerank;
pub mod rerank_api;
pub mod search;
pub mod signing;
pub mod system;
pub mod telemetry;
pub mod tenant;
pub mod tls;
pub mod traces;
pub mod trouble;
pub mod upstream;
pub mod wire;
pub mod workers;
