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
const RENDERING_VERSION: u8 = 5;

/// The name of a query in the cache: 128 bits of a keyed hash, so that the store reveals nothing of what was searched. All
/// that changes every score of the query is part of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueryName(pub(in crate::rerank) [u8; 16]);

/// A document under the name of a query: 96 bits of a hash that is keyed for each query anew, in the upper bits; the lower 32
/// are zero, which is where a [`Table`](super::table::Table) keeps the score.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DocumentHash(u128);

/// The cache keys of a request's documents.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The query's.
    pub query: QueryName,
    /// One for each document, in the order of the request.
    pub documents: Arc<[DocumentHash]>,
}

impl Hash for QueryName {
    /// Its bits are those of a hash already; half of them place it well enough.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (half, _) = self.0.as_chunks();
        state.write_u64(half.first().map_or(0, |half| u64::from_le_bytes(*half)));
    }
}

impl Hash for DocumentHash {
    /// Likewise.
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64((self.0 >> 64) as u64);
    }
}

impl DocumentHash {
    /// The bits below it.
    pub(super) const BELOW: u128 = u32::MAX as u128;

    /// Of any 128 bits, the upper 96.
    pub(super) fn new(bits: u128) -> Self {
        Self(bits & !Self::BELOW)
    }

    pub(super) fn bits(self) -> u128 {
        self.0
    }

    /// Its 96 bits.
    pub(super) fn bytes(self) -> [u8; 12] {
        self.0.to_be_bytes().first_chunk().copied().unwrap_or_default()
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

    /// The secret of one tenant's own store.
    pub(super) fn of_tenant(&self, tenant: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.names, tenant.as_bytes()).as_bytes()
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

impl fmt::Debug for QueryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueryName(..)")
    }
}

impl fmt::Debug for DocumentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DocumentHash(..)")
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

    /// The keys of a request's documents. Where a score depends on its neighbours, so does the name of the query.
    pub fn keys(&self, secret: &KeySecret, model: &str, request: &RerankRequest) -> Keys {
        let mut common = blake3::Hasher::new_keyed(&secret.names);
        common.update(&[RENDERING_VERSION]);
        for part in [&*self.provider, model, &self.settings, &*request.query] {
            update(&mut common, part);
        }
        if let Some(spans) = request.spans {
            update(&mut common, &format!("{spans:?}"));
        }
        if let Some(instruction) = &request.instruction {
            update(&mut common, "instruction");
            update(&mut common, instruction);
        }
        if self.scoring == Scoring::Listwise {
            let digests: Vec<[u8; 32]> = request.documents.iter().map(|each| secret.digest(each)).collect();
            common.update(digests.as_flattened());
            let of_this_query = OfQuery::new(&common);
            let documents = digests.iter().map(|digest| of_this_query.document(digest)).collect();
            return Keys { query: of_this_query.name, documents };
        }
        let of_this_query = OfQuery::new(&common);
        let name = |document: &Document| {
            let make = || of_this_query.document(&secret.digest(document));
            match document.kept_name() {
                Some(slot) => DocumentHash::new(slot.get_or_make(of_this_query.name.0, || make().bits())),
                None => make(),
            }
        };
        Keys { query: of_this_query.name, documents: request.documents.iter().map(name).collect() }
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
    pub(super) fn of(keys: &Keys, background: bool) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[u8::from(background)]);
        hasher.update(&keys.query.0);
        keys.documents.iter().for_each(|document| {
            hasher.update(&document.bytes());
        });
        Self(halves(hasher.finalize())[0])
    }

    #[cfg(test)]
    pub(in crate::rerank) fn of_test(n: u8) -> Self {
        Self([n; 16])
    }
}

/// What names are made with under one query.
struct OfQuery {
    name: QueryName,
    documents: SipHasher24,
}

impl OfQuery {
    /// Of all that the scores of the query depend on. The name is stored, the key is not, and cannot be told from it.
    fn new(common: &blake3::Hasher) -> Self {
        let [name, key] = halves(common.finalize());
        Self { name: QueryName(name), documents: SipHasher24::new_with_key(&key) }
    }

    /// The digest once more under a key that only who knows the secret can have, and that is another one for each query:
    /// an entry of a store reveals nothing of a text, nor which of two queries have a document in common.
    /// SipHash-2-4: Aumasson, Bernstein, "SipHash: a fast short-input PRF", 2012.
    fn document(&self, digest: &[u8; 32]) -> DocumentHash {
        DocumentHash::new(u128::from_le_bytes(self.documents.hash(digest).as_bytes()))
    }
}

fn halves(hash: blake3::Hash) -> [[u8; 16]; 2] {
    let mut halves = [[0; 16]; 2];
    halves.as_flattened_mut().copy_from_slice(hash.as_bytes());
    halves
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

    fn key(parts: &[String; 5]) -> (QueryName, DocumentHash) {
        let [provider, settings, model, query, document] = parts;
        let facts = ProviderFacts { score_settings: settings.clone(), ..facts() };
        let base = KeyBase::new(provider.as_str().into(), &facts);
        let request = RerankRequest { query: query.as_str().into(), ..request(&[document]) };
        of_first(&base.keys(&KeySecret::new(&[7; 32]), model, &request))
    }

    fn of_first(keys: &Keys) -> (QueryName, DocumentHash) {
        (keys.query, keys.documents[0])
    }

    #[test]
    fn keys_are_the_same_on_every_machine_of_a_fleet() {
        let parts = ["p", "s", "m", "q", "a document of more than one block of the hash, and then some"];
        let (QueryName(query), DocumentHash(document)) = key(&parts.map(str::to_owned));
        assert_eq!(format!("{:032x}", u128::from_be_bytes(query)), "db801ad45837578e4ad7036cfb81a28d");
        assert_eq!(format!("{document:032x}"), "9722c3efa7d05086da6606d000000000");
    }

    #[test]
    fn two_queries_that_have_a_document_in_common_do_not_show_it() {
        let [a, b] = ["red shoes", "blue shoes"].map(|query| {
            let base = KeyBase::new("p".into(), &facts());
            let request = RerankRequest { query: query.into(), ..request(&["a", "b", "c"]) };
            base.keys(&KeySecret::new(&[7; 32]), "m", &request)
        });
        assert_ne!(a.query, b.query);
        assert!(a.documents.iter().all(|document| !b.documents.contains(document)));
    }

    #[test]
    fn debug_output_shows_no_bits_of_a_key() {
        let keys = KeyBase::new("p".into(), &facts()).keys(&KeySecret::new(&[7; 32]), "m", &request(&["a"]));
        assert_eq!(format!("{keys:?}"), "Keys { query: QueryName(..), documents: [DocumentHash(..)] }");
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
        let of = |secret: &[u8; 32]| of_first(&base.keys(&KeySecret::new(secret), "m", &request(&["d"])));
        assert_eq!(of(&[1; 32]), of(&[1; 32]));
        for byte in 0..32 {
            let mut other = [1; 32];
            other[byte] ^= 1;
            let (one, other) = (of(&[1; 32]), of(&other));
            assert!(one.0 != other.0 && one.1 != other.1, "byte {byte} of the secret is not used");
        }
    }

    #[test]
    fn a_listwise_score_is_known_only_among_the_same_neighbours() {
        let of = |scoring, documents: &[&str]| {
            let base = KeyBase::new("p".into(), &ProviderFacts { scoring, ..facts() });
            of_first(&base.keys(&KeySecret::new(&[1; 32]), "m", &request(documents)))
        };
        assert_eq!(of(Scoring::Pointwise, &["a", "b"]), of(Scoring::Pointwise, &["a", "c"]));
        assert_ne!(of(Scoring::Listwise, &["a", "b"]), of(Scoring::Listwise, &["a", "c"]));
        assert_eq!(of(Scoring::Listwise, &["a", "b"]), of(Scoring::Listwise, &["a", "b"]));
    }
}
