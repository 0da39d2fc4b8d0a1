//! What several settings of `rerank` make together.

use super::RerankConfig;
use crate::{
    pipeline::{Confidence, DriftSettings, PassageSettings},
    search::{Fit, PassageRule, Reference},
};

impl RerankConfig {
    /// How likely hits are relevant, if that is known.
    pub fn confidence(&self) -> Option<Confidence> {
        let fit = Fit {
            model: self.confidence_model.clone()?,
            slope: self.confidence_slope?,
            intercept: self.confidence_intercept?,
        };
        Some(Confidence { fit, least: self.confidence_least, then: self.on_nothing_relevant })
    }

    /// What best scores are compared with, if they are.
    pub fn drift(&self) -> Option<DriftSettings> {
        let (model, scores) = (self.drift_model.clone()?, self.drift_searches?);
        Some(DriftSettings {
            model,
            reference: Reference { quantiles: self.drift_quantiles.clone(), scores },
        })
    }

    /// How documents are scored by their passages, if they are.
    pub fn passages(&self) -> Option<PassageSettings> {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let bytes = number(self.passage_bytes?);
        let rule =
            PassageRule { bytes, overlap: number(self.passage_overlap), most: number(self.most_passages) };
        Some(PassageSettings { rule, sum_of_best: number(self.passages_summed), by_words: false })
    }
}
