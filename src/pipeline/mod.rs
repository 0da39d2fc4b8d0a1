//! One search from intent to ranking. It decides and ranks; sockets belong to `proxy`.
//!
//! 1. [`Pipeline::plan`]: which searches are reranked, by which text, and what to request upstream.
//! 2. [`Pipeline::rank`]: documents, the rerank call, the order of every list.

mod boosted;
mod caller;
mod confidence;
mod drift;
mod drifts;
mod header_text;
mod holding;
mod ignored;
mod judge;
mod list_order;
mod losses;
mod metrics;
mod mixed;
mod outcome;
mod passages;
mod plan;
mod profile;
mod rank;
mod reach;
mod record;
mod record_ring;
mod rejection;
mod scoring;
mod source;
mod tenant_metrics;
mod tenants;
mod tie;
mod trace;
mod weight;
mod window;
mod witness;

pub use caller::{CallerHeaders, strip_own};
pub use confidence::Confidence;
pub use drift::{Drift, DriftSettings};
pub use drifts::Drifts;
pub use holding::Holding;
pub use ignored::Ignored;
pub use judge::Judged;
pub use losses::Loss;
pub use metrics::{Endings, Finding, SearchMetrics, Timings};
pub use outcome::{BlockResult, HeldHits, Outcome, Report};
pub use passages::PassageSettings;
pub use plan::PlannedSearch;
pub use profile::{AllowList, FailOpen, Mode, Profile, Profiles, Route, ScoreMode, TenantShare};
pub use rank::RankedPage;
pub use record::{
    Asked, Capture, DocumentRecord, HitRecord, ListRecord, NewPlace, Origin, ScoredBy, SearchRecord, Unscored,
};
pub use record_ring::{Held, MOST_PER_SECOND, Numbered, RecordRing, RecordSettings};
pub use rejection::{Extra, blamed};
pub use scoring::Waiting;
pub use source::QuerySource;
pub use tenant_metrics::{OTHER, TenantMetrics};
pub use tenants::{Tenants, share};
pub use tie::cuts_a_tie;
pub use trace::RankTrace;
pub use weight::{calls, document_bytes, plan_bytes};
pub use witness::{Question, Seen, Witness};

use losses::Known;
use rejection::Rejections;

/// Plans and ranks searches.
pub struct Pipeline {
    profiles: Profiles,
    /// Where there are any; in a box, since most have none.
    tenants: Option<Box<Tenants>>,
    rejections: Rejections,
    losses: Known<Loss>,
    reranked: Known<()>,
}

impl Pipeline {
    /// A pipeline for these profiles.
    pub fn new(profiles: Profiles) -> Self {
        Self {
            profiles,
            tenants: None,
            rejections: Rejections::default(),
            losses: Known::default(),
            reranked: Known::default(),
        }
    }
}
