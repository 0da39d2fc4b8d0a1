//! [`Profile`]: how the searches of some collections are reranked.

use std::{sync::Arc, time::Duration};

use wildmatch::WildMatch;

use super::{Confidence, Drift, PassageSettings, QuerySource};
use crate::{
    bounds::Budget,
    rerank::{AskedAgain, Reranker},
    search::{Boosts, FieldSet, FusedBy, Fusion, SkipRule},
};

/// Whether to rerank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Responses are reranked.
    On,
    /// Responses are the database's; they are reranked afterwards, for the metrics.
    Shadow,
    /// Never reranked, and no text leaves.
    Off,
}

impl Mode {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::On => "on",
            Mode::Shadow => "shadow",
            Mode::Off => "off",
        }
    }
}

/// What `score` does to the hits' own scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScoreMode {
    /// The hits keep their scores.
    Keep,
    /// The relevance score is written instead.
    Replace,
    /// What Elasticsearch's own reranker makes of the relevance score is written instead.
    ReplaceAsElasticsearch,
    /// Scores are kept, the order is one of both orders.
    Fuse(Fusion),
}

impl ScoreMode {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            ScoreMode::Keep => "keep",
            ScoreMode::Replace | ScoreMode::ReplaceAsElasticsearch => "replace",
            ScoreMode::Fuse(Fusion { by: FusedBy::Ranks, .. }) => "rrf",
            ScoreMode::Fuse(Fusion { by: FusedBy::Scores, .. }) => "linear",
        }
    }
}

/// What the client gets when reranking fails after the request was widened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOpen {
    /// The widened response, cut back.
    Cut,
    /// The response to the client's own request, sent again.
    Replay,
}

/// What callers may choose beyond narrowing; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    /// Models, by name.
    pub models: Vec<String>,
    /// Document fields, by path.
    pub fields: Vec<String>,
    /// Instructions; `*` and `?` are wild.
    pub instructions: Vec<String>,
    /// A larger window than the configured one, up to this.
    pub max_window: Option<u64>,
    /// A longer deadline than the configured one, up to this.
    pub max_deadline: Option<Duration>,
}

/// A tenant's share of what all have.
pub struct TenantShare {
    /// Its name.
    pub name: Arc<str>,
    /// The searches of it that may be reranked at a time; `None`: as many as of all.
    pub searches: Option<Budget>,
    /// Whether nothing of it may be told from what others get: texts are recalled for it alone.
    pub apart: bool,
}

/// How the searches of some collections are reranked. Values are validated by the configuration.
#[derive(Clone)]
pub struct Profile {
    /// The pattern of its route; `None`: the profile of every collection without a route.
    pub route: Option<Arc<str>>,
    /// The tenant that it is for; `None`: for everybody who is none.
    pub tenant: Option<Arc<TenantShare>>,
    /// Whether to rerank, and for whom.
    pub mode: Mode,
    /// Share of queries that are reranked at all, 0 to 1.
    pub sample: f64,
    /// Name patterns; one that starts with `-` excludes. Every name of a search has to be included.
    pub collections: Vec<String>,
    /// The stack that scores.
    pub reranker: Reranker,
    /// Whether any provider is configured behind it.
    pub has_provider: bool,
    /// Whether any of them may be called now: not all circuits are open.
    pub may_ask: Arc<dyn Fn() -> bool + Send + Sync>,
    /// In what time the first of them that a limit or its circuit stands against may be asked again.
    pub asked_again: AskedAgain,
    /// The names of the providers that may see its texts.
    pub providers: Vec<String>,
    /// The first provider: floors and models that callers name apply to it.
    pub first_provider: Option<Arc<str>>,
    /// How many of the best candidates are reranked.
    pub window: u64,
    /// The largest window, whoever requests it.
    pub max_window: u64,
    /// Fields of the document.
    pub fields: FieldSet,
    /// The most bytes of a document.
    pub document_bytes: usize,
    /// How longer ones are scored by their passages; `None`: each as a whole.
    pub passages: Option<PassageSettings>,
    /// The model of the first provider, where it is Cohere, whose newer ones tell the passages that count.
    pub cohere_model: Option<Arc<str>>,
    /// What counts as relevant beside the query, for providers that take an instruction.
    pub instruction: Option<Arc<str>>,
    /// The names of the providers that do.
    pub instructed: Vec<String>,
    /// What happens to scores.
    pub score: ScoreMode,
    /// What hits' fields add to their relevance; `None`: nothing.
    pub boosts: Option<Arc<Boosts>>,
    /// Adds `rerank_score` and `rerank_from` to hits.
    pub annotate: bool,
    /// The response says in its body how its searches ended.
    pub answer_block: bool,
    /// How likely the best hit is relevant; `None`: that is not known.
    pub confidence: Option<Arc<Confidence>>,
    /// Whether scores are still those that floor and fit were made for; `None`: nobody looks.
    pub drift: Option<Arc<Drift>>,
    /// The floor: hits of the window that score lower are dropped.
    pub min_score: Option<f32>,
    /// The least number of hits kept in spite of the floor.
    pub min_keep: usize,
    /// Time for the rerank step.
    pub deadline: Duration,
    /// Time for it where no client waits (shadow).
    pub shadow_deadline: Duration,
    /// Whether scores for only some of the hits make an order.
    pub partial: bool,
    /// Queries that are not reranked.
    pub skip_when: SkipRule,
    /// A best hit that leads by this much ([`crate::search::lead`]) is not worth a call.
    pub margin_gate: Option<f64>,
    /// What the client gets when reranking fails.
    pub fail_open: FailOpen,
    /// Requests more hits than the client did.
    pub widen: bool,
    /// Where query text may come from.
    pub sources: Vec<QuerySource>,
    /// Dotted path of the query text in the body of a search that has none of its own (templates).
    pub query_path: Option<String>,
    /// Patterns of the ids of rerankers that a request may name and that the proxy serves.
    pub inference_ids: Vec<String>,
    /// Name patterns of search pipelines (OpenSearch) whose output may be reranked; one that starts with `-`
    /// excludes.
    pub search_pipelines: Vec<String>,
    /// What callers may choose.
    pub allow: AllowList,
}

impl AllowList {
    /// Whether callers may give this instruction.
    pub fn instructs(&self, text: &str) -> bool {
        self.instructions.iter().any(|pattern| WildMatch::new(pattern).matches(text))
    }
}

/// A profile for some collections.
pub struct Route {
    /// Name pattern.
    pub collection: String,
    /// The same, made ready.
    pattern: WildMatch,
    /// Its profile.
    pub profile: Arc<Profile>,
}

impl Route {
    /// The profile of the collections with names of this pattern.
    pub fn new(collection: String, profile: Arc<Profile>) -> Self {
        Self { pattern: WildMatch::new(&collection), collection, profile }
    }
}

/// Routes, first match wins, and the profile of everything else.
pub struct Profiles {
    /// In order.
    pub routes: Vec<Route>,
    /// Where no route matches.
    pub default: Arc<Profile>,
}

impl Profiles {
    /// The profile for a search of these collections: a route has to match every name.
    pub fn find(&self, collections: &[String]) -> &Arc<Profile> {
        let matches = |route: &&Route| collections.iter().all(|name| route.pattern.matches(name));
        self.routes.iter().find(matches).map_or(&self.default, |route| &route.profile)
    }
}

impl Profile {
    /// Whether a query is of the sample. The same query always is, or never, on every replica.
    pub fn samples(&self, query: &str) -> bool {
        if self.sample >= 1.0 {
            return true;
        }
        let hash = blake3::hash(query.as_bytes());
        let [a, b, c, d, ..] = *hash.as_bytes();
        f64::from(u32::from_le_bytes([a, b, c, d])) < self.sample * f64::from(u32::MAX)
    }

    /// The floor, as long as it was made for the scores that there are.
    pub fn floor(&self) -> Option<f32> {
        self.min_score.filter(|_| !self.scores_have_moved())
    }

    /// Whether scores are others than floor and fit were made for.
    pub fn scores_have_moved(&self) -> bool {
        self.drift.as_ref().is_some_and(|drift| drift.has_moved())
    }

    /// Whether the proxy serves the reranker of this id.
    pub fn serves(&self, inference_id: &str) -> bool {
        self.inference_ids.iter().any(|pattern| WildMatch::new(pattern).matches(inference_id))
    }

    /// Whether every name is included by `collections`: matched by a pattern, and by no excluding one.
    pub fn lets_in(&self, collections: &[String]) -> bool {
        collections.iter().all(|name| is_let_in(&self.collections, name))
    }

    /// Whether hits that have gone through this search pipeline of the database may be reranked.
    pub fn trusts_pipeline(&self, name: &str) -> bool {
        // In any case: the patterns are about what a name says, and `MyReranker` says it too.
        let patterns: Vec<String> = self.search_pipelines.iter().map(|each| each.to_lowercase()).collect();
        is_let_in(&patterns, &name.to_lowercase())
    }
}

/// Whether a name is matched by a pattern, and by no excluding one.
fn is_let_in(patterns: &[String], name: &str) -> bool {
    // Mostly all are.
    let matches = |pattern: &str| pattern == "*" || WildMatch::new(pattern).matches(name);
    let excluded = patterns.iter().filter_map(|p| p.strip_prefix('-')).any(matches);
    let included = patterns.iter().filter(|p| !p.starts_with('-')).any(|p| matches(p));
    included && !excluded
}
