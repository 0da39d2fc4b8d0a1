use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use crate::embedding::Recall;

/// The task in which the memory of embeddings forgets what has expired; it ends when this is dropped.
pub(super) struct Forgetting {
    of: Arc<Recall>,
    _task: AbortOnDropHandle<()>,
}

impl Forgetting {
    /// That of this memory: the one there is, if it is the same memory.
    pub(super) fn renewed(before: Option<Self>, recall: Option<&Arc<Recall>>) -> Option<Self> {
        let recall = recall?;
        before.filter(|before| Arc::ptr_eq(&before.of, recall)).or_else(|| {
            let of = recall.clone();
            let task = tokio::spawn(async move { of.keep().await });
            Some(Self { of: recall.clone(), _task: AbortOnDropHandle::new(task) })
        })
    }
}
