//! [`Service`]: an embedding service, and the calls that are carried to it.

use std::sync::Arc;

use http::header::LOCATION;
use http::{HeaderValue, Request, Response};
use http_body::Body as _;

use super::calls::Counted;
use super::ending::Ending;
use super::failure;
use super::lesson::{self, Codings, Hearing, Lesson};
use super::overheard::{Overheard, RequestCopy};
use super::route::{self, Target};
use crate::body::Body;
use crate::embedding::form::{Call, Form, Remember};
use crate::proxy::{Forwarder, HeadLimits, ProxyError};
use crate::search::PathPrefix;
use crate::upstream::target;

/// What is known of a service.
#[derive(Clone, Debug)]
pub struct ServiceSettings {
    /// Its name, which is its base path and its label.
    pub name: Arc<str>,
    /// Scheme, host and port.
    pub origin: String,
    /// The path of its URL.
    pub base: PathPrefix,
    /// How it speaks.
    pub form: Form,
    /// Which of its embedding calls are remembered.
    pub remember: Remember,
}

/// An embedding service. Everything is carried to it and back as it is; of embedding calls it is remembered which text
/// gave which vector.
pub struct Service {
    settings: ServiceSettings,
    forwarder: Forwarder,
    head: HeadLimits,
    hearing: Arc<Hearing>,
}

impl Service {
    /// One that is reached by this forwarder.
    pub fn new(
        settings: ServiceSettings,
        forwarder: Forwarder,
        head: HeadLimits,
        hearing: Arc<Hearing>,
    ) -> Self {
        Self { settings, forwarder, head, hearing }
    }

    /// What is known of it.
    pub fn settings(&self) -> &ServiceSettings {
        &self.settings
    }

    /// Its URL.
    pub(super) fn url(&self) -> String {
        format!("{}{}", self.settings.origin, self.settings.base.as_str())
    }

    /// Carries a request whose path names this service, without that name, and brings the response back.
    pub(super) async fn below_name(&self, request: Request<Body>, rest: &str) -> Response<Body> {
        let to = route::at_service(&self.settings.base, rest);
        let mut response = self.carry(request, &to).await;
        self.lead_back(&mut response);
        response
    }

    /// Carries a request to this target. Never fails: what cannot be carried is answered as this service would say it.
    pub(super) async fn carry(&self, request: Request<Body>, to: &Target) -> Response<Body> {
        let carried = match self.head.refusal(&request, &self.forwarder) {
            Some(error) => Err(error),
            None => self.send(request, to).await,
        };
        match carried {
            Ok(response) => {
                self.forwarder.responded(response.status());
                response
            }
            Err(error) => {
                self.forwarder.log_failure(&error);
                failure::unreached(&self.settings.name, self.settings.form, &error)
            }
        }
    }

    async fn send(&self, mut request: Request<Body>, to: &Target) -> Result<Response<Body>, ProxyError> {
        let call = self.settings.form.call(request.method(), to.below());
        let uri = std::mem::take(request.uri_mut());
        let uri = target::replaced(uri, request.extensions_mut(), &to.target);
        *request.uri_mut() = uri.ok_or(ProxyError::Unforwardable)?;
        match call {
            // Boxed: hyper moves the future of every request.
            Some(call) => Box::pin(self.overhear(call, request)).await,
            None => self.forwarder.forward(request).await,
        }
    }

    /// Carries an embedding call, and listens.
    async fn overhear(&self, call: Call, request: Request<Body>) -> Result<Response<Body>, ProxyError> {
        let (hearing, how) = (&self.hearing, self.settings.remember);
        let counted = Counted::new(self.settings.name.clone(), hearing.metrics.clone());
        let recall = hearing.recall.clone().filter(|_| how != Remember::Never);
        let Some(recall) = recall else {
            counted.end(Ending::OFF);
            return self.forwarder.forward(request).await;
        };
        let codings = Codings::of(request.headers());
        let tenant = hearing.apart(request.headers(), request.extensions().get());
        let (parts, body) = request.into_parts();
        let (body, copy) = RequestCopy::of(body, hearing.budget.nothing(), hearing.limits.request_bytes);
        // Not answered, the call counts as broken.
        let response = self.forwarder.forward(Request::from_parts(parts, body)).await?;
        if !response.status().is_success() {
            counted.end(Ending::Rejected);
            return Ok(response);
        }
        let asked = match copy.take() {
            Ok(copy) => lesson::asked(call, how, (copy, codings), hearing.clone()).await,
            Err(ending) => Err(ending),
        };
        let asked = match asked {
            Ok(asked) => asked,
            Err(ending) => {
                counted.end(ending);
                return Ok(response);
            }
        };
        let codings = Codings::of(response.headers());
        let lesson = Lesson { asked, codings, hearing: hearing.clone(), recall, tenant, counted };
        let (room, limit) = (hearing.budget.nothing(), hearing.limits.response_bytes);
        Ok(response.map(|body| match body.is_end_stream() {
            // Without a body it is no embedding: dropped, it counts as broken.
            true => body,
            false => Body::new(Overheard::new(body, room, limit, lesson)),
        }))
    }

    /// A redirect to another place of the service leads through here again.
    fn lead_back(&self, response: &mut Response<Body>) {
        if !response.status().is_redirection() {
            return;
        }
        let settings = &self.settings;
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let again = location
            .and_then(|location| route::relocated(location, &settings.name, &settings.origin, &settings.base))
            .and_then(|again| HeaderValue::try_from(again).ok());
        if let (Some(again), Some(location)) = (again, response.headers_mut().get_mut(LOCATION)) {
            *location = again;
        }
    }
}
