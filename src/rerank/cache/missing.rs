use std::collections::HashMap;

use super::DocumentHash;
use crate::rerank::{Scores, Spans};

/// The documents of a request that have to be sent.
pub(super) struct Missing {
    /// Their indices in the request.
    pub(super) places: Vec<usize>,
    /// Of each, its index among the documents that are sent: equal ones are sent once.
    sent_as: Vec<usize>,
    /// The indices in the request of the documents that are sent.
    pub(super) sent: Vec<usize>,
}

impl Missing {
    /// `one_by_one`: without its equals a list would be another list.
    pub(super) fn of(documents: &[DocumentHash], scores: &[Option<f32>], one_by_one: bool) -> Self {
        let places: Vec<usize> =
            scores.iter().enumerate().filter_map(|(at, score)| score.is_none().then_some(at)).collect();
        if !one_by_one {
            let (sent, sent_as) = (places.clone(), (0..places.len()).collect());
            return Self { places, sent_as, sent };
        }
        let mut of_hash = HashMap::with_capacity(places.len());
        let mut sent = Vec::with_capacity(places.len());
        let sent_as = places
            .iter()
            .map(|&at| {
                *of_hash.entry(documents[at]).or_insert_with(|| {
                    sent.push(at);
                    sent.len() - 1
                })
            })
            .collect();
        Self { places, sent_as, sent }
    }

    /// The passages that have arrived, at their indices in the request.
    pub(super) fn spans(&self, fresh: &Scores, count: usize) -> Vec<Option<Spans>> {
        let mut spans = vec![None; count];
        for (&at, &sent_as) in self.places.iter().zip(&self.sent_as) {
            spans[at] = fresh.spans.get(sent_as).cloned().flatten();
        }
        spans
    }

    /// Puts fresh scores at their indices; the response names the model, where it does.
    pub(super) fn fill(&self, scores: &mut [Option<f32>], fresh: Scores, own: Scores) -> Scores {
        for (&at, &sent_as) in self.places.iter().zip(&self.sent_as) {
            scores[at] = fresh.scores[sent_as];
        }
        match fresh.model.is_empty() {
            true => Scores { provider: own.provider, model: own.model, ..fresh },
            false => fresh,
        }
    }
}
