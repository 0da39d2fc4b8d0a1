//! Integration tests: the real proxy between real sockets.

mod faults;
mod fields;
mod forward;
mod framing;
mod harness;
mod http2;
mod import_map;
mod modes;
mod search;
mod shutdown;
