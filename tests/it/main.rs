//! Integration tests: the real proxy between real sockets.

mod bad_answers;
mod bad_input;
mod binary;
mod codings;
mod depth;
mod faults;
mod fields;
mod forward;
mod framing;
mod framing_answers;
mod framing_http2;
mod harness;
mod http2;
mod import_map;
mod modes;
mod privacy;
mod reload;
mod replay;
mod replay_grpc;
mod reranker;
mod scores;
mod search;
mod shutdown;
mod tls;
mod trace;
mod upstream;
