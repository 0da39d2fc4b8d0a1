//! The listener for applications' embedding services: it carries all of an SDK's traffic to its service as it is, and
//! looks at embedding calls in a copy.
//!
//! 1. `route`: which service a path names, and what of the path is the service's own.
//! 2. `service`: carries the request there and the response back. What is no embedding call is only forwarded.
//! 3. `overheard`: the bodies of an embedding call as they pass, and a bounded copy of each. The response's last byte
//!    waits until the memory knows the vectors: the search may follow at once.
//! 4. `lesson`: texts and vectors out of the copies, into the memory.
//! 5. `failure` and `index`: the few responses that are our own.
//!
//! Nothing about remembering can break a call: what is too large, too slow, unreadable or goes wrong is left, and counted.

mod api;
mod calls;
mod ending;
mod failure;
mod index;
mod lesson;
mod metrics;
mod overheard;
mod pass_on;
mod route;
mod service;

pub use api::EmbeddingApi;
pub use lesson::{Hearing, HearingLimits};
pub use metrics::CallMetrics;
pub use pass_on::PassOn;
pub use service::{Service, ServiceSettings};
