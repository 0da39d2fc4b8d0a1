//! [`Relay`]: requests that go on from their own bytes.
//!
//! Most requests to a database are no searches, and all that they need is one head read, judged and written, twice. What
//! every reader reads in the same way, and nothing has to be done for, passes here; all else is hyper's: what is read
//! strictly and is no search goes upstream by itself, a response that is not plain is given to hyper as it came, and so is
//! every other message.

mod body;
mod buffer;
mod client;
mod exchange;
mod lent;
mod lines;
mod request;
mod response;
mod rewound;
mod session;

use std::sync::LazyLock;

use http::{HeaderMap, StatusCode};

pub(super) use client::Client;
pub(super) use lent::Lent;
use request::Request;
pub(super) use session::{Next, run};

use super::forward::Forwarder;
use super::head_limits::HeadLimits;
use super::metrics::{Handling, ProxyMetrics};
use crate::dialect::Dialects;
use crate::upstream::Upstream;

static NO_HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);

/// Which requests of a listener go on as they are, and where to.
pub struct Relay {
    forwarder: Forwarder,
    dialects: Dialects,
    head: HeadLimits,
    metrics: ProxyMetrics,
}

impl Relay {
    /// Those that are no search in `dialects`, nor tell these something, nor are over the limits of `head`, to where `forwarder` sends. `None` where
    /// none can be sent so.
    pub fn new(
        forwarder: Forwarder,
        dialects: Dialects,
        head: HeadLimits,
        metrics: ProxyMetrics,
    ) -> Option<Self> {
        forwarder.upstream().is_raw().then_some(Self { forwarder, dialects, head, metrics })
    }

    /// Whether a request is one of them.
    fn takes(&self, request: &Request<'_>) -> bool {
        let HeadLimits { max_headers, max_head_bytes } = self.head;
        let head = request.seen(&NO_HEADERS);
        request.count() <= max_headers
            && request.bytes <= max_head_bytes
            && self.dialects.route(&head).is_none()
            && self.dialects.told(&head).is_none()
    }

    fn upstream(&self) -> &Upstream {
        self.forwarder.upstream()
    }

    /// Notes that a response with this status has come.
    fn answered(&self, status: u16) {
        self.upstream().raw_answered();
        let status = StatusCode::from_u16(status).unwrap_or_default();
        self.forwarder.responded(status);
        self.metrics.answered(Handling::Forward, status);
    }
}
