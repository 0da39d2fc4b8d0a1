//! How rare words are in a collection, learned from the candidates of its searches: what `lexical` weighs words by.
//!
//! 1. [`text`]: which words a document has.
//! 2. `Collection`: in how many documents a word was, each document counted once, bounded and aged.
//! 3. [`Words`]: those of all collections, by keyed hashes; no text is kept.
//! 4. [`Learner`]: what passes while another provider scores is learned after the response.
//! 5. [`exchange`](Words::exchange): the member of a fleet that has learned most shares it with the others.

mod collection;
mod exchange;
mod learner;
mod memo;
mod names;
mod store;
mod text;

pub(super) use learner::Learner;
pub(super) use store::{Known, ToLearn};
pub use store::{LearnedCounts, Words};
pub(super) use text::{LEARNED_WORDS, Reader, SLICE, words};

use crate::search::Fusion;

/// Documents from which words weigh in full. Chosen on the odd questions of the bench: from here on more of them
/// change little.
pub const ENOUGH_DOCUMENTS: u32 = 200;

/// The `k` of the fusion with the database's order.
const FUSION_K: f32 = 20.0;

/// The weight of the order by words beside the database's where nothing has been learned.
const COLD_WEIGHT: f32 = 0.25;

/// How to fuse an order by words with the database's, where the words of so many other documents are known.
/// The numbers are those of the bench (`cargo bench --bench lexical`): chosen on its odd questions, judged on its even ones.
pub(super) fn fusion(documents: u32) -> Fusion {
    let share = (documents as f32 / ENOUGH_DOCUMENTS as f32).min(1.0);
    Fusion { k: FUSION_K, weight: COLD_WEIGHT + (1.0 - COLD_WEIGHT) * share, ..Fusion::USUAL }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_weigh_less_until_enough_is_known() {
        assert_eq!(fusion(0), Fusion { k: 20.0, weight: 0.25, ..Fusion::USUAL });
        assert!(fusion(50).weight > 0.25 && fusion(50).weight < 0.5);
        assert_eq!(fusion(ENOUGH_DOCUMENTS).weight, 1.0);
        assert_eq!(fusion(u32::MAX).weight, 1.0);
    }
}
