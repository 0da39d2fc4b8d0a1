//! [`SearchLog`]: the log's lines about searches. Why the order was kept: one line a minute for each reason; at level
//! `debug` one line for every search. Never a word of query or documents.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tracing::Level;

use crate::{
    dialect::SearchKind,
    pipeline::{Outcome, Report, Timings},
    search::KeepReason,
    trouble::{self, Lines, milliseconds},
};

/// The most names of collections that one line gathers from those that were left out.
const MOST_NAMES: usize = 8;

/// Why a search is passed on unread. Each has lines of its own, beside those of its reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aside {
    /// Its path has a prefix that no setting names.
    BelowPrefix,
    /// Its client has signed it, and rerankd does not sign.
    Signed,
}

impl Aside {
    /// The key of its lines.
    const fn as_str(self) -> &'static str {
        match self {
            Self::BelowPrefix => "below_prefix",
            Self::Signed => "signed",
        }
    }

    /// What it is, and what to set.
    const fn meaning(self) -> &'static str {
        match self {
            Self::BelowPrefix => {
                "paths look like searches below a prefix: set listeners[].path_prefix and \
                 listeners[].upstream.path_prefix (a type of Elasticsearch 7 in a path has to be left out)"
            }
            Self::Signed => {
                "searches are signed for AWS, and a signature does not outlast a change: with \
                 listeners[].upstream.sign rerankd signs them anew, and reranks them (docs/aws.md)"
            }
        }
    }
}

/// What was logged of all listeners' searches. Clones share it; it outlives a reload.
#[derive(Clone, Debug, Default)]
pub struct SearchLog {
    lines: Lines,
    /// By reason: the collections of lines that were left out.
    left_out: Arc<Mutex<HashMap<&'static str, Names>>>,
}

/// A few different names, and whether there were more.
#[derive(Clone, Debug, Default)]
struct Names {
    names: Vec<String>,
    more: bool,
}

/// One search, or the searches of one request, that ended.
pub(super) struct Searched<'a> {
    pub(super) dialect: &'static str,
    pub(super) kind: SearchKind,
    /// The listener's address.
    pub(super) listener: &'a Arc<str>,
    /// The names from [`super::report::names`].
    pub(super) collections: &'a str,
    /// Whose it was, where it was a tenant's.
    pub(super) tenant: Option<&'a Arc<str>>,
    pub(super) report: &'a Report,
    pub(super) timings: Timings,
    /// It was passed on unread.
    pub(super) aside: Option<Aside>,
}

/// The fields of a line.
struct Line {
    message: String,
    outcome: Outcome,
    dialect: &'static str,
    operation: &'static str,
    listener: Arc<str>,
    collections: String,
    tenant: Option<Arc<str>>,
    /// The names of the fields of a hit without text.
    fields_seen: Option<Arc<str>>,
    /// Hits of excluded indices.
    excluded: Option<usize>,
    provider: Option<Arc<str>>,
    /// When the provider is called again.
    until: Option<String>,
    timings: Timings,
}

impl SearchLog {
    /// Logs a search that ended. `asked_again`: after what time the provider that was not called may be.
    pub(super) fn ended(&self, search: &Searched<'_>, asked_again: impl Fn(KeepReason) -> Option<Duration>) {
        let written = match search.report.outcome {
            Outcome::Applied => false,
            Outcome::Partial(reason) | Outcome::Kept(reason) => {
                let key = search.aside.map_or(reason.as_str(), Aside::as_str);
                let written = self.lines.say(key, || {
                    let mut line = Line::of(search, asked_again(reason));
                    let names = self.left_out.clone();
                    move |left_out| {
                        let gathered = names.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
                        line.collections = gathered.unwrap_or_default().with(&line.collections);
                        line.write(reason, left_out);
                    }
                });
                if !written {
                    self.gather(key, search.collections);
                }
                written
            }
        };
        if !written && tracing::enabled!(Level::DEBUG) {
            Line::of(search, None).write_each();
        }
    }

    /// Writes the numbers of lines that were left out.
    pub fn flush(&self) {
        self.lines.flush();
    }

    /// Keeps the names for the line that will say how many were left out. Nothing waits for it.
    fn gather(&self, key: &'static str, collections: &str) {
        if let Ok(mut all) = self.left_out.try_lock() {
            all.entry(key).or_default().add(collections);
        }
    }
}

impl Names {
    fn add(&mut self, name: &str) {
        if name.is_empty() || self.names.iter().any(|known| known == name) {
            return;
        }
        match self.names.len() < MOST_NAMES {
            true => self.names.push(name.to_owned()),
            false => self.more = true,
        }
    }

    /// All of them and `own`, with commas between.
    fn with(mut self, own: &str) -> String {
        self.add(own);
        let more = self.more.then_some("…");
        self.names.iter().map(String::as_str).chain(more).collect::<Vec<_>>().join(",")
    }
}

impl Line {
    fn of(search: &Searched<'_>, asked_again: Option<Duration>) -> Self {
        let report = search.report;
        Self {
            message: message(search),
            outcome: report.outcome,
            dialect: search.dialect,
            operation: search.kind.as_str(),
            listener: search.listener.clone(),
            collections: search.collections.to_owned(),
            tenant: search.tenant.cloned(),
            fields_seen: report.fields_seen.clone(),
            excluded: Some(report.held.excluded).filter(|count| *count > 0),
            provider: report.provider.clone(),
            until: asked_again.map(trouble::after),
            timings: search.timings,
        }
    }

    fn write(self, reason: KeepReason, left_out: Option<u64>) {
        macro_rules! write {
            ($level:ident) => {
                tracing::$level!(
                    reason = reason.as_str(),
                    outcome = self.outcome.as_str(),
                    dialect = self.dialect,
                    operation = self.operation,
                    collections = self.collections,
                    tenant = self.tenant.as_deref(),
                    listener = &*self.listener,
                    fields_seen = self.fields_seen.as_deref(),
                    excluded = self.excluded,
                    provider = self.provider.as_deref(),
                    until = self.until,
                    total_ms = milliseconds(self.timings.total),
                    rerank_ms = milliseconds(self.timings.rerank),
                    left_out,
                    help = reason.help(),
                    "{}",
                    self.message
                )
            };
        }
        if reason.is_trouble() { write!(warn) } else { write!(info) }
    }

    /// The line that every search has.
    fn write_each(self) {
        tracing::debug!(
            reason = Some(self.outcome.reason()).filter(|_| self.outcome != Outcome::Applied),
            outcome = self.outcome.as_str(),
            dialect = self.dialect,
            operation = self.operation,
            collections = self.collections,
            tenant = self.tenant.as_deref(),
            listener = &*self.listener,
            fields_seen = self.fields_seen.as_deref(),
            provider = self.provider.as_deref(),
            total_ms = milliseconds(self.timings.total),
            upstream_ms = milliseconds(self.timings.upstream),
            rerank_ms = milliseconds(self.timings.rerank),
            "{}",
            self.message
        );
    }
}

/// What happened, in words.
fn message(search: &Searched<'_>) -> String {
    let why = |reason: KeepReason| match (search.aside, reason) {
        (Some(aside), _) => aside.meaning(),
        (None, KeepReason::Off) if search.report.held.excluded > 0 => {
            "no hit may be read, since rerank.collections or a route keeps out the indices that they are from"
        }
        (None, reason) => reason.meaning(),
    };
    match search.report.outcome {
        Outcome::Applied => "reranked".to_owned(),
        Outcome::Partial(reason) => format!("reranked in part: {}", why(reason)),
        Outcome::Kept(reason) => format!("kept the database's order: {}", why(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gathers_a_few_names_and_says_when_there_were_more() {
        let mut names = Names::default();
        for at in 0..20 {
            names.add(&format!("c{}", at % 10));
        }
        assert_eq!(names.with("c0"), "c0,c1,c2,c3,c4,c5,c6,c7,…");
        assert_eq!(Names::default().with("own"), "own");
        assert_eq!(Names::default().with(""), "");
    }
}
