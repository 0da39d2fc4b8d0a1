//! The vectors that a search ranks by.

use super::*;

fn vectors(target: &str, body: &str, searches: &[usize]) -> Vec<(usize, Vec<f32>)> {
    let body = Bytes::from(body.to_owned());
    let request = with_head(&POST, target, |head| Qdrant.read_body(head, &body)).unwrap();
    let mut found = Vec::new();
    request.vectors(searches, &mut |search, vector| found.push((search, vector.to_vec()))).unwrap();
    found
}

fn of(target: &str, body: &str) -> Vec<Vec<f32>> {
    vectors(target, body, &[0]).into_iter().map(|(_, vector)| vector).collect()
}

#[test]
fn the_vector_is_found_in_every_form_of_a_query() {
    for query in [
        "[1,-0.5]",
        r#"{"nearest":[1,-0.5]}"#,
        r#"{"recommend":{"positive":[[1,-0.5]]}}"#,
        r#"{"recommend":{"positive":[[1,-0.5]],"negative":[]}}"#,
        r#"{"recommend":{"positive":[[1,-0.5]],"negative":null,"strategy":"best_score"}}"#,
        r#"{"discover":{"target":[1,-0.5],"context":[{"positive":1,"negative":2}]}}"#,
        r#"{"relevance_feedback":{"target":[1,-0.5],"feedback":[]}}"#,
    ] {
        assert_eq!(of(QUERY, &format!(r#"{{"query":{query}}}"#)), [[1.0, -0.5]], "{query}");
        assert_eq!(of(GROUPS, &format!(r#"{{"query":{query},"group_by":"a"}}"#)), [[1.0, -0.5]], "{query}");
    }
    assert_eq!(of(SEARCH, r#"{"vector":[1,-0.5],"limit":3}"#), [[1.0, -0.5]]);
    assert_eq!(of(SEARCH, r#"{"vector":{"name":"a","vector":[1,-0.5]},"limit":3}"#), [[1.0, -0.5]]);
    assert_eq!(of(RECOMMEND, r#"{"positive":[[1,-0.5]],"limit":3}"#), [[1.0, -0.5]]);
    let discover = "/collections/kb/points/discover";
    assert_eq!(of(discover, r#"{"target":[1,-0.5],"limit":3}"#), [[1.0, -0.5]]);
}

#[test]
fn what_is_no_single_dense_vector_is_none() {
    for query in [
        "7",
        "[[1,2],[3,4]]",
        r#"{"indices":[1],"values":[0.5]}"#,
        r#"{"0":0.1,"1":0.2}"#,
        r#"{"text":"a","model":"m"}"#,
        r#"{"recommend":{"positive":[[1,2],[3,4]]}}"#,
        r#"{"recommend":{"positive":[[1,2]],"negative":[[3,4]]}}"#,
        r#"{"recommend":{"positive":[7]}}"#,
        r#"{"context":[]}"#,
        r#"{"sample":"random"}"#,
    ] {
        assert_eq!(of(QUERY, &format!(r#"{{"query":{query}}}"#)), [[0.0; 0]; 0], "{query}");
    }
    assert_eq!(of(RECOMMEND, r#"{"positive":[[1,2]],"negative":[4],"limit":3}"#), [[0.0; 0]; 0]);
}

#[test]
fn the_vectors_of_prefetches_are_found_and_none_of_filters() {
    let body = r#"{"prefetch":[{"query":[1,2],"using":"dense","filter":{"must":{"key":"v","match":{"any":[9,9]}}}},
        {"query":{"indices":[1],"values":[0.5]},"prefetch":{"query":{"nearest":[3]}}}],"query":{"fusion":"rrf"}}"#;
    assert_eq!(of(QUERY, body), [vec![1.0, 2.0], vec![3.0]]);
    assert_eq!(of(QUERY, r#"{"query":[5],"prefetch":{"query":[6]}}"#), [[5.0], [6.0]]);
}

#[test]
fn only_the_searches_of_a_batch_that_are_asked_for_are_read() {
    let body = r#"{"searches":[{"query":[1]},{"query":[2]},{"query":7},{"query":{"nearest":[4]}}]}"#;
    assert_eq!(vectors(BATCH, body, &[1, 2, 3, 9]), [(1, vec![2.0]), (3, vec![4.0])]);
}
