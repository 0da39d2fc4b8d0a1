//! `rerankd`: a reranking sidecar proxy for vector and search databases.
//!
//! The folders are the path of a request; `README.md` tells what the program does for its user.

pub mod admin;
pub mod cli;
pub mod config;
pub mod dialect;
pub mod document;
pub mod json;
pub mod proxy;
pub mod rerank;
pub mod search;
pub mod upstream;
