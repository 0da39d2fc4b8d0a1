//! The rerank services: what is sent to each and what its responses mean.

mod about;
mod call;
mod cut;
mod failure;
mod http;
mod lexical;
mod presets;
mod reach;
mod rejection;
mod request;
mod response;
mod retry_after;
mod runtime;
mod scale;
mod shape;
mod trace;
mod trial;

pub(super) use call::HttpProvider;
pub use call::provider_facts;
pub(super) use lexical::Lexical;
pub use presets::{appended_path, billing, instructed};
pub use trial::{Trial, trial};

#[cfg(test)]
mod cohere_tests;
#[cfg(test)]
mod preset_tests;
#[cfg(test)]
mod tei_tests;
#[cfg(test)]
mod too_large_tests;
#[cfg(test)]
mod wire;
