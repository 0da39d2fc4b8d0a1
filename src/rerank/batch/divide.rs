//! A request in parts, and how parts are handled that are rejected as too large.

use std::collections::VecDeque;

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::time::Instant;
use tower::ServiceExt;

use super::{
    PARALLEL_PARTS,
    learned::{BYTES_PER_TOKEN, Fit, Known, LEAST_CUT, Learned, Size},
    merge::Merged,
};
use crate::rerank::{
    FailureClass, Rerank, RerankError, RerankRequest, RerankResult, StatedLimits, cache::Keys, limits::cut,
};

/// After this many rejections the rest of a search stays unscored: a window of two hundred is halved to single
/// documents in eight steps.
pub(super) const MOST_REFUSALS: usize = 16;

/// After this many documents that were rejected alone, and none that was accepted, the texts' length is not the
/// cause.
const MOST_ALONE: usize = 3;

/// The first cut of a text that was rejected alone where nothing is known of the limit: the physical batch of
/// llama.cpp is 512 tokens.
const FIRST_CUT: usize = 1024;

/// A document of a request: its index there, and the most bytes of it that are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) place: usize,
    pub(super) most: usize,
}

/// Some documents of a request, in its order, sent in one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) texts: Vec<Text>,
    /// It is a single document that was rejected, and cut for that.
    last_try: bool,
}

impl Part {
    pub(super) fn new(texts: Vec<Text>) -> Self {
        Self { texts, last_try: false }
    }

    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.texts.iter().map(|text| text.place)
    }

    /// The same with at most so many bytes of each text.
    fn cut(&self, most: usize) -> Self {
        let texts = self.texts.iter().map(|text| Text { most: text.most.min(most), ..*text });
        Self { texts: texts.collect(), ..*self }
    }
}

/// One request under way.
pub(super) struct Divided<'a, S> {
    inner: &'a S,
    request: &'a RerankRequest,
    learned: &'a Learned,
    pending: VecDeque<Part>,
    merged: Merged,
    /// The calls of several documents that were rejected.
    rejected: Vec<(Size, Part)>,
    taken: Vec<Size>,
    /// The indices and pairs that were rejected alone.
    alone: Vec<(usize, usize)>,
    /// How many documents they are.
    at_fault: usize,
    rejections: usize,
    /// What is known so far, with what this search has learned.
    known: Known,
    /// The assumed bytes of a token.
    per_token: usize,
}

impl<'a, S: Rerank> Divided<'a, S> {
    pub(super) fn new(
        inner: &'a S,
        request: &'a RerankRequest,
        learned: &'a Learned,
        known: Known,
        parts: Vec<Part>,
    ) -> Self {
        Self {
            inner,
            request,
            learned,
            pending: parts.into(),
            merged: Merged::new(request.documents.len()),
            rejected: Vec::new(),
            taken: Vec::new(),
            alone: Vec::new(),
            at_fault: 0,
            rejections: 0,
            known,
            per_token: BYTES_PER_TOKEN,
        }
    }

    /// A call for all of it was rejected already.
    pub(super) fn after(mut self, part: Part, error: RerankError) -> Self {
        self.failed(part, error);
        self
    }

    /// Some documents are left out, since they are known to be rejected.
    pub(super) fn without_some(mut self) -> Self {
        self.merged.failed(RerankError::Held { class: FailureClass::TooLarge });
        self
    }

    /// Sends all parts, a few at a time, and merges their responses.
    pub(super) async fn run(mut self) -> RerankResult {
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.at_once()
                && let Some(part) = self.pending.pop_front()
            {
                if self.rejections > 0 && Instant::now() >= self.request.retry_by() {
                    self.merged.failed(RerankError::Deadline);
                    continue;
                }
                let part = self.fitted(part);
                let call = self.inner.clone().oneshot(self.asked(&part));
                running.push(async move { (part, call.await) });
            }
            let Some((part, response)) = running.next().await else { break };
            match response {
                Ok(scores) => {
                    let size = self.size(&part);
                    self.known.took(size);
                    self.taken.push(size);
                    self.merged.answered(part.places(), self.cut(&part), scores)?;
                }
                Err(error) => self.failed(part, error),
            }
        }
        self.remember();
        self.merged.finish()
    }

    /// How many calls may be in flight: one, until something is known to be accepted.
    fn at_once(&self) -> usize {
        if self.rejections > 0 && self.taken.is_empty() { 1 } else { PARALLEL_PARTS }
    }

    /// With its texts cut to what is known so far.
    fn fitted(&self, mut part: Part) -> Part {
        for text in part.texts.iter_mut().filter(|_| self.rejections > 0 && !part.last_try) {
            let length = self.request.documents.get(text.place).map_or(0, |document| document.text().len());
            if let Fit::Cut(most) = self.known.fit(self.request.query.len(), length.min(text.most)) {
                text.most = text.most.min(most);
            }
        }
        part
    }

    fn asked(&self, part: &Part) -> RerankRequest {
        let document = |text: &Text| Some(cut(self.request.documents.get(text.place)?, text.most));
        let keys = self.request.keys.as_ref();
        let keys = keys.map(|keys| {
            let documents = part.places().filter_map(|place| keys.documents.get(place).copied());
            Keys { query: keys.query, documents: documents.collect() }
        });
        // The result of one part is of use although another one fails, or is too late.
        RerankRequest {
            documents: part.texts.iter().filter_map(document).collect(),
            keys,
            deferred: None,
            ..self.request.clone()
        }
    }

    fn failed(&mut self, part: Part, error: RerankError) {
        let stated = match error {
            RerankError::TooLarge { stated, .. } => stated,
            _ if error.class() == FailureClass::TooLarge => StatedLimits::default(),
            _ => return self.merged.failed(error),
        };
        self.rejections += 1;
        let smaller = if self.rejections <= MOST_REFUSALS { self.smaller(&part, stated) } else { None };
        if self.taken.is_empty() && self.at_fault >= MOST_ALONE {
            self.pending.clear();
            return self.merged.failed(error);
        }
        match smaller {
            Some(parts) => parts.into_iter().rev().for_each(|part| self.pending.push_front(part)),
            None => self.merged.failed(error),
        }
    }

    /// The parts of a rejected part; `None` if nothing smaller is left.
    fn smaller(&mut self, part: &Part, stated: StatedLimits) -> Option<Vec<Part>> {
        let size = self.size(part);
        if let Some(most) = stated.documents.filter(|most| *most < size.documents) {
            self.known.stated(stated, None);
            return Some(part.texts.chunks(most).map(|texts| Part::new(texts.to_vec())).collect());
        }
        if let Some(most) = self.stated_cut(size, stated) {
            self.known.stated(stated, Some(most + self.request.query.len()));
            return Some(vec![part.cut(most)]);
        }
        let [text] = part.texts.as_slice() else {
            self.rejected.push((size, part.clone()));
            return Some(self.halves(part, stated.at).into());
        };
        self.alone.push((text.place, size.longest));
        self.at_fault += usize::from(!part.last_try);
        self.known.rejected_alone(size.longest);
        let most = self.last_cut(size).filter(|_| !part.last_try)?;
        Some(vec![Part { last_try: true, ..part.cut(most) }])
    }

    /// To how many bytes texts are cut for a limit that the provider has named; `None` if all are within.
    fn stated_cut(&mut self, size: Size, stated: StatedLimits) -> Option<usize> {
        let query = self.request.query.len();
        let pair = match (stated.tokens, stated.had_tokens) {
            // The service's count for this text shows how many bytes a token takes here.
            (Some(most), Some(had)) if size.documents == 1 && had > most => {
                (size.longest as f64 * most as f64 / had as f64 * 0.95) as usize
            }
            (Some(most), _) => most.saturating_mul(self.per_token),
            (None, _) => stated.bytes?.saturating_add(query),
        };
        // Rejected again, so a token takes fewer bytes.
        self.per_token = (self.per_token - 1).max(1);
        let most = pair.checked_sub(query).filter(|left| *left >= LEAST_CUT)?;
        (pair < size.longest).then_some(most)
    }

    /// The next cut of a text that was rejected alone: as much as was accepted of others beside this query.
    fn last_cut(&self, size: Size) -> Option<usize> {
        let query = self.request.query.len();
        let text = size.longest - query;
        let taken = self.taken.iter().map(|taken| taken.longest - query).filter(|taken| *taken < text).max();
        let most = taken.unwrap_or_default().max(FIRST_CUT.min(text / 2));
        (most >= LEAST_CUT).then_some(most)
    }

    /// Two parts of about as many bytes: the longest texts, or the one at fault, and all others.
    fn halves(&self, part: &Part, at_fault: Option<usize>) -> [Part; 2] {
        let bytes = |at: &usize| part.texts.get(*at).map_or(0, |text| self.bytes(text) + 1);
        let mut longest_first: Vec<usize> = (0..part.texts.len()).collect();
        let half = longest_first.iter().map(bytes).sum::<usize>() / 2;
        longest_first.sort_by_key(|at| std::cmp::Reverse(bytes(at)));
        let mut sum = 0;
        let long: Vec<usize> = match at_fault.filter(|at| *at < part.texts.len()) {
            Some(at) => vec![at],
            None => longest_first
                .into_iter()
                .take_while(|at| {
                    let more = sum < half;
                    sum += bytes(at);
                    more
                })
                .collect(),
        };
        let [mut one, mut others] = [const { Vec::new() }; 2];
        for (at, text) in part.texts.iter().enumerate() {
            if long.contains(&at) { one.push(*text) } else { others.push(*text) }
        }
        // What is accepted of the others says how much to send of the one.
        [Part::new(others), Part::new(one)]
    }

    fn bytes(&self, text: &Text) -> usize {
        self.request.documents.get(text.place).map_or(0, |document| document.text().len().min(text.most))
    }

    fn size(&self, part: &Part) -> Size {
        let lengths = part.texts.iter().map(|text| self.bytes(text));
        let (bytes, longest) = lengths.fold((0, 0), |(sum, most), length| (sum + length, most.max(length)));
        Size { documents: part.texts.len(), bytes, longest: longest + self.request.query.len() }
    }

    /// The most bytes of a text that were sent, if any was cut.
    fn cut(&self, part: &Part) -> Option<usize> {
        let documents = &self.request.documents;
        let is_cut = |text: &&Text| {
            documents.get(text.place).is_some_and(|document| text.most < document.text().len())
        };
        part.texts.iter().filter(is_cut).map(|text| text.most).min()
    }

    /// Remembers the findings for the next searches.
    fn remember(&self) {
        if self.rejections == 0 && self.known.is_empty() {
            return;
        }
        let at_fault =
            |part: &Part| part.places().any(|place| self.alone.iter().any(|(one, _)| *one == place));
        self.learned.learn(self.request.model.as_ref(), |known| {
            known.adopt(self.known);
            self.rejected
                .iter()
                .filter(|(_, part)| !at_fault(part))
                .for_each(|(size, _)| known.rejected(*size));
            self.alone.iter().for_each(|(_, pair)| known.rejected_alone(*pair));
            self.taken.iter().for_each(|size| known.took(*size));
        });
    }
}
