use std::sync::{Arc, Mutex, PoisonError};

/// The part of a call's work that its callers need not wait for. Clones share it.
#[derive(Clone, Default)]
pub(super) struct DeferredWork(Arc<Mutex<Vec<Work>>>);

type Work = Box<dyn FnOnce() + Send>;

impl DeferredWork {
    /// Defers this until after the response, if the request allows that; else does it here and now.
    pub(super) fn put(deferred: Option<&Self>, work: impl FnOnce() + Send + 'static) {
        match deferred {
            Some(Self(works)) => works.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(work)),
            None => work(),
        }
    }

    /// Does the deferred work.
    pub(super) fn run(&self) {
        self.take().into_iter().for_each(|work| work());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn take(&self) -> Vec<Work> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
