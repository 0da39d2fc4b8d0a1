//! What is said of a request with searches once its response is there: metrics, log, record, headers.

use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use super::{SearchHandler, log::Searched, notes::Notes, report};
use crate::{
    dialect::{Dialect, SearchKind},
    pipeline::{Outcome, Report, Timings},
    traces::TraceParent,
};

impl SearchHandler {
    /// Counts, logs and records how the searches of a request ended, and adds what the headers of its response say of
    /// it.
    pub(super) fn ended(
        &self,
        (dialect, kind): (&Arc<dyn Dialect>, SearchKind),
        mut notes: Notes,
        reports: &[Report],
        timings: Timings,
        (status, headers): (StatusCode, &mut HeaderMap),
    ) {
        notes.responded(status);
        let (collections, ignored) =
            (std::mem::take(&mut notes.collections), std::mem::take(&mut notes.ignored));
        let (profile, trace) = (notes.profile.take(), notes.trace.take());
        let tenant = notes.tenant.clone();
        notes.write(&self.records, dialect, kind, reports, timings);
        let Some(all) = Report::of_all(reports) else { return };
        if let Some(trace) = &trace {
            say(trace, &all);
        }
        for report in reports {
            self.metrics.search(dialect.name(), kind.as_str(), report);
        }
        self.metrics.request(all.outcome, &timings);
        if let Some(tenants) = &self.tenants {
            tenants.ended(tenant.as_deref(), reports, &timings);
        }
        let searched = Searched {
            dialect: dialect.name(),
            kind,
            listener: &self.listener,
            collections: &collections,
            tenant: tenant.as_ref(),
            report: &all,
            timings,
            aside: None,
        };
        self.log
            .ended(&searched, |reason| profile.as_ref().and_then(|profile| (profile.asked_again)(reason)));
        if self.response_headers {
            report::write_headers(headers, &all, &ignored, &timings);
        }
    }
}

/// Says in the trace how the searches of a request ended.
fn say(trace: &TraceParent, report: &Report) {
    trace.say("rerankd.status", report.outcome.as_str());
    if let Outcome::Partial(reason) | Outcome::Kept(reason) = report.outcome {
        trace.say("rerankd.reason", reason.as_str());
    }
    if let Some(source) = report.source {
        trace.say("rerankd.query_source", source.as_str());
    }
}
