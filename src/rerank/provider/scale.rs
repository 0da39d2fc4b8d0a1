//! Scores of every range to 0..1, so that floors, charts and fallbacks mean the same for each provider.

use std::sync::atomic::{AtomicU32, Ordering};

use super::shape::Range;
use crate::rerank::{Activation, RerankError};

/// Rounding may carry the cosine of two equal vectors this far over 1.
const SLACK: f64 = 1e-4;

/// How the scores of one response are mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mapping {
    /// They are probabilities.
    Identity,
    /// They are logits.
    Sigmoid,
    /// They are cosines.
    Cosine,
}

/// No model that ranks scores every document of response after response so low (llama.cpp's servers do without a rank
/// head: ggml-org/llama.cpp#16407).
const NEAR_ZERO: f64 = 1e-10;
/// This many responses in a row are no coincidence.
const SUSPICIOUS: u32 = 10;

/// How many consecutive responses have scored nothing.
#[derive(Debug, Default)]
pub(super) struct NearZero(AtomicU32);

impl NearZero {
    /// Notes a response; true for the one at which a warning is due.
    pub(super) fn begins_with(&self, scores: &[f64]) -> bool {
        if !scores.iter().all(|score| score.abs() < NEAR_ZERO) {
            self.0.store(0, Ordering::Relaxed);
            return false;
        }
        self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1) == SUSPICIOUS
    }
}

/// How to map a response. Where the range depends on the model, `activation: sigmoid` maps it only if these are
/// logits for certain: a score lies outside 0..1, or one of the same model did before (`logits_seen`). A
/// probability is thus never squeezed a second time; the first responses of a model of logits may be read as they
/// are if all of them happen to lie within 0..1.
pub(super) fn mapping(range: Range, activation: Activation, logits_seen: bool, scores: &[f64]) -> Mapping {
    let outside = || scores.iter().any(|score| !(0.0..=1.0).contains(score));
    match range {
        Range::Logit => Mapping::Sigmoid,
        Range::Cosine => Mapping::Cosine,
        Range::Model if activation == Activation::Sigmoid && (logits_seen || outside()) => Mapping::Sigmoid,
        Range::Model | Range::Probability => Mapping::Identity,
    }
}

/// The scores in 0..1, or the reason why they cannot be what the mapping takes them for.
pub(super) fn map(mapping: Mapping, scores: &[f64]) -> Result<Vec<f32>, RerankError> {
    scores.iter().map(|&score| one(mapping, score)).collect()
}

fn one(mapping: Mapping, score: f64) -> Result<f32, RerankError> {
    let mapped = match mapping {
        Mapping::Identity if (0.0..=1.0).contains(&score) => score,
        Mapping::Sigmoid => 1.0 / (1.0 + (-score).exp()),
        Mapping::Cosine if (-1.0 - SLACK..=1.0 + SLACK).contains(&score) => {
            f64::midpoint(1.0, score).clamp(0.0, 1.0)
        }
        Mapping::Identity | Mapping::Cosine => return Err(RerankError::BadResponse("score out of range")),
    };
    Ok(mapped as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scaled(range: Range, activation: Activation, seen: bool, scores: &[f64]) -> Option<Vec<f32>> {
        map(mapping(range, activation, seen, scores), scores).ok()
    }

    #[test]
    fn probabilities_stay_and_nothing_else_passes_for_one() {
        for range in [Range::Probability, Range::Model] {
            assert_eq!(scaled(range, Activation::None, false, &[0.0, 0.25, 1.0]), Some(vec![0.0, 0.25, 1.0]));
            for bad in [-0.1, 1.1, 7.7] {
                assert_eq!(scaled(range, Activation::None, false, &[0.5, bad]), None, "{bad}");
            }
        }
    }

    #[test]
    fn logits_keep_their_order_within_0_and_1() {
        let got =
            scaled(Range::Logit, Activation::None, false, &[7.7, 0.5, 0.0, -11.0, 1e300, -1e300]).unwrap();
        assert!(got[0] > got[1] && got[1] > got[2] && got[2] > got[3], "{got:?}");
        assert_eq!((got[2], got[4], got[5]), (0.5, 1.0, 0.0));
    }

    #[test]
    fn the_sigmoid_is_for_responses_that_cannot_be_probabilities() {
        let sigmoid = |seen, scores: &[f64]| scaled(Range::Model, Activation::Sigmoid, seen, scores).unwrap();
        assert_eq!(sigmoid(false, &[0.0, 0.25, 1.0]), [0.0, 0.25, 1.0], "no second squeeze");
        assert_eq!(sigmoid(false, &[0.0, -2.0])[0], 0.5, "one logit makes all of them logits");
        assert_eq!(sigmoid(true, &[0.0])[0], 0.5, "what gave a logit once gives logits");
    }

    #[test]
    fn ten_responses_near_zero_in_a_row_are_reported_once() {
        let near_zero = NearZero::default();
        let stated =
            |scores: &[f64], times: usize| (0..times).filter(|_| near_zero.begins_with(scores)).count();
        assert_eq!(stated(&[1e-20, -3e-21], 9), 0);
        assert_eq!(stated(&[1e-20, 0.2], 1), 0, "one that ranks begins anew");
        assert_eq!(stated(&[1e-20, 2e-20], 50), 1);
    }

    #[test]
    fn cosines_take_the_whole_of_their_range() {
        let got = scaled(Range::Cosine, Activation::None, false, &[-1.0, 0.0, 1.000_01]).unwrap();
        assert_eq!(got, [0.0, 0.5, 1.0]);
        assert_eq!(scaled(Range::Cosine, Activation::None, false, &[1.5]), None);
    }
}
