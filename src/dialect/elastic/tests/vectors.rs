//! The vectors that a search ranks by.

use super::{rules::ask, *};

fn vectors(target: &str, body: &str, searches: &[usize]) -> Vec<(usize, Vec<f32>)> {
    let body = Bytes::from(body.to_owned());
    let request = ask(target, |head| Elastic.read_body(head, &body)).unwrap();
    let mut found = Vec::new();
    request.vectors(searches, &mut |search, vector| found.push((search, vector.to_vec()))).unwrap();
    found
}

fn of(body: &str) -> Vec<Vec<f32>> {
    vectors("/a/_search", body, &[0]).into_iter().map(|(_, vector)| vector).collect()
}

#[test]
fn the_vector_is_found_wherever_a_clause_ranks_by_it() {
    for body in [
        r#"{"knn":{"field":"v","query_vector":[1,-0.5],"k":5}}"#,
        r#"{"knn":[{"field":"v","query_vector":[1,-0.5]}],"query":{"match":{"t":"x"}}}"#,
        r#"{"knn":{"field":"v","query_vector":"P4AAAL8AAAA="}}"#,
        r#"{"query":{"knn":{"field":"v","query_vector":[1,-0.5]}}}"#,
        r#"{"query":{"knn":{"v":{"vector":[1,-0.5],"k":5}}}}"#,
        r#"{"query":{"bool":{"must":[{"knn":{"v":{"vector":[1,-0.5]}}}],"filter":{"term":{"a":1}}}}}"#,
        r#"{"query":{"nested":{"path":"p","query":{"knn":{"field":"p.v","query_vector":[1,-0.5]}}}}}"#,
        r#"{"query":{"hybrid":{"queries":[{"match":{"t":"x"}},{"knn":{"v":{"vector":[1,-0.5]}}}]}}}"#,
        r#"{"query":{"script_score":{"query":{"match_all":{}},"script":{"source":"knn_score","lang":"knn",
            "params":{"field":"v","query_value":[1,-0.5],"space_type":"l2"}}}}}"#,
        r#"{"query":{"script_score":{"query":{"match_all":{}},"script":{"source":"cosineSimilarity(params.query_vector,'v')+1.0","params":{"query_vector":[1,-0.5]}}}}}"#,
        r#"{"query":{"script_score":{"query":{"match_all":{}},"script":{"id":"stored","params":{"q":[1,-0.5]}}}}}"#,
        r#"{"query":{"function_score":{"functions":[{"script_score":{"script":{"source":"dotProduct(params.q,'v')",
            "params":{"q":[1,-0.5]}}}}],"boost_mode":"replace"}}}"#,
        r#"{"retriever":{"knn":{"field":"v","query_vector":[1,-0.5],"k":5,"num_candidates":9}}}"#,
        r#"{"retriever":{"rrf":{"retrievers":[{"standard":{"query":{"match":{"t":"x"}}}},
            {"knn":{"field":"v","query_vector":[1,-0.5]}}]}}}"#,
        r#"{"retriever":{"linear":{"retrievers":[{"retriever":{"knn":{"field":"v","query_vector":[1,-0.5]}},
            "weight":2}]}}}"#,
        r#"{"query":{"match":{"t":"x"}},"rescore":{"query":{"rescore_query":{"script_score":{"query":{"match_all":{}},
            "script":{"source":"cosineSimilarity(params.q,'v')","params":{"q":[1,-0.5]}}}}}}}"#,
        r#"{"sub_searches":[{"query":{"knn":{"field":"v","query_vector":[1,-0.5]}}}],"rank":{"rrf":{}}}"#,
    ] {
        assert_eq!(of(body), [[1.0, -0.5]], "{body}");
    }
}

#[test]
fn a_vector_that_does_not_rank_is_not_found() {
    for body in [
        r#"{"query":{"bool":{"must":{"match":{"t":"x"}},"filter":{"knn":{"field":"v","query_vector":[1]}}}}}"#,
        r#"{"query":{"bool":{"must_not":{"knn":{"v":{"vector":[1]}}}}}}"#,
        r#"{"query":{"knn":{"field":"v","query_vector":[1],"boost":0}}}"#,
        r#"{"query":{"constant_score":{"filter":{"knn":{"field":"v","query_vector":[1]}}}}}"#,
        r#"{"query":{"script_score":{"query":{"match_all":{}},"script":{"source":"doc['n'].value","params":{"q":[1]}}}}}"#,
        r#"{"retriever":{"linear":{"retrievers":[{"retriever":{"knn":{"field":"v","query_vector":[1]}},"weight":0}]}}}"#,
        r#"{"query":{"match":{"t":"x"}}}"#,
        "{}",
    ] {
        assert_eq!(of(body), [[0.0; 0]; 0], "{body}");
    }
    let template = r#"{"id":"t","params":{"v":[1]}}"#;
    assert!(vectors("/a/_search/template", template, &[0]).is_empty());
    assert!(vectors("/a/_search?q=x", r#"{"query":{"knn":{"v":{"vector":[1]}}}}"#, &[0]).is_empty());
}

#[test]
fn several_vectors_of_one_search_are_all_found() {
    let body = r#"{"knn":[{"field":"v","query_vector":[1]},{"field":"w","query_vector":[2]}]}"#;
    assert_eq!(of(body), [[1.0], [2.0]]);
}

#[test]
fn only_the_searches_of_a_batch_that_are_asked_for_are_read() {
    let lines = ["{}", r#"{"knn":{"field":"v","query_vector":[1]}}"#];
    let other = ["{}", r#"{"knn":{"field":"v","query_vector":[2]}}"#];
    let body = [lines, other, lines].concat().join("\n") + "\n";
    assert_eq!(vectors("/_msearch", &body, &[1, 2, 7]), [(1, vec![2.0]), (2, vec![1.0])]);
}
