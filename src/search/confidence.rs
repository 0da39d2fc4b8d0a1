//! [`Fit`]: how likely a hit with a relevance score is relevant.

/// Scores nearer to 0 or 1 than this count as so far from it: their logit would have no end.
const EDGE: f64 = 1e-6;

/// A logistic fit to the scores of one model (Platt scaling), on their logits: with slope 1 and intercept 0 a score is the
/// probability. Source: Platt, "Probabilistic Outputs for Support Vector Machines", 1999.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The model, by the name that its provider has for it. Of scores of another one this says nothing.
    pub model: String,
    /// Over 0: better scores are likelier.
    pub slope: f64,
    /// The logit of the probability at a score of 0.5.
    pub intercept: f64,
}

impl Fit {
    /// The probability, 0 to 1, that a hit with this score, 0 to 1, is relevant.
    pub fn probability(&self, score: f64) -> f64 {
        1.0 / (1.0 + (-(self.slope * logit(score) + self.intercept)).exp())
    }
}

/// The logarithm of the odds of a score from 0 to 1.
pub fn logit(score: f64) -> f64 {
    let score = score.clamp(EDGE, 1.0 - EDGE);
    (score / (1.0 - score)).ln()
}

/// What becomes of a search whose best hit is hardly relevant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NothingRelevant {
    /// Its hits stay; it is counted.
    #[default]
    Keep,
    /// Its hits stay; the response says so.
    Header,
    /// The hits of the window are dropped; the response says so.
    Empty,
}

impl NothingRelevant {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Keep, Self::Header, Self::Empty];

    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Header => "header",
            Self::Empty => "empty",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fit_of_slope_1_leaves_scores_as_they_are_and_every_score_has_a_probability() {
        let fit = |slope, intercept| Fit { model: "m".into(), slope, intercept };
        for score in [0.001, 0.2, 0.5, 0.99] {
            assert!((fit(1.0, 0.0).probability(score) - score).abs() < 1e-9, "{score}");
        }
        assert!((fit(2.0, 0.0).probability(0.5) - 0.5).abs() < 1e-9);
        assert!(fit(1.0, 2.0).probability(0.5) > 0.85 && fit(1.0, -2.0).probability(0.5) < 0.15);
        for score in [-1.0, 0.0, 1.0, 3.0] {
            assert!((0.0..=1.0).contains(&fit(40.0, -3.0).probability(score)), "{score}");
        }
    }
}
