//! What left: for the database and for the providers.

use std::fmt::Write;

use super::{Explanation, Style, text};
use crate::{
    explain::{facts, message},
    pipeline::{Outcome, Question},
    rerank::{CallEnd, ProviderCall},
    search::KeepReason,
};

/// The most characters of a body that are shown without `--full`.
const BODY: usize = 1000;

/// The requests to the database.
pub(super) fn database(out: &mut String, explanation: &Explanation, style: Style) {
    let asked = &explanation.seen.asked;
    if asked.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nWHAT THE DATABASE WAS ASKED");
    for question in asked {
        let response = question.status.map_or("no response".to_owned(), |status| status.to_string());
        let took = text::millis(question.took);
        let method = &explanation.method;
        let _ = writeln!(out, "  {method} {}: {response} after {took}", text::quoted(&question.target));
        changes(out, question);
        if !question.body.is_empty() {
            let body = if explanation.grpc {
                message::shown(&question.body).into()
            } else {
                String::from_utf8_lossy(&question.body)
            };
            text::block(out, body.trim_end(), (!style.full).then_some(BODY));
        }
    }
}

fn changes(out: &mut String, question: &Question) {
    let taken = facts::taken_out(&question.strips);
    let what = if question.body.is_empty() {
        "no body"
    } else if question.unchanged {
        "the client's own body, byte for byte"
    } else {
        "the client's body, changed"
    };
    let _ = writeln!(out, "    {what}");
    if !taken.is_empty() {
        text::wrapped(out, "    taken out again, where there: ", &taken.join(", "));
    }
}

/// The calls that were made to providers.
pub(super) fn providers(out: &mut String, explanation: &Explanation, style: Style) {
    let _ = writeln!(out, "\nWHAT LEFT FOR THE PROVIDER");
    if explanation.calls.is_empty() {
        let _ = writeln!(out, "  {}", no_call(explanation));
    }
    let reports = explanation.seen.records.iter().map(|record| record.report.outcome);
    let unusable = reports.into_iter().any(|outcome| outcome == Outcome::Kept(KeepReason::BadResponse));
    for each in &explanation.calls {
        call(out, each, unusable, style);
    }
}

/// Why there was none.
fn no_call(explanation: &Explanation) -> &'static str {
    let reports = || explanation.seen.records.iter().map(|record| &record.report);
    let scored = |report: &crate::pipeline::Report| !matches!(report.outcome, Outcome::Kept(_));
    let cached = |report: &crate::pipeline::Report| {
        report.cache_lookups > 0 && report.cache_hits == report.cache_lookups
    };
    if !reports().any(scored) {
        "nothing: no call was made"
    } else if reports().filter(|report| scored(report)).all(cached) {
        "nothing: every score was in the cache; --fresh asks anew"
    } else {
        "nothing: the scores were computed here"
    }
}

/// `unusable`: the responses could not be used.
fn call(out: &mut String, call: &ProviderCall, unusable: bool, style: Style) {
    let end = match call.end {
        CallEnd::Open => "nobody waited for its end".to_owned(),
        CallEnd::ProbeResponse { status, took } => format!("{status} after {}", text::millis(took)),
        CallEnd::Failed { class, cause, took } if cause != class.reason().as_str() => {
            format!("{} ({cause}) after {}", class.reason().as_str(), text::millis(took))
        }
        CallEnd::Failed { cause, took, .. } => format!("{cause} after {}", text::millis(took)),
    };
    let _ =
        writeln!(out, "  {}: {end}; {} documents, {} bytes", call.provider, call.documents, call.body.len());
    let _ = writeln!(out, "    {} {}", call.method, text::quoted(&call.url));
    for (name, value) in &call.headers {
        let _ = writeln!(out, "    {name}: {}", text::quoted(value));
    }
    out.push('\n');
    text::block(out, &String::from_utf8_lossy(&call.body), (!style.full).then_some(BODY));
    let rejected = matches!(call.end, CallEnd::ProbeResponse { status, .. } if !(200..300).contains(&status));
    if (rejected || unusable) && !call.response.is_empty() {
        let _ = writeln!(out, "    the response began:");
        text::block(out, &String::from_utf8_lossy(&call.response), None);
    }
}
