use http::Request;

use super::{Forwarder, ProxyError, host};
use crate::body::{self, Body};

/// How large the head of a request may be. The parsers' own limits are not so exact, and HTTP/2 has others.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// The most headers.
    pub max_headers: usize,
    /// Target and headers together, in bytes.
    pub max_head_bytes: usize,
}

impl HeadLimits {
    /// Why a request is not to be forwarded, as far as its head shows.
    pub fn refusal(&self, request: &Request<Body>, to: &Forwarder) -> Option<ProxyError> {
        match () {
            () if self.is_over(request) => Some(ProxyError::LargeHead),
            () if !host::is_clear(request) => Some(ProxyError::Unforwardable),
            () if to.comes_back(request.headers()) => Some(ProxyError::Loop),
            () => None,
        }
    }

    fn is_over(&self, request: &Request<Body>) -> bool {
        let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
        let bytes = target + body::head_bytes(request.headers());
        request.headers().len() > self.max_headers || bytes > self.max_head_bytes
    }
}
