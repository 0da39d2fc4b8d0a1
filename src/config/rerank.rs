//! How searches are reranked, by default and by collection.

use std::time::Duration;

use super::words::{PartialScores, WidenMode};
use crate::{
    pipeline::{AllowList, FailOpen, Mode, QuerySource, ScoreMode},
    search::{Boosts, FieldSet, NothingRelevant, SkipRule},
};

/// How to rerank.
#[derive(Clone, Debug, PartialEq)]
pub struct RerankConfig {
    /// On, behind the response, or off.
    pub mode: Mode,
    /// Share of queries that are reranked at all, over 0 up to 1.
    pub sample: f64,
    /// Patterns of collections that may be reranked; `-` excludes, whatever else matches.
    pub collections: Vec<String>,
    /// Names of providers, tried in order.
    pub providers: Vec<String>,
    /// How many of the best hits are reranked.
    pub window: u64,
    /// The largest window, whoever sets it.
    pub max_window: u64,
    /// What makes a hit's document.
    pub fields: FieldSet,
    /// The most bytes of a passage of a document; `None`: documents are not cut.
    pub passage_bytes: Option<u64>,
    /// How many bytes of a passage the next one repeats.
    pub passage_overlap: u64,
    /// The most passages of a document.
    pub most_passages: u64,
    /// How many of its best passages make a document's score.
    pub passages_summed: u64,
    /// What counts as relevant beside the query, for providers that take an instruction.
    pub instruction: Option<String>,
    /// What becomes of scores.
    pub score: ScoreMode,
    /// What hits' fields add to their relevance.
    pub boosts: Boosts,
    /// Add `rerank_score` and `rerank_from` to hits.
    pub annotate: bool,
    /// Say in the body of a response how its searches ended.
    pub answer_block: bool,
    /// The model whose scores are known well enough to say how likely a hit is relevant.
    pub confidence_model: Option<String>,
    /// The fit to its scores.
    pub confidence_slope: Option<f64>,
    /// See `confidence_slope`.
    pub confidence_intercept: Option<f64>,
    /// Nothing is relevant where the best hit is less likely than this.
    pub confidence_least: Option<f64>,
    /// What becomes of a search with nothing relevant.
    pub on_nothing_relevant: NothingRelevant,
    /// The model whose best scores are compared with what they once were.
    pub drift_model: Option<String>,
    /// Of how many searches they once were.
    pub drift_searches: Option<u64>,
    /// Their quantiles, all as far apart.
    pub drift_quantiles: Vec<f32>,
    /// Drop hits of the window that score lower.
    pub min_score: Option<f32>,
    /// Keep at least this many all the same.
    pub min_keep: usize,
    /// For the rerank step.
    pub deadline: Duration,
    /// For the rerank step behind the response.
    pub shadow_deadline: Duration,
    /// What becomes of a search whose hits have scores only in part.
    pub partial_scores: PartialScores,
    /// Kinds of queries that are not reranked.
    pub skip_when: SkipRule,
    /// A best hit that leads by so much is not worth a call, 0 to 1.
    pub margin_gate: Option<f64>,
    /// What to answer with on failure.
    pub fail_open: FailOpen,
    /// Whether searches that are not neutral to widen are widened.
    pub widen: WidenMode,
    /// Where the query text may come from; the order is fixed.
    pub query_sources: Vec<QuerySource>,
    /// Where a template's body holds the query text.
    pub query_path: Option<String>,
    /// Ids of Elasticsearch's `text_similarity_reranker` that are served here; patterns.
    pub inference_ids: Vec<String>,
    /// Patterns of OpenSearch's search pipelines behind which hits are reranked; `-` excludes.
    pub search_pipelines: Vec<String>,
    /// What callers may choose beyond narrowing.
    pub allow: AllowList,
    /// Add `x-rerank-*` and `server-timing` to answers.
    pub response_headers: bool,
}

/// How to rerank some collections.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteConfig {
    /// The pattern.
    pub collection: String,
    /// The base with the route's own keys over it.
    pub rerank: RerankConfig,
    /// Whether its mode is one of its keys: then a tenant opens nothing of it.
    pub has_mode: bool,
}

impl Default for RerankConfig {
    fn default() -> Self {
        Self {
            mode: Mode::On,
            sample: 1.0,
            collections: vec!["*".to_owned(), "-.*".to_owned()],
            providers: vec!["cohere".to_owned()],
            window: 50,
            max_window: 200,
            fields: FieldSet::Auto,
            passage_bytes: None,
            passage_overlap: 150,
            most_passages: 8,
            passages_summed: 1,
            instruction: None,
            score: ScoreMode::Keep,
            boosts: Boosts::default(),
            annotate: false,
            answer_block: false,
            confidence_model: None,
            confidence_slope: None,
            confidence_intercept: None,
            confidence_least: None,
            on_nothing_relevant: NothingRelevant::Keep,
            drift_model: None,
            drift_searches: None,
            drift_quantiles: Vec::new(),
            min_score: None,
            min_keep: 0,
            deadline: Duration::from_secs(1),
            shadow_deadline: Duration::from_secs(5),
            partial_scores: PartialScores::Kept,
            skip_when: SkipRule::default(),
            margin_gate: None,
            fail_open: FailOpen::Cut,
            widen: WidenMode::Replay,
            query_sources: vec![
                QuerySource::Header,
                QuerySource::Body,
                QuerySource::Native,
                QuerySource::Embedding,
            ],
            query_path: None,
            inference_ids: Vec::new(),
            search_pipelines: vec!["*".to_owned(), "-*rerank*".to_owned(), "-*personali*".to_owned()],
            allow: AllowList::default(),
            response_headers: true,
        }
    }
}
