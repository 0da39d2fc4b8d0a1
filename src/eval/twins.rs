//! Which queries have the same text: they count once, and are never on both sides of a choice and its judgment.

use super::{findings::fingerprint, queries::Query};

/// Tells texts apart without holding one. The key is made of all queries of the file: who does not have them learns nothing
/// from what it makes of a text.
pub struct Twins([u8; 32]);

impl Twins {
    /// For these queries.
    pub fn of(queries: &[Query]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("rerankd eval, texts that are the same");
        queries.iter().for_each(|query| _ = hasher.update(&fingerprint(&query.ask)));
        Self(*hasher.finalize().as_bytes())
    }

    /// Equal for equal texts, whatever their case and blanks.
    pub fn mark(&self, text: &str) -> u64 {
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let hash = blake3::keyed_hash(&self.0, words.join(" ").as_bytes());
        hash.as_bytes().iter().take(8).fold(0, |mark, byte| mark << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::queries::{Defaults, Queries},
        *,
    };

    fn of(lines: &str) -> Twins {
        let queries = Queries::read("f", lines.as_bytes(), &Defaults::default());
        Twins::of(&queries.unwrap_or_else(|problems| panic!("{problems}")).queries)
    }

    #[test]
    fn the_same_words_are_the_same_text_and_other_files_mark_them_differently() {
        let (one, other) = (of(r#"{"path": "/a"}"#), of(r#"{"path": "/b"}"#));
        assert_eq!(one.mark(" Red  shoes"), one.mark("red shoes "));
        assert_ne!(one.mark("red shoes"), one.mark("redshoes"));
        assert_ne!(one.mark("red shoes"), other.mark("red shoes"));
    }
}
