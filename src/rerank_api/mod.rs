//! A Cohere-compatible rerank endpoint over the rerank stack: for applications that call Cohere's SDK themselves
//! and want its cache, limits, breaker and fallbacks, with no search proxy.
//!
//! 1. `route`: which version of the API a request means, if any.
//! 2. `request`: what it asks for, from its JSON body.
//! 3. `offer`: whether the configured providers can give that.
//! 4. `service`: reads, calls the stack, responds.
//! 5. `response` and `error`: Cohere's shapes of both; `error` has the one table of statuses.
//!
//! Cohere's other calls, of which the same client has but one base URL, are passed on to it with the caller's own key.
//!
//! Here the caller asked for scores: there is no order to fall back on, so what the chain of providers cannot
//! score, or only in part, is an error.

mod error;
mod metrics;
mod offer;
mod request;
mod response;
mod route;
mod service;
mod version;

pub use metrics::ApiMetrics;
pub use offer::{CohereProvider, Offer};
pub use service::{ApiSettings, RerankApi};
