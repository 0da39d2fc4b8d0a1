//! The results of a run, for people and programs: [`ReportDocument`] is the JSON, [`table`] the text, [`html`] the page,
//! [`yaml`] what to paste into the configuration.

pub mod html;
mod kinds;
mod plots;
mod suggestions;
pub mod table;
mod text;
pub mod yaml;

use serde::Serialize;

use super::{calibration::Calibration, evaluation::Evaluation, floor::MIN_QUERIES, input::InputFile};

/// Why what was measured with several orders is not set.
const NOT_ONE: &str = "the categories have no order in common";

/// Everything that a run found. No text of queries or documents: queries and documents are named by their ids.
#[derive(Clone, Debug, Serialize)]
pub struct ReportDocument {
    /// `eval` or `calibrate`.
    pub command: &'static str,
    /// Of rerankd.
    pub version: &'static str,
    /// When the run ended, in RFC 3339.
    pub date: String,
    /// Whether every query was run.
    pub complete: bool,
    /// Why the run ended early, if it did.
    pub stopped: Option<String>,
    /// What was run.
    pub setup: Setup,
    /// Queries of the file.
    pub queries: usize,
    /// Queries that were run.
    pub done: usize,
    /// Queries that were not measured, with why.
    pub failed: Vec<Failure>,
    /// What is odd about input and responses.
    pub notes: Vec<String>,
    /// Before and after.
    pub evaluation: Evaluation,
    /// Suggestions; `rerankd calibrate` only.
    pub calibration: Option<Calibration>,
    /// The configuration to paste; `rerankd calibrate` only.
    pub yaml: Option<String>,
}

/// What was run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Setup {
    /// The database, or the files that were compared.
    pub source: String,
    /// The providers, in order.
    pub providers: Vec<String>,
    /// Who scored: `provider / model`, the most frequent first.
    pub models: Vec<String>,
    /// What was read.
    pub files: Vec<InputFile>,
    /// How many candidates were reranked at most.
    pub window: usize,
    /// The seed of the bootstrap.
    pub seed: u64,
    /// Said of every figure, where it has to be.
    pub caveat: Option<String>,
}

/// A query that was not measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Its id.
    pub query: String,
    /// Why, by a word of the closed list of reasons, or the database's status.
    pub reason: String,
}

/// A number with three digits, `–` for none.
fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

/// A difference with its sign.
fn signed(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:+.3}"))
}

/// A share in percent.
fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{:.0} %", value * 100.0))
}

/// Milliseconds.
fn ms(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1} ms"))
}

/// The interval of a floor.
fn range(value: Option<super::bootstrap::Interval>) -> String {
    value.map_or_else(|| "–".to_owned(), |interval| format!("{:.3} … {:.3}", interval.low, interval.high))
}

/// The interval of a difference.
fn interval(value: Option<super::bootstrap::Interval>) -> String {
    value.map_or_else(|| "–".to_owned(), |interval| format!("{:+.3} … {:+.3}", interval.low, interval.high))
}

/// The category's name.
fn name(category: &Option<String>) -> &str {
    category.as_deref().unwrap_or("all queries")
}

impl ReportDocument {
    /// What the means say, in one sentence: whether the gain is more than chance.
    pub fn verdict(&self) -> String {
        let evaluation = &self.evaluation;
        let Some(all) = evaluation.groups.first() else {
            return "Nothing was measured: this counts what a run would cost.".to_owned();
        };
        if !evaluation.judged {
            return "No judgments: this shows how much changes, not whether it gets better.".to_owned();
        }
        let Some(ndcg) = all.measures.first() else {
            return "No query has a relevant document in the judgments: nothing can be measured.".to_owned();
        };
        let small =
            if all.judged < MIN_QUERIES { " Fewer than 30 judged queries: a rough estimate." } else { "" };
        let verdict = match ndcg.interval {
            Some(interval) if interval.low > 0.0 => "It helps: the gain is more than chance.",
            Some(interval) if interval.high < 0.0 => "It hurts: the loss is more than chance.",
            _ => "Not sure: the difference may be chance.",
        };
        let (difference, range) = (signed(ndcg.difference), interval(ndcg.interval));
        format!("{verdict} {} changes by {difference} (95 % interval {range}).{small}", ndcg.measure)
    }
}

#[cfg(test)]
pub(super) mod test_support;
