//! [`Trial`]: the result of one query. A line of the checkpoint; ids and numbers only, no text.

use serde::{Deserialize, Serialize};

use crate::{
    rerank::{Billing, expected_bill},
    search::{self, FusedBy, Fusion, OrderRule, QueryTraits},
};

/// The result of one query, sent twice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The query's id.
    pub query: String,
    /// Its kind.
    pub category: Option<String>,
    /// The collections or indices that it searches.
    pub collections: Vec<String>,
    /// The ids of the database's own response, best first.
    pub before: Vec<String>,
    /// The ids of the response through the pipeline.
    pub after: Vec<String>,
    /// `applied`, `partial` or `kept`.
    pub outcome: String,
    /// Why, as in `x-rerank-status`.
    pub reason: String,
    /// Who scored.
    pub scorer: Option<Scorer>,
    /// What the database ranked, in its order, as far as the search was widened.
    pub candidates: Vec<Candidate>,
    /// How the reranker's order was fused with the database's, if it was.
    pub fused: Option<Fused>,
    /// What the text of the query looks like; `None` where it has none.
    pub text: Option<TextLook>,
    /// About as many tokens as the query's text has.
    pub query_tokens: usize,
    /// Scores looked up in the cache, and found there.
    pub cache_lookups: u32,
    /// See `cache_lookups`.
    pub cache_hits: u32,
    /// Search units billed.
    pub search_units: f64,
    /// Tokens billed.
    pub tokens: u64,
    /// How long it took.
    pub times: Times,
}

/// What is kept of a query's text: see [`search::QueryTraits`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextLook {
    /// Equal for queries of the same text: see [`super::twins`].
    pub twin: u64,
    /// It looks like the name of one thing.
    pub identifier: bool,
    /// It is one phrase in quotation marks.
    pub phrase: bool,
    /// It is a question.
    pub question: bool,
    /// Its words.
    pub words: usize,
}

impl TextLook {
    /// Of a text, which is marked so.
    pub fn of(text: &str, twin: u64) -> Self {
        let QueryTraits { identifier, phrase, question, words } = QueryTraits::of(text);
        Self { twin, identifier, phrase, question, words }
    }
}

/// A provider and its model: scores of different ones are not comparable.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Scorer {
    /// By its configured name.
    pub provider: String,
    /// As the provider names it.
    pub model: String,
}

/// How the hits of a trial are ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// As they were.
    #[default]
    AsRun,
    /// By relevance alone.
    Relevance,
    /// By both orders.
    Fused(Fused),
}

impl Way {
    /// Both orders by their ranks.
    pub const fn ranks(k: f32, weight: f32) -> Self {
        Self::Fused(Fused { k, weight, linear: false })
    }

    /// Both orders by their scores.
    pub const fn scores(weight: f32) -> Self {
        Self::Fused(Fused { k: 60.0, weight, linear: true })
    }

    /// The value of `rerank.score`; `None` for what was run.
    pub fn setting(self) -> Option<String> {
        Some(match self {
            Self::AsRun => return None,
            Self::Relevance => "keep".to_owned(),
            Self::Fused(Fused { weight, linear: true, .. }) => {
                format!("{{ fuse: linear, weight: {weight} }}")
            }
            Self::Fused(Fused { k, weight, .. }) => format!("{{ fuse: rrf, k: {k}, weight: {weight} }}"),
        })
    }
}

/// See [`Fusion`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fused {
    /// How little the first places stand out.
    pub k: f32,
    /// What the reranker's order weighs beside the database's.
    pub weight: f32,
    /// By scores, not by ranks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub linear: bool,
}

impl From<Fusion> for Fused {
    fn from(Fusion { by, k, weight }: Fusion) -> Self {
        Self { k, weight, linear: by == FusedBy::Scores }
    }
}

impl From<Fused> for Fusion {
    fn from(Fused { k, weight, linear }: Fused) -> Self {
        Self { by: if linear { FusedBy::Scores } else { FusedBy::Ranks }, k, weight }
    }
}

/// One hit that the database gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its id.
    pub id: String,
    /// The database's score.
    pub database_score: Option<f64>,
    /// The provider's.
    pub relevance: Option<f64>,
    /// What boosts have made of that, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boosted: Option<f32>,
    /// It holds its place: pinned, or not to be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub holds: bool,
    /// About as many tokens as its document has; 0 where it has no text.
    pub tokens: usize,
}

/// Durations in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// The search as the client sent it.
    pub database: f64,
    /// The search as it was widened; 0 where it was not sent.
    pub widened: f64,
    /// Documents, cache and provider.
    pub rerank: f64,
    /// The whole response through the pipeline.
    pub whole: f64,
}

impl Trial {
    /// The ids in the order that a rerank of the first `window` candidates gives.
    pub fn order(&self, window: usize) -> Vec<String> {
        self.ordered(Way::AsRun, window)
    }

    /// The same, ordered in another way.
    pub fn ordered(&self, way: Way, window: usize) -> Vec<String> {
        let candidates: Vec<search::Candidate> = self
            .candidates
            .iter()
            .enumerate()
            .map(|(place, candidate)| search::Candidate {
                score: candidate.relevance.map(|score| score as f32),
                in_window: place < window,
                holds: candidate.holds,
                database: candidate.database_score,
                boosted: candidate.boosted,
            })
            .collect();
        let fuse = match way {
            Way::AsRun => self.fused.map(Fusion::from),
            Way::Relevance => None,
            Way::Fused(fused) => Some(fused.into()),
        };
        let rule = OrderRule { fuse, ..OrderRule::default() };
        let ranked = search::order(&candidates, &rule).into_iter();
        ranked.filter_map(|ranked| Some(self.candidates.get(ranked.hit)?.id.clone())).collect()
    }

    /// What a rerank of the first `window` candidates would probably be billed, with an empty cache.
    pub fn bill(&self, window: usize, billing: Billing) -> f64 {
        let documents = self.candidates.iter().take(window).map(|candidate| candidate.tokens);
        expected_bill(billing, self.query_tokens, documents.filter(|&tokens| tokens > 0))
    }

    /// How many of its candidates have a relevance score.
    pub fn scored(&self) -> usize {
        self.candidates.iter().filter(|candidate| candidate.relevance.is_some()).count()
    }
}

#[cfg(test)]
pub(super) mod test_support {
    use super::*;

    /// A query whose candidates have these ids, scores of the database and relevance scores.
    pub(crate) fn trial(query: &str, candidates: &[(&str, f64, f64)]) -> Trial {
        let candidates: Vec<Candidate> = candidates
            .iter()
            .map(|&(id, database, relevance)| Candidate {
                id: id.to_owned(),
                database_score: Some(database),
                relevance: Some(relevance),
                boosted: None,
                holds: false,
                tokens: 100,
            })
            .collect();
        let mut trial = Trial {
            query: query.to_owned(),
            collections: vec!["docs".to_owned()],
            before: candidates.iter().map(|candidate| candidate.id.clone()).collect(),
            outcome: "applied".to_owned(),
            reason: "none".to_owned(),
            scorer: Some(Scorer { provider: "cohere".to_owned(), model: "rerank-v3.5".to_owned() }),
            candidates,
            // Texts are as different as their ids.
            text: Some(TextLook {
                twin: query.bytes().fold(7, |hash: u64, byte| hash.wrapping_mul(31) + u64::from(byte)),
                words: 2,
                ..TextLook::default()
            }),
            query_tokens: 10,
            ..Trial::default()
        };
        trial.after = trial.order(usize::MAX);
        trial
    }
}

#[cfg(test)]
mod tests {
    use super::{test_support::trial, *};

    #[test]
    fn a_smaller_window_is_worked_out_from_the_same_scores() {
        let mut trial = trial("q", &[("a", 0.9, 0.1), ("b", 0.8, 0.2), ("c", 0.7, 0.9)]);
        assert_eq!(trial.order(3), ["c", "b", "a"]);
        assert_eq!(trial.order(2), ["b", "a", "c"]);
        assert_eq!(trial.order(0), ["a", "b", "c"]);
        trial.fused = Some(Fusion::USUAL.into());
        assert_eq!(trial.order(3), ["a", "c", "b"], "a tie of the fusion: the database's order");
    }

    #[test]
    fn the_bill_grows_with_window_and_documents() {
        let mut long = trial("q", &[("a", 0.9, 0.1); 120]);
        assert_eq!((long.bill(100, Billing::SearchUnits), long.bill(101, Billing::SearchUnits)), (1.0, 2.0));
        assert_eq!(long.bill(10, Billing::Tokens), 1100.0);
        assert_eq!(long.bill(10, Billing::Free), 0.0);
        long.candidates.iter_mut().for_each(|candidate| candidate.tokens = 900);
        assert_eq!(long.bill(100, Billing::SearchUnits), 2.0);
    }

    #[test]
    fn a_checkpoint_line_is_read_back_as_it_was() {
        let trial = trial("q", &[("a", 0.1, 1.0 / 3.0)]);
        let line = serde_json::to_string(&trial).unwrap();
        assert_eq!(serde_json::from_str::<Trial>(&line).unwrap(), trial);
    }
}
