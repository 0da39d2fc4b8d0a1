//! The rerank services: what each is sent and what its answers mean.

mod about;
mod answer;
mod call;
mod courier;
mod cut;
mod failure;
mod http;
mod lexical;
mod noted;
mod presets;
mod reach;
mod refusal;
mod request;
mod scale;
mod shape;
mod waits;

pub(super) use call::HttpProvider;
pub use call::provider_facts;
pub(super) use lexical::Lexical;
pub use presets::{appended_path, billing};

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
