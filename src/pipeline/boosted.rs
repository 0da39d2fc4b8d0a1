//! What boosts make of relevance, hit by hit.

use std::time::SystemTime;

use crate::{
    document,
    search::{Boosted, Boosts, HitAt},
    wire::Page,
};

/// What boosts make of the scores of these hits; those without one stay so. The fields that are read stay here.
pub(super) fn boosted(
    page: &dyn Page,
    hits: impl Iterator<Item = HitAt>,
    scores: &[Option<f32>],
    boosts: &Boosts,
    now: SystemTime,
) -> Vec<Option<Boosted>> {
    let fields: Vec<&str> = boosts.0.iter().map(|boost| &*boost.field).collect();
    let one = |(at, score): (HitAt, &Option<f32>)| {
        score.map(|score| boosts.apply(score, now, &document::values(page, at, &fields)))
    };
    hits.zip(scores).map(one).collect()
}
