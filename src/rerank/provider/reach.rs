//! The connection to a service: name lookup, and what a failure to connect means.

use std::error::Error;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::{
    rerank::RerankError,
    trouble::{NameNotFound, Trouble},
};

/// The system's resolver. The client's own is the same, but its error has no type to identify it by.
pub(super) struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        // The client sets the port.
        let asked = (name.as_str().to_owned(), 0);
        Box::pin(async move {
            let found = tokio::net::lookup_host(asked).await.map_err(NameNotFound)?;
            let addresses: Addrs = Box::new(found);
            Ok(addresses)
        })
    }
}

/// What a client error means. Its text is dropped: it may name the address, and proxies put passwords there.
pub(super) fn sort(error: &reqwest::Error) -> RerankError {
    if error.is_timeout() {
        return RerankError::Timeout;
    }
    if error.is_connect() {
        return RerankError::NotConnected(Trouble::of(error));
    }
    // The client reports a broken connection as a decoding error too; only its source distinguishes them.
    if causes(error).any(|cause| cause.is::<hyper::Error>()) || !error.is_decode() {
        return RerankError::Unreachable("connection broke");
    }
    RerankError::BadResponse("cannot decode")
}

fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}
