//! [`Confidence`]: how likely the best hit of a search is relevant, and what becomes of one where it hardly is.

use std::collections::BTreeMap;

use super::{Profile, Report};
use crate::{
    rerank::{FailureClass, Scores},
    search::{Fit, NothingRelevant, OrderRule},
};

/// What is known of the scores of a model, and what to do with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Confidence {
    /// How likely hits are relevant.
    pub fit: Fit,
    /// Nothing is relevant where the best hit is less likely than this; `None`: that is never said.
    pub least: Option<f64>,
    /// What becomes of such a search.
    pub then: NothingRelevant,
}

/// The best score of each search of a call.
pub(super) struct BestHits<'p> {
    /// `None` where the scores are of another model.
    confidence: Option<&'p Confidence>,
    best: BTreeMap<usize, Best>,
}

/// The best of one search.
struct Best {
    score: f32,
    /// Each hit of the window that can be moved has a score.
    whole: bool,
}

/// A list of one search: its number, its scores, and whether there is a document of each hit that can be moved.
pub(super) type ListScores<'s> = (usize, &'s [Option<f32>], bool);

impl<'p> BestHits<'p> {
    /// Of the lists of a call with these scores. A fit to one model says nothing of another one's scores: those of the next
    /// provider of a chain, or of a model that the request has named.
    pub(super) fn of<'s>(
        profile: &'p Profile,
        scores: &Scores,
        lists: impl Iterator<Item = ListScores<'s>>,
    ) -> Self {
        let is_first = profile.first_provider.as_ref().is_none_or(|first| *first == scores.provider);
        let own = |confidence: &&Confidence| is_first && *confidence.fit.model == *scores.model;
        let drift = profile.drift.as_ref().filter(|_| is_first);
        let confidence = profile.confidence.as_deref().filter(own).filter(|_| !profile.scores_have_moved());
        let mut best: BTreeMap<usize, Best> = BTreeMap::new();
        for (search, own, has_documents) in lists.filter(|_| confidence.is_some() || drift.is_some()) {
            let found = best.entry(search).or_insert(Best { score: f32::NEG_INFINITY, whole: true });
            found.score = own.iter().flatten().fold(found.score, |best, score| best.max(*score));
            found.whole &= has_documents && own.iter().all(Option::is_some);
        }
        // What is cached has been noted.
        let is_new = scores.cache_hits < scores.cache_lookups || scores.cache_lookups == 0;
        // Of a call that failed in part the best hit may be among those without a score; texts that are too large always are.
        let is_whole = scores.failure.is_none_or(|failure| failure == FailureClass::TooLarge);
        if let Some(drift) = drift.filter(|_| is_new && is_whole) {
            best.values().for_each(|best| drift.note(&scores.model, best.score));
        }
        Self { confidence, best }
    }

    /// Says of a search how likely its best hit is relevant, and drops its hits where that is to be done.
    pub(super) fn tell(&self, search: usize, rule: &mut OrderRule, report: &mut Report) {
        let (Some(confidence), Some(best)) = (self.confidence, self.best.get(&search)) else { return };
        if !best.score.is_finite() {
            return;
        }
        let probability = confidence.fit.probability(f64::from(best.score));
        report.confidence = Some(probability as f32);
        // Of a hit without a score nothing is known.
        let hardly = best.whole && confidence.least.is_some_and(|least| probability < least);
        report.nothing_relevant = hardly.then_some(confidence.then);
        if report.nothing_relevant == Some(NothingRelevant::Empty) {
            (rule.min_score, rule.min_keep) = (Some(f32::INFINITY), 0);
        }
    }
}
