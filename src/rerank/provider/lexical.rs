use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use futures_util::future::{Ready, ready};
use rust_stemmers::{Algorithm, Stemmer};
use tower::Service;
use unicode_segmentation::UnicodeSegmentation;

use crate::rerank::{Answer, RerankError, RerankRequest, Scores};

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// The BM25 sum that becomes a score of one half.
const HALF: f32 = 2.0;

/// BM25 over the request's own documents: no network, no model. Listwise, since how rare a word is depends on
/// the other documents.
#[derive(Clone)]
pub(in crate::rerank) struct Lexical {
    name: Arc<str>,
}

impl Lexical {
    pub(in crate::rerank) fn new(name: Arc<str>) -> Self {
        Self { name }
    }
}

impl Service<RerankRequest> for Lexical {
    type Response = Scores;
    type Error = RerankError;
    type Future = Ready<Answer>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> Self::Future {
        let scores = bm25(&request.query, &request.documents).into_iter().map(Some).collect();
        ready(Ok(Scores { scores, provider: self.name.clone(), model: "bm25".into(), ..Scores::default() }))
    }
}

/// Scores in 0..1; 0 only without a shared word.
fn bm25(query: &str, documents: &[Arc<str>]) -> Vec<f32> {
    let stemmer = Stemmer::create(Algorithm::English);
    // In the order of the query, so that sums of floats are the same each time.
    let mut terms: Vec<String> = Vec::new();
    let mut place = HashMap::new();
    for word in words(&stemmer, query) {
        place.entry(word).or_insert_with_key(|word| {
            terms.push(word.clone());
            terms.len() - 1
        });
    }
    let mut counts = vec![vec![0_u32; terms.len()]; documents.len()];
    let mut lengths = vec![0_u32; documents.len()];
    for ((text, counts), length) in documents.iter().zip(&mut counts).zip(&mut lengths) {
        for word in words(&stemmer, text) {
            *length += 1;
            if let Some(at) = place.get(&word) {
                counts[*at] += 1;
            }
        }
    }
    let n = documents.len() as f32;
    let average = (lengths.iter().map(|length| *length as f32).sum::<f32>() / n.max(1.0)).max(1.0);
    let idf: Vec<f32> = (0..terms.len())
        .map(|at| {
            let with = counts.iter().filter(|counts| counts[at] > 0).count() as f32;
            (1.0 + (n - with + 0.5) / (with + 0.5)).ln()
        })
        .collect();
    let score = |(counts, length): (&Vec<u32>, &u32)| {
        let norm = K1 * (1.0 - B + B * *length as f32 / average);
        let sum: f32 = counts
            .iter()
            .zip(&idf)
            .map(|(count, idf)| {
                let count = *count as f32;
                idf * count * (K1 + 1.0) / (count + norm)
            })
            .sum();
        sum / (sum + HALF)
    };
    counts.iter().zip(&lengths).map(score).collect()
}

fn words(stemmer: &Stemmer, text: &str) -> impl Iterator<Item = String> {
    text.unicode_words().map(|word| stemmer.stem(&word.to_lowercase()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(query: &str, documents: &[&str]) -> Vec<f32> {
        let documents: Vec<Arc<str>> = documents.iter().map(|text| Arc::from(*text)).collect();
        bm25(query, &documents)
    }

    #[test]
    fn shared_words_score_by_stem_and_none_scores_zero() {
        let got = scores(
            "resetting passwords",
            &["How to RESET a password.", "The firm was started in 2019.", "A password needs symbols."],
        );
        assert!(got[0] > got[2] && got[2] > got[1]);
        assert_eq!(got[1], 0.0);
    }

    #[test]
    fn scores_stay_within_zero_and_one_and_repeat() {
        let long = "word ".repeat(10_000);
        let documents = [long.as_str(), "", "größe 漢字", "word"];
        let got = scores("word größe 漢", &documents);
        assert!(got.iter().all(|score| (0.0..1.0).contains(score)), "{got:?}");
        assert_eq!(got, scores("word größe 漢", &documents));
    }

    #[test]
    fn rare_words_count_more_than_common_ones() {
        let got = scores("common rare", &["common one", "rare one", "common two", "common three"]);
        assert!(got[1] > got[0]);
    }

    #[test]
    fn nothing_to_score_gives_no_scores() {
        assert!(scores("query", &[]).is_empty());
        assert_eq!(scores("", &["text"]), [0.0]);
    }
}
