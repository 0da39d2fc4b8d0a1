//! Which text gave which vector: what an application's embedding calls have shown, so that a search which carries only
//! the vector can be reranked by the text.
//!
//! Texts are kept sealed under keys that only their vectors give: who has the memory and its secret, but
//! not the vector, reads nothing.

pub mod form;
mod look_up;
mod memory;
mod metrics;
mod recall;
mod seal;
mod secret;
mod shard;
mod tolerant;
mod vector;

pub use look_up::LookUp;
pub use memory::{ENTRY_BYTES, Memory, MemorySettings, Recalled};
pub use metrics::EmbeddingMetrics;
pub use recall::Recall;
