//! The floor: which relevance score to require, how much of what is relevant it keeps, and how sure that is.

use serde::Serialize;

use super::bootstrap::{self, Interval};

/// One scored hit of one query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// Its relevance score.
    pub score: f64,
    /// Whether it is relevant.
    pub relevant: bool,
}

/// What a floor does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct FloorPoint {
    /// Hits that score lower are dropped.
    pub floor: f64,
    /// Share of the kept hits that are relevant; `None` where none is kept.
    pub precision: Option<f64>,
    /// Share of the relevant hits that are kept; `None` where none is relevant.
    pub recall: Option<f64>,
    /// Share of the queries that keep at least one hit.
    pub answer_rate: Option<f64>,
    /// Share of the hits that are kept.
    pub kept: Option<f64>,
}

/// What a floor is to reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objective {
    /// The highest floor that keeps this share of the relevant hits.
    Recall(f64),
    /// The lowest floor whose kept hits are relevant in this share.
    Precision(f64),
    /// The highest floor with which this share of the queries keeps a hit.
    AnswerRate(f64),
}

impl Objective {
    /// Reads `recall=0.95`.
    pub fn parse(text: &str) -> Option<Self> {
        let (word, share) = text.split_once('=')?;
        let share = share.trim().parse().ok().filter(|share: &f64| *share > 0.0 && *share <= 1.0)?;
        match word.trim() {
            "recall" => Some(Self::Recall(share)),
            "precision" => Some(Self::Precision(share)),
            "answer-rate" => Some(Self::AnswerRate(share)),
            _ => None,
        }
    }

    /// The objective in words.
    pub fn describe(self) -> String {
        match self {
            Self::Recall(share) => format!("recall ≥ {share}"),
            Self::Precision(share) => format!("precision ≥ {share}"),
            Self::AnswerRate(share) => format!("answer rate ≥ {share}"),
        }
    }

    /// So many relevant hits are needed at least: that two of them may be lost where a share may be.
    fn relevant_needed(self) -> usize {
        let (Self::Recall(share) | Self::Precision(share) | Self::AnswerRate(share)) = self;
        let lost = (1.0 - share).max(0.01);
        (2.0 / lost).round().clamp(30.0, 200.0) as usize
    }

    /// The floor that reaches it; `None` if none does.
    fn floor(self, queries: &[&[Scored]]) -> Option<f64> {
        let hits = || queries.iter().flat_map(|hits| hits.iter());
        match self {
            Self::Recall(share) => {
                keeping(hits().filter(|hit| hit.relevant).map(|hit| hit.score).collect(), share)
            }
            Self::AnswerRate(share) => {
                let best = |hits: &&[Scored]| hits.iter().map(|hit| hit.score).reduce(f64::max);
                // A query without any hit is answered by no floor.
                let best = queries.iter().map(|hits| best(hits).unwrap_or(f64::NEG_INFINITY)).collect();
                keeping(best, share).filter(|floor| floor.is_finite())
            }
            Self::Precision(share) => precise(hits().copied().collect(), share),
        }
    }
}

/// The highest floor that keeps this share of the scores.
fn keeping(mut scores: Vec<f64>, share: f64) -> Option<f64> {
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    // Sums of binary fractions: 0.95 × 20 must not become 20.
    let kept = (share * scores.len() as f64 - 1e-9).ceil().max(1.0) as usize;
    scores.get(kept - 1).copied()
}

/// The lowest floor whose kept hits are relevant in this share.
fn precise(mut hits: Vec<Scored>, share: f64) -> Option<f64> {
    hits.sort_unstable_by(|a, b| b.score.total_cmp(&a.score));
    let (mut relevant, mut found) = (0_usize, None);
    for (at, hit) in hits.iter().enumerate() {
        relevant += usize::from(hit.relevant);
        // Hits of one score are kept or dropped together.
        let last_of_score = hits.get(at + 1).is_none_or(|next| next.score < hit.score);
        if last_of_score && relevant as f64 >= share * (at + 1) as f64 - 1e-9 {
            found = Some(hit.score);
        }
    }
    found
}

/// The suggestion and what speaks for and against it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FloorAdvice {
    /// What it was to reach.
    pub objective: String,
    /// The floor, rounded to the side that keeps the objective; `None` if there is none to suggest.
    pub min_score: Option<f64>,
    /// What it does on the sample.
    pub reached: Option<FloorPoint>,
    /// Where the floor lies for 95 % of samples like this one.
    pub interval: Option<Interval>,
    /// Whether the sample is large enough to set it.
    pub enough: bool,
    /// What to know about it.
    pub notes: Vec<String>,
}

/// The default of the least number of queries in a sample.
pub const MIN_QUERIES: usize = 30;
/// How often the sample is drawn again for a floor.
const DRAWS: usize = 1_000;

/// The floor to suggest for these queries, each with its scored hits.
pub fn advise(queries: &[Vec<Scored>], objective: Objective, min_queries: usize, seed: u64) -> FloorAdvice {
    let all: Vec<&[Scored]> = queries.iter().map(Vec::as_slice).collect();
    let mut advice = FloorAdvice {
        objective: objective.describe(),
        min_score: None,
        reached: None,
        interval: None,
        enough: false,
        notes: Vec::new(),
    };
    let hits = || queries.iter().flatten();
    let relevant = hits().filter(|hit| hit.relevant).count();
    if relevant == 0 {
        advice.notes.push("none of the scored hits is judged relevant: there is nothing to keep".to_owned());
        return advice;
    }
    let (low, high) = (lowest(hits()), hits().map(|hit| hit.score).fold(f64::NEG_INFINITY, f64::max));
    if low >= high {
        advice.notes.push("all scores are equal: no floor separates anything".to_owned());
        return advice;
    }
    let Some(floor) = objective.floor(&all) else {
        advice.notes.push(format!("no floor reaches {}", objective.describe()));
        return advice;
    };
    if floor <= low {
        advice.notes.push(format!(
            "no floor is needed for {}: any that keeps it drops nothing",
            objective.describe()
        ));
        return advice;
    }
    let floor = rounded(floor, objective);
    advice.min_score = Some(floor);
    advice.reached = Some(point(&all, floor));
    advice.interval = bootstrap::interval(all.len(), DRAWS, seed, |draw| {
        let drawn: Vec<&[Scored]> = draw.iter().filter_map(|&at| all.get(at).copied()).collect();
        objective.floor(&drawn)
    });
    advice.enough = enough(queries, relevant, objective, min_queries, &mut advice.notes);
    advice
}

/// The rules of a sample that is large enough.
fn enough(
    queries: &[Vec<Scored>],
    relevant: usize,
    objective: Objective,
    min_queries: usize,
    notes: &mut Vec<String>,
) -> bool {
    let with_relevant = queries.iter().filter(|hits| hits.iter().any(|hit| hit.relevant)).count();
    let needed = match min_queries {
        MIN_QUERIES.. => objective.relevant_needed(),
        // Whoever takes a smaller sample for enough takes fewer hits for enough.
        fewer => objective.relevant_needed().min(fewer.saturating_mul(2)),
    };
    let before = notes.len();
    if with_relevant < min_queries {
        notes.push(format!(
            "the sample is too small: {with_relevant} queries have a relevant hit with a score, {min_queries} are needed"
        ));
    }
    if relevant < needed {
        notes.push(format!(
            "the sample is too small: {relevant} relevant hits have a score, {needed} are needed for {}",
            objective.describe()
        ));
    }
    notes.len() == before
}

/// Four digits: down, so that nothing relevant is lost by it, or up for the precision.
fn rounded(floor: f64, objective: Objective) -> f64 {
    const STEPS: f64 = 10_000.0;
    let steps = match objective {
        Objective::Precision(_) => (floor * STEPS).ceil(),
        Objective::Recall(_) | Objective::AnswerRate(_) => (floor * STEPS).floor(),
    };
    steps / STEPS
}

fn lowest<'a>(hits: impl Iterator<Item = &'a Scored>) -> f64 {
    hits.map(|hit| hit.score).fold(f64::INFINITY, f64::min)
}

/// What this floor does to these queries.
fn point(queries: &[&[Scored]], floor: f64) -> FloorPoint {
    let (mut hits, mut kept, mut relevant, mut found, mut answered) =
        (0_usize, 0_usize, 0_usize, 0_usize, 0_usize);
    for query in queries {
        let mut any = false;
        for hit in *query {
            let stays = hit.score >= floor;
            hits += 1;
            any |= stays;
            kept += usize::from(stays);
            relevant += usize::from(hit.relevant);
            found += usize::from(stays && hit.relevant);
        }
        answered += usize::from(any);
    }
    FloorPoint {
        floor,
        precision: share(found, kept),
        recall: share(found, relevant),
        answer_rate: share(answered, queries.len()),
        kept: share(kept, hits),
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// What floors from 0 to 1 do, in steps of a fiftieth.
pub fn curve(queries: &[Vec<Scored>]) -> Vec<FloorPoint> {
    let all: Vec<&[Scored]> = queries.iter().map(Vec::as_slice).collect();
    (0..=50).map(|step| point(&all, f64::from(step) / 50.0)).collect()
}

/// How many scores lie in each twentieth from 0 to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Histogram {
    /// Of relevant hits; without judgments of the first hits of each query.
    pub upper: [u64; 20],
    /// Of the others.
    pub lower: [u64; 20],
}

impl Histogram {
    /// Of these hits.
    pub fn of<'a>(hits: impl Iterator<Item = &'a Scored>) -> Self {
        let mut histogram = Self::default();
        for hit in hits {
            let bin = ((hit.score * 20.0).floor().max(0.0) as usize).min(19);
            let bins = if hit.relevant { &mut histogram.upper } else { &mut histogram.lower };
            if let Some(count) = bins.get_mut(bin) {
                *count += 1;
            }
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(pairs: &[(f64, bool)]) -> Vec<Scored> {
        pairs.iter().map(|&(score, relevant)| Scored { score, relevant }).collect()
    }

    /// `count` queries: one relevant hit that scores higher with each, and one that is not and scores 0.1.
    fn rising(count: usize) -> Vec<Vec<Scored>> {
        (0..count).map(|at| hits(&[(0.2 + at as f64 * 0.01, true), (0.1, false)])).collect()
    }

    #[test]
    fn recall_gives_the_highest_floor_that_keeps_the_share() {
        let advice = advise(&rising(40), Objective::Recall(0.95), 30, 1);
        // 38 of 40 have to stay: the third lowest scores 0.22.
        assert_eq!(advice.min_score, Some(0.22));
        let reached = advice.reached.unwrap();
        assert_eq!(
            (reached.recall, reached.precision, reached.answer_rate),
            (Some(0.95), Some(1.0), Some(0.95))
        );
        let interval = advice.interval.unwrap();
        assert!(interval.low <= 0.22 && 0.22 <= interval.high && interval.high < 0.3, "{interval:?}");
        assert!(advice.enough && advice.notes.is_empty(), "{advice:?}");
    }

    #[test]
    fn precision_gives_the_lowest_floor_and_answer_rate_the_highest() {
        let queries = vec![
            hits(&[(0.9, true), (0.8, false), (0.7, true), (0.6, true), (0.5, false), (0.4, false)]),
            hits(&[(0.3, false)]),
        ];
        assert_eq!(advise(&queries, Objective::Precision(0.75), 1, 1).min_score, Some(0.6));
        assert_eq!(advise(&queries, Objective::AnswerRate(0.5), 1, 1).min_score, Some(0.9));
        assert_eq!(
            advise(&queries, Objective::AnswerRate(1.0), 1, 1).min_score,
            None,
            "it would drop nothing"
        );
        assert_eq!(precise(hits(&[(0.5, true), (0.5, false)]), 1.0), None, "equal scores go together");
    }

    #[test]
    fn a_small_sample_is_said_to_be_small_with_numbers() {
        let advice = advise(&rising(12), Objective::Recall(0.9), 30, 1);
        assert!(!advice.enough && advice.min_score.is_some());
        assert!(
            advice.notes[0].contains("12 queries") && advice.notes[0].contains("30 are needed"),
            "{advice:?}"
        );
        assert!(advise(&rising(12), Objective::Recall(0.9), 6, 1).enough);
        // Of a hundred relevant hits one may be lost: too few to say which score that is.
        let advice = advise(&rising(100), Objective::Recall(0.99), 30, 1);
        assert!(!advice.enough && advice.notes[0].contains("200 are needed"), "{advice:?}");
    }

    #[test]
    fn equal_scores_nothing_relevant_and_no_queries_are_reported_and_give_no_floor() {
        for (queries, word) in [
            (vec![hits(&[(0.5, true), (0.5, false)]); 40], "equal"),
            (vec![hits(&[(0.5, false), (0.7, false)]); 40], "relevant"),
            (vec![], "relevant"),
            (vec![vec![]], "relevant"),
            (vec![hits(&[(0.1, true), (0.7, false)]); 40], "drops nothing"),
        ] {
            let advice = advise(&queries, Objective::Recall(0.95), 30, 1);
            assert_eq!((advice.min_score, advice.enough), (None, false));
            assert!(advice.notes[0].contains(word), "{advice:?}");
            assert_eq!(curve(&queries).len(), 51);
        }
        let nothing = &curve(&[])[0];
        assert_eq!((nothing.precision, nothing.recall, nothing.answer_rate), (None, None, None));
    }

    #[test]
    fn histograms_hold_every_score() {
        let hits =
            hits(&[(0.0, false), (0.049, false), (0.05, true), (1.0, true), (-0.2, false), (7.0, true)]);
        let histogram = Histogram::of(hits.iter());
        assert_eq!((histogram.lower[0], histogram.upper[1], histogram.upper[19]), (3, 1, 2));
    }

    #[test]
    fn objectives_are_read_and_nonsense_is_not() {
        assert_eq!(Objective::parse("recall=0.95"), Some(Objective::Recall(0.95)));
        assert_eq!(Objective::parse("answer-rate = 1"), Some(Objective::AnswerRate(1.0)));
        for bad in ["recall", "recall=0", "recall=1.5", "recall=NaN", "f1=0.5", ""] {
            assert_eq!(Objective::parse(bad), None, "{bad}");
        }
    }
}
