//! [`SearchHandler`]: what is needed to answer searches.

use std::{sync::Arc, time::Duration};

use http::{Extensions, HeaderMap};
use tokio::sync::Semaphore;

use super::{KnownLists, log::SearchLog};
use crate::{
    bounds::{Bounds, Timeouts},
    embedding::Recall,
    pipeline::{Pipeline, RecordRing, SearchMetrics, TenantMetrics},
    tenant::{AsTenant, Claim},
};

/// Searches reranked in shadow at a time; others are counted and skipped.
const MOST_IN_SHADOW: usize = 16;

/// Limits on what is held in memory for one search.
#[derive(Clone, Copy, Debug)]
pub struct SearchLimits {
    /// Larger request bodies are forwarded unread.
    pub request_bytes: usize,
    /// Larger responses, unpacked, are passed on unchanged, or the client's own request is sent again.
    pub response_bytes: usize,
    /// Timeout for the next bytes of the client's body.
    pub body_timeout: Option<Duration>,
}

/// Answers searches.
pub struct SearchHandler {
    /// Plans and ranks.
    pub pipeline: Pipeline,
    /// Limits on each search.
    pub limits: SearchLimits,
    /// Limits on all searches together.
    pub bounds: Bounds,
    /// Counts the timeouts that expired.
    pub waits: Timeouts,
    /// Counts what happened.
    pub metrics: SearchMetrics,
    /// Counts it by tenant, where there are any.
    pub(super) tenants: Option<TenantMetrics>,
    /// Whether responses carry `x-rerank-*` and `server-timing`.
    pub response_headers: bool,
    /// Where records of searches are kept, if any are wanted.
    pub records: Arc<RecordRing>,
    /// Which texts vectors are of, where that is remembered.
    pub(super) recall: Option<Arc<Recall>>,
    /// Where hits stand in responses that come again.
    pub(super) known: Arc<KnownLists>,
    /// Permits for the work after responses (shadow).
    pub(super) shadow_places: Arc<Semaphore>,
    /// Says how searches ended.
    pub(super) log: SearchLog,
    /// The address of the listener, for the log.
    pub(super) listener: Arc<str>,
}

impl SearchHandler {
    /// Plans and ranks with `pipeline`, within `limits` and `bounds`.
    pub fn new(
        pipeline: Pipeline,
        limits: SearchLimits,
        bounds: Bounds,
        waits: Timeouts,
        metrics: SearchMetrics,
        response_headers: bool,
        records: Arc<RecordRing>,
    ) -> Self {
        Self {
            pipeline,
            limits,
            bounds,
            waits,
            metrics,
            tenants: None,
            response_headers,
            records,
            recall: None,
            known: Arc::default(),
            shadow_places: Arc::new(Semaphore::new(MOST_IN_SHADOW)),
            log: SearchLog::default(),
            listener: "".into(),
        }
    }

    /// The same, for searches that carry only vectors whose texts `recall` knows, too.
    pub fn recalling(self, recall: Option<Arc<Recall>>) -> Self {
        Self { recall, ..self }
    }

    /// The same, which does not read lists of hits again that are `known`.
    pub fn knowing(self, known: Arc<KnownLists>) -> Self {
        Self { known, ..self }
    }

    /// The same, counting also by tenant.
    pub fn counting(self, tenants: Option<TenantMetrics>) -> Self {
        Self { tenants, ..self }
    }

    /// Whose a request is, as far as its head and its connection tell. A command of ours says it itself.
    pub(super) fn claim(&self, headers: &HeaderMap, extensions: &Extensions) -> Claim {
        match extensions.get() {
            Some(AsTenant(name)) => self.pipeline.claim_of(name),
            None => self.pipeline.claim(headers, extensions.get()),
        }
    }

    /// The same, saying in `log` how the searches of this listener end.
    pub fn logging(self, log: SearchLog, listener: Arc<str>) -> Self {
        Self { log, listener, ..self }
    }
}
