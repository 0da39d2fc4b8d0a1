//! How searches ended: header, metric label and log field say the same words.

use std::sync::Arc;

use super::QuerySource;
use crate::search::{Fusion, Holds, KeepReason, NothingRelevant};

/// How one search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The hits are in the reranker's order.
    Applied,
    /// Some are; the others could not be scored.
    Partial(KeepReason),
    /// The database's order was kept.
    Kept(KeepReason),
}

impl Outcome {
    /// `applied`, `partial` or `kept`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::Partial(_) => "partial",
            Outcome::Kept(_) => "kept",
        }
    }

    /// The reason, or `none`.
    pub fn reason(self) -> &'static str {
        match self {
            Outcome::Applied => "none",
            Outcome::Partial(reason) | Outcome::Kept(reason) => reason.as_str(),
        }
    }

    /// `x-rerank-status`.
    pub fn header(self) -> String {
        match self {
            Outcome::Applied => "applied".to_owned(),
            _ => format!("{}; reason={}", self.as_str(), self.reason()),
        }
    }
}

/// What the response says of one search.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// Where the query text came from.
    pub source: Option<QuerySource>,
    /// The provider that scored, by its configured name.
    pub provider: Option<Arc<str>>,
    /// The model that scored.
    pub model: Option<Arc<str>>,
    /// Scores looked up in the cache.
    pub cache_lookups: u32,
    /// Scores found there.
    pub cache_hits: u32,
    /// Search units billed, as the provider says.
    pub billed_units: f64,
    /// Tokens billed.
    pub billed_tokens: u64,
    /// Hits of the window without a score.
    pub unscored: usize,
    /// Documents in the rerank call.
    pub documents: usize,
    /// Those of them that were scored by their passages.
    pub cut: usize,
    /// How many hits' relevance their boosts have changed.
    pub boosted: usize,
    /// Hits of the window that keep their place.
    pub held: HeldHits,
    /// How hits moved.
    pub moves: Moves,
    /// How the reranker's order was fused with the database's, if it was.
    pub fusion: Option<Fusion>,
    /// How likely the best hit is relevant, 0 to 1, where that is known.
    pub confidence: Option<f32>,
    /// What has become of the search, where the best hit is hardly relevant.
    pub nothing_relevant: Option<NothingRelevant>,
    /// How many other documents the provider knew the words of, where it learns them.
    pub learned: Option<u32>,
    /// The names of the fields of a hit without text, for the log: a few, cut, without control characters.
    pub fields_seen: Option<Arc<str>>,
}

/// How many hits keep their place, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldHits {
    /// From an index that is excluded.
    pub excluded: usize,
    /// Pinned.
    pub pinned: usize,
}

impl HeldHits {
    /// How many there are in all.
    pub fn all(self) -> usize {
        self.excluded + self.pinned
    }

    /// How many there are of a cause.
    pub fn of(self, cause: Holds) -> usize {
        match cause {
            Holds::Excluded => self.excluded,
            Holds::Pinned => self.pinned,
        }
    }

    /// Counts these too.
    pub(super) fn add(&mut self, others: HeldHits) {
        self.excluded += others.excluded;
        self.pinned += others.pinned;
    }
}

/// How far an order moved from the database's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moves {
    /// Mean distance between a returned hit's old and new place.
    pub mean_distance: Option<f64>,
    /// Share of the first ten returned hits that were not among the database's first ten, 0..1.
    pub top_changed: Option<f64>,
    /// Old place (from 0) of the deepest hit that reached the first ten.
    pub deepest: Option<usize>,
}

impl Report {
    /// A search whose order was kept.
    pub fn kept(reason: KeepReason) -> Self {
        Self {
            outcome: Outcome::Kept(reason),
            source: None,
            provider: None,
            model: None,
            cache_lookups: 0,
            cache_hits: 0,
            billed_units: 0.0,
            billed_tokens: 0,
            unscored: 0,
            documents: 0,
            cut: 0,
            boosted: 0,
            held: HeldHits::default(),
            moves: Moves::default(),
            fusion: None,
            confidence: None,
            nothing_relevant: None,
            learned: None,
            fields_seen: None,
        }
    }

    /// Whether the response says that nothing is relevant.
    pub fn says_nothing_relevant(&self) -> bool {
        matches!(self.nothing_relevant, Some(NothingRelevant::Header | NothingRelevant::Empty))
    }

    /// One report for the response to several searches: `partial` where only some were reranked.
    pub fn of_all(reports: &[Report]) -> Option<Report> {
        let mut all = reports.first()?.clone();
        for report in &reports[1..] {
            all.outcome = match (all.outcome, report.outcome) {
                (Outcome::Applied, Outcome::Applied) => Outcome::Applied,
                (Outcome::Kept(reason), Outcome::Kept(_)) => Outcome::Kept(reason),
                (Outcome::Applied, Outcome::Kept(reason) | Outcome::Partial(reason)) => {
                    Outcome::Partial(reason)
                }
                (Outcome::Partial(reason), _) | (Outcome::Kept(reason), _) => Outcome::Partial(reason),
            };
            all.source = all.source.or(report.source);
            all.provider = all.provider.or_else(|| report.provider.clone());
            all.model = all.model.or_else(|| report.model.clone());
            all.cache_lookups += report.cache_lookups;
            all.cache_hits += report.cache_hits;
            all.billed_units += report.billed_units;
            all.billed_tokens += report.billed_tokens;
            all.unscored += report.unscored;
            all.documents += report.documents;
            all.held.excluded += report.held.excluded;
            all.held.pinned += report.held.pinned;
            // Each search has its own.
            all.confidence = None;
            all.nothing_relevant = all.nothing_relevant.filter(|own| report.nothing_relevant == Some(*own));
            all.fields_seen = all.fields_seen.or_else(|| report.fields_seen.clone());
        }
        Some(all)
    }
}

impl Moves {
    /// From the old places of the returned hits, in their new order.
    pub fn of(old_places: &[usize]) -> Self {
        const TOP: usize = 10;
        if old_places.is_empty() {
            return Self::default();
        }
        let distance: usize = old_places.iter().enumerate().map(|(new, &old)| old.abs_diff(new)).sum();
        let top = &old_places[..old_places.len().min(TOP)];
        let changed = top.iter().filter(|&&old| old >= top.len()).count();
        Self {
            mean_distance: Some(distance as f64 / old_places.len() as f64),
            top_changed: Some(changed as f64 / top.len() as f64),
            deepest: top.iter().max().copied(),
        }
    }
}

/// What became of a response that was to say in its body how its searches ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockResult {
    /// It says so.
    Written,
    /// It has a member of that name already.
    Taken,
    /// It is too large, compressed in a way that is not known, or not well-formed.
    Unread,
    /// Its format has no place for it.
    NoPlace,
}

impl BlockResult {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Written, Self::Taken, Self::Unread, Self::NoPlace];

    /// The word for the metric label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Taken => "taken",
            Self::Unread => "unread",
            Self::NoPlace => "no_place",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_are_counted_from_old_to_new_place() {
        assert_eq!(
            Moves::of(&[2, 0, 1]),
            Moves { mean_distance: Some(4.0 / 3.0), top_changed: Some(0.0), deepest: Some(2) }
        );
        assert_eq!(Moves::of(&[14]).top_changed, Some(1.0));
        assert_eq!(Moves::of(&[]), Moves::default());
    }

    #[test]
    fn a_batch_with_both_is_partial() {
        let applied = Report { outcome: Outcome::Applied, ..Report::kept(KeepReason::Off) };
        let all = Report::of_all(&[applied, Report::kept(KeepReason::NoText)]).unwrap();
        assert_eq!(all.outcome.header(), "partial; reason=no_text");
    }
}
