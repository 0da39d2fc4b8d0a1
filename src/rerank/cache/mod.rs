//! The score cache. Only keyed hashes and scores are held, never text.

mod alias;
mod fill;
mod key;
mod lookup;
mod store;

pub(super) use fill::Fill;
pub(super) use key::SingleFlightKey;
pub use key::{KeyBase, KeySecret, ScoreKey};
pub(super) use lookup::Lookup;
pub use store::ScoreStore;
