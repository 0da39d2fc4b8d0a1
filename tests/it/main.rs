//! Integration tests: the real proxy between real sockets.

mod forward;
mod framing;
mod harness;
mod http2;
mod import_map;
mod rerank_api;
mod search;
mod shutdown;
