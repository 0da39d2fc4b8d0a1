use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use rust_stemmers::{Algorithm, Stemmer};
use tokio::{task::yield_now, time::Instant};
use tower::Service;
use unicode_segmentation::UnicodeSegmentation;

use crate::{
    document::Document,
    rerank::{Answer, AnswerFuture, RerankError, RerankRequest, Scores},
};

const K1: f32 = 1.2;
const B: f32 = 0.75;

/// The BM25 sum that becomes a score of one half.
const HALF: f32 = 2.0;

/// Words read in one go, about a millisecond's: then others have their turn, and the deadline is looked at.
const SLICE: u32 = 1_000;

/// Words of a query that are read; more of them say no more.
const QUERY_WORDS: usize = 1_000;

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
    type Future = AnswerFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> AnswerFuture {
        let provider = self.name.clone();
        Box::pin(async move {
            let scores = bm25(&request.query, &request.documents, request.answer_by).await?;
            let scores = scores.into_iter().map(Some).collect();
            Ok(Scores { scores, provider, model: "bm25".into(), ..Scores::default() }) as Answer
        })
    }
}

/// What a document has of the query.
struct Counted {
    /// How often each term is there.
    terms: Vec<u32>,
    words: u32,
}

/// Scores in 0..1; 0 only without a shared word.
async fn bm25(query: &str, documents: &[Document], answer_by: Instant) -> Result<Vec<f32>, RerankError> {
    let stemmer = Stemmer::create(Algorithm::English);
    // Numbered in the order of the query, so that sums of floats are the same each time.
    let mut terms = HashMap::new();
    for word in words(&stemmer, query).take(QUERY_WORDS) {
        let next = terms.len();
        terms.entry(word).or_insert(next);
    }
    let mut counted = Vec::with_capacity(documents.len());
    for document in documents {
        let mut found = Counted { terms: vec![0; terms.len()], words: 0 };
        for word in words(&stemmer, document.text()) {
            found.words += 1;
            if let Some(count) = terms.get(&word).and_then(|at| found.terms.get_mut(*at)) {
                *count += 1;
            }
            if found.words.is_multiple_of(SLICE) {
                others_first(answer_by).await?;
            }
        }
        counted.push(found);
        others_first(answer_by).await?;
    }
    Ok(scores(&counted, terms.len()))
}

/// Gives others their turn; ends the work when nobody waits for it any more.
async fn others_first(answer_by: Instant) -> Result<(), RerankError> {
    yield_now().await;
    if answer_by <= Instant::now() { Err(RerankError::Deadline) } else { Ok(()) }
}

fn scores(documents: &[Counted], terms: usize) -> Vec<f32> {
    let n = documents.len() as f32;
    let words: f32 = documents.iter().map(|document| document.words as f32).sum();
    let average = (words / n.max(1.0)).max(1.0);
    let idf = |at: usize| {
        let has = |document: &&Counted| document.terms.get(at).is_some_and(|count| *count > 0);
        let with = documents.iter().filter(has).count() as f32;
        (1.0 + (n - with + 0.5) / (with + 0.5)).ln()
    };
    let idf: Vec<f32> = (0..terms).map(idf).collect();
    let score = |document: &Counted| {
        let norm = K1 * (1.0 - B + B * document.words as f32 / average);
        let weight = |(count, idf): (&u32, &f32)| {
            let count = *count as f32;
            idf * count * (K1 + 1.0) / (count + norm)
        };
        let sum: f32 = document.terms.iter().zip(&idf).map(weight).sum();
        sum / (sum + HALF)
    };
    documents.iter().map(score).collect()
}

fn words(stemmer: &Stemmer, text: &str) -> impl Iterator<Item = String> {
    text.unicode_words().map(|word| stemmer.stem(&word.to_lowercase()).into_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn texts(documents: &[&str]) -> Vec<Document> {
        documents.iter().map(|text| Document::from(*text)).collect()
    }

    async fn scores(query: &str, documents: &[&str]) -> Vec<f32> {
        let answer_by = Instant::now() + Duration::from_secs(3600);
        bm25(query, &texts(documents), answer_by).await.unwrap()
    }

    /// Time passes, and others run, while documents that would take long are read.
    #[tokio::test]
    async fn many_long_documents_hold_no_worker_past_the_deadline() {
        let long = "the quick brown fox jumps over it ".repeat(3_000);
        let documents = texts(&vec![long.as_str(); 200]);
        let begun = Instant::now();
        let answer_by = begun + Duration::from_millis(100);
        let mut turns = 0;
        let answer = tokio::select! {
            biased;
            answer = bm25("a quick fox", &documents, answer_by) => answer,
            () = async { loop { turns += 1; yield_now().await } } => unreachable!(),
        };
        assert_eq!(answer.unwrap_err(), RerankError::Deadline);
        assert!(turns > 1, "others had their turn");
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_query_of_very_many_words_is_read_up_to_a_limit() {
        let query = (0..100_000).map(|n| format!("w{n} ")).collect::<String>();
        let got = scores(&query, &["w1", "w99999"]).await;
        assert!(got[0] > 0.0 && got[1] == 0.0, "{got:?}");
    }

    #[tokio::test]
    async fn shared_words_score_by_stem_and_none_scores_zero() {
        let got = scores(
            "resetting passwords",
            &["How to RESET a password.", "The firm was started in 2019.", "A password needs symbols."],
        )
        .await;
        assert!(got[0] > got[2] && got[2] > got[1]);
        assert_eq!(got[1], 0.0);
    }

    #[tokio::test]
    async fn scores_stay_within_zero_and_one_and_repeat() {
        let long = "word ".repeat(10_000);
        let documents = [long.as_str(), "", "größe 漢字", "word"];
        let got = scores("word größe 漢", &documents).await;
        assert!(got.iter().all(|score| (0.0..1.0).contains(score)), "{got:?}");
        assert_eq!(got, scores("word größe 漢", &documents).await);
    }

    #[tokio::test]
    async fn rare_words_count_more_than_common_ones() {
        let got = scores("common rare", &["common one", "rare one", "common two", "common three"]).await;
        assert!(got[1] > got[0]);
    }

    #[tokio::test]
    async fn nothing_to_score_gives_no_scores() {
        assert!(scores("query", &[]).await.is_empty());
        assert_eq!(scores("", &["text"]).await, [0.0]);
    }
}
