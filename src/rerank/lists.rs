use std::task::{Context, Poll};

use tower::{Service, ServiceExt};

use super::{Rerank, RerankError, RerankFuture, RerankRequest, RerankResult, Scores, batch::together};

/// Calls a listwise provider for each list on its own: merged, they would be another list.
#[derive(Clone)]
pub(super) struct Lists<S> {
    inner: S,
}

impl<S: Rerank> Lists<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }

    async fn run(self, request: RerankRequest) -> RerankResult {
        match parts(&request) {
            Some(parts) => together(&self.inner, parts).await,
            None => self.inner.oneshot(request).await,
        }
    }
}

/// One request for each list; `None` if there is but one, or they are not all of the documents.
fn parts(request: &RerankRequest) -> Option<Vec<RerankRequest>> {
    let one = |at, documents| RerankRequest {
        lists: [].into(),
        searches: 1,
        documents,
        collections: request.collections.get(at).cloned().into_iter().collect(),
        ..request.clone()
    };
    let mut rest = &*request.documents;
    let mut parts = Vec::with_capacity(request.lists.len());
    for (at, length) in request.lists.iter().enumerate() {
        let (documents, others) = rest.split_at_checked(*length)?;
        rest = others;
        parts.push(one(at, documents.into()));
    }
    (parts.len() > 1 && rest.is_empty()).then_some(parts)
}

impl<S: Rerank> Service<RerankRequest> for Lists<S> {
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
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::rerank::test_support::{request, scripted};

    /// The scores, and the number of calls: each document's score is the length of its list.
    async fn lengths(lists: &[usize]) -> (Vec<Option<f32>>, usize) {
        let (inner, calls) = scripted(|_, r: RerankRequest| {
            let scores = vec![Some(r.documents.len() as f32); r.documents.len()];
            Ok(Scores { scores, cache_lookups: 1, ..Scores::default() })
        });
        let asked = RerankRequest { lists: lists.into(), ..request(&["a", "b", "c"]) };
        let response = Lists::new(inner).oneshot(asked).await.unwrap();
        let calls = calls.load(Ordering::SeqCst);
        assert_eq!(response.cache_lookups as usize, calls);
        (response.scores, calls)
    }

    #[tokio::test]
    async fn each_list_is_a_call_of_its_own() {
        assert_eq!(lengths(&[2, 1]).await, (vec![Some(2.0), Some(2.0), Some(1.0)], 2));
        for whole in [&[][..], &[3], &[1, 1], &[2, 2]] {
            assert_eq!(lengths(whole).await, (vec![Some(3.0); 3], 1), "{whole:?}");
        }
    }
}
