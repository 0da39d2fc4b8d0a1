//! The types that all other modules share. Pure: no clock, no socket, no runtime.

mod advice;
mod blank;
mod boost;
mod confidence;
mod document;
mod drift;
mod head;
mod index_name;
mod intent;
mod kept_names;
mod margin;
mod native;
mod order;
mod page;
mod plan;
mod prefix;
mod query_traits;
mod reason;
mod skip;
mod switch;
mod template;

pub use blank::is_blank;
pub use boost::{Boost, BoostBy, Boosted, Boosts};
pub use confidence::{Fit, NothingRelevant, logit};
pub use document::{Document, Texts};
pub use drift::{Distance, Reference};
pub use head::{Head, Unread};
pub use index_name::{IndexNames, Target, targets};
pub use intent::{CallerOptions, Chunks, NamedReranker, Pin, Pins, SearchIntent, Widening};
pub use kept_names::{KeptNames, NameSlot};
pub use margin::lead;
pub use native::{ClauseText, NativeText, TextPart};
pub use order::{Candidate, FusedBy, Fusion, OrderRule, Passage, Ranked, Ranking, ScoreWriting, order};
pub use page::{Failure, Got, HitAt, HitId, HitList, Holds, Total};
pub use plan::{
    FetchPlan, FieldSet, MostHits, NESTED_LISTS, PassageRule, PathStep, Rewrite, Selection, Strip, StripPath,
    WantedFields,
};
pub use prefix::{BadPrefix, PathPrefix};
pub use query_traits::QueryTraits;
pub use reason::KeepReason;
pub use skip::SkipRule;
pub use switch::yes_or_no;
pub use template::{Filled, Template, TemplateError};
