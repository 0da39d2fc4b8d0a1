//! [`Notes`]: what is noted of a request with searches on its way, and the records that are made of it after the
//! response.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Response, StatusCode};

use super::{ProxyError, kept_order::kept, report};
use crate::{
    dialect::{Dialect, SearchKind},
    pipeline::{
        Asked, Capture, Ignored, ListRecord, Origin, Outcome, PlannedSearch, Profile, Question, RankTrace,
        RecordRing, Report, SearchRecord, Seen, Timings, Witness,
    },
    search::{KeepReason, Rewrite},
    traces::TraceParent,
    wire::Page,
};

/// Records of so many hits are made in about ten microseconds.
const FEW_HITS: usize = 100;

/// At [`Capture::Off`] it holds nothing but names, and does nothing else.
#[derive(Clone)]
pub(super) struct Notes {
    /// The names of the collections, for the log.
    pub(super) collections: String,
    /// How its first search is reranked, for the log.
    pub(super) profile: Option<Arc<Profile>>,
    /// Whose it is, where there are tenants and it is of one.
    pub(super) tenant: Option<Arc<str>>,
    /// What the request says in vain.
    pub(super) ignored: Ignored,
    pub(super) capture: Capture,
    /// It would be recorded if there were not too many at a time.
    too_many: bool,
    started: SystemTime,
    /// What its spans hang on, where it is traced.
    pub(super) trace: Option<TraceParent>,
    trace_id: Option<Arc<str>>,
    shadow: bool,
    searches: Vec<PlannedSearch>,
    /// The status of the client's response.
    status: Option<u16>,
    /// Why there is no response of the database's.
    failure: Option<&'static str>,
    ranked: Option<(Arc<dyn Page>, RankTrace)>,
    /// The requests to the database, at [`Capture::Calls`].
    asked: Vec<Question>,
    /// Gets all of the records, instead of the ring.
    witness: Option<Witness>,
}

impl Notes {
    /// For a request with these headers; `witness` is whoever sees all of it.
    pub(super) fn begin(
        ring: &RecordRing,
        headers: &HeaderMap,
        trace: Option<TraceParent>,
        witness: Option<Witness>,
    ) -> Self {
        let (capture, too_many) = witness.as_ref().map_or_else(|| wanted(ring), |w| (w.capture(), false));
        let trace_id = match (&trace, capture) {
            (_, Capture::Off) => None,
            (Some(trace), _) => Some(trace.trace_id().into()),
            (None, _) => report::trace_id(headers).map(Into::into),
        };
        Self {
            collections: String::new(),
            profile: None,
            tenant: None,
            ignored: Ignored::default(),
            capture,
            too_many,
            started: SystemTime::now(),
            trace,
            trace_id,
            shadow: false,
            searches: Vec::new(),
            status: None,
            failure: None,
            ranked: None,
            asked: Vec::new(),
            witness,
        }
    }

    /// Notes for the work after the response (shadow).
    pub(super) fn behind(&self, ring: &RecordRing) -> Self {
        let (capture, too_many) = wanted(ring);
        Self {
            capture,
            too_many,
            shadow: true,
            searches: Vec::new(),
            status: None,
            failure: None,
            ranked: None,
            asked: Vec::new(),
            witness: None,
            ..self.clone()
        }
    }

    /// Whether somebody sees all of it, whatever becomes of it.
    pub(super) fn is_watched(&self) -> bool {
        self.witness.is_some()
    }

    /// Notes that nothing is known of the hits of these searches, unless something is noted already.
    pub(super) fn planned(&mut self, searches: &[PlannedSearch]) {
        self.collections = report::names(searches.iter().flat_map(|search| &search.intent.collections));
        self.profile = searches.first().map(|search| search.profile.clone());
        if let Some(tenant) = self.profile.as_ref().and_then(|profile| profile.tenant.as_ref()) {
            self.tenant = Some(tenant.name.clone());
        }
        if self.capture != Capture::Off && self.ranked.is_none() {
            self.searches = searches.to_vec();
        }
    }

    /// Notes the result of ranking `page`.
    pub(super) fn ranked(
        &mut self,
        searches: &[PlannedSearch],
        page: &Arc<dyn Page>,
        trace: Option<RankTrace>,
    ) {
        if let Some(trace) = trace {
            self.searches = searches.to_vec();
            self.ranked = Some((page.clone(), trace));
        }
    }

    /// Notes a request to the database.
    pub(super) fn asked<B>(
        &mut self,
        question: &Rewrite,
        unchanged: bool,
        response: &Result<Response<B>, ProxyError>,
        took: Duration,
    ) {
        if self.capture >= Capture::Calls {
            self.asked.push(Question {
                target: question.target.clone(),
                body: question.body.clone(),
                unchanged,
                strips: question.strips.clone(),
                status: response.as_ref().ok().map(|response| response.status().as_u16()),
                took,
            });
        }
    }

    /// Notes the status of the client's response.
    pub(super) fn responded(&mut self, status: StatusCode) {
        self.status = Some(status.as_u16());
    }

    /// Notes that the database gave no response: makes a record that says so, like [`Notes::write`].
    pub(super) fn failed(
        mut self,
        error: &ProxyError,
        ring: &Arc<RecordRing>,
        dialect: &Arc<dyn Dialect>,
        kind: SearchKind,
        timings: Timings,
    ) {
        if let Some(witness) = self.witness {
            let failure = Some(error.explained());
            return witness.see(Seen {
                searches: self.searches,
                asked: self.asked,
                failure,
                ..Seen::default()
            });
        }
        self.responded(error.status());
        self.failure = Some(error.cause().as_str());
        let reason = match error.remedy() {
            Some(_) => KeepReason::UpstreamError,
            None => KeepReason::Malformed,
        };
        let reports = match self.searches.as_slice() {
            [] => vec![Report::kept(reason)],
            searches => kept(searches, Some(reason)),
        };
        self.write(ring, dialect, kind, &reports, timings);
    }

    /// Starts making and keeping the records. Returns at once.
    pub(super) fn write(
        self,
        ring: &Arc<RecordRing>,
        dialect: &Arc<dyn Dialect>,
        kind: SearchKind,
        reports: &[Report],
        timings: Timings,
    ) {
        if let Some(witness) = self.witness.clone() {
            let (searches, asked) = (self.searches.clone(), self.asked.clone());
            let calls = self.ranked.as_ref().and_then(|(_, trace)| trace.calls.clone());
            let fields = match &self.ranked {
                Some((page, trace)) if self.capture >= Capture::Calls => trace.field_names(&**page),
                _ => Default::default(),
            };
            let records = self.records(dialect.name(), kind, reports.to_vec(), timings);
            return witness.see(Seen { records, searches, asked, calls, fields, failure: None });
        }
        if !reports.iter().any(is_recorded) {
            return;
        }
        if self.capture == Capture::Off {
            if self.too_many {
                ring.leave_out();
            }
            return;
        }
        let (dialect, reports) = (dialect.name(), reports.to_vec());
        ring.write(self.is_brief(), move || self.records(dialect, kind, reports, timings));
    }

    /// Whether its records are of few hits, and without their texts.
    fn is_brief(&self) -> bool {
        let hits =
            self.ranked.as_ref().map_or(0, |(page, _)| page.lists().iter().map(|list| list.hits).sum());
        self.capture <= Capture::Scores && hits <= FEW_HITS
    }

    fn records(
        self,
        dialect: &'static str,
        kind: SearchKind,
        reports: Vec<Report>,
        timings: Timings,
    ) -> Vec<SearchRecord> {
        let mut lists: Vec<Vec<ListRecord>> = vec![Vec::new(); reports.len()];
        if let Some((page, trace)) = &self.ranked {
            for (search, list) in trace.lists(&self.searches, &**page, &reports, self.capture) {
                if let Some(of_search) = lists.get_mut(search).filter(|_| !list.hits.is_empty()) {
                    of_search.push(list);
                }
            }
        }
        let count = reports.len();
        let record = |(at, (report, lists)): (usize, (Report, Vec<ListRecord>))| SearchRecord {
            started: self.started,
            origin: Origin {
                dialect,
                operation: kind.as_str(),
                trace_id: self.trace_id.clone(),
                tenant: self.tenant.clone(),
                search: (at, count),
                shadow: self.shadow,
            },
            asked: self.searches.get(at).map(|search| Asked::of(search, self.capture)),
            report,
            timings,
            status: self.status,
            failure: self.failure,
            lists,
        };
        let all = reports.into_iter().zip(lists).enumerate();
        all.filter(|(_, (report, _))| self.witness.is_some() || is_recorded(report)).map(record).collect()
    }
}

/// How much of a search that comes now is kept, and whether there are too many of them.
fn wanted(ring: &RecordRing) -> (Capture, bool) {
    let capture = ring.settings().capture;
    let too_many = capture != Capture::Off && !ring.has_room();
    (if too_many { Capture::Off } else { capture }, too_many)
}

/// Whether a search is worth a record: not if it was not to be reranked at all, or is recorded once it has been
/// reranked in shadow.
fn is_recorded(report: &Report) -> bool {
    !matches!(report.outcome, Outcome::Kept(KeepReason::Off | KeepReason::Shadow))
}
