//! [`EmbeddingApi`]: what the listener does with requests.

use http::{Method, Request, Response};

use super::{Service, index, route};
use crate::body::Body;
use crate::upstream::target;

/// Carries the requests below each service's name to that service.
pub struct EmbeddingApi {
    services: Vec<Service>,
}

impl EmbeddingApi {
    /// Serves these.
    pub fn new(services: Vec<Service>) -> Self {
        Self { services }
    }

    /// Answers one request. Never fails.
    pub async fn respond(&self, request: Request<Body>) -> Response<Body> {
        let target = target::as_str(request.uri(), request.extensions()).to_owned();
        let named = route::named(&target);
        let service = named.and_then(|named| {
            Some((self.services.iter().find(|each| *each.settings().name == *named.name)?, named.rest))
        });
        match service {
            Some((service, rest)) => service.below_name(request, rest).await,
            None if target == "/" && matches!(*request.method(), Method::GET | Method::HEAD) => {
                index::index(&self.services)
            }
            None => index::not_served(&self.services, route::meant(&target)),
        }
    }
}
