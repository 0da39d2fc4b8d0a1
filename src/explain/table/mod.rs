//! An explanation for people: what happened, the hits, what was sent.

mod hits;
mod sent;
mod text;

use std::fmt::Write;

use super::{Explanation, facts};
use crate::{
    pipeline::{
        Confidence, DriftSettings, Outcome, PlannedSearch, QuerySource, Report, SearchRecord, Timings,
    },
    rerank::ENOUGH_DOCUMENTS,
    search::{FieldSet, Fit, FusedBy, Fusion, PassageRule},
};
use text::{millis, one_line, quoted};

/// How much is shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Every text and body to its end, and the texts of hits that are not on the page.
    pub full: bool,
}

/// The widest line of a table; texts and bodies have their own.
const WIDTH: usize = 110;

/// Everything that is known, as text that ends with a line break.
pub fn table(explanation: &Explanation, style: Style) -> String {
    let mut out = format!(
        "{} {}\ndatabase    {} (dialect {}, operation {})\n",
        explanation.method,
        quoted(&explanation.target),
        explanation.upstream,
        explanation.dialect,
        explanation.operation
    );
    for note in &explanation.notes {
        text::wrapped(&mut out, "note        ", note);
    }
    let records = &explanation.seen.records;
    for (at, record) in records.iter().enumerate() {
        out.push('\n');
        if records.len() > 1 {
            let _ = writeln!(out, "SEARCH {} of {}", at + 1, records.len());
        }
        search(&mut out, explanation, at, record);
    }
    if let Some(rejection) = &explanation.rejection {
        let _ = writeln!(out, "\nTHE DATABASE SAYS (status {})", explanation.status);
        text::block(&mut out, rejection, None);
    }
    if let Some(record) = records.first() {
        let Timings { total, upstream, rerank } = record.timings;
        let (total, upstream, rerank) = (millis(total), millis(upstream), millis(rerank));
        let _ = writeln!(out, "\ntime        {total} in all: database {upstream}, reranking {rerank}");
    }
    sent::database(&mut out, explanation, style);
    sent::providers(&mut out, explanation, style);
    for record in records {
        hits::texts(&mut out, record, style, !explanation.calls.is_empty());
    }
    out
}

/// One search: how it ended, what was asked, its hits.
fn search(out: &mut String, explanation: &Explanation, at: usize, record: &SearchRecord) {
    outcome(out, record);
    if let Some(planned) = explanation.seen.searches.get(at) {
        plan(out, planned, record);
    }
    let tables = record.lists.len();
    for (number, list) in record.lists.iter().enumerate() {
        out.push('\n');
        if tables > 1 {
            let _ = writeln!(out, "group {} of {tables}", number + 1);
        }
        hits::list(out, explanation, at, record, list);
    }
}

/// How it ended, and why.
fn outcome(out: &mut String, record: &SearchRecord) {
    let report = &record.report;
    let by = match (&report.provider, &report.model) {
        (Some(provider), Some(model)) => format!("{provider}, model {model}"),
        (Some(provider), None) => provider.to_string(),
        _ => "nobody".to_owned(),
    };
    let reason = match report.outcome {
        Outcome::Applied => {
            let _ = writeln!(out, "RERANKED by {by}");
            return;
        }
        Outcome::Partial(reason) => {
            let _ = writeln!(out, "RERANKED IN PART by {by}: {}", reason.as_str());
            reason
        }
        Outcome::Kept(reason) => {
            let _ = writeln!(out, "THE DATABASE'S ORDER WAS KEPT: {}", reason.as_str());
            reason
        }
    };
    text::wrapped(out, "  ", &format!("{}.", text::capital(reason.meaning())));
    text::wrapped(out, "  ", reason.remedy());
    let _ = writeln!(out, "  See {}", reason.help());
}

/// What was asked, and what was made of that.
fn plan(out: &mut String, planned: &PlannedSearch, record: &SearchRecord) {
    let (intent, report) = (&planned.intent, &record.report);
    let work = planned.work.as_ref().ok();
    if let Some(work) = work {
        let from = source(work.source);
        let _ = writeln!(out, "query       {} (from {from})", one_line(&work.query, 80));
    }
    if let Some(tenant) = &planned.profile.tenant {
        let _ = writeln!(out, "tenant      {}", tenant.name);
    }
    let route = match &planned.profile.route {
        Some(pattern) => format!("the route {pattern}"),
        None => "no route matches: section rerank".to_owned(),
    };
    let names = match (intent.collections.as_slice(), intent.expression) {
        ([all], true) if all == "_all" => "not named: any of them".to_owned(),
        (names, _) => names.join(", "),
    };
    let _ = writeln!(out, "collection  {names} ({route})");
    let _ = writeln!(out, "asked for   {} hits from place {}", intent.limit, intent.offset.saturating_add(1));
    if planned.answer_block {
        let _ = writeln!(out, "told        by the member `rerank` of the response too (answer_block)");
    }
    let Some(work) = work else { return };
    let widened = match planned.fetch.hits {
        Some(hits) => format!("the database was asked for {hits} hits from the first on"),
        None => "not widened".to_owned(),
    };
    let _ = writeln!(out, "window      the best {} are reranked; {widened}", work.window);
    let fields = match &work.fields {
        FieldSet::Auto => {
            let names = facts::field_names(&work.fields).join(", ");
            format!("auto: a title, and the first with text of {names}")
        }
        FieldSet::Named(names) => names.join(", "),
        FieldSet::Template(template) => {
            format!("{}, by the template {:?}", template.fields().join(", "), template.text())
        }
        FieldSet::All => "* (every text field)".to_owned(),
    };
    text::wrapped(out, "fields      ", &fields);
    if let Some(instruction) = &work.instruction {
        let heard = match &report.provider {
            Some(name) if !planned.profile.instructed.iter().any(|each| **each == **name) => {
                format!(" ({name} takes no instruction and ranks without it)")
            }
            _ => String::new(),
        };
        text::wrapped(out, "instruction ", &format!("{}{heard}", one_line(instruction, 200)));
    }
    if work.spans {
        text::wrapped(out, "passages    ", "texts were read whole, and the model tells which passage counts");
    }
    if let Some(settings) = &work.passages {
        let PassageRule { bytes, most, .. } = settings.rule;
        let score = match settings.sum_of_best {
            1 => "the best one counts".to_owned(),
            best => format!("the best {best} are added up"),
        };
        let cut = format!(
            "{} texts were cut into passages of {bytes} bytes, at most {most} each; {score}",
            report.cut
        );
        text::wrapped(out, "passages    ", &cut);
    }
    if let Some(boosts) = &planned.profile.boosts {
        text::wrapped(out, "boosts      ", &format!("relevance r of {} hits was changed", report.boosted));
        for (at, boost) in boosts.0.iter().enumerate() {
            text::wrapped(out, "            ", &format!("{}: {boost}", at + 1));
        }
    }
    if let Some(drift) = &planned.profile.drift {
        let DriftSettings { model, reference } = drift.settings();
        let told = format!(
            "scores of {model} are compared with those of {} searches; where they have moved (rerankd_scores_moved of the running \
             server), floor and confidence do not apply",
            reference.scores
        );
        text::wrapped(out, "drift       ", &told);
    }
    if let Some(floor) = work.min_score {
        let keep = match planned.profile.min_keep {
            0 => String::new(),
            keep => format!(", but the best {keep} stay"),
        };
        let _ = writeln!(out, "floor       {floor}{keep}");
    }
    if let Some(known) = &planned.profile.confidence {
        text::wrapped(out, "confidence  ", &confidence(known, report));
    }
    if report.documents > 0 {
        let cache = match report.cache_lookups {
            0 => String::new(),
            lookups => format!(", {} of {lookups} in the cache", report.cache_hits),
        };
        let unscored = match report.unscored {
            0 => String::new(),
            unscored => format!("; {unscored} hits of the window have no score"),
        };
        let _ = writeln!(out, "scored      {} texts{cache}{unscored}", report.documents);
    }
    if let Some(fusion) = report.fusion {
        text::wrapped(out, "fused       ", &fused(fusion, report.learned));
    }
    if report.billed_units > 0.0 || report.billed_tokens > 0 {
        let _ = writeln!(
            out,
            "billed      {} search units, {} tokens",
            report.billed_units, report.billed_tokens
        );
    }
}

/// How likely the best hit is relevant.
fn confidence(known: &Confidence, report: &Report) -> String {
    let Fit { model, slope, intercept } = &known.fit;
    let Some(confidence) = report.confidence else {
        return format!("not known: the fit is to scores of {model}");
    };
    let least = match (known.least, report.nothing_relevant) {
        (None, _) => String::new(),
        (Some(least), None) => format!("; {least} is enough"),
        (Some(least), Some(action)) => {
            format!("; less than {least}: nothing is relevant (on_nothing_relevant: {})", action.as_str())
        }
    };
    format!(
        "the best hit is relevant with probability {confidence:.3}, by slope {slope} and intercept {intercept} on the logit of its \
         score ({model}){least}"
    )
}

/// How both orders make one.
fn fused(fusion: Fusion, learned: Option<u32>) -> String {
    let Fusion { by, k, weight } = fusion;
    let by = match by {
        FusedBy::Ranks => format!("with the database's order (k {k})"),
        FusedBy::Scores => "with the database's scores".to_owned(),
    };
    let learned = match learned {
        Some(documents) if documents < ENOUGH_DOCUMENTS => format!(
            ", since the words of {documents} other documents of the collection are known: from {ENOUGH_DOCUMENTS} on it weighs 1"
        ),
        Some(documents) => format!("; the words of {documents} other documents of the collection are known"),
        None => String::new(),
    };
    format!("{by}: the reranker's weighs {weight:.2} beside it{learned}")
}

/// Where the query text came from, in words.
fn source(source: QuerySource) -> &'static str {
    match source {
        QuerySource::Header => "the header x-rerank-query",
        QuerySource::Body => "the proxy's own member of the body",
        QuerySource::Native => "the query itself",
        QuerySource::Baggage => "the baggage header",
        QuerySource::Embedding => "the embedding call that gave its vector",
    }
}

#[cfg(test)]
#[path = "../table_tests.rs"]
mod tests;
