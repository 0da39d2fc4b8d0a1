use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use rust_stemmers::{Algorithm, Stemmer};
use tokio::{task::yield_now, time::Instant};
use tower::Service;

use crate::{
    rerank::{
        RerankError, RerankFuture, RerankRequest, RerankResult, Scores,
        words::{self, Known, LEARNED_WORDS, Reader, SLICE, ToLearn, Words},
    },
    search::Document,
};

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// The BM25 sum that becomes a score of one half.
const HALF: f32 = 2.0;

/// Words of a query that are read; more of them say no more.
const QUERY_WORDS: usize = 1_000;

/// As many documents as a guess at how rare a word is counts for.
const GUESS_DOCUMENTS: f32 = 100.0;

/// BM25: no network, no model. How rare a word is it learns from the candidates that pass; listwise all the same, since
/// that depends on which of them the request's own are. Its order is fused with the database's, unless switched off.
#[derive(Clone)]
pub(in crate::rerank) struct Lexical {
    name: Arc<str>,
    words: Arc<Words>,
    fuse: bool,
}

impl Lexical {
    pub(in crate::rerank) fn new(name: Arc<str>, words: Arc<Words>, fuse: bool) -> Self {
        Self { name, words, fuse }
    }

    async fn score(self, request: RerankRequest) -> RerankResult {
        let (documents, respond_by) = (&*request.documents, request.respond_by);
        let stemmer = || Stemmer::create(Algorithm::English);
        let terms = Terms::of(&stemmer(), &request.query);
        let collection = match &*request.collections {
            [one] => Some(&**one),
            _ => None,
        };
        let Some(collection) = collection else {
            // Of no collection: nothing is known, nothing to be learned, and no order to be fused with.
            let counted = count(&terms, documents, respond_by, None).await?;
            return Ok(self.scores(scores(&counted, &rarity_within(&counted, &terms, None))));
        };
        let mut names = Vec::with_capacity(documents.len());
        for document in documents {
            names.push(self.words.name(document));
            others_first(respond_by).await?;
        }
        let learning = Learning {
            wanted: self.words.wanted(collection, &names),
            reader: self.words.reader(),
            names: &names,
            learned: Vec::new(),
        };
        let mut learning = Some(learning);
        let counted = count(&terms, documents, respond_by, learning.as_mut()).await?;
        let has = names.iter().zip(&counted).map(|(name, counted)| (*name, counted.has()));
        let known = self.words.known(
            collection,
            &request.query,
            &self.words.terms(&terms.list),
            &has.collect::<Vec<_>>(),
        );
        if let Some(learning) = learning {
            self.words.learn(collection, &learning.learned);
        }
        self.words.exchange(collection);
        let rarity = if self.fuse {
            rarity_guessed(&terms, &known)
        } else {
            rarity_within(&counted, &terms, Some(&known))
        };
        Ok(Scores {
            fusion: self.fuse.then(|| words::fusion(known.documents)),
            learned: Some(known.documents),
            ..self.scores(scores(&counted, &rarity))
        })
    }

    fn scores(&self, scores: Vec<f32>) -> Scores {
        let scores = scores.into_iter().map(Some).collect();
        Scores { scores, provider: self.name.clone(), model: "bm25".into(), ..Scores::default() }
    }
}

impl Service<RerankRequest> for Lexical {
    type Response = Scores;
    type Error = RerankError;
    type Future = RerankFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> RerankFuture {
        Box::pin(self.clone().score(request))
    }
}

/// The terms of a query, each once.
#[derive(Default)]
struct Terms {
    /// In the order of the query, so that sums of floats are the same each time.
    list: Vec<String>,
    places: HashMap<String, usize>,
}

impl Terms {
    fn of(stemmer: &Stemmer, query: &str) -> Self {
        let mut terms = Self::default();
        for word in words::words(stemmer, query).take(QUERY_WORDS) {
            if !terms.places.contains_key(&word) {
                terms.places.insert(word.clone(), terms.list.len());
                terms.list.push(word);
            }
        }
        terms
    }
}

/// What a document has of the query.
struct Counted {
    /// How often each term is there.
    terms: Vec<u32>,
    words: u32,
    /// Terms that are in the part that is learned.
    learned: Vec<bool>,
}

impl Counted {
    /// The indices of the terms that count as learned from it.
    fn has(&self) -> Vec<usize> {
        self.learned.iter().enumerate().filter(|(_, learned)| **learned).map(|(at, _)| at).collect()
    }
}

/// What is to be learned from the documents.
struct Learning<'a> {
    wanted: Vec<bool>,
    names: &'a [u64],
    reader: Reader,
    learned: Vec<ToLearn>,
}

impl Learning<'_> {
    /// The reader of the document at `at`, if it is to be learned.
    fn reader(&mut self, at: usize) -> Option<&mut Reader> {
        let wanted = self.wanted.get(at).copied().unwrap_or(false);
        wanted.then_some(&mut self.reader)
    }

    fn end(&mut self, at: usize) {
        if let (Some(true), Some(name)) = (self.wanted.get(at), self.names.get(at)) {
            self.learned.push((*name, self.reader.end()));
        }
    }
}

/// Reads the documents, once.
async fn count(
    terms: &Terms,
    documents: &[Document],
    respond_by: Instant,
    mut learning: Option<&mut Learning<'_>>,
) -> Result<Vec<Counted>, RerankError> {
    let stemmer = Stemmer::create(Algorithm::English);
    let mut counted = Vec::with_capacity(documents.len());
    for (at, document) in documents.iter().enumerate() {
        let size = terms.list.len();
        let mut found = Counted { terms: vec![0; size], words: 0, learned: vec![false; size] };
        for word in words::words(&stemmer, document.text()) {
            found.words += 1;
            if let Some(&place) = terms.places.get(&word) {
                if let Some(count) = found.terms.get_mut(place) {
                    *count += 1;
                }
                if let Some(learned) = found.learned.get_mut(place) {
                    *learned |= found.words <= LEARNED_WORDS;
                }
            }
            if let Some(reader) = learning.as_mut().and_then(|learning| learning.reader(at)) {
                reader.take(&word);
            }
            if found.words.is_multiple_of(SLICE) {
                others_first(respond_by).await?;
            }
        }
        if let Some(learning) = &mut learning {
            learning.end(at);
        }
        counted.push(found);
        others_first(respond_by).await?;
    }
    Ok(counted)
}

/// Yields to other tasks; ends the work when no caller is left.
async fn others_first(respond_by: Instant) -> Result<(), RerankError> {
    yield_now().await;
    if respond_by <= Instant::now() { Err(RerankError::Deadline) } else { Ok(()) }
}

/// How rare each term is: among these documents, and among others that are known.
fn rarity_within(documents: &[Counted], terms: &Terms, others: Option<&Known>) -> Vec<f32> {
    let all = documents.len() as f32 + others.map_or(0.0, |known| known.documents as f32);
    let rarity = |at: usize| {
        let has = |document: &&Counted| document.terms.get(at).is_some_and(|count| *count > 0);
        let elsewhere = others.and_then(|known| known.with.get(at)).copied().unwrap_or(0);
        idf(documents.iter().filter(has).count() as f32 + elsewhere as f32, all)
    };
    (0..terms.list.len()).map(rarity).collect()
}

/// How rare each term is among other documents of the collection: the documents at hand are all about the question, so
/// that its words seem common among them. What is known is put beside a guess by the word's length.
fn rarity_guessed(terms: &Terms, known: &Known) -> Vec<f32> {
    let all = known.documents as f32 + GUESS_DOCUMENTS;
    let rarity = |(term, with): (&String, &u32)| idf(*with as f32 + GUESS_DOCUMENTS * guess(term), all);
    terms.list.iter().zip(&known.with).map(rarity).collect()
}

/// The share of documents that a word of this length may be in: the shorter, the commoner, in most languages.
/// Source: Zipf, "The Psycho-Biology of Language", 1935. The bench's odd questions chose the curve.
fn guess(term: &str) -> f32 {
    let length = term.chars().count().max(1) as f32;
    (6.0 / length.powi(3)).min(0.5)
}

/// Inverse document frequency of a term that is in `with` of `all` documents. Never negative.
fn idf(with: f32, all: f32) -> f32 {
    (1.0 + ((all - with).max(0.0) + 0.5) / (with + 0.5)).ln()
}

/// Scores in 0..1; 0 only without a shared word.
fn scores(documents: &[Counted], rarity: &[f32]) -> Vec<f32> {
    let words: f32 = documents.iter().map(|document| document.words as f32).sum();
    let average = (words / (documents.len() as f32).max(1.0)).max(1.0);
    let score = |document: &Counted| {
        let norm = K1 * (1.0 - B + B * document.words as f32 / average);
        let weight = |(count, rarity): (&u32, &f32)| {
            let count = *count as f32;
            rarity * count * (K1 + 1.0) / (count + norm)
        };
        let sum: f32 = document.terms.iter().zip(rarity).map(weight).sum();
        sum / (sum + HALF)
    };
    documents.iter().map(score).collect()
}

#[cfg(test)]
#[path = "lexical_tests.rs"]
mod tests;
