//! The order of one list, and what of it is the client's page.

use super::{Holding, PlannedSearch, ScoreMode, plan::Work, window::in_window};
use crate::search::{
    Boosted, Candidate, Fusion, HitAt, HitList, OrderRule, Ranked, Ranking, ScoreWriting, SearchIntent, order,
};

/// The places of hits in a list: the database's, and the new one. Those of hits that were dropped are missing.
pub(super) type Places = Vec<(usize, usize)>;

/// A list of a page: its number, and which hits of the page keep their place.
pub(super) type HeldList<'p> = (usize, &'p HitList, &'p Holding);

/// Hits that were asked about.
#[derive(Clone, Copy)]
pub(super) struct Scored<'s> {
    pub(super) hits: &'s [usize],
    pub(super) scores: &'s [Option<f32>],
    /// The database's, where they are fused with these.
    pub(super) database: &'s [Option<f64>],
    /// What boosts have made of the scores, where there are any.
    pub(super) boosted: &'s [Option<Boosted>],
}

/// The order of all hits of a list, and how many of the window have no score.
fn whole_order(
    search: &PlannedSearch,
    work: &Work,
    (nth, list, holding): HeldList<'_>,
    asked: Scored<'_>,
    rule: &OrderRule,
) -> (Vec<Ranked>, usize) {
    let candidate = |hit: usize| Candidate {
        score: None,
        in_window: in_window(search, work, hit),
        holds: holding.of(HitAt { list: nth, hit }).is_some(),
        database: None,
        boosted: None,
    };
    let mut candidates: Vec<Candidate> = (0..list.hits).map(candidate).collect();
    for (&hit, &score) in asked.hits.iter().zip(asked.scores) {
        candidates[hit].score = score;
    }
    for (&hit, &score) in asked.hits.iter().zip(asked.database) {
        candidates[hit].database = score;
    }
    for (&hit, boosted) in asked.hits.iter().zip(asked.boosted) {
        candidates[hit].boosted = boosted.as_ref().map(|boosted| boosted.score);
    }
    let unscored = candidates.iter().filter(|c| c.in_window && !c.holds && c.score.is_none()).count();
    (order(&candidates, rule), unscored)
}

/// How the scores of a call make an order. A provider's own fusion goes before the configured one.
pub(super) fn rule(
    search: &PlannedSearch,
    work: &Work,
    floor: Option<f32>,
    own: Option<Fusion>,
) -> OrderRule {
    let configured = match work.score {
        ScoreMode::Fuse(fusion) => Some(fusion),
        _ => None,
    };
    OrderRule { min_score: floor, min_keep: search.profile.min_keep, fuse: own.or(configured) }
}

/// The ranking of a list, cut to the client's page, and how many hits of the window have no score. `places` gets those of
/// all hits, if records are made of them; the other arguments are those of [`whole_order`].
pub(super) fn rank_list(
    search: &PlannedSearch,
    work: &Work,
    list: HeldList<'_>,
    scored: Scored<'_>,
    rule: &OrderRule,
    places: Option<&mut Option<Places>>,
) -> (Ranking, usize) {
    let (ordered, unscored) = whole_order(search, work, list, scored, rule);
    if let Some(places) = places {
        *places = Some(ordered.iter().map(|ranked| (ranked.hit, ranked.place)).collect());
    }
    let scored = ordered.iter().filter(|ranked| ranked.score.is_some());
    let best = scored.filter_map(|ranked| ranked.written).reduce(f32::max);
    let ranking = Ranking {
        hits: cut(search, list.1, ordered),
        scores: match work.score {
            ScoreMode::Keep | ScoreMode::Fuse(_) => ScoreWriting::Keep,
            ScoreMode::Replace => ScoreWriting::Relevance,
            ScoreMode::ReplaceAsElasticsearch => ScoreWriting::ElasticsearchReranker,
        },
        annotate: search.profile.annotate,
        best,
        offset: search.intent.offset,
    };
    (ranking, unscored)
}

/// The client's page of a widened list.
fn cut(search: &PlannedSearch, list: &HitList, hits: Vec<Ranked>) -> Vec<Ranked> {
    if !search.widened() {
        return hits;
    }
    let intent = &search.intent;
    let end = intent.offset.saturating_add(intent.limit);
    let page = intent.offset..own_hits(intent, list).map_or(end, |all| all.min(end));
    hits.into_iter().filter(|ranked| page.contains(&(ranked.place as u64))).collect()
}

/// How many hits the client's own request would return, where each shard returns no more than it was asked for.
fn own_hits(intent: &SearchIntent, list: &HitList) -> Option<u64> {
    let (most, total) = (intent.most_per_shard?, list.total.as_ref()?);
    Some(total.count?.min(most.saturating_mul(total.shards?)))
}

/// The database's own order of a widened list, cut back to the client's page; `None` where nothing was widened.
pub(super) fn database_order(search: &PlannedSearch, list: &HitList) -> Option<Ranking> {
    search.widened().then(|| Ranking {
        hits: cut(search, list, (0..list.hits).map(Ranked::unscored).collect()),
        scores: ScoreWriting::Keep,
        annotate: false,
        best: None,
        offset: search.intent.offset,
    })
}
