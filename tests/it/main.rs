//! Integration tests: the real proxy between real sockets.

mod forward;
mod framing;
mod harness;
