use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, timeout_at};
use tower::{Service, ServiceExt};

use super::{
    FailureClass, Instructed, RerankError, RerankFuture, RerankMetrics, RerankRequest, RerankResult,
    Reranker, Scores, Words, instruction::told, words::Learner,
};

/// Reserved from a provider's time for those that follow it.
const RESERVE: Duration = Duration::from_millis(100);

/// How a provider takes an instruction, by the name of a model that is asked for instead of its own.
pub(super) type Takes = Arc<dyn Fn(Option<&str>) -> Option<Instructed> + Send + Sync>;

/// One provider of a chain.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) name: Arc<str>,
    pub(super) provider: Reranker,
    /// How it takes an instruction, by the model that is asked for; `None`: its own.
    pub(super) instructed: Takes,
    /// It learns words from what it scores.
    pub(super) learns: bool,
}

/// Providers in order: the first that scores everything is used, whole. Owns `respond_by`.
#[derive(Clone)]
pub(super) struct Chain {
    links: Arc<[Link]>,
    metrics: Arc<RerankMetrics>,
    /// Learns words from what others score, where one of the links needs that.
    learner: Option<Learner>,
}

impl Chain {
    pub(super) fn new(links: Vec<Link>, metrics: Arc<RerankMetrics>) -> Self {
        Self { links: links.into(), metrics, learner: None }
    }

    /// The same; where one of the links learns words, it sees also what others score.
    pub(super) fn learning(self, words: &Arc<Words>) -> Self {
        let learner = self.links.iter().any(|link| link.learns).then(|| Learner::new(words.clone()));
        Self { learner, ..self }
    }

    async fn run(self, request: RerankRequest) -> RerankResult {
        let response = self.ask(&request).await;
        if let Some(learner) = &self.learner
            && !self.has_learned(&response)
        {
            learner.see(&request);
        }
        response
    }

    /// Whether the provider that has answered learns from what it scores.
    fn has_learned(&self, response: &RerankResult) -> bool {
        let provider = response.as_ref().ok().map(|scores| &scores.provider);
        self.links.iter().any(|link| link.learns && Some(&link.name) == provider)
    }

    async fn ask(&self, request: &RerankRequest) -> RerankResult {
        let mut failure = None;
        // The first that scored some, for callers who take that.
        let mut partial: Option<Scores> = None;
        for (at, link) in self.links.iter().enumerate() {
            let following = at + 1 < self.links.len();
            let respond_by = respond_by(request.respond_by, Instant::now(), following);
            if respond_by <= Instant::now() {
                failure.get_or_insert(RerankError::Deadline);
                continue;
            }
            let model = request.model_for(&link.name);
            let narrowed = RerankRequest { respond_by, model, ..request.clone() };
            let narrowed = match &narrowed.instruction {
                None => narrowed,
                Some(_) => {
                    let how = (link.instructed)(narrowed.model.as_deref());
                    told(narrowed, how)
                }
            };
            let response = timeout_at(respond_by, link.provider.clone().oneshot(narrowed)).await;
            let error = match response.unwrap_or(Err(RerankError::Deadline)) {
                Ok(scores) => match scores.failure {
                    None => {
                        self.metrics.relevance(&scores);
                        return Ok(scores);
                    }
                    // Another provider would rank all the others, in words of its own, for the sake of these few.
                    Some(FailureClass::TooLarge) if !request.whole && scores.are_most() => {
                        self.metrics.relevance(&scores);
                        return Ok(scores);
                    }
                    Some(class) => {
                        partial.get_or_insert(scores);
                        RerankError::Held { class }
                    }
                },
                Err(error) => error,
            };
            if following {
                self.metrics.failed_over(&link.name, error.class());
            }
            failure = Some(error);
        }
        match partial {
            Some(scores) => Ok(scores),
            None => Err(failure.unwrap_or(RerankError::NoProvider)),
        }
    }
}

/// The deadline of a provider with `following` others behind it: the reserve is kept for them, but never more than
/// half of the remaining time.
fn respond_by(respond_by: Instant, now: Instant, following: bool) -> Instant {
    let left = respond_by.saturating_duration_since(now);
    let reserve = if following { RESERVE.min(left / 2) } else { Duration::ZERO };
    respond_by.checked_sub(reserve).unwrap_or(respond_by)
}

impl Service<RerankRequest> for Chain {
    type Response = Scores;
    type Error = RerankError;
    type Future = RerankFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> RerankFuture {
        Box::pin(self.clone().run(request))
    }
}
