//! The forms of embedding calls: which requests are one, which texts of it are worth remembering, and which vectors of
//! the response are theirs. Pure: bytes in, texts and vectors out.
//!
//! What clients send and services answer was measured: `tests/fixtures/embeddings`. Where forms differ by no more than the
//! names of members, one reader takes all of them, since a service that is "compatible" with another one mixes them.

mod answer;
mod asked;
mod call;
mod google;
#[cfg(test)]
mod laws_tests;
mod open;
mod prefixes;
mod remember;
mod text;
mod tokens;
mod vectors;
mod vocabulary;

pub use asked::Asked;
pub use call::{Call, Form};
pub use prefixes::Prefixes;
pub use remember::{Remember, Skip};
pub use tokens::text_of_ids;
