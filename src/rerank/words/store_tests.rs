use std::time::Duration;

use super::*;

fn words() -> Words {
    Words::new(&Arc::new(ScoreStore::new(0, Duration::from_secs(60), [1; 32])))
}

fn learn(words: &Words, collection: &str, texts: &[&str]) {
    let mut reader = words.reader();
    let learned: Vec<ToLearn> = texts
        .iter()
        .map(|text| {
            text.split(' ').for_each(|word| reader.take(word));
            (words.name(&Document::from(*text)), reader.end())
        })
        .collect();
    words.learn(collection, &learned);
}

fn known(words: &Words, collection: &str, terms: &[&str], candidates: &[&str]) -> (u32, Vec<u32>) {
    let terms: Vec<String> = terms.iter().map(|term| (*term).to_owned()).collect();
    let has = |text: &str| {
        let places = terms.iter().enumerate().filter(|(_, term)| text.split(' ').any(|word| word == **term));
        places.map(|(at, _)| at).collect()
    };
    let candidates: Vec<_> =
        candidates.iter().map(|text| (words.name(&Document::from(*text)), has(text))).collect();
    let names = words.terms(&terms);
    let query = terms.join(" ");
    let known = words.known(collection, &query, &names, &candidates);
    (known.documents, known.with.to_vec())
}

#[tokio::test(start_paused = true)]
async fn collections_do_not_mix() {
    let words = words();
    learn(&words, "a", &["red shoe", "blue shoe"]);
    learn(&words, "b", &["red car"]);
    assert_eq!(known(&words, "a", &["shoe", "red"], &[]), (2, vec![2, 1]));
    assert_eq!(known(&words, "b", &["shoe", "red"], &[]), (1, vec![0, 1]));
    assert_eq!(known(&words, "c", &["shoe", "red"], &[]), (0, vec![0, 0]));
}

/// A search is ranked by what is known from others: so it is ranked alike before and after its own candidates are
/// learned, and as often as it is asked.
#[tokio::test(start_paused = true)]
async fn a_searchs_own_candidates_do_not_count() {
    let words = words();
    learn(&words, "a", &["red shoe", "blue shoe", "a hat"]);
    let before = known(&words, "a", &["shoe", "hat"], &["blue shoe", "green shoe"]);
    assert_eq!(before, (2, vec![1, 1]));
    learn(&words, "a", &["blue shoe", "green shoe"]);
    assert_eq!(words.counts().documents, 4);
    assert_eq!(known(&words, "a", &["shoe", "hat"], &["blue shoe", "green shoe"]), before);
    // Also not where nothing is remembered of the first time.
    assert_eq!(known(&words, "a", &["hat", "shoe"], &["blue shoe", "green shoe"]), (2, vec![1, 1]));
}

#[tokio::test(start_paused = true)]
async fn the_pages_of_one_walk_are_ranked_by_the_same_whatever_passes_in_between() {
    let words = words();
    let before = known(&words, "a", &["shoe"], &["blue shoe"]);
    learn(&words, "a", &["red shoe", "green shoe"]);
    assert_eq!(known(&words, "a", &["shoe"], &["blue shoe"]), before);
    assert_eq!(known(&words, "a", &["shoe"], &["red shoe"]).0, 1, "another search has what is known now");
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_whoever_searches_what() {
    let words = words();
    let now = Instant::now();
    for n in 0..60_u64 {
        let name = format!("c{n}");
        words.change(&name, |collection, _| {
            for document in 0..1_000 {
                let terms: Vec<u32> = (0..20).map(|at| (document * 20 + at) as u32).collect();
                collection.learn(document, &terms, now);
            }
        });
    }
    let counts = words.counts();
    assert!(counts.bytes <= MOST_BYTES, "{counts:?}");
    assert!((10..60).contains(&counts.learned), "{counts:?}");
    assert!(words.look(words.collection("c59"), |_| ()).is_some());
    assert!(words.look(words.collection("c0"), |_| ()).is_none(), "the oldest is forgotten first");
}

#[tokio::test(start_paused = true)]
async fn how_much_is_known_is_counted() {
    let words = words();
    learn(&words, "a", &["one", "two"]);
    words.change("b", |collection, now| {
        (0..u64::from(ENOUGH_DOCUMENTS)).for_each(|document| collection.learn(document, &[1], now));
    });
    let LearnedCounts { learned, learning, documents, bytes } = words.counts();
    assert_eq!((learned, learning, documents), (1, 1, 2 + ENOUGH_DOCUMENTS as usize));
    assert!(bytes > 0);
    let stated = format!("{words:?}");
    assert!(stated.contains("documents: 202"), "{stated}");
}
