//! Integration tests: the real proxy between real sockets.

mod bounds;
mod forward;
mod framing;
mod harness;
mod heads;
mod http2;
mod import_map;
mod leaving;
mod search;
mod shutdown;
mod timeouts;
