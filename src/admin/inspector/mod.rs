//! The inspector: a page that shows what the proxy does, and the same as JSON and events. It reads; nothing here
//! changes what the proxy does. `docs/inspector.md` documents the API.

mod events;
mod figures;
mod page;
mod rates;
mod record_json;
mod state;

use std::sync::Arc;

use arc_swap::ArcSwap;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{
    Access, Admin, Ends,
    responses::{self, Body},
};
use crate::pipeline::RecordRing;
use figures::Figures;
use rates::Rates;
pub use record_json::search_json;

/// The most streams of events at a time. Fewer than the listener's connections, so that probes and scrapes always get
/// one.
const MAX_STREAMS: usize = 8;

/// The inspector's data, and who may see it.
pub struct Inspector {
    /// The last searches.
    pub records: Arc<RecordRing>,
    /// Who may see it; a reload may replace it.
    pub access: Arc<ArcSwap<Access>>,
    about: Box<dyn Fn() -> Value + Send + Sync>,
    config: Box<dyn Fn() -> String + Send + Sync>,
    rates: Rates<6>,
    streams: Arc<Semaphore>,
}

impl Inspector {
    /// `about` describes the configuration, as an object with the lists `listeners` and `providers` and the objects
    /// `configuration` and `cache`; `config` is the active configuration as YAML. Neither contains a secret.
    pub fn new(
        records: Arc<RecordRing>,
        access: Arc<ArcSwap<Access>>,
        about: impl Fn() -> Value + Send + Sync + 'static,
        config: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        Self {
            records,
            access,
            about: Box::new(about),
            config: Box::new(config),
            rates: Rates::default(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        }
    }
}

impl Admin {
    /// The response to a GET or HEAD that is neither a probe nor a scrape.
    pub(super) fn inspect<B>(&self, ends: Ends, request: &Request<B>) -> Response<Body> {
        if let Err(rejection) = self.inspector.access.load().check(ends, request) {
            let mut response = responses::problem(rejection.status(), &rejection.to_string());
            if rejection.status() == StatusCode::UNAUTHORIZED {
                let scheme = http::HeaderValue::from_static("Bearer realm=\"rerankd\"");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            }
            return response;
        }
        let ok = StatusCode::OK;
        let path = request.uri().path();
        if let Some(file) = page::file(path) {
            return responses::whole(ok, file.kind, file.text);
        }
        match path {
            "/api/state" => responses::json(ok, &self.state()),
            "/api/config" => responses::text(ok, (self.inspector.config)()),
            "/api/searches" => responses::json(ok, &self.searches()),
            "/api/events" => self.events(request.method()),
            _ => match path.strip_prefix("/api/searches/") {
                Some(number) => self.search(number),
                None => responses::problem(
                    StatusCode::NOT_FOUND,
                    "not found; the page is at /, the API below /api/",
                ),
            },
        }
    }

    /// The active configuration and the current state.
    pub(super) fn state(&self) -> Value {
        state::state(&self.inspector, &Figures::of(self.scrape.refreshed()), &self.readiness)
    }

    fn searches(&self) -> Value {
        let all = self.inspector.records.list();
        let capture = self.inspector.records.settings().capture;
        json!({
            "capture": capture.as_str(),
            "searches": all.iter().map(record_json::row).collect::<Vec<_>>(),
        })
    }

    fn search(&self, number: &str) -> Response<Body> {
        let Ok(number) = number.parse::<u64>() else {
            return responses::problem(
                StatusCode::BAD_REQUEST,
                "a search is named by its number, as /api/searches lists it",
            );
        };
        match self.inspector.records.get(number) {
            Some(record) => responses::json(StatusCode::OK, &record_json::whole(&(number, record))),
            None => responses::problem(
                StatusCode::NOT_FOUND,
                "no search of this number is held; only the last are (inspector.keep), see /api/searches",
            ),
        }
    }

    fn events(&self, method: &Method) -> Response<Body> {
        const EVENTS: &str = "text/event-stream";
        if method == Method::HEAD {
            return responses::with_body(StatusCode::OK, EVENTS, Empty::new().boxed_unsync());
        }
        match self.inspector.streams.clone().try_acquire_owned() {
            Ok(place) => responses::with_body(StatusCode::OK, EVENTS, events::body(self.clone(), place)),
            Err(_) => responses::problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "as many event streams are open as there may be; close another page, or poll /api/state",
            ),
        }
    }
}
