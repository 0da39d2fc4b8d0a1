//! What holds wherever a text stands in a query.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A query that ranks by what is inside it.
fn ranking(inner: impl Strategy<Value = Json>) -> impl Strategy<Value = Json> {
    (inner, 0..13).prop_map(|(inner, form)| match form {
        0 => json!({"bool": {"must": [inner]}}),
        1 => json!({"bool": {"should": inner, "filter": {"match": {"content": "hidden"}}}}),
        2 => json!({"dis_max": {"queries": [inner]}}),
        3 => json!({"boosting": {"positive": inner, "negative": {"match": {"content": "hidden"}}, "negative_boost": 0.1}}),
        4 => json!({"nested": {"path": "p", "query": inner}}),
        5 => json!({"has_child": {"type": "t", "score_mode": "sum", "query": inner}}),
        6 => json!({"has_parent": {"parent_type": "t", "score": true, "query": inner}}),
        7 => json!({"function_score": {"query": inner, "functions": [{"filter": {"match": {"content": "hidden"}}, "weight": 2}]}}),
        8 => json!({"script_score": {"query": inner, "script": {"source": "_score * 2"}}}),
        9 => json!({"wrapper": {"query": base64::Engine::encode(&base64::prelude::BASE64_STANDARD, inner.to_string())}}),
        10 => json!({"hybrid": {"queries": [inner]}}),
        11 => json!({"bool": {"must": inner, "must_not": {"query_string": {"query": "hidden"}}, "boost": 2}}),
        _ => json!({"template": inner}),
    })
}

/// A query that selects by what is inside it, and ranks by nothing or by a vector.
fn selecting(inner: impl Strategy<Value = Json>) -> impl Strategy<Value = Json> {
    (inner, 0..12).prop_map(|(inner, form)| match form {
        0 => json!({"bool": {"filter": [inner]}}),
        1 => json!({"bool": {"must_not": inner, "must": {"match_all": {}}}}),
        2 => json!({"constant_score": {"filter": inner, "boost": 3}}),
        3 => json!({"script_score": {"query": inner, "script": {"source": "cosineSimilarity(params.v, 'e') + 1.0"}}}),
        4 => json!({"function_score": {"query": inner, "functions": [{"weight": 3}], "boost_mode": "replace"}}),
        5 => json!({"nested": {"path": "p", "score_mode": "none", "query": inner}}),
        6 => json!({"has_child": {"type": "t", "query": inner}}),
        7 => json!({"has_parent": {"parent_type": "t", "query": inner}}),
        8 => json!({"boosting": {"positive": {"match_all": {}}, "negative": inner, "negative_boost": 0.1}}),
        9 => json!({"bool": {"must": inner, "boost": 0}}),
        10 => json!({"knn": {"field": "e", "query_vector": [1], "filter": inner}}),
        _ => json!({"knn": {"e": {"vector": [1], "k": 3, "filter": inner}}}),
    })
}

fn match_of(text: &'static str) -> impl Strategy<Value = Json> {
    (0..6).prop_map(move |form| match form {
        0 => json!({"match": {"content": text}}),
        1 => json!({"match_phrase": {"title": {"query": text}}}),
        2 => json!({"multi_match": {"query": text, "fields": ["title", "lang"]}}),
        3 => json!({"query_string": {"query": format!("content:{text} -hidden")}}),
        4 => json!({"simple_query_string": {"query": format!("{text} -hidden"), "fields": ["content"]}}),
        _ => json!({"neural": {"e": {"query_text": text}}}),
    })
}

/// A query that ranks by `shown`, or by nothing that is a text; with whether it does.
fn query() -> impl Strategy<Value = (Json, bool)> {
    let shown = match_of("shown").prop_map(|query| (query, true));
    let hidden =
        selecting(prop_oneof![match_of("hidden"), match_of("shown")]).prop_map(|query| (query, false));
    prop_oneof![shown, hidden].prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_flat_map(|(query, shows)| (ranking(Just(query)), Just(shows))),
            inner.clone().prop_flat_map(|(query, _)| (selecting(Just(query)), Just(false))),
            prop::collection::vec(inner, 1..3).prop_map(|all| {
                let shows = all.iter().any(|(_, shows)| *shows);
                let queries: Vec<Json> = all.into_iter().map(|(query, _)| query).collect();
                (json!({"bool": {"should": queries}}), shows)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_filters_text_is_never_the_question_wherever_it_stands((query, shows) in query(), retrieved in any::<bool>()) {
        let body = if retrieved {
            json!({"retriever": {"standard": {"query": query, "filter": {"match": {"content": "hidden"}}}}})
        } else {
            json!({"query": query, "post_filter": {"match": {"content": "hidden"}}})
        };
        let expected = if shows { "shown" } else { "-" };
        let found = question(&body.to_string());
        let found = if found == "other order" { "-".to_owned() } else { found };
        prop_assert_eq!(found, expected, "{}", body);
    }
}
