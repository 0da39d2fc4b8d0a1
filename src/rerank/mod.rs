//! The rerank stack. It knows text and scores, not hits or databases.

mod account;
mod batch;
mod breaker;
pub mod cache;
mod call_log;
mod caller_deadline;
mod chain;
mod deferred;
mod error;
mod instruction;
mod kind;
mod limits;
mod lists;
mod metrics;
mod provider;
mod retired;
mod retry;
mod settings;
mod siblings;
mod single_flight;
mod spans;
mod stack;
mod stack_shared;
mod tenants;
mod timed;
mod wall;
mod words;

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;
use tokio::time::Instant;
use tower::{Service, util::BoxCloneSyncService};

use crate::{bounds::Permit, search::Document, search::Fusion, traces::TraceParent};

pub use breaker::CircuitSettings;
pub use cache::ScoreStore;
use cache::{Keys, SingleFlightKey};
pub use call_log::{CallEnd, CallLog, Heard, ProviderCall};
use caller_deadline::CallerDeadline;
use deferred::DeferredWork;
pub use error::{FailureClass, RerankError, StatedLimits};
pub use instruction::Instructed;
pub use kind::{DefaultModel, HttpKind, KindFacts, Setting};
pub use limits::{LimitSettings, SpendSettings, TenantLimits, expected_bill, tokens};
pub use metrics::RerankMetrics;
pub use provider::{Trial, appended_path, billing, instructed, provider_facts, trial};
pub use retired::end_of_service;
pub use settings::{
    Activation, ApiKey, Billing, BuildError, HttpSettings, LexicalSettings, ProviderFacts, ProviderKind,
    ProviderSettings, Scoring,
};
pub use siblings::Siblings;
pub use single_flight::SingleFlightSettings;
pub use spans::{Span, SpanRequest, Spans, given_by as tells_passages};
pub use stack::{AskedAgain, Providers};
pub use stack_shared::StackShared;
pub use tenants::TenantSettings;
pub use words::{ENOUGH_DOCUMENTS, LearnedCounts, Words};

/// The boxed service at the top of the stack. One request in, one result or error out; all layers (chain, cache,
/// single-flight, batch, limits, breaker, retry) have this one signature, so that tests can leave out any.
pub type Reranker = BoxCloneSyncService<RerankRequest, Scores, RerankError>;

/// One query and the documents to score for it.
#[derive(Clone)]
pub struct RerankRequest {
    /// The query text.
    pub query: Arc<str>,
    /// The documents, never blank.
    pub documents: Arc<[Document]>,
    /// What counts as relevant beside the query, for providers that take an instruction.
    pub instruction: Option<Arc<str>>,
    /// A model from the allow-list instead of the provider's own.
    pub model: Option<Arc<str>>,
    /// The providers that `model` applies to; the others use their own. `None`: it applies to all.
    pub model_of: Option<Arc<[Arc<str>]>>,
    /// The caller's deadline.
    pub respond_by: Instant,
    /// No client waits for the scores: a service with priorities may serve others first.
    pub background: bool,
    /// How many documents each list has that shares the request; empty for a single one.
    pub lists: Arc<[usize]>,
    /// The collection of each list, in whose order its documents then are; empty where they are of none, and in no
    /// meaningful order.
    pub collections: Arc<[Arc<str>]>,
    /// How many searches share the request: the cost limit of one applies to each.
    pub searches: usize,
    /// The calls made for the same client request; `None`: this is the only one.
    pub siblings: Option<Siblings>,
    /// Where calls to providers are noted; `None`: nowhere.
    pub calls: Option<CallLog>,
    /// What the spans of its steps hang on; `None`: it is not traced.
    pub trace: Option<TraceParent>,
    /// Passages of each document are requested too, of providers that return them.
    pub spans: Option<SpanRequest>,
    /// Scores of some documents only are of no use.
    pub whole: bool,
    /// The permit for the documents, released when the last holder drops them: a call may outlive its caller.
    pub held: Option<Arc<Permit>>,
    /// No retry begins after this; `None`: after `respond_by`.
    max_wait: Option<CallerDeadline>,
    /// The documents' cache keys, once the cache has been read.
    keys: Option<Keys>,
    /// The single-flight key: equal work is one call.
    flight: Option<SingleFlightKey>,
    /// Takes work that can be done after the callers have their response; `None` where it has to be done before.
    deferred: Option<DeferredWork>,
}

impl RerankRequest {
    /// A request of the provider's own model with a caller that waits until `respond_by`.
    pub fn new(query: Arc<str>, documents: Arc<[Document]>, respond_by: Instant) -> Self {
        Self {
            query,
            documents,
            instruction: None,
            model: None,
            model_of: None,
            respond_by,
            background: false,
            lists: [].into(),
            collections: [].into(),
            searches: 1,
            siblings: None,
            calls: None,
            trace: None,
            spans: None,
            whole: false,
            held: None,
            max_wait: None,
            keys: None,
            flight: None,
            deferred: None,
        }
    }

    /// No retry begins after this: no caller would wait for it.
    fn retry_by(&self) -> Instant {
        self.max_wait.as_ref().map_or(self.respond_by, CallerDeadline::until)
    }

    /// The model that a provider is sent.
    fn model_for(&self, provider: &Arc<str>) -> Option<Arc<str>> {
        let meant = self.model_of.as_ref().is_none_or(|names| names.contains(provider));
        self.model.clone().filter(|_| meant)
    }
}

/// Scores for the documents of one request.
#[derive(Clone, Debug, Default)]
pub struct Scores {
    /// One per document, in the order of the request; `None` if it was not scored.
    pub scores: Vec<Option<f32>>,
    /// The passages of each document, where they were requested; empty where the provider returns none.
    pub spans: Vec<Option<Spans>>,
    /// The provider that scored, by its configured name.
    pub provider: Arc<str>,
    /// The model that scored.
    pub model: Arc<str>,
    /// How many documents were looked up in the cache, and how many were there.
    pub cache_lookups: u32,
    /// See `cache_lookups`.
    pub cache_hits: u32,
    /// The indices of the documents that were not in the cache, ascending; meaningless where it was not read.
    pub missed: Vec<usize>,
    /// The most bytes that were sent of a document; `None`: all of it.
    pub sent_bytes: Option<usize>,
    /// Search units billed for this request, as the provider says; where it never does (Bedrock), the least that
    /// it can be.
    pub billed_units: f64,
    /// Tokens billed for this request, where the provider bills tokens.
    pub billed_tokens: u64,
    /// Calls that the provider says are left in this minute.
    pub calls_left: Option<u64>,
    /// How to fuse the order that the scores make with the database's, where the provider wants that.
    pub fusion: Option<Fusion>,
    /// How many other documents of the collection the provider knew the words of, where it learns them.
    pub learned: Option<u32>,
    /// Why some scores are missing, if they are.
    pub failure: Option<FailureClass>,
}

impl Scores {
    /// Whether at least half of the documents have a score.
    pub fn are_most(&self) -> bool {
        self.scores.iter().flatten().count() * 2 >= self.scores.len()
    }

    /// Whether the score of the document at `place` came from the cache.
    pub fn is_from_cache(&self, place: usize) -> bool {
        self.cache_lookups as usize > place && self.missed.binary_search(&place).is_err()
    }
}

impl fmt::Debug for RerankRequest {
    /// Shows sizes only: query and documents stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RerankRequest").field("documents", &self.documents.len()).finish_non_exhaustive()
    }
}

/// The result of every layer of the stack.
type RerankResult = Result<Scores, RerankError>;

/// The future of every layer of the stack.
type RerankFuture = BoxFuture<'static, RerankResult>;

/// Every layer of the stack, and what it wraps. All are always ready: limits answer at once, nothing queues.
trait Rerank:
    Service<RerankRequest, Response = Scores, Error = RerankError, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Rerank for S where
    S: Service<RerankRequest, Response = Scores, Error = RerankError, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

#[cfg(test)]
mod test_support;
