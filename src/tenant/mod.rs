//! Whose a request is. A tenant's name counts from a source that a client cannot choose: a header from the network of a
//! gateway, a certificate that the handshake has verified, or the collections that are searched. Pure.

mod peer;
mod rules;

pub use peer::{AsTenant, Peer};
pub use rules::{Claim, Rules, Sources, is_certificate_name, network};
