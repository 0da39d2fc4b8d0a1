use std::time::Duration;

use super::*;
use crate::rerank::ScoreStore;

fn texts(documents: &[&str]) -> Vec<Document> {
    documents.iter().map(|text| Document::from(*text)).collect()
}

fn lexical(fuse: bool) -> Lexical {
    let store = ScoreStore::new(0, Duration::from_secs(60), [1; 32]);
    Lexical::new("words".into(), Arc::new(Words::new(&Arc::new(store))), fuse)
}

async fn ask(lexical: &Lexical, query: &str, documents: &[Document], collection: Option<&str>) -> Scores {
    let respond_by = Instant::now() + Duration::from_secs(3600);
    let collections = collection.into_iter().map(Arc::from).collect();
    let request = RerankRequest::new(query.into(), documents.into(), respond_by);
    lexical.clone().call(RerankRequest { collections, ..request }).await.unwrap()
}

async fn scores(query: &str, documents: &[&str]) -> Vec<f32> {
    let response = ask(&lexical(true), query, &texts(documents), None).await;
    assert_eq!(response.fusion, None, "documents of no collection have no order of a database");
    response.scores.into_iter().flatten().collect()
}

/// Time passes, and others run, while documents that would take long are read.
#[tokio::test]
async fn many_long_documents_hold_no_worker_past_the_deadline() {
    let long = "the quick brown fox jumps over it ".repeat(3_000);
    let documents = texts(&vec![long.as_str(); 200]);
    let begun = Instant::now();
    let respond_by = begun + Duration::from_millis(100);
    let request = RerankRequest::new("a quick fox".into(), documents.into(), respond_by);
    let request = RerankRequest { collections: [Arc::from("c")].into(), ..request };
    let mut turns = 0;
    let response = tokio::select! {
        biased;
        response = lexical(true).call(request) => response,
        () = async { loop { turns += 1; yield_now().await } } => unreachable!(),
    };
    assert_eq!(response.unwrap_err(), RerankError::Deadline);
    assert!(turns > 1, "others had their turn");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_query_of_very_many_words_is_read_up_to_a_limit() {
    let query = (0..100_000).map(|n| format!("w{n} ")).collect::<String>();
    let got = scores(&query, &["w1", "w99999"]).await;
    assert!(got[0] > 0.0 && got[1] == 0.0, "{got:?}");
}

#[tokio::test]
async fn shared_words_score_by_stem_and_none_scores_zero() {
    let got = scores(
        "resetting passwords",
        &["How to RESET a password.", "The firm was started in 2019.", "A password needs symbols."],
    )
    .await;
    assert!(got[0] > got[2] && got[2] > got[1]);
    assert_eq!(got[1], 0.0);
}

#[tokio::test]
async fn scores_stay_within_zero_and_one_and_repeat() {
    let long = "word ".repeat(10_000);
    let documents = [long.as_str(), "", "größe 漢字", "word"];
    let got = scores("word größe 漢", &documents).await;
    assert!(got.iter().all(|score| (0.0..1.0).contains(score)), "{got:?}");
    assert_eq!(got, scores("word größe 漢", &documents).await);
}

#[tokio::test]
async fn rare_words_count_more_than_common_ones() {
    let got = scores("common rare", &["common one", "rare one", "common two", "common three"]).await;
    assert!(got[1] > got[0]);
}

#[tokio::test]
async fn nothing_to_score_gives_no_scores() {
    assert!(scores("query", &[]).await.is_empty());
    assert_eq!(scores("", &["text"]).await, [0.0]);
}

fn filler(count: usize) -> Vec<Document> {
    (0..count).map(|n| Document::from(format!("the wing of aircraft number {n}").as_str())).collect()
}

#[tokio::test]
async fn words_weigh_more_with_every_document_that_has_passed() {
    let lexical = lexical(true);
    let window = texts(&["wing flutter", "wing drag"]);
    let mut weights = Vec::new();
    for passed in [0, 40, 100, 300] {
        // Another query each time: the same one would be ranked as it was at first.
        let query = format!("flutter {passed}");
        ask(&lexical, "anything", &filler(passed), Some("c")).await;
        let response = ask(&lexical, &query, &window, Some("c")).await;
        assert_eq!(response.learned, Some(passed as u32));
        weights.push(response.fusion.unwrap().weight);
    }
    assert_eq!((weights[0], weights[3]), (0.25, 1.0));
    assert!(weights[0] < weights[1] && weights[1] < weights[2] && weights[2] < 1.0, "{weights:?}");
    let other = ask(&lexical, "flutter", &window, Some("d")).await;
    assert_eq!((other.learned, other.fusion.unwrap().weight), (Some(0), 0.25), "another collection");
}

/// In a window about the question its own words are common, and an incidental one is rare: the collection knows better.
#[tokio::test]
async fn how_rare_a_word_is_comes_from_the_collection_not_from_the_window() {
    let window: Vec<Document> = (0..9)
        .map(|n| Document::from(if n == 8 { "notes regarding wings" } else { "flutter of wings" }))
        .collect();
    let learned: Vec<Document> =
        (0..200).map(|n| Document::from(format!("notes regarding matter {n}").as_str())).collect();
    for (fuse, first) in [(true, 0), (false, 0)] {
        let lexical = lexical(fuse);
        ask(&lexical, "anything", &learned, Some("c")).await;
        let scores = ask(&lexical, "notes regarding flutter", &window, Some("c")).await.scores;
        assert!(scores[first] > scores[8], "{fuse}: {scores:?}");
    }
    let alone = ask(&lexical(true), "notes regarding flutter", &window, None).await.scores;
    assert!(alone[8] > alone[0], "of the window alone it would be the other way round: {alone:?}");
}

#[tokio::test]
async fn the_same_traffic_gives_the_same_scores() {
    let run = async || {
        let lexical = lexical(true);
        let mut all = Vec::new();
        for n in 0..20 {
            let documents = filler(n + 2);
            all.push(ask(&lexical, &format!("wing number {n}"), &documents, Some("c")).await.scores);
        }
        all
    };
    assert_eq!(run().await, run().await);
}

#[tokio::test]
async fn an_order_that_stands_alone_is_not_fused() {
    let response = ask(&lexical(false), "wing", &filler(3), Some("c")).await;
    assert_eq!((response.fusion, response.learned), (None, Some(0)));
}
