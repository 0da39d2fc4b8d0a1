use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tower::{Service, ServiceExt};

use super::gate::Gate;
use crate::rerank::{
    FailureClass, Rerank, RerankError, RerankFuture, RerankRequest, RerankResult, Scores, Siblings,
    breaker::Switch,
};

/// Sheds a call that is over a limit, at once; only for permits that other calls of the same request hold it waits.
#[derive(Clone)]
pub(in crate::rerank) struct Limits<S> {
    inner: S,
    gate: Arc<Gate>,
    circuit: Option<Arc<Switch>>,
}

impl<S: Rerank> Limits<S> {
    pub(in crate::rerank) fn new(inner: S, gate: Arc<Gate>) -> Self {
        Self { inner, gate, circuit: None }
    }

    /// The same, checking first whether the circuit behind it would let a call through: an open one costs nothing.
    pub(in crate::rerank) fn before(self, circuit: Option<Arc<Switch>>) -> Self {
        Self { circuit, ..self }
    }

    async fn run(self, request: RerankRequest) -> RerankResult {
        let gate = self.gate;
        if let Some(Err(class)) = self.circuit.map(|circuit| circuit.would_admit()) {
            gate.shed_by_circuit(class);
            return Err(RerankError::Held { class });
        }
        let place = Siblings::place(request.siblings.as_ref(), &gate.free, request.retry_by());
        let Some(_place) = place.await else {
            gate.shed(FailureClass::Overloaded);
            return Err(RerankError::Overloaded);
        };
        let mut entry = match gate.enter(&request).await {
            Ok(entry) => entry,
            Err(class) => {
                gate.shed(class);
                return Err(RerankError::Held { class });
            }
        };
        entry.begin();
        let response = self.inner.oneshot(request).await;
        gate.leave(entry, &response);
        if let Err(RerankError::Held { class }) = &response {
            gate.held_inside(*class);
        }
        response
    }
}

impl<S: Rerank> Service<RerankRequest> for Limits<S> {
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

#[cfg(test)]
#[path = "layer_tests.rs"]
mod tests;
