use proptest::prelude::*;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn counts(collection: &Collection, terms: std::ops::Range<u32>) -> Vec<u32> {
    terms.map(|term| collection.with(term)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_document_is_counted_once_however_often_it_passes() {
    let now = Instant::now();
    let mut collection = Collection::new(now);
    for _ in 0..3 {
        collection.learn(1, &[10, 11], now);
        collection.learn(2, &[11], now);
    }
    assert_eq!((collection.documents(), counts(&collection, 10..13)), (2, vec![1, 2, 0]));
}

#[tokio::test(start_paused = true)]
async fn what_passes_again_stays_and_what_does_not_is_forgotten_after_two_generations() {
    let start = Instant::now();
    let mut collection = Collection::new(start);
    collection.learn(1, &[10], start);
    collection.learn(2, &[10], start);
    collection.learn(1, &[10], start + DAY);
    assert_eq!((collection.documents(), collection.with(10)), (2, 2), "counted in one generation only");
    collection.learn(3, &[12], start + DAY * 2);
    assert!(collection.holds(1) && !collection.holds(2));
    assert_eq!((collection.documents(), counts(&collection, 10..13)), (2, vec![1, 0, 1]));
}

#[tokio::test(start_paused = true)]
async fn a_long_silence_forgets_no_more_than_one_generation() {
    let start = Instant::now();
    let mut collection = Collection::new(start);
    collection.learn(1, &[10], start);
    assert!(collection.wants(1, start + DAY * 30), "it is read again");
    assert_eq!((collection.holds(1), collection.with(10)), (true, 1));
}

#[tokio::test(start_paused = true)]
async fn a_full_generation_reads_nothing_for_an_hour() {
    let start = Instant::now();
    let mut collection = Collection::new(start);
    for document in 0..2 * MOST_DOCUMENTS as u64 {
        collection.learn(document, &[document as u32], start);
    }
    assert_eq!(collection.documents(), MOST_DOCUMENTS);
    assert!(!collection.wants_any(start + Duration::from_secs(3599)));
    assert!(collection.wants_any(start + Duration::from_secs(3600)));
    assert_eq!(collection.documents(), MOST_DOCUMENTS, "and still knows what it knew");
}

#[tokio::test(start_paused = true)]
async fn what_it_takes_is_bounded_whatever_passes() {
    let mut now = Instant::now();
    let mut collection = Collection::new(now);
    let mut next = 0..;
    for document in 0..3 * MOST_DOCUMENTS as u64 {
        let terms: Vec<u32> = next.by_ref().take(50).collect();
        collection.learn(document, &terms, now);
        now += Duration::from_secs(5);
    }
    assert!(collection.documents() > MOST_DOCUMENTS);
    assert!(collection.bytes() < 800 << 10, "{}", collection.bytes());
    assert!(collection.whole().terms.len() <= 2 * MOST_TERMS);
}

proptest! {
    /// Whatever passes in whatever order and however often, and whenever: a word's count is that of the documents
    /// that are held and have it.
    #[test]
    fn counts_are_those_of_the_documents_held(
        passing in prop::collection::vec((0_u64..20, 0_u64..30), 0..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _entered = runtime.enter();
        let mut now = Instant::now();
        let mut collection = Collection::new(now);
        let terms = |document: u64| -> Vec<u32> {
            (0..8).filter(|term| ((document * 2_654_435_761) >> term) & 1 == 1).collect()
        };
        for (document, hours) in passing {
            now += Duration::from_secs(hours * 3600);
            collection.learn(document, &terms(document), now);
        }
        for term in 0..8 {
            let held = (0..20).filter(|&document| collection.holds(document) && terms(document).contains(&term));
            prop_assert_eq!(collection.with(term) as usize, held.count());
        }
        let whole = collection.whole();
        prop_assert_eq!(whole.documents.len(), collection.documents());
        for term in 0..8 {
            let count = whole.terms.get(&term).copied().map_or(0, u32::from);
            prop_assert_eq!(count, collection.with(term));
        }
    }
}
