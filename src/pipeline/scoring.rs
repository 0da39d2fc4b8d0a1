//! One call for scores: its documents, their passages, what comes back.

use std::sync::Arc;

use tokio::{
    task::yield_now,
    time::{Instant, timeout_at},
};
use tower::ServiceExt;

use super::{
    PlannedSearch, Profile,
    passages::{Cut, PassageSettings, Signs, told},
    plan::Work,
};
use crate::{
    bounds::Permit,
    rerank::{CallLog, FailureClass, RerankError, RerankRequest, Scores, Siblings, SpanRequest},
    search::{Boosted, Document, HitAt, KeepReason, Passage},
    traces::TraceParent,
    wire::Page,
};

/// Documents of so many bytes take about a millisecond.
const CUT_IN_A_ROW: usize = 64 << 10;

/// The documents of one list: which hit each belongs to.
pub(super) struct ListDocuments {
    pub(super) list: usize,
    pub(super) search: usize,
    /// The collections that the search names, joined to one name.
    pub(super) collection: Arc<str>,
    pub(super) hits: Vec<usize>,
    pub(super) documents: Arc<[Document]>,
    /// There is one of each hit of the window that can be moved.
    pub(super) is_whole: bool,
}

/// Lists that share query text, profile and settings, and so one call.
pub(super) struct Call<'a> {
    pub(super) work: &'a Work,
    pub(super) profile: &'a Arc<Profile>,
    pub(super) lists: Vec<ListDocuments>,
}

/// Whether a client waits for a ranking.
#[derive(Clone, Copy, Debug)]
pub enum Waiting {
    /// A client, whose request came at this moment.
    Client(Instant),
    /// None: its response has been sent.
    Nobody,
}

impl Waiting {
    /// When the rerank step has to end: at its deadline, or when the client's own timeout for the whole search is
    /// over.
    fn respond_by(self, work: &Work, now: Instant) -> Instant {
        let own = now + work.deadline;
        match (self, work.timeout) {
            // A time too long for the clock counts as none.
            (Waiting::Client(asked_at), Some(timeout)) => {
                asked_at.checked_add(timeout).map_or(own, |theirs| own.min(theirs))
            }
            _ => own,
        }
    }
}

/// What a call has come to.
pub(super) struct Scored {
    /// One for each document.
    pub(super) scores: Scores,
    /// The best passage of each that was cut; empty where none are.
    pub(super) passages: Vec<Option<Passage>>,
    /// What boosts have made of each score; empty where there are none.
    pub(super) boosted: Vec<Option<Boosted>>,
}

pub(super) type CallResult = Result<Scored, KeepReason>;

/// Where the calls of a page are noted.
pub(super) struct Noting {
    pub(super) calls: Option<CallLog>,
    pub(super) siblings: Siblings,
    pub(super) trace: Option<TraceParent>,
}

impl Call<'_> {
    /// The hit of each document.
    pub(super) fn hits(&self) -> impl Iterator<Item = HitAt> {
        self.lists.iter().flat_map(|of| of.hits.iter().map(|&hit| HitAt { list: of.list, hit }))
    }

    /// Whether the documents of another search can be in it.
    pub(super) fn shares(&self, search: &PlannedSearch, work: &Work) -> bool {
        Arc::ptr_eq(self.profile, &search.profile)
            && self.work.query == work.query
            && self.work.model == work.model
            && self.work.instruction == work.instruction
            && self.work.passages == work.passages
            && self.work.deadline == work.deadline
            && self.work.timeout == work.timeout
    }

    /// Asks for the scores of all its documents, or of their passages.
    pub(super) async fn score(
        &self,
        page: &dyn Page,
        waiting: Waiting,
        held: &Arc<Permit>,
        noting: Noting,
    ) -> CallResult {
        let respond_by = waiting.respond_by(self.work, Instant::now());
        let documents = self.documents();
        let lists: Arc<[usize]> = self.lists.iter().map(|list| list.documents.len()).collect();
        let cut = match self.work.passages {
            Some(settings) => {
                let cut = timeout_at(respond_by, self.cut(page, &documents, settings)).await;
                Some(cut.map_err(|_| KeepReason::Deadline)?)
            }
            None => None,
        };
        let (documents, lists) = match &cut {
            Some(cut) => (cut.documents(), cut.lists(&lists)),
            None => (documents, lists),
        };
        let count = documents.len();
        let mut request = self.request((documents, lists), respond_by, noting);
        request.background = matches!(waiting, Waiting::Nobody);
        request.held = Some(held.clone());
        let scores = self.profile.reranker.clone().oneshot(request);
        let scores = timeout_at(respond_by, scores).await.unwrap_or(Err(RerankError::Deadline));
        let scores = scores.map_err(|error| error.class().reason())?;
        if scores.scores.len() != count {
            return Err(KeepReason::BadResponse);
        }
        self.scored(scores, cut.as_ref())
    }

    /// The documents of all lists, one after another.
    fn documents(&self) -> Arc<[Document]> {
        match self.lists.as_slice() {
            [only] => only.documents.clone(),
            lists => lists.iter().flat_map(|list| list.documents.iter().cloned()).collect(),
        }
    }

    /// Cuts long documents, and lets others have their turn meanwhile: looking for sentences takes its time.
    async fn cut(&self, page: &dyn Page, documents: &[Document], settings: PassageSettings) -> Cut {
        let (mut cut, mut in_a_row) = (Cut::new(settings), 0);
        for (document, at) in documents.iter().zip(self.hits()) {
            in_a_row += document.size();
            if in_a_row > CUT_IN_A_ROW {
                yield_now().await;
                in_a_row = 0;
            }
            cut.add(document, Signs { query: &self.work.query, fragments: || page.highlights(at) });
        }
        yield_now().await;
        cut
    }

    fn request(
        &self,
        (documents, lists): (Arc<[Document]>, Arc<[usize]>),
        respond_by: Instant,
        noting: Noting,
    ) -> RerankRequest {
        let mut request = RerankRequest::new(self.work.query.clone(), documents, respond_by);
        request.lists = lists;
        request.model = self.work.model.clone();
        request.instruction = self.work.instruction.clone();
        request.model_of = self.profile.first_provider.clone().map(|first| [first].into());
        request.spans = self.work.spans.then_some(SpanRequest { threshold: None, max_spans: Some(1) });
        request.searches = self.searches();
        request.collections = self.lists.iter().map(|list| list.collection.clone()).collect();
        request.calls = noting.calls;
        request.siblings = Some(noting.siblings);
        request.trace = noting.trace;
        request
    }

    /// How many searches of the request share this call.
    fn searches(&self) -> usize {
        let mut searches: Vec<usize> = self.lists.iter().map(|list| list.search).collect();
        searches.dedup();
        searches.len()
    }

    /// One score for each document, where enough of them have one.
    fn scored(&self, scores: Scores, cut: Option<&Cut>) -> CallResult {
        let (scores, passages) = match cut {
            Some(cut) => cut.joined(scores),
            None => {
                let told = told(&scores);
                (scores, told)
            }
        };
        match scores.failure {
            // A few texts that no provider accepts are no reason to leave all others unranked.
            Some(FailureClass::TooLarge) if scores.are_most() => {}
            Some(failure) if !self.profile.partial => return Err(failure.reason()),
            _ => {}
        }
        Ok(Scored { scores, passages, boosted: Vec::new() })
    }
}
