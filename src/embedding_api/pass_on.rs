//! [`PassOn`]: Cohere's other calls, for who calls the rerank endpoint with Cohere's SDK.

use std::sync::Arc;

use http::{Request, Response};

use super::{Service, route};
use crate::body::Body;
use crate::upstream::target;

/// Carries calls to one service as they are, at the paths that the service itself has.
#[derive(Clone)]
pub struct PassOn(Arc<Service>);

impl PassOn {
    /// To this service.
    pub fn to(service: Service) -> Self {
        Self(Arc::new(service))
    }

    /// Carries a request whose target has `skipped` bytes before what is the service's own.
    pub async fn carry(&self, request: Request<Body>, skipped: usize) -> Response<Body> {
        let target = target::as_str(request.uri(), request.extensions());
        let to = route::at_service(&self.0.settings().base, target.get(skipped..).unwrap_or_default());
        self.0.carry(request, &to).await
    }
}
