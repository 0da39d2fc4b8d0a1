use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::SystemTime,
};

use reqwest::{Client, ClientBuilder};
use tokio::time::Instant;
use tower::Service;

use super::{
    about, cut, failure,
    http::{HttpClient, HttpResponse},
    presets,
    request::{self, Content},
    response::{self, ParsedScores},
    scale::{self, Mapping, NearZero},
    shape::Shape,
};
use crate::{
    rerank::{
        BuildError, FailureClass, HttpKind, HttpSettings, ProviderFacts, RerankError, RerankFuture,
        RerankRequest, RerankResult, Scores, Scoring, Setting, spans,
    },
    traces::{OpenSpan, TraceParent},
    trouble::{self, Failure, Lines, Peer},
};

/// The least urgent `priority` of Cohere's v2.
const LOWEST_PRIORITY: u16 = 999;

/// One timed HTTP call to a rerank service of any kind.
#[derive(Clone)]
pub(in crate::rerank) struct HttpProvider(Arc<Inner>);

struct Inner {
    name: Arc<str>,
    http: HttpClient,
    settings: HttpSettings,
    facts: ProviderFacts,
    /// The server's report about itself, for kinds that have one.
    server: Option<about::Server>,
    /// The models that have returned logits.
    logits_seen: Mutex<Vec<Arc<str>>>,
    near_zero: NearZero,
    /// Scheme, host and port.
    address: String,
    /// What was logged about it.
    lines: Lines,
}

impl HttpProvider {
    pub(in crate::rerank) fn new(name: Arc<str>, settings: &HttpSettings) -> Result<Self, BuildError> {
        Self::over(Client::builder, name, settings)
    }

    /// The same over clients of the caller's.
    pub(super) fn over(
        builder: impl Fn() -> ClientBuilder,
        name: Arc<str>,
        settings: &HttpSettings,
    ) -> Result<Self, BuildError> {
        let kind = settings.kind;
        let model = settings.model.as_deref().unwrap_or_default();
        let shape = presets::shape(kind, &settings.base_url, model);
        let http = HttpClient::new(&name, settings, shape, builder)?;
        let facts = facts(settings, shape);
        let server = about::Server::of(kind);
        let (address, lines, logits_seen) = (http.address(), Lines::default(), Mutex::default());
        let near_zero = NearZero::default();
        let settings = settings.clone();
        Ok(Self(Arc::new(Inner {
            name,
            http,
            settings,
            facts,
            server,
            logits_seen,
            near_zero,
            address,
            lines,
        })))
    }

    pub(in crate::rerank) fn facts(&self) -> &ProviderFacts {
        &self.0.facts
    }

    /// The most tokens of one call, where there is such a limit.
    pub(in crate::rerank) fn max_tokens(&self) -> Option<usize> {
        self.0.shape(&self.0.facts.model).max_tokens
    }

    /// The most documents of one call, as far as known by now.
    pub(in crate::rerank) fn max_documents(&self) -> usize {
        let said = self.0.server.as_ref().and_then(about::Server::max_documents);
        said.unwrap_or_else(|| self.0.shape(&self.0.facts.model).max_documents)
    }
}

/// The properties of a provider with these settings.
pub fn provider_facts(settings: &HttpSettings) -> ProviderFacts {
    let model = settings.model.as_deref().unwrap_or_default();
    facts(settings, presets::shape(settings.kind, &settings.base_url, model))
}

fn facts(settings: &HttpSettings, shape: &Shape) -> ProviderFacts {
    let kind = settings.kind;
    let model = settings.model.as_deref().unwrap_or(kind.as_str());
    let base_url = settings.base_url.trim_end_matches('/');
    let score_settings = format!(
        "{} {base_url} {} {:?} max_tokens_per_doc={:?} max_bytes_per_doc={:?} activation={:?}",
        kind.as_str(),
        shape.path,
        shape.constants,
        settings.max_tokens_per_doc,
        settings.max_bytes_per_doc,
        settings.activation,
    );
    ProviderFacts {
        scoring: scoring(settings, shape, model),
        billing: shape.billing,
        spans: kind == HttpKind::Cohere,
        model: model.into(),
        score_settings,
    }
}

/// As configured; else by the model's name or the service.
fn scoring(settings: &HttpSettings, shape: &Shape, model: &str) -> Scoring {
    match settings.scoring {
        Some(scoring) => scoring,
        None if settings.kind.takes(Setting::Scoring) && presets::listwise(model) => Scoring::Listwise,
        None => shape.scoring,
    }
}

impl Inner {
    async fn run(&self, request: RerankRequest) -> RerankResult {
        let named = request.model.as_deref().or(self.settings.model.as_deref());
        let model = request.model.clone().unwrap_or_else(|| self.facts.model.clone());
        let shape = self.shape(&model);
        if scoring(&self.settings, shape, &model) != self.facts.scoring {
            // The layers around split and cache by what the configured model is.
            return Err(RerankError::Unsuited("the model scores lists otherwise than the configured one"));
        }
        if request.documents.is_empty() {
            return Ok(Scores { provider: self.name.clone(), model, ..Scores::default() });
        }
        let now = Instant::now();
        if request.respond_by <= now {
            return Err(RerankError::Deadline);
        }
        let tried_until = now.checked_add(self.settings.timeout).unwrap_or(request.respond_by);
        let until = tried_until.min(request.respond_by);
        let content = self.content(named, &request);
        let (body, most) = (request::body(shape, &content), content.most(shape).document);
        let with_spans = content.spans.is_some();
        let response = self.exchange(&request::path(shape, &model), body, until, (&request, &model)).await?;
        if !response.status.is_success() {
            let error = failure::classify(
                shape,
                response.status,
                &response.headers,
                &response.body,
                SystemTime::now(),
            );
            self.learn_from(&error, until).await;
            return Err(error);
        }
        let mut read = response::read(shape, &response.body, request.documents.len())?;
        let scores = self.scaled(shape, &model, &read)?;
        let mut spans = std::mem::take(&mut read.spans);
        spans.resize(request.documents.len(), None);
        // A document without passages gets none: that is known then.
        let spans = spans.into_iter().map(|spans| Some(spans.unwrap_or_default()));
        let calls_left = failure::trial_calls_left(&response.headers);
        Ok(Scores {
            scores,
            spans: if with_spans { spans.collect() } else { Vec::new() },
            provider: self.name.clone(),
            model: self.responding_model(model, &read),
            billed_units: read.billed_units,
            billed_tokens: read.billed_tokens,
            calls_left,
            sent_bytes: (most != usize::MAX).then_some(most),
            ..Scores::default()
        })
    }

    fn shape(&self, model: &str) -> &'static Shape {
        presets::shape(self.settings.kind, &self.settings.base_url, model)
    }

    fn content<'a>(&self, model: Option<&'a str>, request: &'a RerankRequest) -> Content<'a> {
        let takes = |setting| self.settings.kind.takes(setting);
        // Calls that no client waits for get the lowest priority.
        let priority = if request.background { Some(LOWEST_PRIORITY) } else { self.settings.priority };
        Content {
            model,
            query: &request.query,
            instruction: request.instruction.as_deref(),
            documents: &request.documents,
            max_tokens_per_doc: self.settings.max_tokens_per_doc.filter(|_| takes(Setting::MaxTokensPerDoc)),
            most_bytes: self.most_bytes(),
            spans: request.spans.filter(|_| self.facts.spans && model.is_some_and(spans::given_by)),
            priority: priority.filter(|_| takes(Setting::Priority)),
        }
    }

    /// The most bytes of a text that are sent, by the settings and by the server's report.
    fn most_bytes(&self) -> usize {
        let HttpSettings { kind, max_bytes_per_doc, max_tokens_per_doc, .. } = self.settings;
        let tokens = max_tokens_per_doc.filter(|_| !kind.takes(Setting::MaxTokensPerDoc));
        let said = self.server.as_ref().and_then(about::Server::max_bytes);
        let limits = [max_bytes_per_doc.map(|bytes| bytes as usize), tokens.map(cut::of_tokens), said];
        limits.into_iter().flatten().min().unwrap_or(usize::MAX)
    }

    async fn exchange(
        &self,
        path: &str,
        body: Vec<u8>,
        until: Instant,
        (request, model): (&RerankRequest, &str),
    ) -> Result<HttpResponse, RerankError> {
        let room = request.held.as_ref().map(|held| held.another());
        let span = request.trace.as_ref().map(|trace| self.span(trace, model, request));
        let stated = (request.documents.len(), request.calls.as_ref(), span);
        let call = self.http.post(path, body, until, room, stated);
        match &self.server {
            Some(server) => server.beside(&self.http, until, call).await,
            None => call.await,
        }
    }

    /// The span of one try.
    fn span(&self, trace: &TraceParent, model: &str, request: &RerankRequest) -> OpenSpan {
        let mut span = trace.call(format!("rerank {model}"));
        span.set("gen_ai.operation.name", "rerank");
        span.set("gen_ai.provider.name", self.settings.kind.as_known_to_open_telemetry());
        span.set("gen_ai.request.model", model.to_owned());
        span.set("rerankd.provider", self.name.to_string());
        span.set("rerankd.documents", request.documents.len() as i64);
        span
    }

    fn scaled(
        &self,
        shape: &Shape,
        model: &Arc<str>,
        read: &ParsedScores,
    ) -> Result<Vec<Option<f32>>, RerankError> {
        if self.near_zero.begins_with(&read.scores) {
            tracing::warn!(
                provider = %self.name,
                "every score of ten responses is near zero: the server's model has no rank head, or `model` is none that ranks"
            );
        }
        let mut seen = self.logits_seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.contains(model);
        let mapping = scale::mapping(shape.range, self.settings.activation, before, &read.scores);
        if mapping == Mapping::Sigmoid && !before {
            // Models are few: the configured one, and those of an allow-list.
            seen.push(model.clone());
        }
        drop(seen);
        Ok(scale::map(mapping, &read.scores)?.into_iter().map(Some).collect())
    }

    fn responding_model(&self, asked: Arc<str>, read: &ParsedScores) -> Arc<str> {
        let said = read.model.as_deref().map(Arc::from);
        said.or_else(|| self.server.as_ref()?.model()).unwrap_or(asked)
    }

    /// A batch that was too large shows that the server's limit is not the known one.
    async fn learn_from(&self, error: &RerankError, until: Instant) {
        if let (Some(server), FailureClass::TooLarge) = (&self.server, error.class()) {
            server.rejected(&self.http, until).await;
        }
    }

    /// Logs a failure of the provider or of the network to it: one line for each cause and minute.
    fn tell(&self, response: &RerankResult) {
        let Err(error) = response else { return };
        if let Some(remedy) = error.remedy() {
            let peer = Peer { role: "provider", name: &self.name, address: &self.address };
            let (cause, help) = (error.cause(), error.class().reason().help());
            trouble::warn(&self.lines, peer, &Failure { cause, remedy, help, error });
        }
    }
}

impl Service<RerankRequest> for HttpProvider {
    type Response = Scores;
    type Error = RerankError;
    type Future = RerankFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), RerankError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RerankRequest) -> RerankFuture {
        let inner = self.0.clone();
        Box::pin(async move {
            let response = inner.run(request).await;
            inner.tell(&response);
            response
        })
    }
}

#[cfg(test)]
#[path = "call_tests.rs"]
mod tests;
