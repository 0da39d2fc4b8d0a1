//! JSON as byte ranges of a body: what is not changed is never parsed and printed again.
//!
//! [`Value`] looks into a body without copying it, [`Scanner`] goes through one once, [`Index`] keeps what was found on
//! the way for those who come after, [`ObjectEdit`] and [`Edits`] change members of it and leave every other byte alone,
//! [`Pieces`] moves parts of it. The scanner is ours, since it is what splitting a response costs; tests hold it to what
//! serde_json takes and rejects.

mod edit;
mod index;
mod nest;
mod pieces;
pub(crate) mod runs;
mod scan;
pub(crate) mod unescape;
mod value;
mod walk;
mod write;

pub use edit::{Edits, ObjectEdit};
pub use index::{Index, NoIndex};
pub use pieces::Pieces;
pub use scan::{Key, ScanResult, Scanner};
pub use value::{Kind, Malformed, Member, Object, Value};
pub use write::write_string;
