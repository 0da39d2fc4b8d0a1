/// What ranking knows of one hit of a list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The provider's relevance score; `None` for hits without text, past the window, or not scored.
    pub score: Option<f32>,
    /// Inside the window.
    pub in_window: bool,
}

/// How to make an order of scores.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct OrderRule {
    /// Drop hits of the window that scored lower.
    pub min_score: Option<f32>,
    /// Keep at least this many of the window although they score lower.
    pub min_keep: usize,
    /// Reciprocal-rank fusion of the database's order and the reranker's, instead of the latter alone.
    pub fuse: bool,
}

/// The hits to return for one list, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    /// The hits, best first.
    pub hits: Vec<Ranked>,
    /// What becomes of the hits' own scores.
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
    /// The number to write; hits without a relevance score get 0. `None` leaves what is there.
    pub fn number(self, relevance: Option<f32>) -> Option<f32> {
        match (self, relevance) {
            (ScoreWriting::Keep, _) => None,
            (_, None) => Some(0.0),
            (ScoreWriting::Relevance, Some(score)) => Some(score),
            (ScoreWriting::ElasticsearchReranker, Some(score)) => Some(score.max(0.0) + score.exp().min(1.0)),
        }
    }
}

/// One place in a ranking.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// Index into the list's hits.
    pub hit: usize,
    /// Its relevance score.
    pub score: Option<f32>,
}

/// The order of `candidates`: by score, ties by position; unscored hits of the window after them, then the
/// hits past the window, both in the database's order.
///
/// The floor drops hits of the window only, never below `min_keep`, and never unscored ones.
pub fn order(candidates: &[Candidate], rule: &OrderRule) -> Vec<Ranked> {
    let ranked =
        |hit: usize| Ranked { hit, score: candidates[hit].score.filter(|_| candidates[hit].in_window) };
    let window = || (0..candidates.len()).filter(|&hit| candidates[hit].in_window);
    let mut scored: Vec<Ranked> = window().map(ranked).filter(|r| r.score.is_some()).collect();
    scored.sort_by(|a, b| b.score.unwrap_or(0.0).total_cmp(&a.score.unwrap_or(0.0)));
    if let Some(floor) = rule.min_score {
        let passing = scored.iter().take_while(|r| r.score.is_some_and(|score| score >= floor)).count();
        scored.truncate(passing.max(rule.min_keep.min(scored.len())));
    }
    if rule.fuse {
        fuse(&mut scored);
    }
    let unscored = window().map(ranked).filter(|r| r.score.is_none());
    let rest = (0..candidates.len()).filter(|&hit| !candidates[hit].in_window).map(ranked);
    let mut hits = std::mem::take(&mut scored);
    hits.extend(unscored);
    hits.extend(rest);
    hits
}

/// Reciprocal-rank fusion with k = 60. Source: Cormack, Clarke and Büttcher, SIGIR 2009.
fn fuse(scored: &mut Vec<Ranked>) {
    let mut fused: Vec<(f64, Ranked)> = scored
        .iter()
        .enumerate()
        .map(|(rank, r)| (1.0 / (61.0 + rank as f64) + 1.0 / (61.0 + r.hit as f64), *r))
        .collect();
    fused.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.hit.cmp(&b.1.hit)));
    *scored = fused.into_iter().map(|(_, r)| r).collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(scores: &[Option<f32>], window: usize) -> Vec<Candidate> {
        scores.iter().enumerate().map(|(i, &score)| Candidate { score, in_window: i < window }).collect()
    }

    fn hits(candidates: &[Candidate], rule: OrderRule) -> Vec<usize> {
        order(candidates, &rule).into_iter().map(|r| r.hit).collect()
    }

    #[test]
    fn best_first_ties_by_position_unscored_after_them_the_rest_last() {
        let c = candidates(&[Some(0.1), None, Some(0.5), Some(0.5), Some(0.9)], 4);
        assert_eq!(hits(&c, OrderRule::default()), [2, 3, 0, 1, 4]);
    }

    #[test]
    fn a_floor_drops_scored_hits_of_the_window_only() {
        let c = candidates(&[Some(0.1), None, Some(0.5), Some(0.05)], 3);
        let rule = OrderRule { min_score: Some(0.2), ..Default::default() };
        assert_eq!(hits(&c, rule), [2, 1, 3]);
        let rule = OrderRule { min_score: Some(0.9), min_keep: 1, ..Default::default() };
        assert_eq!(hits(&c, rule), [2, 1, 3]);
    }

    #[test]
    fn elasticsearchs_reranker_adds_one_to_scores_and_keeps_negative_ones_above_zero() {
        let number = |score| ScoreWriting::ElasticsearchReranker.number(score);
        assert_eq!(number(Some(0.9431)), Some(1.9431));
        assert_eq!(number(Some(0.0)), Some(1.0));
        assert_eq!(number(Some(-1.0)), Some((-1.0_f32).exp()));
        assert_eq!(number(None), Some(0.0));
        assert_eq!(ScoreWriting::Relevance.number(Some(0.5)), Some(0.5));
        assert_eq!(ScoreWriting::Keep.number(Some(0.5)), None);
    }

    #[test]
    fn fusion_weighs_both_orders() {
        let c = candidates(&[Some(0.2), Some(0.1), Some(0.9)], 3);
        assert_eq!(hits(&c, OrderRule { fuse: true, ..Default::default() }), [0, 2, 1]);
    }
}
