use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::runtime::Handle;

use super::{ToLearn, Words};
use crate::{bounds::Permit, rerank::RerankRequest, search::Document};

/// Lists that wait to be read. Further ones are skipped: what is searched for comes again.
const WAITING: usize = 16;

/// Learns from what passes while another provider scores, one list at a time, after the responses.
#[derive(Clone)]
pub(in crate::rerank) struct Learner {
    words: Arc<Words>,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    lists: VecDeque<List>,
    /// There is a task that reads them.
    reading: bool,
}

struct List {
    collection: Arc<str>,
    documents: Vec<Document>,
    /// The permit for what they hold.
    _held: Option<Arc<Permit>>,
}

impl Learner {
    pub(in crate::rerank) fn new(words: Arc<Words>) -> Self {
        Self { words, queue: Arc::default() }
    }

    /// Queues the lists of a request; reads nothing yet.
    pub(in crate::rerank) fn see(&self, request: &RerankRequest) {
        let Ok(runtime) = Handle::try_current() else { return };
        let lists: Vec<List> =
            lists(request).into_iter().filter(|list| self.words.wants_any(&list.collection)).collect();
        if lists.is_empty() {
            return;
        }
        let mut queue = self.lock();
        let room = WAITING.saturating_sub(queue.lists.len());
        queue.lists.extend(lists.into_iter().take(room));
        if !queue.reading {
            queue.reading = true;
            runtime.spawn(self.clone().read(Unfinished(Some(self.queue.clone()))));
        }
    }

    async fn read(self, mut unfinished: Unfinished) {
        while let Some(list) = self.next() {
            self.learn(&list).await;
            self.words.exchange(&list.collection);
        }
        unfinished.0 = None;
    }

    fn next(&self) -> Option<List> {
        let mut queue = self.lock();
        let next = queue.lists.pop_front();
        queue.reading = next.is_some();
        next
    }

    async fn learn(&self, list: &List) {
        let names: Vec<u64> = list.documents.iter().map(|document| self.words.name(document)).collect();
        let wanted = self.words.wanted(&list.collection, &names);
        let mut reader = self.words.reader();
        for ((document, name), wanted) in list.documents.iter().zip(names).zip(wanted) {
            if wanted {
                let learned: ToLearn = (name, reader.read(document.text()).await);
                self.words.learn(&list.collection, &[learned]);
                tokio::task::yield_now().await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task whose runtime may go before it is done: another may begin then.
struct Unfinished(Option<Arc<Mutex<Queue>>>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(queue) = &self.0 {
            queue.lock().unwrap_or_else(PoisonError::into_inner).reading = false;
        }
    }
}

/// The lists of a request, each with its collection.
fn lists(request: &RerankRequest) -> Vec<List> {
    let mut rest = &*request.documents;
    let whole = [rest.len()];
    let lengths: &[usize] = if request.lists.is_empty() { &whole } else { &request.lists };
    if lengths.len() != request.collections.len() {
        return Vec::new();
    }
    let mut lists = Vec::with_capacity(lengths.len());
    for (collection, length) in request.collections.iter().zip(lengths) {
        let Some((documents, others)) = rest.split_at_checked(*length) else { break };
        rest = others;
        let (documents, held) = (documents.to_vec(), request.held.clone());
        lists.push(List { collection: collection.clone(), documents, _held: held });
    }
    lists
}

#[cfg(test)]
#[path = "learner_tests.rs"]
mod tests;
