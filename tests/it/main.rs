//! Integration tests: the real proxy between real sockets.

mod bad_answers;
mod bad_input;
mod config_reference;
mod depth;
mod fields;
mod forward;
mod framing;
mod harness;
mod http2;
mod import_map;
mod reranker;
mod scores;
mod search;
mod shutdown;
mod trace;
