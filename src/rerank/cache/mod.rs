//! Scores that are known already. Only keyed hashes and scores are held, never text.

mod key;
mod layer;
mod store;

pub(super) use key::KeyBase;
pub(super) use layer::Cached;
pub use store::ScoreStore;
