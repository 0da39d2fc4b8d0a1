//! What a provider has been found to accept: remembered from one search for the next ones.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::rerank::StatedLimits;

/// Only the provider can count tokens. Most texts have more bytes to each: better two calls than one that fails.
pub(super) const BYTES_PER_TOKEN: usize = 3;

/// How long a finding is valid: the server may have been restarted with other limits.
const HOLDS: Duration = Duration::from_secs(300);

/// The most models of one provider that are remembered.
const MOST_MODELS: usize = 16;

/// The shortest cut of a text: less would not be what was found.
pub(super) const LEAST_CUT: usize = 256;

/// How much one call had: documents, and the bytes of their texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) documents: usize,
    pub(super) bytes: usize,
    /// Of the longest document, with the query.
    pub(super) longest: usize,
}

/// What is known of each model of one provider.
#[derive(Debug, Default)]
pub(super) struct Learned(Mutex<HashMap<Option<Arc<str>>, Remembered>>);

/// The findings, and until when they are valid.
type Remembered = (Known, Instant);

/// What one model has been found to accept. Empty while nothing was rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The limits that rejections have stated.
    documents: Option<usize>,
    pair: Option<usize>,
    /// The least that was rejected of calls whose every single text is good, and the most that was accepted since.
    rejected: Option<Size>,
    taken: Size,
    /// The shortest pair of query and text that was rejected alone.
    rejected_pair: Option<usize>,
}

/// How to send a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// Unchanged.
    Whole,
    /// Cut to this many bytes.
    Cut(usize),
    /// Not at all: it has been rejected, and so would be what can be left of it.
    Not,
}

impl Learned {
    /// The findings so far.
    pub(super) fn of(&self, model: Option<&Arc<str>>) -> Known {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&model.cloned()).filter(|(_, until)| Instant::now() < *until);
        known.map(|(known, _)| *known).unwrap_or_default()
    }

    /// Adds what a search has found.
    pub(super) fn learn(&self, model: Option<&Arc<str>>, found: impl FnOnce(&mut Known)) {
        let now = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, until)| now < *until);
        let (mut known, until) = all.get(&model.cloned()).copied().unwrap_or((Known::default(), now));
        let before = known;
        found(&mut known);
        // A confirmation does not extend the time: else a limit that was raised would never be found.
        let lowered = known.limits_changed(before);
        let until = if lowered { now.checked_add(HOLDS).unwrap_or(now) } else { until };
        if known != Known::default() && (all.len() < MOST_MODELS || all.contains_key(&model.cloned())) {
            all.insert(model.cloned(), (known, until));
        }
    }
}

impl Known {
    /// Whether any rejection bears on the next call.
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }

    fn limits_changed(self, before: Self) -> bool {
        let of = |known: Self| (known.documents, known.pair, known.rejected, known.rejected_pair);
        of(self) != of(before)
    }

    /// The most documents of one call.
    pub(super) fn documents(self) -> Option<usize> {
        let found = self.rejected.filter(|rejected| self.taken.documents < rejected.documents);
        let found = found.map(|rejected| self.taken.documents.max(rejected.documents / 2).max(1));
        match (self.documents, found) {
            (Some(said), _) => Some(said),
            (None, found) => found,
        }
    }

    /// The most bytes of one call, where it is not the number of documents that is rejected.
    pub(super) fn bytes(self) -> Option<usize> {
        let rejected = self.rejected.filter(|rejected| self.taken.documents >= rejected.documents)?;
        (self.taken.bytes < rejected.bytes).then_some(self.taken.bytes.max(rejected.bytes / 2))
    }

    /// How to send a text of this many bytes beside a query of this many.
    pub(super) fn fit(self, query: usize, text: usize) -> Fit {
        let pair = query + text;
        if let Some(most) = self.pair.filter(|most| pair > *most) {
            return match most.checked_sub(query).filter(|left| *left >= LEAST_CUT) {
                Some(left) => Fit::Cut(left),
                None => Fit::Whole,
            };
        }
        let Some(rejected) = self.rejected_pair else { return Fit::Whole };
        match self.taken.longest.checked_sub(query).filter(|left| *left >= LEAST_CUT) {
            // Between accepted and rejected nothing is known: half way, as lengths of texts go.
            Some(left) if pair > between(self.taken.longest, rejected) => Fit::Cut(left.min(text)),
            None if pair >= rejected => Fit::Not,
            _ => Fit::Whole,
        }
    }

    /// Notes that a call was accepted.
    pub(super) fn took(&mut self, size: Size) {
        if self.is_empty() {
            return;
        }
        let taken = &mut self.taken;
        taken.documents = taken.documents.max(size.documents);
        taken.bytes = taken.bytes.max(size.bytes);
        taken.longest = taken.longest.max(size.longest);
        if self.documents.is_some_and(|most| taken.documents > most) {
            self.documents = None;
        }
        if self.rejected_pair.is_some_and(|rejected| taken.longest >= rejected) {
            self.rejected_pair = None;
        }
        if self
            .rejected
            .is_some_and(|rejected| taken.documents >= rejected.documents && taken.bytes >= rejected.bytes)
        {
            self.rejected = None;
        }
    }

    /// Notes that a call of several documents was rejected although each of them alone is good.
    pub(super) fn rejected(&mut self, size: Size) {
        let least = self.rejected.unwrap_or(size);
        self.rejected = Some(Size {
            documents: least.documents.min(size.documents),
            bytes: least.bytes.min(size.bytes),
            longest: 0,
        });
        if self.documents.is_some_and(|most| size.documents <= most) {
            self.documents = None;
        }
    }

    /// Notes that a document alone was rejected.
    pub(super) fn rejected_alone(&mut self, pair: usize) {
        self.rejected_pair = Some(self.rejected_pair.map_or(pair, |least| least.min(pair)));
        if self.taken.longest >= pair {
            self.taken.longest = 0;
        }
    }

    /// The findings of one search, which started from what was known here.
    pub(super) fn adopt(&mut self, stated: Self) {
        self.documents = stated.documents.or(self.documents);
        self.pair = stated.pair.or(self.pair);
    }

    /// Adds what a rejection states, and the bytes of the pair that count as one token of it.
    pub(super) fn stated(&mut self, stated: StatedLimits, pair: Option<usize>) {
        self.documents = stated.documents.or(self.documents);
        self.pair = pair.or(self.pair);
    }
}

/// The geometric mean.
fn between(low: usize, high: usize) -> usize {
    ((low as f64) * (high as f64)).sqrt() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(documents: usize, bytes: usize) -> Size {
        Size { documents, bytes, longest: bytes / documents }
    }

    #[test]
    fn whether_documents_or_bytes_were_too_many_is_found_out_by_what_is_taken() {
        let mut known = Known::default();
        known.rejected(size(25, 500));
        assert_eq!(
            (known.documents(), known.bytes()),
            (Some(12), None),
            "half of it before anything was taken"
        );
        known.took(size(13, 260));
        assert_eq!((known.documents(), known.bytes()), (Some(13), None));
        known.rejected(size(12, 6000));
        assert_eq!(known.documents(), None, "as many documents were taken");
        assert_eq!(known.bytes(), Some(260));
        known.took(size(30, 600));
        assert_eq!((known.documents(), known.bytes()), (None, None), "nothing of it holds any more");
    }

    #[test]
    fn a_text_is_cut_to_what_was_taken_and_left_out_where_nothing_is_known_to_be() {
        let mut known = Known::default();
        assert_eq!(known.fit(10, 100_000), Fit::Whole);
        known.rejected_alone(100_010);
        assert_eq!((known.fit(10, 100_000), known.fit(10, 99_999)), (Fit::Not, Fit::Whole));
        known.took(Size { longest: 1_010, ..size(1, 1_000) });
        assert_eq!(known.fit(10, 100_000), Fit::Cut(1_000));
        assert_eq!(known.fit(10, 11_000), Fit::Cut(1_000));
        assert_eq!(known.fit(10, 9_000), Fit::Whole);
        known.stated(StatedLimits::default(), Some(1_536));
        assert_eq!(known.fit(36, 2_000), Fit::Cut(1_500));
        assert_eq!(known.fit(1_500, 2_000), Fit::Whole, "next to nothing would be left");
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_learned_is_forgotten_and_kept_apart_by_model() {
        let learned = Learned::default();
        let model: Arc<str> = "m".into();
        learned.learn(None, |known| {
            known.stated(StatedLimits { documents: Some(16), ..StatedLimits::default() }, None)
        });
        assert_eq!((learned.of(None).documents(), learned.of(Some(&model)).documents()), (Some(16), None));
        tokio::time::advance(HOLDS / 2).await;
        learned.learn(None, |known| known.took(size(16, 160)));
        tokio::time::advance(HOLDS / 2).await;
        assert!(learned.of(None).is_empty());
        for n in 0..100 {
            let model: Arc<str> = n.to_string().into();
            learned.learn(Some(&model), |known| known.rejected_alone(1000));
        }
        assert_eq!(learned.0.lock().unwrap().len(), MOST_MODELS);
    }
}
