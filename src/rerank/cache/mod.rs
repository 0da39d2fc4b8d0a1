//! The score cache. Only keyed hashes and scores are held, never text.

mod alias;
mod fill;
mod key;
mod lookup;
mod missing;
mod queries;
mod store;
mod table;

pub(super) use fill::Fill;
pub(super) use key::SingleFlightKey;
pub use key::{DocumentHash, KeyBase, KeySecret, Keys, QueryName};
pub(super) use lookup::Lookup;
pub use store::ScoreStore;
