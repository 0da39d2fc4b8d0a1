//! The database's root, requested from inside the program: its product and version.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};

use super::Proxy;
use crate::{
    body::{self, BodyRead},
    bounds::Budget,
};

/// Larger than any database's response at its root.
const MOST: usize = 64 << 10;

/// The database's response to `GET /`.
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
        let asked = self.forwarder.forward(Request::new(body::empty())).await;
        let response = asked.map_err(|error| error.explained())?;
        let (status, headers) = (response.status(), response.headers().clone());
        let room = Budget::new(MOST).nothing();
        let body = match body::read_up_to(response.into_body(), MOST, room, None).await {
            Ok(BodyRead::Whole { bytes, .. }) => bytes,
            Ok(BodyRead::TooLarge(_) | BodyRead::NoRoom(_)) | Err(_) => Bytes::new(),
        };
        Ok(Root { status, headers, body })
    }
}
