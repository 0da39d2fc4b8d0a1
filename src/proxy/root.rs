//! An upstream's response to a request from inside the program: at a database's root, its product and version.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};

use super::{Forwarder, Proxy, ProxyError};
use crate::{
    body::{self, BodyRead},
    bounds::Budget,
};

/// Larger than any database's response at its root.
const MOST: usize = 64 << 10;

/// The upstream's response.
pub struct Root {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; empty where it broke off or is too long.
    pub body: Bytes,
}

impl Proxy {
    /// Requests the database's root, or returns why there is no response and what to do.
    pub async fn root(&self) -> Result<Root, String> {
        self.forwarder.ask("").await
    }
}

impl Forwarder {
    /// Requests a path of the upstream, or returns why there is no response and what to do. An empty one is its root.
    pub async fn ask(&self, path: &str) -> Result<Root, String> {
        let mut request = Request::new(body::empty());
        if !path.is_empty() {
            *request.uri_mut() = path.parse().map_err(|_| ProxyError::Unforwardable.explained())?;
        }
        let response = self.forward(request).await.map_err(|error| error.explained())?;
        let (status, headers) = (response.status(), response.headers().clone());
        let room = Budget::new(MOST).nothing();
        let body = match body::read_up_to(response.into_body(), MOST, room, None).await {
            Ok(BodyRead::Whole { bytes, .. }) => bytes,
            Ok(BodyRead::TooLarge(_) | BodyRead::NoRoom(_)) | Err(_) => Bytes::new(),
        };
        Ok(Root { status, headers, body })
    }
}
