use std::{fmt, sync::Arc};

use super::alias::Aliases;
use crate::rerank::{ProviderFacts, RerankRequest, Scoring};

/// Goes up when documents are rendered otherwise: old scores are then no longer found.
const RENDERING_VERSION: u8 = 1;

/// Names one score: 128 bits of a keyed hash, so that the store can be read without telling what was searched.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScoreKey(pub(in crate::rerank) [u8; 16]);

/// Names one call's work: equal keys, equal answers.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::rerank) struct FlightKey([u8; 16]);

impl fmt::Debug for ScoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScoreKey(..)")
    }
}

/// What of a provider changes its scores.
#[derive(Debug)]
pub(in crate::rerank) struct KeyBase {
    pub(in crate::rerank) provider: Arc<str>,
    pub(in crate::rerank) model: Arc<str>,
    settings: String,
    scoring: Scoring,
    pub(super) aliases: Aliases,
}

impl KeyBase {
    pub(in crate::rerank) fn new(provider: Arc<str>, facts: &ProviderFacts) -> Self {
        Self {
            provider,
            model: facts.model.clone(),
            settings: facts.score_settings.clone(),
            scoring: facts.scoring,
            aliases: Aliases::default(),
        }
    }

    /// One key per document of a request. Where a score depends on its neighbours, so does its key.
    pub(super) fn keys(&self, secret: &[u8; 32], model: &str, request: &RerankRequest) -> Vec<ScoreKey> {
        let mut common = blake3::Hasher::new_keyed(secret);
        common.update(&[RENDERING_VERSION]);
        for part in [&*self.provider, model, &self.settings, &*request.query] {
            update(&mut common, part);
        }
        if self.scoring == Scoring::Listwise {
            request.documents.iter().for_each(|text| update(&mut common, text));
        }
        let key = |text: &Arc<str>| {
            let mut hasher = common.clone();
            update(&mut hasher, text);
            ScoreKey(short(&hasher))
        };
        request.documents.iter().map(key).collect()
    }

    /// Whether scores of a list are of use one by one.
    pub(super) fn one_by_one(&self) -> bool {
        self.scoring == Scoring::Pairwise
    }
}

impl FlightKey {
    /// The work of scoring the documents of these keys. What nobody waits for goes at another priority, and so
    /// is other work.
    pub(super) fn of(keys: &[ScoreKey], background: bool) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[u8::from(background)]);
        keys.iter().for_each(|key| {
            hasher.update(&key.0);
        });
        Self(short(&hasher))
    }

    #[cfg(test)]
    pub(in crate::rerank) fn of_test(n: u8) -> Self {
        Self([n; 16])
    }
}

fn short(hasher: &blake3::Hasher) -> [u8; 16] {
    let mut key = [0; 16];
    hasher.finalize_xof().fill(&mut key);
    key
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
    use crate::rerank::test_support::{facts, request};

    fn key(parts: &[String; 5]) -> ScoreKey {
        let [provider, settings, model, query, document] = parts;
        let facts = ProviderFacts { score_settings: settings.clone(), ..facts() };
        let base = KeyBase::new(provider.as_str().into(), &facts);
        let request = RerankRequest { query: query.as_str().into(), ..request(&[document]) };
        base.keys(&[7; 32], model, &request)[0]
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
        let base = KeyBase::new("p".into(), &facts());
        let of = |secret| base.keys(&[secret; 32], "m", &request(&["d"]));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn a_listwise_score_is_known_only_among_the_same_neighbours() {
        let of = |scoring, documents: &[&str]| {
            let base = KeyBase::new("p".into(), &ProviderFacts { scoring, ..facts() });
            base.keys(&[1; 32], "m", &request(documents))[0]
        };
        assert_eq!(of(Scoring::Pairwise, &["a", "b"]), of(Scoring::Pairwise, &["a", "c"]));
        assert_ne!(of(Scoring::Listwise, &["a", "b"]), of(Scoring::Listwise, &["a", "c"]));
        assert_eq!(of(Scoring::Listwise, &["a", "b"]), of(Scoring::Listwise, &["a", "b"]));
    }
}
