//! What a provider finds too large: any of its limits, any text, and what is remembered of it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use proptest::prelude::*;
use tokio::time::{Duration, Instant};

use super::*;
use crate::rerank::{
    StatedLimits,
    test_support::{half_for_each, request, scripted},
};

/// What a server takes.
#[derive(Clone, Copy, Debug)]
struct Takes {
    documents: usize,
    bytes: usize,
    /// Of one text.
    text: usize,
    /// What its rejections say.
    tells: bool,
}

const ALL: Takes = Takes { documents: usize::MAX, bytes: usize::MAX, text: usize::MAX, tells: false };

impl Takes {
    fn rejection(self, request: &RerankRequest) -> Option<RerankError> {
        let lengths = || request.documents.iter().map(|document| document.text().len());
        let mut stated = StatedLimits::default();
        if request.documents.len() > self.documents {
            stated.documents = Some(self.documents);
        } else if lengths().any(|length| length > self.text) {
            stated.bytes = Some(self.text);
        } else if lengths().sum::<usize>() <= self.bytes {
            return None;
        }
        let stated = if self.tells { stated } else { StatedLimits::default() };
        Some(RerankError::TooLarge { status: 413, stated })
    }
}

/// A batch before such a server, with the counts of its calls and of those that it has rejected.
fn before(takes: Takes, limit: usize) -> (Batch<impl Rerank>, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let rejected = Arc::new(AtomicUsize::new(0));
    let count = rejected.clone();
    let (inner, calls) = scripted(move |_, request| match takes.rejection(&request) {
        Some(error) => {
            count.fetch_add(1, Ordering::SeqCst);
            Err(error)
        }
        None => half_for_each(request),
    });
    let limit = BatchLimit { documents: Arc::new(move || limit), tokens: None };
    (Batch::new(inner, limit), calls, rejected)
}

/// Fifty texts of twenty bytes, this one at `at`.
fn window(long: usize, at: usize) -> RerankRequest {
    let long = "x".repeat(long);
    let texts: Vec<String> = (0..50).map(|n| format!("a text of number {n:03}")).collect();
    let texts: Vec<&str> =
        texts.iter().enumerate().map(|(n, text)| if n == at { long.as_str() } else { text }).collect();
    request(&texts)
}

fn scored(response: &Scores) -> usize {
    response.scores.iter().flatten().count()
}

#[tokio::test]
async fn parts_that_are_too_large_are_halved_on_and_on_and_the_next_search_asks_for_what_passes() {
    for tells in [true, false] {
        for documents in [1, 2, 3, 16, 25, 49] {
            let (batch, calls, rejected) = before(Takes { documents, tells, ..ALL }, 32);
            let first = batch.clone().oneshot(window(20, 0)).await;
            if documents > 3 || tells {
                assert_eq!(scored(&first.unwrap()), 50, "{documents} {tells}");
            }
            rejected.store(0, Ordering::SeqCst);
            calls.store(0, Ordering::SeqCst);
            let second = batch.oneshot(window(20, 0)).await.unwrap();
            if documents > 3 || tells {
                assert_eq!(scored(&second), 50, "{documents} {tells}");
                assert_eq!(rejected.load(Ordering::SeqCst), 0, "{documents} {tells}: what was learned holds");
            }
        }
    }
}

#[tokio::test]
async fn one_text_that_is_too_long_does_not_spoil_the_window_wherever_it_stands() {
    for at in [0, 1, 24, 49] {
        for (long, limit) in [(108_000, 1000), (108_000, 32), (3_000, 1000), (108_000, 10)] {
            let (batch, calls, _) = before(Takes { text: 2000, ..ALL }, limit);
            let response = batch.clone().oneshot(window(long, at)).await.unwrap();
            assert_eq!((scored(&response), response.failure), (50, None), "{long} at {at}");
            assert_eq!(response.sent_bytes, Some(1024), "it is cut once more");
            assert!(calls.load(Ordering::SeqCst) <= 50_usize.div_ceil(limit) + 4, "{long} at {at}");
            calls.store(0, Ordering::SeqCst);
            let next = batch.oneshot(window(long, at)).await.unwrap();
            assert_eq!(scored(&next), 50);
            assert_eq!(calls.load(Ordering::SeqCst), 50_usize.div_ceil(limit), "the next search asks once");
        }
    }
}

#[tokio::test]
async fn a_text_that_is_rejected_even_when_cut_is_left_out_and_the_others_are_ranked() {
    let (batch, calls, _) = before(Takes { text: 200, ..ALL }, 1000);
    let response = batch.clone().oneshot(window(108_000, 7)).await.unwrap();
    assert_eq!((scored(&response), response.scores[7]), (49, None));
    assert_eq!(response.failure, Some(FailureClass::TooLarge));
    calls.store(0, Ordering::SeqCst);
    let next = batch.clone().oneshot(window(108_000, 7)).await.unwrap();
    assert_eq!((scored(&next), next.failure), (49, Some(FailureClass::TooLarge)));
    assert_eq!(calls.load(Ordering::SeqCst), 1, "it is not tried again");
    let alone = batch.oneshot(request(&[&"x".repeat(108_000)])).await.unwrap_err();
    assert_eq!((alone.class(), calls.load(Ordering::SeqCst)), (FailureClass::TooLarge, 1));
}

#[tokio::test]
async fn a_limit_that_the_rejection_names_is_kept_to_at_once() {
    let (batch, calls, rejected) = before(Takes { text: 2000, tells: true, ..ALL }, 1000);
    let response = batch.clone().oneshot(window(108_000, 7)).await.unwrap();
    assert_eq!((scored(&response), response.sent_bytes), (50, Some(2000)));
    assert_eq!((calls.load(Ordering::SeqCst), rejected.load(Ordering::SeqCst)), (2, 1));
    assert_eq!(scored(&batch.oneshot(window(50_000, 1)).await.unwrap()), 50);
    assert_eq!((calls.load(Ordering::SeqCst), rejected.load(Ordering::SeqCst)), (3, 1));
}

#[tokio::test]
async fn a_document_that_the_rejection_names_is_asked_for_apart() {
    let (inner, calls) =
        scripted(|_, r| match r.documents.iter().position(|text| text.text().contains("044")) {
            Some(at) => Err(RerankError::TooLarge {
                status: 400,
                stated: StatedLimits { at: Some(at), ..StatedLimits::default() },
            }),
            None => half_for_each(r),
        });
    let limit = BatchLimit { documents: Arc::new(|| 1000), tokens: None };
    let response = Batch::new(inner, limit).oneshot(window(20, 0)).await.unwrap();
    assert_eq!(
        (scored(&response), response.scores[44], response.failure),
        (49, None, Some(FailureClass::TooLarge))
    );
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn tokens_that_the_rejection_counts_say_how_much_a_text_may_have() {
    let (inner, calls) = scripted(|_, r| {
        let tokens = |text: &crate::search::Document| text.text().len() / 2;
        match r.documents.iter().map(tokens).find(|tokens| *tokens > 512) {
            Some(had) => {
                let stated =
                    StatedLimits { tokens: Some(512), had_tokens: Some(had), ..StatedLimits::default() };
                Err(RerankError::TooLarge { status: 500, stated })
            }
            None => half_for_each(r),
        }
    });
    let limit = BatchLimit { documents: Arc::new(|| 1000), tokens: None };
    let batch = Batch::new(inner, limit);
    let response = batch.clone().oneshot(window(108_000, 3)).await.unwrap();
    assert_eq!((scored(&response), response.failure), (50, None));
    assert!(calls.load(Ordering::SeqCst) <= 4);
    calls.store(0, Ordering::SeqCst);
    assert_eq!(scored(&batch.oneshot(window(70_000, 3)).await.unwrap()), 50);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_query_that_is_too_long_costs_a_few_calls_and_no_more() {
    let (batch, calls, _) = before(Takes { text: 0, ..ALL }, 1000);
    for _ in 0..3 {
        let failed = batch.clone().oneshot(window(20, 0)).await.unwrap_err();
        assert_eq!(failed.class(), FailureClass::TooLarge);
    }
    assert!(calls.load(Ordering::SeqCst) <= 24, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_divided_on_when_nobody_waits_any_more() {
    let calls = Arc::new(Mutex::new(0));
    let count = calls.clone();
    let slow = tower::service_fn(move |_: RerankRequest| {
        *count.lock().unwrap() += 1;
        async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            Err::<Scores, _>(RerankError::TooLarge { status: 413, stated: StatedLimits::default() })
        }
    });
    let limit = BatchLimit { documents: Arc::new(|| 1000), tokens: None };
    let asked = RerankRequest { respond_by: Instant::now() + Duration::from_millis(500), ..window(20, 0) };
    assert!(Batch::new(slow, limit).oneshot(asked).await.is_err());
    assert_eq!(*calls.lock().unwrap(), 2, "the whole, and a half of it within the time");
}

proptest! {
    #[test]
    fn every_text_that_a_server_takes_is_scored_unless_too_many_parts_are_rejected(
        lengths in prop::collection::vec(prop_oneof![9 => 1..40_usize, 1 => 40..20_000_usize], 1..60),
        documents in prop_oneof![Just(usize::MAX), 4..40_usize],
        bytes in prop_oneof![Just(usize::MAX), 2_500..10_000_usize],
        tells in any::<bool>(),
    ) {
        // At most three are too long: more look like another fault.
        let mut long = 0;
        let texts: Vec<String> = lengths.iter().map(|length| {
            long += usize::from(*length > 2000);
            "x".repeat(if long > 2 { (*length).min(2000) } else { *length })
        }).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (batch, _, rejected) = before(Takes { documents, bytes, text: 2000, tells }, 50);
            for _ in 0..2 {
                rejected.store(0, Ordering::SeqCst);
                let response = batch.clone().oneshot(request(&texts)).await.unwrap();
                if rejected.load(Ordering::SeqCst) > divide::MOST_REFUSALS {
                    continue;
                }
                for (text, score) in texts.iter().zip(&response.scores) {
                    assert!(score.is_some() || text.len() > 2000, "{} bytes", text.len());
                }
            }
        });
    }
}
