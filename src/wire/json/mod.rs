//! JSON as byte ranges of a body: what is not changed is never parsed and printed again.
//!
//! [`Value`] reads a body without copying it, [`Scanner`] passes through one once, [`Index`] keeps what was found on
//! that pass for later readers, [`ObjectEdit`] and [`Edits`] change members of it and leave every other byte
//! unchanged, [`Pieces`] moves parts of it, [`JsonPage`] is a response whose hits are parts that move. The scanner is our own, since it dominates the cost of splitting a
//! response; tests hold it to what serde_json accepts and rejects.

mod block;
mod edit;
mod floats;
pub mod hits;
mod ids;
mod index;
mod known;
mod nest;
mod numbers;
mod page;
pub(crate) mod runs;
mod scan;
mod select;
mod splice;
#[cfg(test)]
pub(crate) mod test_support;
pub(crate) mod unescape;
mod value;
mod walk;
mod weight;
mod write;

pub use block::{BlockPlace, NoBlock, with_blocks};
pub use edit::{Edits, ObjectEdit};
pub use floats::floats;
pub use hits::{HitArray, TotalPlace};
pub use index::{Index, NoIndex};
pub use known::{KnownList, ListKey, start_of_list};
pub use page::{JsonPage, PageStyle};
pub use scan::{Key, ScanResult, Scanner};
pub use value::{Malformed, Member, Object, Value};
pub use weight::{page_bytes, reading_bytes};
pub use write::write_string;

pub use super::{Kind, Pieces};
