use std::fmt;

use crate::rerank::ProviderFacts;

/// Goes up when documents are rendered otherwise: old scores are then no longer found.
const RENDERING_VERSION: u8 = 1;

/// Names one score: 128 bits of a keyed hash, so that the store can be read without telling what was searched.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScoreKey([u8; 16]);

impl fmt::Debug for ScoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScoreKey(..)")
    }
}

/// What of a provider changes its scores.
#[derive(Clone, Debug)]
pub(in crate::rerank) struct KeyBase {
    pub(in crate::rerank) provider: String,
    pub(in crate::rerank) model: String,
    pub(in crate::rerank) settings: String,
}

impl KeyBase {
    pub(in crate::rerank) fn new(provider: &str, facts: &ProviderFacts) -> Self {
        Self {
            provider: provider.to_owned(),
            model: facts.model.to_string(),
            settings: facts.score_settings.clone(),
        }
    }

    /// Everything but the document, hashed once for a request.
    pub(super) fn for_query(&self, secret: &[u8; 32], model: &str, query: &str) -> QueryKey {
        let mut hasher = blake3::Hasher::new_keyed(secret);
        hasher.update(&[RENDERING_VERSION]);
        for part in [&self.provider, model, &self.settings, query] {
            update(&mut hasher, part);
        }
        QueryKey(hasher)
    }
}

/// Makes the keys of one query's documents.
pub(super) struct QueryKey(blake3::Hasher);

impl QueryKey {
    pub(super) fn document(&self, text: &str) -> ScoreKey {
        let mut hasher = self.0.clone();
        update(&mut hasher, text);
        let mut key = [0; 16];
        hasher.finalize_xof().fill(&mut key);
        ScoreKey(key)
    }
}

/// The length first, so that no two lists of parts run together into the same bytes.
fn update(hasher: &mut blake3::Hasher, part: &str) {
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part.as_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(parts: &[String; 5]) -> ScoreKey {
        let [provider, settings, model, query, document] = parts.clone();
        let base = KeyBase { provider, model: String::new(), settings };
        base.for_query(&[7; 32], &model, &query).document(&document)
    }

    proptest! {
        #[test]
        fn keys_are_equal_only_if_every_part_is(
            a in prop::array::uniform5("[ab]{0,2}"),
            b in prop::array::uniform5("[ab]{0,2}"),
        ) {
            prop_assert_eq!(key(&a) == key(&b), a == b);
        }
    }

    #[test]
    fn another_secret_gives_other_keys() {
        let base = KeyBase { provider: "p".into(), model: "m".into(), settings: String::new() };
        let of = |secret| base.for_query(&[secret; 32], "m", "q").document("d");
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
