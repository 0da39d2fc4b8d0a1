/// What ranking knows about one hit of a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The provider's relevance score; `None` for hits without text, past the window, or not scored.
    pub score: Option<f32>,
    /// Whether it is among the best candidates, which are reranked.
    pub in_window: bool,
    /// It keeps its position, whatever the others do; it has no score then.
    pub holds: bool,
    /// The database's score, higher is better; looked at only where scores are fused.
    pub database: Option<f64>,
    /// What the hit is ranked by instead of its score, where boosts have made something of it. A floor looks at the score.
    pub boosted: Option<f32>,
}

/// How scores become an order. The default sorts by score and drops nothing; `min_score: Some(0.2), min_keep: 3`
/// drops the hits below 0.2, but keeps the best three whatever they score.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct OrderRule {
    /// Drop hits of the window that scored lower.
    pub min_score: Option<f32>,
    /// Keep at least this many of the window although they score lower.
    pub min_keep: usize,
    /// Fusion of the database's order and the reranker's, instead of the latter alone.
    pub fuse: Option<Fusion>,
}

/// What of two orders is fused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FusedBy {
    /// Reciprocal ranks. Source: Cormack, Clarke and Büttcher, SIGIR 2009.
    Ranks,
    /// The scores, those of each order scaled to 0 to 1 within the window. Where a hit has none of the database's, or all
    /// have the same, it is the ranks.
    Scores,
}

/// How the database's order and the reranker's are fused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fusion {
    /// What is fused.
    pub by: FusedBy,
    /// The damping of the first ranks; 60 in the source.
    pub k: f32,
    /// The weight of the reranker's order relative to the database's; 0 leaves the latter unchanged.
    pub weight: f32,
}

impl Fusion {
    /// As in the source: both orders have the same weight.
    pub const USUAL: Fusion = Fusion { by: FusedBy::Ranks, k: 60.0, weight: 1.0 };

    /// The mean of two numbers, that of the reranker by its weight.
    fn mean(self, database: f64, reranker: f64) -> f64 {
        let weight = f64::from(self.weight);
        (database + weight * reranker) / (1.0 + weight)
    }

    /// The fused score of two ranks, counted from 0: 1 for the first in both orders, more than 0 for the last.
    fn number(self, database: usize, reranker: usize) -> f64 {
        let k = f64::from(self.k);
        let of = |place: usize| (k + 1.0) / (k + 1.0 + place as f64);
        self.mean(of(database), of(reranker))
    }
}

/// The hits to return for one list, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// The hits, best first.
    pub hits: Vec<Ranked>,
    /// How the hits' own scores are written.
    pub scores: ScoreWriting,
    /// Add `rerank_score` and `rerank_from` (`annotate: true`).
    pub annotate: bool,
    /// The best relevance score of the window, for `max_score` when scores are replaced.
    pub best: Option<f32>,
    /// The offset of the first hit, for `_rank`.
    pub offset: u64,
}

/// What is written into the score members of hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreWriting {
    /// Nothing: they stay.
    Keep,
    /// The relevance score (`score: replace`).
    Relevance,
    /// What Elasticsearch's own reranker makes of it, which is never negative.
    ElasticsearchReranker,
}

impl ScoreWriting {
    /// The number to write; hits without a relevance score get 0. `None` leaves the hit's own score.
    pub fn number(self, relevance: Option<f32>) -> Option<f32> {
        match (self, relevance) {
            (ScoreWriting::Keep, _) => None,
            (_, None) => Some(0.0),
            (ScoreWriting::Relevance, Some(score)) => Some(score),
            (ScoreWriting::ElasticsearchReranker, Some(score)) => Some(score.max(0.0) + score.exp().min(1.0)),
        }
    }
}

/// A part of a document's text, in characters (Unicode scalar values).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// How many stand before it.
    pub offset: usize,
    /// How many it has.
    pub length: usize,
}

/// One hit in a ranking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Index into the list's hits.
    pub hit: usize,
    /// Its position in the list's new order, from 0. Positions at the end of the window that a floor has emptied stay
    /// empty, so that the hits behind the window are where every other page of the same walk has them.
    pub place: usize,
    /// Its relevance score.
    pub score: Option<f32>,
    /// The number written where scores are replaced: its own relevance score, with its boosts, or the fused score of both orders. A
    /// hit that keeps its place has none, and gets that of the hit before it (of the next one at the top), so that a
    /// client which sorts by scores again finds the same order.
    pub written: Option<f32>,
    /// The passage with the best score, of a document that was cut into several.
    pub passage: Option<Passage>,
}

impl Ranked {
    /// A hit at the database's position, without a score.
    pub fn unscored(hit: usize) -> Self {
        Self { hit, place: hit, score: None, written: None, passage: None }
    }
}

/// The order of `candidates`: by score, ties by position; unscored hits of the window after them, then the
/// hits past the window, both in the database's order.
///
/// The floor drops hits of the window only, never below `min_keep`, and never unscored ones.
///
/// Hits that keep their place are fixed first and the others fill the positions between. Where a floor leaves too few
/// others to fill the positions before one, it moves up behind the last of them, and no further.
///
/// For example, scores `[0.1, None, 0.9]` give the hits 2, 0, 1; with `min_score: Some(0.5)` they give 2, 1.
pub fn order(candidates: &[Candidate], rule: &OrderRule) -> Vec<Ranked> {
    let free = |hit: &usize| candidates[*hit].in_window && !candidates[*hit].holds;
    let window = || (0..candidates.len()).filter(free);
    let mut scored: Vec<(usize, f32)> =
        window().filter_map(|hit| candidates[hit].score.map(|score| (hit, score))).collect();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    if let Some(floor) = rule.min_score {
        let passing = scored.iter().take_while(|(_, score)| *score >= floor).count();
        scored.truncate(passing.max(rule.min_keep.min(scored.len())));
    }
    let is_boosted = scored.iter().any(|(hit, _)| candidates[*hit].boosted.is_some());
    if is_boosted {
        scored.iter_mut().for_each(|(hit, score)| *score = candidates[*hit].boosted.unwrap_or(*score));
        scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    }
    let mut scored = match rule.fuse {
        Some(fusion) => fuse(candidates, &scored, fusion),
        None => scored.into_iter().map(|(hit, score)| Slot::by(hit, score, score)).collect(),
    };
    if is_boosted {
        scored.iter_mut().for_each(|slot| slot.score = candidates[slot.hit].score);
    }
    let unscored = window().filter(|&hit| candidates[hit].score.is_none()).map(Slot::unscored);
    let mut hits = around_held(candidates, scored.into_iter().chain(unscored));
    let rest = (0..candidates.len()).filter(|&hit| !candidates[hit].in_window).map(Ranked::unscored);
    hits.extend(rest);
    hits
}

/// A hit to be put into the order.
struct Slot {
    hit: usize,
    score: Option<f32>,
    /// See [`Ranked::written`].
    written: Option<f32>,
}

impl Slot {
    fn by(hit: usize, score: f32, written: f32) -> Self {
        Self { hit, score: Some(score), written: Some(written) }
    }

    fn unscored(hit: usize) -> Self {
        Self { hit, score: None, written: None }
    }
}

/// The hits of the window: `ranked` around those that keep their place.
fn around_held(candidates: &[Candidate], ranked: impl Iterator<Item = Slot>) -> Vec<Ranked> {
    let holds = |hit: &usize| candidates[*hit].in_window && candidates[*hit].holds;
    let mut held = (0..candidates.len()).filter(holds).peekable();
    let mut ranked = ranked.peekable();
    // A held hit at the top gets the first score below it.
    let mut written = ranked.peek().and_then(|next| next.written);
    let mut hits = Vec::with_capacity(candidates.len());
    loop {
        let place = hits.len();
        let mine = held.peek().is_some_and(|&hit| hit <= place) || ranked.peek().is_none();
        let next = if mine { held.next().map(Slot::unscored) } else { ranked.next() };
        let Some(Slot { hit, score, written: own }) = next else { return hits };
        if !mine {
            written = own;
        }
        hits.push(Ranked { hit, place, score, written, passage: None });
    }
}

/// Sorts the scored hits, the best first, by both orders.
fn fuse(candidates: &[Candidate], scored: &[(usize, f32)], fusion: Fusion) -> Vec<Slot> {
    let by_scores = match fusion.by {
        FusedBy::Scores => fused_scores(candidates, scored, fusion),
        FusedBy::Ranks => None,
    };
    let number = |(rank, &(hit, score)): (usize, &(usize, f32))| (fusion.number(hit, rank), hit, score);
    let by_ranks = || scored.iter().enumerate().map(number).collect();
    let mut fused: Vec<(f64, usize, f32)> = by_scores.unwrap_or_else(by_ranks);
    fused.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    fused.into_iter().map(|(number, hit, score)| Slot::by(hit, score, number as f32)).collect()
}

/// The fused score of each scored hit; `None` where the database's say nothing.
fn fused_scores(
    candidates: &[Candidate],
    scored: &[(usize, f32)],
    fusion: Fusion,
) -> Option<Vec<(f64, usize, f32)>> {
    let own = |&(hit, _): &(usize, f32)| candidates.get(hit)?.database;
    let first = scored.iter().min_by_key(|(hit, _)| *hit).and_then(own)?;
    let last = scored.iter().max_by_key(|(hit, _)| *hit).and_then(own)?;
    // Distances ascend.
    let sign = if first < last { -1.0 } else { 1.0 };
    let database: Option<Vec<f64>> = scored.iter().map(|hit| own(hit).map(|score| sign * score)).collect();
    let database = scaled(database?)?;
    let relevance: Vec<f64> = scored.iter().map(|&(_, score)| f64::from(score)).collect();
    // All alike, they change nothing.
    let relevance = scaled(relevance).unwrap_or_else(|| vec![0.0; scored.len()]);
    let both = scored.iter().zip(database.into_iter().zip(relevance));
    Some(both.map(|(&(hit, score), (own, other))| (fusion.mean(own, other), hit, score)).collect())
}

/// Scaled to 0 to 1; `None` where all are alike, or one is no number.
fn scaled(scores: Vec<f64>) -> Option<Vec<f64>> {
    let (low, high) = scores
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), score| (low.min(*score), high.max(*score)));
    let range = high - low;
    (range.is_finite() && range > 0.0 && scores.iter().all(|score| score.is_finite()))
        .then(|| scores.iter().map(|score| (score - low) / range).collect())
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
