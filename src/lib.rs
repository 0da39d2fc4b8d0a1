//! `rerankd`: a reranking sidecar proxy for vector and search databases.
//!
//! The folders are the path of a request; `README.md` tells what the program does for its user.

pub mod demo;
pub mod dialect;
pub mod document;
pub mod json;
pub mod rerank;
pub mod search;
