//! Integration tests: the real proxy between real sockets.

mod binary;
mod codings;
mod forward;
mod framing;
mod framing_answers;
mod framing_http2;
mod harness;
mod http2;
mod import_map;
mod privacy;
mod replay;
mod replay_grpc;
mod search;
mod shutdown;
mod tls;
mod upstream;
