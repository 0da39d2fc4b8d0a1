use std::time::Duration;

use super::*;
use crate::rerank::{ScoreStore, test_support::request};

fn learner() -> Learner {
    let store = ScoreStore::new(0, Duration::from_secs(60), [1; 32]);
    Learner::new(Arc::new(Words::new(&Arc::new(store))))
}

async fn settled(learner: &Learner) {
    while learner.lock().reading {
        tokio::task::yield_now().await;
    }
}

fn seen(documents: &[&str], lists: &[usize], collections: &[&str]) -> RerankRequest {
    let collections = collections.iter().map(|name| Arc::from(*name)).collect();
    RerankRequest { lists: lists.into(), collections, ..request(documents) }
}

#[tokio::test(start_paused = true)]
async fn each_list_is_learned_for_its_own_collection() {
    let learner = learner();
    learner.see(&seen(&["one", "two", "three"], &[1, 2], &["a", "b"]));
    settled(&learner).await;
    learner.see(&seen(&["one", "four"], &[], &["a"]));
    settled(&learner).await;
    let documents = |name| {
        let words = &learner.words;
        words.look(words.collection(name), |collection| collection.documents()).unwrap_or(0)
    };
    assert_eq!((documents("a"), documents("b")), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn lists_of_no_collection_are_not_learned() {
    let learner = learner();
    learner.see(&seen(&["one", "two"], &[], &[]));
    learner.see(&seen(&["one", "two"], &[1, 1], &["a"]));
    settled(&learner).await;
    assert_eq!(learner.words.counts().documents, 0);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_bounded() {
    let learner = learner();
    for n in 0..100 {
        learner.see(&seen(&[&format!("document {n}")], &[], &["a"]));
    }
    assert_eq!(learner.lock().lists.len(), WAITING);
    settled(&learner).await;
    assert_eq!(learner.words.counts().documents, WAITING);
}

#[test]
fn a_runtime_that_goes_leaves_the_next_one_to_learn() {
    let learner = learner();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime().block_on(async { learner.see(&seen(&["one"], &[], &["a"])) });
    runtime().block_on(async {
        learner.see(&seen(&["two"], &[], &["a"]));
        settled(&learner).await;
    });
    assert_eq!(learner.words.counts().documents, 2);
}
