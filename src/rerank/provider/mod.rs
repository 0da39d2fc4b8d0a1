//! The rerank services: what each is sent and what its answers mean.

mod call;
pub mod cohere;
mod http;
mod lexical;

pub(super) use call::CohereCall;
pub(super) use lexical::Lexical;
