use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use highway::{HighwayHash, HighwayHasher, Key};

use super::alias::Aliases;
use crate::rerank::{ProviderFacts, RerankRequest, Scoring};

/// Goes up when documents are rendered or hashed otherwise: old scores are then no longer found.
const RENDERING_VERSION: u8 = 2;

/// Names one score: 128 bits of a keyed hash, so that the store can be read without telling what was searched.
///
/// `HighwayHash`, a pseudo-random function of its key (Alakuijala, Cox, Wassenberg, "Fast keyed hash/pseudo-random
/// function using SIMD multiply and permute", 2016): every document of every search is hashed, and it takes a tenth
/// of the time of a general cryptographic hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ScoreKey(pub(in crate::rerank) [u8; 16]);

impl Hash for ScoreKey {
    /// Its bits are those of a hash already; half of them place it well enough.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(u128::from_le_bytes(self.0) as u64);
    }
}

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
pub struct KeyBase {
    pub(in crate::rerank) provider: Arc<str>,
    pub(in crate::rerank) model: Arc<str>,
    settings: String,
    scoring: Scoring,
    pub(super) aliases: Aliases,
}

impl KeyBase {
    /// For the provider of this name.
    pub fn new(provider: Arc<str>, facts: &ProviderFacts) -> Self {
        Self {
            provider,
            model: facts.model.clone(),
            settings: facts.score_settings.clone(),
            scoring: facts.scoring,
            aliases: Aliases::default(),
        }
    }

    /// One key per document of a request. Where a score depends on its neighbours, so does its key.
    pub fn keys(&self, secret: &[u8; 32], model: &str, request: &RerankRequest) -> Vec<ScoreKey> {
        let mut common = HighwayHasher::new(key_of(secret));
        common.append(&[RENDERING_VERSION]);
        for part in [&*self.provider, model, &self.settings, &*request.query] {
            update(&mut common, part);
        }
        if self.scoring == Scoring::Listwise {
            request.documents.iter().for_each(|text| update(&mut common, text));
        }
        let key = |text: &Arc<str>| {
            let mut hasher = common.clone();
            update(&mut hasher, text);
            ScoreKey(halves(hasher.finalize128()))
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
        // The keys of scores are secret already.
        let mut hasher = HighwayHasher::new(Key::default());
        hasher.append(&[u8::from(background)]);
        keys.iter().for_each(|key| hasher.append(&key.0));
        Self(halves(hasher.finalize128()))
    }

    #[cfg(test)]
    pub(in crate::rerank) fn of_test(n: u8) -> Self {
        Self([n; 16])
    }
}

fn key_of(secret: &[u8; 32]) -> Key {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(secret.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    Key(words)
}

fn halves(hash: [u64; 2]) -> [u8; 16] {
    (u128::from(hash[1]) << 64 | u128::from(hash[0])).to_le_bytes()
}

/// The length first, so that no two lists of parts run together into the same bytes.
fn update(hasher: &mut HighwayHasher, part: &str) {
    hasher.append(&(part.len() as u64).to_le_bytes());
    hasher.append(part.as_bytes());
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
    fn another_secret_gives_other_keys_whichever_byte_differs() {
        let base = KeyBase::new("p".into(), &facts());
        let of = |secret: &[u8; 32]| base.keys(secret, "m", &request(&["d"]));
        assert_eq!(of(&[1; 32]), of(&[1; 32]));
        for byte in 0..32 {
            let mut other = [1; 32];
            other[byte] ^= 1;
            assert_ne!(of(&[1; 32]), of(&other), "byte {byte} of the secret is not used");
        }
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // The first of the published test vectors: an empty input under the key of bytes 0, 1, 2, …, 31.
        let secret = std::array::from_fn(|n| n as u8);
        let hash = HighwayHasher::new(key_of(&secret)).hash64(&[]);
        assert_eq!(hash, 0x907A_56DE_22C2_6E53);
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
