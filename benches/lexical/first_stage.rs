//! The orders that databases give: by vectors, and by BM25 over the whole collection, as Elasticsearch and OpenSearch
//! have it with their standard and their English analyzer.

use std::collections::HashMap;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation;

use super::collection::Collection;

pub const VECTORS: &str = "behind vectors";

/// As many candidates as the largest window takes.
const MOST: usize = 100;

/// For each kind of database the candidates of every question, the best first.
pub fn all(collection: &Collection) -> [(&'static str, Vec<Vec<usize>>); 3] {
    let stemmer = Stemmer::create(Algorithm::English);
    [
        (VECTORS, collection.nearest()),
        ("behind BM25, standard analyzer", bm25(collection, |word| word.to_lowercase())),
        (
            "behind BM25, English analyzer",
            bm25(collection, |word| stemmer.stem(&word.to_lowercase()).into_owned()),
        ),
    ]
}

fn bm25(collection: &Collection, token: impl Fn(&str) -> String) -> Vec<Vec<usize>> {
    let tokens = |text: &str| text.unicode_words().map(&token).collect::<Vec<_>>();
    let documents: Vec<Vec<String>> = collection.indexed.iter().map(|text| tokens(text)).collect();
    let mut index: HashMap<&str, Vec<(usize, f64)>> = HashMap::new();
    for (at, document) in documents.iter().enumerate() {
        for word in document {
            let found = index.entry(word).or_default();
            match found.last_mut() {
                Some((last, count)) if *last == at => *count += 1.0,
                _ => found.push((at, 1.0)),
            }
        }
    }
    let all = documents.len() as f64;
    let average = documents.iter().map(Vec::len).sum::<usize>() as f64 / all;
    let of = |question: &str| {
        let mut scores: Vec<(f64, usize)> = (0..documents.len()).map(|at| (0.0, at)).collect();
        for word in tokens(question) {
            let found = index.get(word.as_str()).map_or(&[][..], Vec::as_slice);
            let idf = (1.0 + (all - found.len() as f64 + 0.5) / (found.len() as f64 + 0.5)).ln();
            for (at, count) in found {
                let norm = 1.2 * (0.25 + 0.75 * documents[*at].len() as f64 / average);
                scores[*at].0 += idf * count / (count + norm);
            }
        }
        scores.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        scores.iter().take(MOST).map(|(_, at)| *at).collect()
    };
    collection.questions.iter().map(|question| of(&question.text)).collect()
}
