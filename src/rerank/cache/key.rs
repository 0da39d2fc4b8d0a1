use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use highway::{HighwayHash, HighwayHasher, Key};
use siphasher::sip128::SipHasher24;

use super::alias::Aliases;
use crate::{
    rerank::{ProviderFacts, RerankRequest, Scoring, spans},
    search::Document,
};

/// Incremented when documents are rendered or keys are made differently: old scores are then no longer found.
const RENDERING_VERSION: u8 = 4;

/// The cache key of one score: 128 bits of a keyed hash, so that the store reveals nothing of what was searched.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ScoreKey(pub(in crate::rerank) [u8; 16]);

impl Hash for ScoreKey {
    /// Its bits are those of a hash already; half of them place it well enough.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (half, _) = self.0.split_at(8);
        state.write_u64(half.iter().fold(0, |bits, &byte| bits << 8 | u64::from(byte)));
    }
}

/// What keys are made with, derived from the store's secret.
pub struct KeySecret {
    names: [u8; 32],
    documents: Key,
    words: [u8; 16],
}

impl KeySecret {
    /// Of the secret that all members of a fleet have.
    pub fn new(secret: &[u8; 32]) -> Self {
        let names = blake3::derive_key("rerankd score names", secret);
        let documents = blake3::derive_key("rerankd documents", secret);
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(documents.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        let of_words = blake3::derive_key("rerankd words", secret);
        let of_words = of_words.first_chunk().copied().unwrap_or_default();
        Self { names, documents: Key(words), words: of_words }
    }

    /// What the names of learned words are made with.
    pub(in crate::rerank) fn words(&self) -> [u8; 16] {
        self.words
    }

    /// The document in 256 bits. Fast, since this is the only step that reads all of it; that nobody can tell the text
    /// from a key, or make two texts with one key, rests on the secret here and on the keyed hash around it.
    /// HighwayHash: Alakuijala, Cox, Wassenberg, "Fast keyed hash/pseudo-random function using SIMD multiply and
    /// permute", 2016; a tenth of BLAKE3's time.
    pub(in crate::rerank) fn digest(&self, document: &Document) -> [u8; 32] {
        let mut hasher = HighwayHasher::new(self.documents);
        document.identity(|piece| hasher.append(piece));
        let words = hasher.finalize256();
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        digest
    }
}

/// The single-flight key of one call's work: equal keys, equal responses.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::rerank) struct SingleFlightKey([u8; 16]);

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
    spans: bool,
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
            spans: facts.spans,
            aliases: Aliases::default(),
        }
    }

    /// One key per document of a request. Where a score depends on its neighbours, so does its key.
    pub fn keys(&self, secret: &KeySecret, model: &str, request: &RerankRequest) -> Vec<ScoreKey> {
        let mut common = blake3::Hasher::new_keyed(&secret.names);
        common.update(&[RENDERING_VERSION]);
        for part in [&*self.provider, model, &self.settings, &*request.query] {
            update(&mut common, part);
        }
        if let Some(spans) = request.spans {
            update(&mut common, &format!("{spans:?}"));
        }
        let digests = request.documents.iter().map(|document| secret.digest(document));
        if self.scoring == Scoring::Listwise {
            let digests: Vec<[u8; 32]> = digests.collect();
            common.update(digests.as_flattened());
            return self.names(&common, digests.into_iter());
        }
        self.names(&common, digests)
    }

    /// The digests once more under a key that only who knows the secret can have, and that is another one for each query:
    /// an entry of a store reveals nothing of a text, nor which of two queries have a document in common.
    /// SipHash-2-4: Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012.
    fn names(&self, common: &blake3::Hasher, digests: impl Iterator<Item = [u8; 32]>) -> Vec<ScoreKey> {
        let of_this_query = SipHasher24::new_with_key(&short(common.finalize()));
        digests.map(|digest| ScoreKey(of_this_query.hash(&digest).as_bytes())).collect()
    }

    /// Whether this model returns passages.
    pub(super) fn gives_spans(&self, model: &str) -> bool {
        self.spans && spans::given_by(model)
    }

    /// Whether scores of a list can be cached one by one.
    pub(super) fn one_by_one(&self) -> bool {
        self.scoring == Scoring::Pointwise
    }
}

impl SingleFlightKey {
    /// The work of scoring the documents of these keys. Work without a waiting caller has another priority, and so
    /// is other work.
    pub(super) fn of(keys: &[ScoreKey], background: bool) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[u8::from(background)]);
        keys.iter().for_each(|key| {
            hasher.update(&key.0);
        });
        Self(short(hasher.finalize()))
    }

    #[cfg(test)]
    pub(in crate::rerank) fn of_test(n: u8) -> Self {
        Self([n; 16])
    }
}

/// The first half.
fn short(hash: blake3::Hash) -> [u8; 16] {
    hash.as_bytes().first_chunk().copied().unwrap_or_default()
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
        base.keys(&KeySecret::new(&[7; 32]), model, &request)[0]
    }

    #[test]
    fn keys_are_the_same_on_every_machine_of_a_fleet() {
        let parts = ["p", "s", "m", "q", "a document of more than one block of the hash, and then some"];
        let ScoreKey(key) = key(&parts.map(str::to_owned));
        assert_eq!(format!("{:032x}", u128::from_be_bytes(key)), "3ef17a60cf43f33fcdbceb0dca5801c5");
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
        let of = |secret: &[u8; 32]| base.keys(&KeySecret::new(secret), "m", &request(&["d"]));
        assert_eq!(of(&[1; 32]), of(&[1; 32]));
        for byte in 0..32 {
            let mut other = [1; 32];
            other[byte] ^= 1;
            assert_ne!(of(&[1; 32]), of(&other), "byte {byte} of the secret is not used");
        }
    }

    #[test]
    fn a_listwise_score_is_known_only_among_the_same_neighbours() {
        let of = |scoring, documents: &[&str]| {
            let base = KeyBase::new("p".into(), &ProviderFacts { scoring, ..facts() });
            base.keys(&KeySecret::new(&[1; 32]), "m", &request(documents))[0]
        };
        assert_eq!(of(Scoring::Pointwise, &["a", "b"]), of(Scoring::Pointwise, &["a", "c"]));
        assert_ne!(of(Scoring::Listwise, &["a", "b"]), of(Scoring::Listwise, &["a", "c"]));
        assert_eq!(of(Scoring::Listwise, &["a", "b"]), of(Scoring::Listwise, &["a", "b"]));
    }
}
