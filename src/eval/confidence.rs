//! How likely hits are relevant: a logistic fit to the scores of one model, and how well it predicts for queries that it was
//! not made of.

use serde::Serialize;

use super::{floor::Scored, folds::FOLDS, measures::mean};
use crate::search::{Fit, logit};

/// The best hits of each query that are fitted. Further down there are only more of the ones that nobody asks about.
const TOP: usize = 10;
/// The least number of relevant hits, and of others, for a fit.
const LEAST: usize = 30;
/// The farthest that the mean prediction for the best hits may be from the share that is relevant.
const MOST_OFF: f64 = 0.1;
/// The share of searches with a relevant best hit that a threshold may take for searches with none.
const MISSED: f64 = 0.05;
/// Newton's steps; it takes fewer than ten.
const STEPS: usize = 50;

/// The fit to set, and how well it predicts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ConfidenceAdvice {
    /// The fit; `None` if there is none to suggest.
    pub fitted: Option<Fitted>,
    /// How many judged hits it is made of.
    pub hits: usize,
    /// How many of them are relevant.
    pub relevant: usize,
    /// Whether it is good enough to set.
    pub enough: bool,
    /// What to know about it.
    pub notes: Vec<String>,
}

/// A fit, and what it says of queries that it was not made of.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Fitted {
    /// See [`Fit::slope`].
    pub slope: f64,
    /// See [`Fit::intercept`].
    pub intercept: f64,
    /// A threshold below which nothing is relevant: 5 % of the best hits that are relevant are below it.
    pub least: Option<f64>,
    /// How well it predicts.
    pub error: PredictionError,
    /// How well the share of relevant hits alone does.
    pub base: PredictionError,
    /// The mean prediction for the best hit of each query.
    pub best_said: f64,
    /// The share of them that is relevant.
    pub best_found: f64,
}

/// How wrong predictions are; lower is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct PredictionError {
    /// The mean of -ln of the probability of what was the case.
    pub log_loss: f64,
    /// The mean squared difference.
    pub brier: f64,
}

/// A hit to fit: the logit of its score, and whether it is relevant.
type Point = (f64, bool);

/// A query: the part that it is in, and its best hits.
type Query = (usize, Vec<Point>);

/// The fit to suggest for these queries, each with its scored hits and the part that it is in.
pub fn advise(queries: &[Vec<Scored>], parts: &[usize], min_queries: usize) -> ConfidenceAdvice {
    let queries: Vec<Query> = queries
        .iter()
        .zip(parts)
        .map(|(hits, part)| (*part, best(hits)))
        .filter(|(_, hits)| !hits.is_empty())
        .collect();
    let hits = queries.iter().map(|(_, hits)| hits.len()).sum();
    let points = || queries.iter().flat_map(|(_, hits)| hits);
    let relevant = points().filter(|(_, relevant)| *relevant).count();
    let mut advice = ConfidenceAdvice { hits, relevant, ..ConfidenceAdvice::default() };
    if relevant < LEAST || hits - relevant < LEAST {
        advice.notes.push(format!(
            "the sample is too small: of {hits} judged hits {relevant} are relevant; {LEAST} are needed, and as many others"
        ));
        return advice;
    }
    let Some((slope, intercept)) = fit(points()).map(|(a, b)| (rounded(a), rounded(b))) else {
        advice.notes.push("no fit: better scores are not likelier relevant".to_owned());
        return advice;
    };
    let Some(fitted) = judged(&queries, slope, intercept) else {
        advice
            .notes
            .push("no fit: in some part of the queries better scores are not likelier relevant".to_owned());
        return advice;
    };
    advice.fitted = Some(fitted);
    if queries.len() < min_queries {
        advice.notes.push(format!(
            "the sample is too small: {} queries are judged, {min_queries} are needed",
            queries.len()
        ));
    }
    if fitted.error.log_loss >= fitted.base.log_loss {
        advice.notes.push("it predicts no better than the share of relevant hits alone".to_owned());
    }
    if (fitted.best_said - fitted.best_found).abs() > MOST_OFF {
        advice.notes.push(format!(
            "of the best hits it says {:.2}, and {:.2} are relevant: too far off",
            fitted.best_said, fitted.best_found
        ));
    }
    advice.enough = advice.notes.is_empty();
    advice
}

/// The best hits of a query, best first.
fn best(hits: &[Scored]) -> Vec<Point> {
    let mut hits: Vec<&Scored> = hits.iter().collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
    hits.into_iter().take(TOP).map(|hit| (logit(hit.score), hit.relevant)).collect()
}

/// Four digits after the point.
fn rounded(number: f64) -> f64 {
    (number * 1e4).round() / 1e4
}

/// Each part of the queries predicted by a fit to the others. `None` where one of those has none.
fn judged(queries: &[Query], slope: f64, intercept: f64) -> Option<Fitted> {
    let (mut own, mut base, mut first) = (Vec::new(), Vec::new(), Vec::new());
    for fold in 0..FOLDS {
        let others = || {
            let rest = queries.iter().filter(|(part, _)| *part != fold);
            rest.flat_map(|(_, hits)| hits)
        };
        let (slope, intercept) = fit(others())?;
        let share = mean(others().map(|(_, relevant)| f64::from(u8::from(*relevant))))?;
        for (_, hits) in queries.iter().filter(|(part, _)| *part == fold) {
            let predicted = |(x, relevant): &Point| (sigmoid(slope * x + intercept), *relevant);
            own.extend(hits.iter().map(predicted));
            base.extend(hits.iter().map(|(_, relevant)| (share, *relevant)));
            first.extend(hits.first().map(predicted));
        }
    }
    let fit = Fit { model: String::new(), slope, intercept };
    let relevant = queries.iter().filter_map(|(_, hits)| hits.first().filter(|(_, relevant)| *relevant));
    // Its own logit is what `x` is.
    let sure: Vec<f64> = relevant.map(|(x, _)| fit.probability(sigmoid(*x))).collect();
    Some(Fitted {
        slope,
        intercept,
        least: threshold(sure),
        error: PredictionError::of(&own)?,
        base: PredictionError::of(&base)?,
        best_said: mean(first.iter().map(|(said, _)| *said))?,
        best_found: mean(first.iter().map(|(_, relevant)| f64::from(u8::from(*relevant))))?,
    })
}

/// Two digits, rounded down.
fn threshold(mut sure: Vec<f64>) -> Option<f64> {
    sure.sort_by(f64::total_cmp);
    let lost = (sure.len() as f64 * MISSED) as usize;
    let least = (sure.get(lost)?.min(0.5) * 100.0).floor() / 100.0;
    (least > 0.0).then_some(least)
}

impl PredictionError {
    fn of(predicted: &[(f64, bool)]) -> Option<Self> {
        const EDGE: f64 = 1e-9;
        let of_case = |(said, relevant): &(f64, bool)| if *relevant { *said } else { 1.0 - said };
        Some(Self {
            log_loss: mean(predicted.iter().map(|each| -of_case(each).max(EDGE).ln()))?,
            brier: mean(predicted.iter().map(|each| (1.0 - of_case(each)).powi(2)))?,
        })
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Slope and intercept of the likeliest logistic curve, by Newton's method; the goals are a little away from 0 and 1, so
/// that what is separated has one too. `None` without a slope over 0. Source: Platt 1999; Lin, Lin and Weng, "A Note on
/// Platt's Probabilistic Outputs for Support Vector Machines", 2007.
fn fit<'p>(points: impl Iterator<Item = &'p Point> + Clone) -> Option<(f64, f64)> {
    let all = points.clone().count() as f64;
    let relevant = points.clone().filter(|(_, relevant)| *relevant).count() as f64;
    let goals = ((relevant + 1.0) / (relevant + 2.0), 1.0 / (all - relevant + 2.0));
    let goal = |relevant: bool| if relevant { goals.0 } else { goals.1 };
    let loss = |slope: f64, intercept: f64| -> f64 {
        let each = points.clone().map(|&(x, relevant)| {
            let z = slope * x + intercept;
            // ln(1 + e^z) - t z, without an overflow.
            z.max(0.0) + (-z.abs()).exp().ln_1p() - goal(relevant) * z
        });
        each.sum()
    };
    let (mut slope, mut intercept) = (0.0, ((relevant + 1.0) / (all - relevant + 1.0)).ln());
    let mut before = loss(slope, intercept);
    for _ in 0..STEPS {
        let (mut a, mut b, mut aa, mut ab, mut bb) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
        for &(x, relevant) in points.clone() {
            let said = sigmoid(slope * x + intercept);
            let (off, weight) = (said - goal(relevant), said * (1.0 - said));
            (a, b) = (a + off * x, b + off);
            (aa, ab, bb) = (aa + weight * x * x, ab + weight * x, bb + weight);
        }
        let whole = aa * bb - ab * ab;
        let step = ((bb * a - ab * b) / whole, (aa * b - ab * a) / whole);
        let mut size = 1.0;
        let found = loop {
            let (to, at) = (slope - size * step.0, intercept - size * step.1);
            let now = loss(to, at);
            if now < before {
                break Some((to, at, now));
            }
            size /= 2.0;
            if size < 1e-10 || !now.is_finite() {
                break None;
            }
        };
        let Some((to, at, now)) = found else { break };
        let gained = before - now;
        (slope, intercept, before) = (to, at, now);
        if gained < 1e-10 {
            break;
        }
    }
    (slope.is_finite() && intercept.is_finite() && slope > 0.0).then_some((slope, intercept))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Queries whose hits are relevant with the probability that a fit of this slope and intercept gives.
    fn drawn(queries: usize, slope: f64, intercept: f64) -> Vec<Vec<Scored>> {
        let mut random = fastrand::Rng::with_seed(7);
        let mut hit = || {
            let score = random.f64();
            let probability = sigmoid(slope * logit(score) + intercept);
            Scored { score, relevant: random.f64() < probability }
        };
        (0..queries).map(|_| (0..8).map(|_| hit()).collect()).collect()
    }

    /// In turns.
    fn advise(queries: &[Vec<Scored>], min_queries: usize) -> ConfidenceAdvice {
        let parts: Vec<usize> = (0..queries.len()).map(|at| at % FOLDS).collect();
        super::advise(queries, &parts, min_queries)
    }

    #[test]
    fn the_fit_finds_the_curve_that_judgments_were_drawn_from_and_says_how_well_it_predicts() {
        for (slope, intercept) in [(1.0, 0.0), (2.5, -1.5), (0.6, 1.0)] {
            let advice = advise(&drawn(500, slope, intercept), 30);
            let fitted = advice.fitted.unwrap();
            assert!((fitted.slope - slope).abs() < 0.2, "{slope}: {fitted:?}");
            assert!((fitted.intercept - intercept).abs() < 0.2, "{intercept}: {fitted:?}");
            assert!(advice.enough && advice.hits == 4000, "{advice:?}");
            assert!(fitted.error.log_loss < fitted.base.log_loss && fitted.error.brier < fitted.base.brier);
            assert!((fitted.best_said - fitted.best_found).abs() < 0.06, "{fitted:?}");
        }
    }

    #[test]
    fn what_is_separated_has_a_finite_fit_and_a_threshold_below_the_relevant() {
        let query = |at: usize| {
            let hit = |score, relevant| Scored { score, relevant };
            vec![hit(0.7 + at as f64 / 1000.0, true), hit(0.2, false), hit(0.1, false)]
        };
        let advice = advise(&(0..40).map(query).collect::<Vec<_>>(), 30);
        let fitted = advice.fitted.unwrap();
        assert!(fitted.slope > 1.0 && fitted.slope < 100.0 && fitted.best_said > 0.9, "{fitted:?}");
        assert!(fitted.least.is_some_and(|least| least > 0.0 && least <= 0.5), "{fitted:?}");
    }

    #[test]
    fn too_few_judgments_scores_that_say_nothing_and_none_at_all_give_no_fit_to_set() {
        let advice = advise(&drawn(5, 1.0, 0.0), 30);
        assert!(advice.fitted.is_none() && advice.notes[0].contains("too small"), "{advice:?}");
        let few = advise(&drawn(20, 1.0, 0.0), 30);
        assert!(few.fitted.is_some() && !few.enough && few.notes[0].contains("30 are needed"), "{few:?}");
        let reversed = advise(&drawn(200, -1.0, 0.0), 30);
        assert!(reversed.fitted.is_none() && reversed.notes[0].contains("not likelier"), "{reversed:?}");
        assert!(!advise(&[], 30).enough);
    }
}
