//! One way to rank, asked every question.

use std::{sync::Arc, time::Duration};

use rerankd::{
    eval::measures::Measure,
    rerank::{
        LexicalSettings, ProviderKind, ProviderSettings, Providers, RerankMetrics, RerankRequest, Reranker,
        ScoreStore, StackShared,
    },
    search::Document,
    search::{Candidate, OrderRule, order},
};
use tokio::time::Instant;
use tower::ServiceExt;

use super::collection::Collection;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Database,
    /// Words alone, with nothing known but the window: as for documents of no collection.
    Alone,
    /// Fused, with nothing learned.
    Cold,
    /// Fused, after the questions of the other half have passed.
    Warm,
}

impl Order {
    pub fn name(self) -> &'static str {
        match self {
            Order::Database => "the database's",
            Order::Alone => "words alone, of the window",
            Order::Cold => "fused, cold",
            Order::Warm => "fused, the other half passed",
        }
    }
}

/// Questions by their number: one half chose the settings, the other judges them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Half {
    Odd,
    Even,
    All,
}

impl Half {
    /// The values of its questions; the first is that of question 1.
    pub fn of(self, values: &[f64]) -> impl Iterator<Item = f64> {
        let is_in = move |at: &usize| match self {
            Half::Odd => at.is_multiple_of(2),
            Half::Even => at % 2 == 1,
            Half::All => true,
        };
        values.iter().enumerate().filter(move |(at, _)| is_in(at)).map(|(_, value)| *value)
    }
}

pub struct Trial<'a> {
    pub collection: &'a Collection,
    /// Of each question, the best first.
    pub candidates: &'a [Vec<usize>],
}

impl Trial<'_> {
    /// nDCG@10 of every question.
    pub async fn measure(&self, window: usize, order: Order) -> Vec<f64> {
        let count = self.collection.questions.len();
        let mut measured = vec![0.0; count];
        for half in [0, 1] {
            let mut lexical = lexical();
            if order == Order::Warm {
                for at in (0..count).filter(|at| at % 2 != half) {
                    self.ask(&lexical, order, at, window).await;
                }
            }
            for at in (0..count).filter(|at| at % 2 == half) {
                if order == Order::Cold {
                    lexical = self::lexical();
                }
                let hits = match order {
                    Order::Database => (0..10).collect(),
                    _ => self.ask(&lexical, order, at, window).await,
                };
                measured[at] = self.ndcg(at, &hits);
            }
        }
        measured
    }

    /// The places of the candidates in their new order.
    async fn ask(&self, lexical: &Reranker, by: Order, question: usize, window: usize) -> Vec<usize> {
        let collections: &[&str] = if by == Order::Alone { &[] } else { &["cranfield"] };
        let candidates = self.candidates[question].iter().take(window);
        let documents: Arc<[Document]> =
            candidates.map(|at| Document::from(self.collection.documents[*at].as_str())).collect();
        let query = self.collection.questions[question].text.as_str().into();
        let mut request = RerankRequest::new(query, documents, Instant::now() + Duration::from_secs(3600));
        request.collections = collections.iter().map(|name| Arc::from(*name)).collect();
        let scores = lexical.clone().oneshot(request).await.expect("scores");
        let candidates: Vec<Candidate> = scores
            .scores
            .iter()
            .map(|&score| Candidate { score, in_window: true, holds: false, database: None, boosted: None })
            .collect();
        let rule = OrderRule { fuse: scores.fusion, ..OrderRule::default() };
        order(&candidates, &rule).into_iter().map(|ranked| ranked.hit).collect()
    }

    fn ndcg(&self, question: usize, hits: &[usize]) -> f64 {
        let id = |hit: &usize| self.collection.ids[self.candidates[question][*hit]].clone();
        let ids: Vec<String> = hits.iter().map(id).collect();
        let grades = self.collection.grades.get(&self.collection.questions[question].id);
        grades.map_or(0.0, |grades| Measure::Ndcg.of(&ids, grades, 10))
    }
}

/// The embedded reranker, with nothing learned.
fn lexical() -> Reranker {
    let store = Arc::new(ScoreStore::new(0, Duration::ZERO, [7; 32]));
    let metrics = RerankMetrics::register(&prometheus::Registry::new()).expect("metrics");
    let shared = StackShared::new(store, Arc::new(metrics));
    let kind = ProviderKind::Lexical(LexicalSettings::default());
    let settings = vec![ProviderSettings::new("lexical", kind)];
    let providers = Providers::build(settings, &Providers::default(), &shared).expect("a provider");
    providers.chain(&["lexical".to_owned()], &shared)
}
