use proptest::prelude::*;

use super::*;
use crate::rerank::{ScoreStore, words::collection::Collection};

fn words() -> Arc<Words> {
    let store = ScoreStore::new(0, Duration::from_secs(60), [1; 32]);
    Arc::new(Words::new(&Arc::new(store)))
}

fn learned(documents: std::ops::Range<u64>) -> Generation {
    let now = Instant::now();
    let mut collection = Collection::new(now);
    for document in documents {
        collection.learn(document, &[1, 100 + document as u32], now);
    }
    collection.whole()
}

fn knows(words: &Words, name: u64) -> (usize, u32) {
    words.look(name, |collection| (collection.documents(), collection.with(1))).unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn whoever_knows_clearly_more_is_loaded_and_reported() {
    let words = words();
    let name = words.collection("c");
    assert!(words.settle("c", name, None).is_none(), "there is nothing to tell");
    assert!(words.settle("c", name, Some(learned(0..40))).is_none());
    assert_eq!(knows(&words, name), (40, 40));
    assert!(words.settle("c", name, Some(learned(10..58))).is_none(), "not clearly more");
    assert_eq!(knows(&words, name), (40, 40));
    let stated = words.settle("c", name, Some(learned(0..30))).unwrap();
    assert_eq!((stated.documents.len(), stated.terms[&1]), (40, 40));
    assert!(words.settle("c", name, Some(learned(0..51))).is_none());
    assert_eq!(knows(&words, name), (51, 51), "none of them is counted twice");
    assert_eq!(knows(&words, words.collection("d")), (0, 0), "collections do not mix");
}

#[tokio::test(start_paused = true)]
async fn what_was_loaded_is_not_counted_again_when_it_passes() {
    let words = words();
    let name = words.collection("c");
    words.settle("c", name, Some(learned(0..40)));
    words.learn("c", &[(3, [1, 103].into()), (99, [1].into())]);
    assert_eq!(knows(&words, name), (41, 41));
}

#[test]
fn what_others_write_is_read_and_what_is_damaged_is_not() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _entered = runtime.enter();
    let known = learned(0..300);
    let bytes = encode(7, &known);
    let read = decode(7, &bytes).unwrap();
    assert_eq!((read.documents, read.terms), (known.documents, known.terms));
    assert!(decode(8, &bytes).is_none(), "of another collection");
    for at in (0..bytes.len()).step_by(97) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        assert!(decode(7, &damaged).is_none(), "byte {at}");
        assert!(decode(7, &bytes[..at]).is_none(), "the first {at} bytes");
    }
}

#[test]
fn sections_longer_than_anybody_writes_are_not_made_room_for() {
    let mut bytes = vec![VERSION];
    bytes.extend(u32::MAX.to_le_bytes());
    bytes.extend(check(7, &bytes.clone()));
    assert!(decode(7, &bytes).is_none());
}

proptest! {
    #[test]
    fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut sealed = bytes.clone();
        sealed.extend(check(7, &bytes));
        let _ = (decode(7, &bytes), decode(7, &sealed));
    }
}
