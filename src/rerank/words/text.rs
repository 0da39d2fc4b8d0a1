//! The words of a text.

use std::collections::HashSet;

use rust_stemmers::{Algorithm, Stemmer};
use tokio::task::yield_now;
use unicode_segmentation::UnicodeSegmentation;

use super::names::Names;

/// Words read in one go, about a millisecond's: then the task yields.
pub(in crate::rerank) const SLICE: u32 = 1_000;

/// Words of a document that are learned: longer ones say the rest with the same words, mostly.
pub(in crate::rerank) const LEARNED_WORDS: u32 = 2_000;

/// The words of a text, small and stemmed.
pub(in crate::rerank) fn words(stemmer: &Stemmer, text: &str) -> impl Iterator<Item = String> {
    text.unicode_words().map(|word| stemmer.stem(&word.to_lowercase()).into_owned())
}

/// Reads documents to learn from them.
pub(in crate::rerank) struct Reader {
    names: Names,
    read: u32,
    /// Of the document at hand.
    found: HashSet<u32>,
}

impl Reader {
    pub(super) fn new(names: Names) -> Self {
        Self { names, read: 0, found: HashSet::new() }
    }

    /// Takes the next word of the document.
    pub(in crate::rerank) fn take(&mut self, word: &str) {
        if self.read < LEARNED_WORDS {
            self.read += 1;
            self.found.insert(self.names.term(word));
        }
    }

    /// Ends the document: its words, each once, by hash and in an order that is always the same.
    pub(in crate::rerank) fn end(&mut self) -> Box<[u32]> {
        self.read = 0;
        let mut terms: Box<[u32]> = self.found.drain().collect();
        terms.sort_unstable();
        terms
    }

    /// The words of one document, read in slices between which the task yields.
    pub(super) async fn read(&mut self, text: &str) -> Box<[u32]> {
        let texts = text.unicode_words().take(LEARNED_WORDS as usize);
        for (at, word) in texts.enumerate() {
            // Made anew for each word, since it cannot be held over a pause; it costs nothing.
            let stemmer = Stemmer::create(Algorithm::English);
            self.take(&stemmer.stem(&word.to_lowercase()));
            if at as u32 % SLICE == SLICE - 1 {
                yield_now().await;
            }
        }
        self.end()
    }
}
