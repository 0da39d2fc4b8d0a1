use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{ALLOW, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    request::Parts,
};
use http_body_util::BodyExt;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt;
use uuid::Uuid;

use super::{
    ApiMetrics, Offer,
    error::{ApiError, Fault},
    request::{self, RerankCall},
    response, route,
    version::Version,
};
use crate::{
    body::coding::{self, CodingError},
    body::{self, Body, BodyRead},
    bounds::{Bounds, Permit, counted},
    embedding_api::PassOn,
    rerank::{RerankError, RerankRequest, Reranker, Scores},
    search::Document,
    search::KeepReason,
    traces::TraceParent,
    trouble::{Lines, milliseconds},
};

/// The endpoint's settings.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// What callers may name.
    pub offer: Offer,
    /// From a request's head to its response, the body included.
    pub deadline: Duration,
    /// A request with more documents is rejected.
    pub max_documents: usize,
    /// A larger body is rejected, unpacked or not.
    pub max_request_bytes: usize,
    /// Whether responses carry `x-rerank-*` and `server-timing`.
    pub response_headers: bool,
    /// The token that callers have to send, if any.
    pub token: Option<SecretString>,
}

/// Answers rerank requests from one chain of providers.
pub struct RerankApi {
    settings: ApiSettings,
    reranker: Reranker,
    bounds: Bounds,
    metrics: ApiMetrics,
    lines: Lines,
    pass_on: Option<PassOn>,
}

/// What reading and scoring a body takes for each of its bytes: the documents, and the call that they are written into,
/// escaped; or the response that gives them back, escaped.
const BODY_COPIES: usize = 4;
/// What it takes for each element and member: its place in a list, once read, and as a document.
const PART_BYTES: usize = 160;

/// A request that got its scores.
struct Scored {
    id: Uuid,
    version: Version,
    asked: RerankCall,
    all: Vec<f32>,
    scores: Scores,
    took: Duration,
    held: Arc<Permit>,
}

impl RerankApi {
    /// Serves what `reranker` scores; a request counts as a search, and one without a permit is rejected.
    pub fn new(settings: ApiSettings, reranker: Reranker, bounds: Bounds, metrics: ApiMetrics) -> Self {
        Self { settings, reranker, bounds, metrics, lines: Lines::default(), pass_on: None }
    }

    /// The same, which passes Cohere's other calls on.
    pub fn passing_on(self, pass_on: Option<PassOn>) -> Self {
        Self { pass_on, ..self }
    }

    /// Answers one request. Never fails: what cannot be scored is answered in Cohere's error shape.
    pub async fn respond(&self, request: Request<Body>) -> Response<Body> {
        let started = Instant::now();
        let other = self.pass_on.as_ref().and_then(|to| Some((to, route::of_cohere(request.uri().path())?)));
        if let Some((to, skipped)) = other
            && !self.has_our_token(request.headers())
        {
            return to.carry(request, skipped).await;
        }
        let (parts, body) = request.into_parts();
        let version = route::version(parts.uri.path());
        let id = Uuid::new_v4();
        let ended = self.serve(id, &parts, body, started + self.settings.deadline).await;
        let (meaning, response) = match ended {
            Ok(scored) => (None, self.scored(scored)),
            Err(error) => (Some(error.meaning()), rejected(&error, id)),
        };
        self.metrics.ended(version, meaning.as_ref(), started.elapsed());
        if let Some(meaning) = meaning.filter(|meaning| meaning.fault == Fault::Service) {
            log(&self.lines, id, meaning.reason, started.elapsed());
        }
        response
    }

    async fn serve(
        &self,
        id: Uuid,
        parts: &Parts,
        body: Body,
        respond_by: Instant,
    ) -> Result<Scored, ApiError> {
        let admitted = self.admit(parts).and_then(|version| {
            let place = self.bounds.searches.take(1).ok_or(ApiError::Overloaded)?;
            Ok((version, place))
        });
        let (version, _place) = match admitted {
            Ok(admitted) => admitted,
            Err(error) => {
                self.discard(body, respond_by).await;
                return Err(error);
            }
        };
        let bytes = self.read(&parts.headers, body, respond_by).await?;
        let held = self.bounds.request_bytes.take(working_bytes(&bytes)).ok_or(ApiError::Overloaded)?;
        let asked = request::read(version, &bytes, self.settings.max_documents)?;
        drop(bytes);
        let trace = parts.extensions.get().cloned();
        self.score(id, (version, asked), respond_by, held, trace).await
    }

    /// Whether this caller is authorised, and which version it calls.
    fn admit(&self, parts: &Parts) -> Result<Version, ApiError> {
        if let Some(token) = &self.settings.token {
            check_token(&parts.headers, token)?;
        }
        match route::route(&parts.method, parts.uri.path()) {
            Err(ApiError::NotServed) if self.pass_on.is_some() => {
                let is_other = route::of_cohere(parts.uri.path()).is_some();
                Err(if is_other { ApiError::OwnToken } else { ApiError::NoneOfCohere })
            }
            routed => routed,
        }
    }

    /// Whether a request carries the token that only we may see, in whatever header.
    fn has_our_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.settings.token else { return false };
        let token = blake3::hash(token.expose_secret().as_bytes());
        let words = headers.values().flat_map(|value| value.as_bytes().split(u8::is_ascii_whitespace));
        words.filter(|word| !word.is_empty()).any(|word| blake3::hash(word) == token)
    }

    async fn read(&self, headers: &HeaderMap, body: Body, respond_by: Instant) -> Result<Bytes, ApiError> {
        let most = self.settings.max_request_bytes;
        let budget = &self.bounds.request_bytes;
        let read = timeout_at(respond_by, body::read_up_to(body, most, budget.nothing(), None)).await;
        let (rest, error) = match read.map_err(|_| ApiError::BodyLate)?.map_err(|_| ApiError::BodyBroken)? {
            BodyRead::Whole { bytes, .. } => {
                return coding::decode(headers, http::header::CONTENT_ENCODING, &bytes, most, budget)
                    .map_err(|error| match error {
                        CodingError::Unknown => ApiError::UnknownCoding,
                        CodingError::Broken => ApiError::BodyBroken,
                        CodingError::TooLarge => ApiError::TooLarge { most },
                        CodingError::NoRoom => ApiError::Overloaded,
                    });
            }
            BodyRead::TooLarge(rest) => (rest, ApiError::TooLarge { most }),
            BodyRead::NoRoom(rest) => (rest, ApiError::Overloaded),
        };
        self.discard(rest, respond_by).await;
        Err(error)
    }

    /// Reads on for a while without keeping anything: a response to a client that is still sending is lost when the
    /// connection is closed on it.
    async fn discard(&self, mut body: Body, until: Instant) {
        let mut left = 2 * self.settings.max_request_bytes;
        while let Ok(Some(Ok(frame))) = timeout_at(until, body.frame()).await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    }

    async fn score(
        &self,
        id: Uuid,
        (version, mut asked): (Version, RerankCall),
        respond_by: Instant,
        held: Permit,
        trace: Option<TraceParent>,
    ) -> Result<Scored, ApiError> {
        let warning = self.settings.offer.check_cut(asked.max_tokens_per_doc)?;
        asked.warnings.extend(warning.map(str::to_owned));
        let choice = self.settings.offer.model(asked.model.as_deref())?;
        let documents = asked.documents.iter().cloned().map(Document::from).collect();
        let mut request = RerankRequest::new(asked.query.clone(), documents, respond_by);
        let held = Arc::new(held);
        (request.held, request.whole, request.spans) = (Some(held.clone()), true, asked.spans);
        request.trace = trace;
        if let Some(choice) = &choice {
            request.model = Some(choice.model.clone());
            request.model_of = Some(choice.of.clone());
        }
        let started = Instant::now();
        let scores = timeout_at(respond_by, self.reranker.clone().oneshot(request)).await;
        let scores = scores
            .unwrap_or(Err(RerankError::Deadline))
            .map_err(|error| ApiError::of(&error, choice.as_ref().map(|choice| &*choice.model)))?;
        let took = started.elapsed();
        let all =
            response::whole(&asked, &scores).map_err(|class| ApiError::Failed { class, reported: None })?;
        asked.warn_of_other_model(&scores);
        asked.warn_of_no_spans(&scores);
        Ok(Scored { id, version, asked, all, scores, took, held })
    }

    fn scored(&self, scored: Scored) -> Response<Body> {
        let Scored { id, version, asked, all, scores, took, held } = scored;
        let bytes = response::body(version, id, &asked, &all, &scores);
        let bytes = match self.bounds.request_bytes.take(bytes.len()) {
            Some(own) => counted(bytes, own),
            None => counted(bytes, held),
        };
        let mut response = Response::new(body::full(bytes));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.settings.response_headers {
            set(headers, "x-rerank-provider", &scores.provider);
            set(headers, "x-rerank-model", &scores.model);
            set(headers, "x-rerank-cache", &format!("{}/{}", scores.cache_hits, scores.cache_lookups));
            set(headers, "server-timing", &format!("rerank;dur={:.1}", took.as_secs_f64() * 1000.0));
        }
        response
    }
}

/// The most memory that a body and its documents take until they are answered.
fn working_bytes(body: &[u8]) -> usize {
    let parts = memchr::memchr2_iter(b',', b':', body).count().saturating_mul(PART_BYTES);
    body.len().saturating_mul(BODY_COPIES).saturating_add(parts)
}

fn rejected(error: &ApiError, id: Uuid) -> Response<Body> {
    let meaning = error.meaning();
    let mut response = Response::new(body::full(error.body(id)));
    *response.status_mut() = meaning.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = meaning.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    match meaning.status {
        StatusCode::METHOD_NOT_ALLOWED => drop(headers.insert(ALLOW, HeaderValue::from_static("POST"))),
        StatusCode::UNAUTHORIZED => {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        _ => {}
    }
    response
}

/// The scheme's name is of any case, as Cohere's own samples have it.
fn check_token(headers: &HeaderMap, token: &SecretString) -> Result<(), ApiError> {
    let shown = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let shown = match shown.split_once(' ') {
        Some((scheme, shown)) if scheme.eq_ignore_ascii_case("bearer") => shown.trim(),
        _ => return Err(ApiError::NoToken),
    };
    // Hashes are compared in constant time.
    if blake3::hash(shown.as_bytes()) == blake3::hash(token.expose_secret().as_bytes()) {
        Ok(())
    } else {
        Err(ApiError::WrongToken)
    }
}

/// At most one line a minute for each reason: a sample that says why and how long.
fn log(lines: &Lines, id: Uuid, reason: &'static str, took: Duration) {
    lines.say(reason, || {
        let total_ms = milliseconds(took);
        let known = KeepReason::ALL.iter().find(|known| known.as_str() == reason);
        let help = known.map_or_else(|| "docs/rerank-api.md".to_owned(), |known| known.help());
        move |left_out: Option<u64>| {
            tracing::warn!(reason, %id, total_ms, left_out, help, "a rerank request got no scores");
        }
    });
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}
