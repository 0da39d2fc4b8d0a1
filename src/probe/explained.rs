//! One search through the pipeline with all that was sent for it.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::{Ask, Probe, RESPONSE_BYTES, head};
use crate::{
    body::{self, BodyRead},
    bounds::Budget,
    dialect::{DialectError, Routed},
    pipeline::{Seen, Witness},
    proxy::{Signature, unpack},
    search::Head,
};

/// A search, its response, and everything that was done in between.
#[derive(Clone)]
pub struct Explained {
    /// The dialect's name.
    pub dialect: &'static str,
    /// The operation, by the word of metrics and logs.
    pub operation: &'static str,
    /// Why the request could not be read, if so: it was passed on unchanged.
    pub unread: Option<DialectError>,
    /// The response's status.
    pub status: StatusCode,
    /// The response's headers.
    pub headers: HeaderMap,
    /// The response's body; empty where it broke off or is too large.
    pub body: Bytes,
    /// The response's trailers; none where there are none, or it was not read to its end.
    pub trailers: HeaderMap,
    /// What became of a signature for AWS.
    pub signature: Signature,
    /// What was done.
    pub seen: Seen,
}

/// Why there is nothing to explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unexplained {
    /// The request is no search; with POST it would be one.
    PostIt,
    /// The request is no search in any dialect of the listener.
    NotASearch {
        /// Whether the listener has any.
        has_dialects: bool,
    },
    /// The search has no body and cannot do without.
    NoBody,
}

impl Probe {
    /// Sends a search through the pipeline and reports everything about it.
    pub async fn explained(&self, ask: &Ask) -> Result<Explained, Unexplained> {
        let asked = self.proxy.seen(head(ask));
        let Some(Routed { dialect, route }) = self.proxy.dialects.search(&asked) else {
            return Err(self.no_search(&asked));
        };
        let (dialect, operation) = (dialect.name(), route.endpoint.kind().as_str());
        let framing = route.endpoint.framing();
        let message = unpack(framing, &ask.headers, &ask.body, RESPONSE_BYTES, &Budget::new(RESPONSE_BYTES));
        // What cannot be unpacked cannot be read either.
        let read = route.endpoint.read(message.unwrap_or_else(|_| ask.body.clone()));
        let unread = read.and_then(|request| request.intents()).err();
        if ask.body.is_empty() && unread.is_some() {
            return Err(Unexplained::NoBody);
        }
        let witness = Witness::of_calls();
        let request = self.request(ask, &witness);
        let signature = self.proxy.signature(&request);
        let response = self.proxy.handle(request).await;
        let (status, headers) = (response.status(), response.headers().clone());
        let room = Budget::new(RESPONSE_BYTES).nothing();
        let (body, trailers) = match body::read_up_to(response.into_body(), RESPONSE_BYTES, room, None).await
        {
            Ok(BodyRead::Whole { bytes, trailers }) => (bytes, trailers.unwrap_or_default()),
            Ok(BodyRead::TooLarge(_) | BodyRead::NoRoom(_)) | Err(_) => Default::default(),
        };
        Ok(Explained {
            dialect,
            operation,
            unread,
            status,
            headers,
            body,
            trailers,
            signature,
            seen: witness.take_all(),
        })
    }

    fn no_search(&self, asked: &Head<'_>) -> Unexplained {
        let dialects = &self.proxy.dialects;
        if dialects.search(&Head { method: &Method::POST, ..*asked }).is_some() {
            return Unexplained::PostIt;
        }
        Unexplained::NotASearch { has_dialects: dialects.any() }
    }
}
