//! [`OpenSpan`]: a step that is being timed, and [`TraceParent`]: what further steps hang on.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::SystemTime,
};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    InstrumentationScope, KeyValue, Value,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_sdk::trace::SpanData;
use tokio::time::Instant;

use super::{
    Propagate,
    context::{self, Remote},
    export::Queue,
    route,
};

/// W3C Trace Context, §3.2.
pub(super) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What all spans of a request share.
struct Trace {
    id: TraceId,
    state: TraceState,
    /// The moment that all times are counted from: the system's clock may be set in between.
    began: (SystemTime, Instant),
    propagate: Propagate,
    queue: Arc<Queue>,
    system: OnceLock<&'static str>,
    search: OnceLock<Search>,
    /// What is said of the request as a whole.
    said: Mutex<Vec<KeyValue>>,
    /// A try that goes on elsewhere: its span, and when it began.
    begun: Mutex<Option<(SpanId, SystemTime)>>,
}

/// What a request asks of its database.
struct Search {
    operation: &'static str,
    collections: String,
}

/// A span in a trace that is recorded, which others can be children of. Cheap to clone; an extension of requests.
#[derive(Clone)]
pub struct TraceParent {
    trace: Arc<Trace>,
    span: SpanId,
}

/// A step that has begun. It is recorded when it is dropped.
pub struct OpenSpan(Box<Open>);

struct Open {
    own: TraceParent,
    parent: SpanId,
    is_remote: bool,
    kind: SpanKind,
    name: Cow<'static, str>,
    began: SystemTime,
    attributes: Vec<KeyValue>,
    status: Status,
    ended: bool,
    /// It is not recorded here.
    is_elsewhere: bool,
}

impl OpenSpan {
    /// The span of a request that has just come.
    pub(super) fn server(
        (id, remote): (TraceId, Option<Remote>),
        state: Option<&str>,
        propagate: Propagate,
        queue: Arc<Queue>,
    ) -> Self {
        let state = state.and_then(|state| state.parse().ok()).unwrap_or_default();
        let began = (SystemTime::now(), Instant::now());
        let trace = Trace {
            id,
            state,
            began,
            propagate,
            queue,
            system: OnceLock::new(),
            search: OnceLock::new(),
            said: Mutex::default(),
            begun: Mutex::default(),
        };
        let own = TraceParent { trace: Arc::new(trace), span: new_id() };
        let parent = remote.map_or(SpanId::INVALID, |remote| remote.span);
        let mut span = Self::open(own, parent, SpanKind::Server, Cow::Borrowed("request"), began.0);
        span.0.is_remote = remote.is_some();
        span
    }

    fn open(
        own: TraceParent,
        parent: SpanId,
        kind: SpanKind,
        name: Cow<'static, str>,
        began: SystemTime,
    ) -> Self {
        Self(Box::new(Open {
            own,
            parent,
            is_remote: false,
            kind,
            name,
            began,
            attributes: Vec::new(),
            status: Status::Unset,
            ended: false,
            is_elsewhere: false,
        }))
    }

    /// What its children hang on.
    pub fn parent(&self) -> TraceParent {
        self.0.own.clone()
    }

    /// Gives it a name: one of few, and no text of users'.
    pub fn name(&mut self, name: impl Into<Cow<'static, str>>) {
        self.0.name = name.into();
    }

    /// Adds an attribute. Its value is a number, a word of ours or a name of the configuration: no text, no key.
    pub fn set(&mut self, key: &'static str, value: impl Into<Value>) {
        self.0.attributes.push(KeyValue::new(key, value));
    }

    /// Says that the step failed, and why in one word.
    pub fn fail(&mut self, cause: impl Into<Cow<'static, str>>) {
        if self.0.status == Status::Unset {
            self.set("error.type", cause.into());
            self.0.status = Status::error("");
        }
        self.0.ended = true;
    }

    /// Notes the status of the response; to a client, only one of 500 or more is a failure of ours.
    pub fn responded(&mut self, status: u16) {
        self.set("http.response.status_code", i64::from(status));
        let least = if self.0.kind == SpanKind::Server { 500 } else { 400 };
        if status >= least {
            self.fail(status.to_string());
        }
    }

    /// Ends it well, if it has not failed.
    pub fn end(mut self) {
        self.0.ended = true;
    }

    /// The same, for those who cannot give it away.
    pub(super) fn mark_ended(&mut self) {
        self.0.ended = true;
    }

    /// Lets the next try of the same request be this one, since another part of the program goes on with it.
    pub fn goes_on(mut self) {
        self.0.is_elsewhere = true;
        let Open { own, began, .. } = &*self.0;
        *lock(&own.trace.begun) = Some((own.span, *began));
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        if self.0.is_elsewhere {
            return;
        }
        if !self.0.ended {
            // A client has left, or a peer.
            self.fail("broken_off");
        }
        let open = &mut *self.0;
        let trace = &open.own.trace;
        if open.kind == SpanKind::Server {
            open.attributes.append(&mut lock(&trace.said));
        }
        let (attributes, status) = (std::mem::take(&mut open.attributes), std::mem::take(&mut open.status));
        trace.queue.push(|scope: &InstrumentationScope| SpanData {
            span_context: SpanContext::new(
                trace.id,
                open.own.span,
                TraceFlags::SAMPLED,
                false,
                trace.state.clone(),
            ),
            parent_span_id: open.parent,
            parent_span_is_remote: open.is_remote,
            span_kind: open.kind.clone(),
            name: open.name.clone(),
            start_time: open.began,
            end_time: trace.now(),
            attributes,
            dropped_attributes_count: 0,
            events: Default::default(),
            links: Default::default(),
            status,
            instrumentation_scope: scope.clone(),
        });
    }
}

impl TraceParent {
    /// The trace's id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        self.trace.id.to_string()
    }

    /// Begins a step inside this one.
    pub fn child(&self, name: impl Into<Cow<'static, str>>) -> OpenSpan {
        self.step(SpanKind::Internal, name.into())
    }

    /// Begins a call to somebody else.
    pub fn call(&self, name: impl Into<Cow<'static, str>>) -> OpenSpan {
        self.step(SpanKind::Client, name.into())
    }

    fn step(&self, kind: SpanKind, name: Cow<'static, str>) -> OpenSpan {
        OpenSpan::open(self.with(new_id()), self.span, kind, name, self.trace.now())
    }

    fn with(&self, span: SpanId) -> Self {
        Self { trace: self.trace.clone(), span }
    }

    /// Says something of the request as a whole; see [`OpenSpan::set`].
    pub fn say(&self, key: &'static str, value: impl Into<Value>) {
        lock(&self.trace.said).push(KeyValue::new(key, value));
    }

    /// Says which database the request goes to, by its dialect.
    pub fn goes_to(&self, dialect: &'static str) {
        let system = dialect.strip_suffix("-grpc").unwrap_or(dialect);
        self.trace.system.get_or_init(|| system);
    }

    /// Says what that is to do, and in which collections, as far as they are named.
    pub fn searches(&self, operation: &'static str, collections: String) {
        self.trace.search.get_or_init(|| Search { operation, collections });
    }

    /// Begins one try of the request at its database, or goes on with one that has begun (see [`OpenSpan::goes_on`]).
    pub fn tries(&self, method: &http::Method, authority: &http::uri::Authority) -> OpenSpan {
        let (span, began) = lock(&self.trace.begun).take().unwrap_or_else(|| (new_id(), self.trace.now()));
        let method = route::method(method);
        let mut open = OpenSpan::open(self.with(span), self.span, SpanKind::Client, method.into(), began);
        open.set("http.request.method", method);
        open.set("server.address", authority.host().to_owned());
        if let Some(port) = authority.port_u16() {
            open.set("server.port", i64::from(port));
        }
        if let Some(system) = self.trace.system.get() {
            open.set("db.system.name", *system);
        }
        if let Some(Search { operation, collections }) = self.trace.search.get() {
            open.set("db.operation.name", *operation);
            open.name(format!("{operation} {collections}").trim_end().to_owned());
            if !collections.is_empty() {
                open.set("db.collection.name", collections.clone());
            }
        }
        open
    }

    /// Whether the database is to be told of spans of ours.
    pub fn tells_upstream(&self) -> bool {
        self.trace.propagate != Propagate::Off
    }

    /// Whether providers are.
    pub fn tells_providers(&self) -> bool {
        self.trace.propagate == Propagate::All
    }

    /// The `traceparent` that makes this span the parent of somebody else's.
    pub fn header(&self) -> String {
        context::write(self.trace.id, self.span)
    }

    /// Puts that into these headers in place of what they have, where the database is to be told.
    pub fn tell(&self, headers: &mut HeaderMap) {
        if let (true, Ok(value)) = (self.tells_upstream(), HeaderValue::try_from(self.header())) {
            headers.insert(TRACEPARENT.clone(), value);
        }
    }
}

impl Trace {
    fn now(&self) -> SystemTime {
        let (clock, began) = self.began;
        clock.checked_add(began.elapsed()).unwrap_or(clock)
    }
}

/// Never zero, which means none.
fn new_id() -> SpanId {
    SpanId::from(fastrand::u64(1..))
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
