use proptest::prelude::*;

use super::*;

fn candidates(scores: &[Option<f32>], window: usize) -> Vec<Candidate> {
    let of = |(place, &score)| Candidate {
        score,
        in_window: place < window,
        holds: false,
        database: None,
        boosted: None,
    };
    scores.iter().enumerate().map(of).collect()
}

fn holding(mut candidates: Vec<Candidate>, places: &[usize]) -> Vec<Candidate> {
    for &place in places {
        candidates[place] = Candidate { score: None, holds: true, ..candidates[place] };
    }
    candidates
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
fn the_places_that_a_floor_empties_stay_empty() {
    let c = candidates(&[Some(0.1), Some(0.1), Some(0.5), None, None], 3);
    let rule = OrderRule { min_score: Some(0.2), ..Default::default() };
    let places: Vec<(usize, usize)> = order(&c, &rule).iter().map(|r| (r.hit, r.place)).collect();
    assert_eq!(places, [(2, 0), (3, 3), (4, 4)]);
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
    let by = |weight| {
        let fuse = Some(Fusion { weight, ..Fusion::USUAL });
        hits(&c, OrderRule { fuse, ..Default::default() })
    };
    assert_eq!(by(1.0), [0, 2, 1]);
    assert_eq!(by(0.0), [0, 1, 2]);
    assert_eq!(by(100.0), [2, 0, 1]);
}

#[test]
fn what_is_written_for_fused_hits_falls_with_their_order_from_one() {
    let c = candidates(&[Some(0.9), Some(0.1), None, Some(0.5)], 4);
    let fuse = Some(Fusion { k: 20.0, weight: 0.5, ..Fusion::USUAL });
    let ordered = order(&c, &OrderRule { fuse, ..Default::default() });
    let scores: Vec<_> = ordered.iter().map(|ranked| ranked.score).collect();
    assert_eq!(scores, [Some(0.9), Some(0.1), Some(0.5), None]);
    let written: Vec<_> = ordered.iter().map(|ranked| ranked.written).collect();
    assert_eq!((written[0], written[3]), (Some(1.0), None));
    assert!(written[0] > written[1] && written[1] > written[2] && written[2] > Some(0.0), "{written:?}");
}

#[test]
fn the_others_are_ranked_around_hits_that_hold_their_place() {
    let c = holding(candidates(&[None, Some(0.2), None, Some(0.9), Some(0.5)], 5), &[0, 2]);
    assert_eq!(hits(&c, OrderRule::default()), [0, 3, 2, 4, 1]);
    // Where a floor leaves too few to stand before them they close up.
    let rule = OrderRule { min_score: Some(0.95), ..Default::default() };
    assert_eq!(hits(&c, rule), [0, 2]);
}

#[test]
fn scores_that_are_written_never_rise_down_the_page() {
    let c = holding(candidates(&[None, Some(0.2), None, Some(0.9), None, None], 5), &[0, 2]);
    let written: Vec<_> =
        order(&c, &OrderRule::default()).iter().map(|r| (r.hit, r.score, r.written)).collect();
    let (high, low) = (Some(0.9), Some(0.2));
    let reported =
        [(0, None, high), (3, high, high), (2, None, high), (1, low, low), (4, None, None), (5, None, None)];
    assert_eq!(written, reported);
}

prop_compose! {
    /// Any list: scores or none, a window, hits that hold their place.
    fn lists()(
        hits in prop::collection::vec((prop::option::weighted(0.8, 0u8..20), prop::bool::weighted(0.25)), 0..40),
        window in 0..45_usize,
    ) -> Vec<Candidate> {
        let of = |(place, (score, holds)): (usize, (Option<u8>, bool))| Candidate {
            score: score.filter(|_| !holds && place < window).map(|score| f32::from(score) / 20.0),
            in_window: place < window,
            holds,
            database: None,
            boosted: None,
        };
        hits.into_iter().enumerate().map(of).collect()
    }
}

prop_compose! {
    fn rules()(floor in prop::option::of(0u8..20), min_keep in 0..4_usize, fuse: bool) -> OrderRule {
        OrderRule {
            min_score: floor.map(|floor| f32::from(floor) / 20.0),
            min_keep,
            fuse: fuse.then_some(Fusion::USUAL),
        }
    }
}

proptest! {
    #[test]
    fn hits_that_hold_their_place_do(list in lists(), rule in rules()) {
        let ordered = order(&list, &rule);
        let of = |hit: usize| ordered.iter().find(|ranked| ranked.hit == hit);
        let free = |ranked: &&Ranked| !list[ranked.hit].holds && list[ranked.hit].in_window;
        let left = ordered.iter().filter(free).count();
        for (hit, candidate) in list.iter().enumerate().filter(|(_, candidate)| candidate.holds) {
            let ranked = of(hit);
            prop_assert!(ranked.is_some(), "{hit} is never dropped");
            let before = list[..hit].iter().filter(|c| c.holds).count();
            // As near as the shortened list lets it: behind all that are left, if these are too few.
            let near = if candidate.in_window { before + left.min(hit - before) } else { hit };
            prop_assert_eq!(ranked.map(|r| r.place), Some(near));
            prop_assert_eq!(ranked.and_then(|r| r.score), None);
        }
    }

    #[test]
    fn every_hit_is_there_once_unless_a_floor_drops_it(list in lists(), rule in rules()) {
        let ordered = order(&list, &rule);
        let mut hits: Vec<usize> = ordered.iter().map(|r| r.hit).collect();
        hits.sort_unstable();
        let dropped = |hit: &usize| {
            let score = list[*hit].score.filter(|_| list[*hit].in_window);
            rule.min_score.is_some_and(|floor| score.is_some_and(|score| score < floor))
        };
        let all: Vec<usize> = (0..list.len()).filter(|hit| hits.contains(hit) || !dropped(hit)).collect();
        prop_assert_eq!(hits, all);
        prop_assert!(ordered.windows(2).all(|pair| pair[0].place < pair[1].place));
        // The same window, whatever follows it: so all pages of a walk agree.
        let window = list.iter().take_while(|c| c.in_window).count();
        let alone = order(&list[..window], &rule);
        prop_assert_eq!(&ordered[..alone.len()], &alone[..]);
        prop_assert!(ordered[alone.len()..].iter().all(|r| r.place == r.hit && r.hit >= window));
    }

    #[test]
    fn written_scores_never_rise(list in lists(), rule in rules()) {
        let ordered = order(&list, &rule);
        let numbers: Vec<f32> = ordered.iter().map(|r| r.written.unwrap_or(0.0)).collect();
        prop_assert!(numbers.windows(2).all(|pair| pair[0] >= pair[1]), "{numbers:?}");
        prop_assert!(ordered.iter().all(|r| list[r.hit].holds || rule.fuse.is_some() || r.score == r.written));
    }
}

/// Hits with these scores of the database's and relevance scores, by the sum of both.
fn by_scores(scores: &[(f64, f32)], weight: f32) -> Vec<usize> {
    let of = |&(database, score): &(f64, f32)| Candidate {
        score: Some(score),
        in_window: true,
        holds: false,
        database: Some(database),
        boosted: None,
    };
    let candidates: Vec<Candidate> = scores.iter().map(of).collect();
    let fuse = Some(Fusion { by: FusedBy::Scores, weight, ..Fusion::USUAL });
    hits(&candidates, OrderRule { fuse, ..Default::default() })
}

#[test]
fn scores_are_fused_by_their_scaled_sum() {
    let scores = [(9.0, 0.2), (8.9, 0.9), (1.0, 1.0)];
    assert_eq!(by_scores(&scores, 1.0), [1, 0, 2], "nearly the best of both");
    assert_eq!(by_scores(&scores, 0.0), [0, 1, 2]);
    assert_eq!(by_scores(&scores, 1000.0), [2, 1, 0]);
    // Distances ascend.
    assert_eq!(by_scores(&[(1.0, 0.2), (1.1, 0.9), (9.0, 1.0)], 1.0), [1, 0, 2]);
}

#[test]
fn where_the_databases_scores_say_nothing_ranks_are_fused() {
    let scores = [(1.0, 0.2), (1.0, 0.1), (1.0, 0.9)];
    let ranks = candidates(&[Some(0.2), Some(0.1), Some(0.9)], 3);
    let fuse = Some(Fusion::USUAL);
    assert_eq!(by_scores(&scores, 1.0), hits(&ranks, OrderRule { fuse, ..Default::default() }));
}

fn boosted(scores: &[(f32, f32)]) -> Vec<Candidate> {
    let mut all = candidates(&scores.iter().map(|(score, _)| Some(*score)).collect::<Vec<_>>(), scores.len());
    all.iter_mut().zip(scores).for_each(|(candidate, (_, boosted))| candidate.boosted = Some(*boosted));
    all
}

#[test]
fn boosts_decide_the_order_and_a_floor_looks_at_relevance() {
    let all = boosted(&[(0.5, 0.5), (0.4, 0.9), (0.1, 3.0), (0.3, 0.6)]);
    assert_eq!(hits(&all, OrderRule::default()), [2, 1, 3, 0]);
    let floor = OrderRule { min_score: Some(0.2), ..OrderRule::default() };
    assert_eq!(hits(&all, floor), [1, 3, 0]);
    let ranked = order(&all, &floor);
    assert_eq!((ranked[0].score, ranked[0].written), (Some(0.4), Some(0.9)));
}

#[test]
fn boosts_are_fused_with_the_databases_order_and_move_no_hit_that_holds_its_place() {
    let mut all = boosted(&[(0.5, 0.1), (0.4, 0.2), (0.3, 0.9)]);
    let fused = OrderRule { fuse: Some(Fusion { weight: 1000.0, ..Fusion::USUAL }), ..OrderRule::default() };
    assert_eq!(hits(&all, fused), [2, 1, 0]);
    all[0] = Candidate { score: None, holds: true, boosted: None, ..all[0] };
    assert_eq!(hits(&all, OrderRule::default()), [0, 2, 1]);
}
