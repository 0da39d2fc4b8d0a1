//! What OpenSearch has of its own: kNN clauses that alone rank a search, and search pipelines.

use super::{
    rules::{ask, read, widened},
    *,
};
use crate::search::{MostHits, Ranking};

const NEAREST: [(&str, &str); 9] = [
    (
        r#"{"query":{"knn":{"v":{"vector":[1],"k":5}}},"size":5}"#,
        r#"{"query":{"knn":{"v":{"vector":[1],"k":50}}},"size":50}"#,
    ),
    (
        r#"{"query":{"knn":{"v":{"vector":[1],"k":"5","method_parameters":{"ef_search":10},"filter":{"term":{"a":1}}}}},"size":5}"#,
        r#"{"query":{"knn":{"v":{"vector":[1],"k":50,"method_parameters":{"ef_search":50},"filter":{"term":{"a":1}}}}},"size":50}"#,
    ),
    (
        r#"{"query":{"knn":{"v":{"vector":[1],"k":5,"method_parameters":{"ef_search":100,"nprobes":2}}}},"size":5}"#,
        r#"{"query":{"knn":{"v":{"vector":[1],"k":50,"method_parameters":{"ef_search":100,"nprobes":2}}}},"size":50}"#,
    ),
    (
        r#"{"query":{"bool":{"must":[{"knn":{"v":{"vector":[1],"k":5}}}]}},"size":5}"#,
        r#"{"query":{"bool":{"must":[{"knn":{"v":{"vector":[1],"k":50}}}]}},"size":50}"#,
    ),
    (
        r#"{"query":{"bool":{"should":{"knn":{"v":{"vector":[1],"k":5}}},"filter":[],"boost":2}},"size":5}"#,
        r#"{"query":{"bool":{"should":{"knn":{"v":{"vector":[1],"k":50}}},"filter":[],"boost":2}},"size":50}"#,
    ),
    (
        r#"{"query":{"knn":{"field":"v","query_vector":[1],"k":5,"num_candidates":20}},"size":5}"#,
        r#"{"query":{"knn":{"field":"v","query_vector":[1],"k":50,"num_candidates":50}},"size":50}"#,
    ),
    (
        r#"{"query":{"knn":{"field":"v","query_vector":[1],"k":5,"num_candidates":200}},"size":5}"#,
        r#"{"query":{"knn":{"field":"v","query_vector":[1],"k":50,"num_candidates":200}},"size":50}"#,
    ),
    (
        r#"{"query":{"neural":{"v":{"query_text":"x","model_id":"m","k":5}}},"size":5}"#,
        r#"{"query":{"neural":{"v":{"query_text":"x","model_id":"m","k":50}}},"size":50}"#,
    ),
    (
        r#"{"query":{"knn":{"v":{"vector":[1],"k":5}}},"size":5,"min_score":0.2,"track_total_hits":false}"#,
        r#"{"query":{"knn":{"v":{"vector":[1],"k":50}}},"size":50,"min_score":0.2,"track_total_hits":false}"#,
    ),
];

#[test]
fn the_k_of_a_clause_that_alone_ranks_grows_with_the_page() {
    for (asked, deeper) in NEAREST {
        let intent = read("/a/_search", asked);
        assert_eq!((intent.widening, intent.limit), (Widening::NotNeutral, 5), "{asked}");
        let (_, body, strips) = widened("/a/_search", asked, 50, &[]);
        assert_eq!(body, deeper);
        assert_eq!(strips[0].total_at_most, Some(MostHits::OnEachShard(5)));
        let batch = format!("{{}}\n{asked}\n");
        assert_eq!(widened("/a/_msearch", &batch, 50, &[]).1, format!("{{}}\n{deeper}\n"));
        // A page that ends beyond `k` ends with what the shards give, which the total tells.
        let beyond = asked.replace("\"size\":5", "\"size\":6");
        let tracked = !asked.contains("track_total_hits");
        let intent = read("/a/_search", &beyond);
        let expected = if tracked { (Widening::NotNeutral, Some(5)) } else { (Widening::Neutral, None) };
        assert_eq!((intent.widening, intent.most_per_shard), expected, "{beyond}");
        let past = asked.replace("\"size\":5", "\"size\":5,\"from\":5");
        assert_eq!(read("/a/_search", &past).widening, Widening::Neutral, "{past}");
    }
}

#[test]
fn k_stays_where_anything_counts_or_cuts_what_it_finds() {
    let knn = r#"{"knn":{"v":{"vector":[1],"k":5}}}"#;
    for query in [
        format!(r#"{{"bool":{{"must":[{knn}],"filter":[{{"term":{{"a":1}}}}]}}}}"#),
        format!(r#"{{"bool":{{"must":[{knn}],"must_not":{{"term":{{"a":1}}}}}}}}"#),
        format!(r#"{{"bool":{{"must":[{knn},{{"term":{{"a":1}}}}]}}}}"#),
        format!(r#"{{"bool":{{"should":[{knn},{{"match":{{"a":"b"}}}}]}}}}"#),
        format!(r#"{{"bool":{{"must":{knn},"should":{knn}}}}}"#),
        format!(r#"{{"nested":{{"path":"p","query":{knn}}}}}"#),
        format!(r#"{{"function_score":{{"query":{knn}}}}}"#),
        r#"{"knn":{"v":{"vector":[1],"min_score":0.5}}}"#.to_owned(),
        r#"{"script_score":{"query":{"match_all":{}},"script":{"lang":"knn","source":"knn_score"}}}"#
            .to_owned(),
    ] {
        let body = format!(r#"{{"query":{query},"size":5}}"#);
        assert_eq!(read("/a/_search", &body).widening, Widening::Neutral, "{query}");
        let (_, wider, strips) = widened("/a/_search", &body, 50, &[]);
        assert_eq!((wider, strips[0].total_at_most), (body.replace("\"size\":5", "\"size\":50"), None));
    }
    for after in [
        r#""aggs":{"x":{"terms":{"field":"a"}}}"#,
        r#""post_filter":{"term":{"a":1}}"#,
        r#""collapse":{"field":"a"}"#,
        r#""track_total_hits":true"#,
        r#""track_total_hits":3"#,
    ] {
        let body = format!(r#"{{"query":{knn},"size":5,{after}}}"#);
        let (_, wider, _) = widened("/a/_search", &body, 50, &[]);
        assert!(wider.contains("\"k\":5"), "{after}");
    }
    let body = format!(r#"{{"query":{knn},"size":5}}"#);
    for (target, deepened) in [
        ("/a/_search?filter_path=hits", false),
        ("/a/_search?filter_path=hits.total.value,hits.hits", false),
        ("/a/_search?filter_path=hits,_shards", true),
        ("/a/_search?filter_path=hits.hits", true),
    ] {
        assert_eq!(widened(target, &body, 50, &[]).1.contains("\"k\":50"), deepened, "{target}");
    }
}

/// What becomes of a total where `k` had been 5.
fn total(response: &str) -> String {
    let body = r#"{"query":{"knn":{"v":{"vector":[1],"k":5}}},"size":5}"#;
    let (_, _, strips) = widened("/a/_search", body, 50, &[]);
    let page = ask("/a/_search", |head| split(head, Bytes::from(response.to_owned()))).unwrap();
    let kept: Option<Ranking> = None;
    String::from_utf8(page.reordered(&strips, &[kept]).to_vec()).unwrap()
}

#[test]
fn a_total_is_put_back_to_what_the_shards_give_with_the_clients_k() {
    let response = |shards: u64, value: u64, relation: &str| {
        format!(
            r#"{{"_shards":{{"total":{shards},"failed":0}},"hits":{{"total":{{"value":{value},"relation":"{relation}"}},"hits":[]}}}}"#
        )
    };
    for (shards, value, relation, back) in [
        (1, 50, "eq", 5),
        (3, 150, "eq", 15),
        (3, 12, "eq", 12),
        (1, 20, "gte", 5),
        (1, 5, "eq", 5),
        (1, 0, "eq", 0),
    ] {
        assert_eq!(
            total(&response(shards, value, relation)),
            response(shards, back, "eq"),
            "{shards} {value}"
        );
    }
    assert_eq!(
        total(&response(3, 3, "gte")),
        response(3, 3, "gte"),
        "counted to no further than the client wanted"
    );
    // The response may be in any order, and the total a number.
    let whole = r#"{"hits":{"total":70,"hits":[]},"_shards":{"total":2}}"#;
    assert_eq!(total(whole), whole.replace("70", "10"));
    let unknown = r#"{"hits":{"total":70,"hits":[]}}"#;
    assert_eq!(total(unknown), unknown);
}

#[test]
fn a_named_pipeline_is_reported_and_its_searches_are_not_taken_for_neutral() {
    let search = r#"{"query":{"match":{"a":"b"}}}"#;
    let hybrid = r#"{"query":{"hybrid":{"queries":[{"match":{"a":"b"}}]}}}"#;
    for (target, body, pipeline, widening) in [
        ("/_search?search_pipeline=p", search, Some("p"), Widening::NotNeutral),
        ("/_search?search_pipeline=p", hybrid, Some("p"), Widening::Never),
        ("/_search?search_pipeline=_none", search, None, Widening::Neutral),
        (
            "/_search",
            r#"{"query":{"match":{"a":"b"}},"search_pipeline":"p"}"#,
            Some("p"),
            Widening::NotNeutral,
        ),
        ("/_search", r#"{"query":{"match":{"a":"b"}},"search_pipeline":"_none"}"#, None, Widening::Neutral),
        ("/_search?search_pipeline=q", r#"{"search_pipeline":"p"}"#, Some("q"), Widening::NotNeutral),
        ("/_search", search, None, Widening::Neutral),
    ] {
        let intent = read(target, body);
        let got = (intent.pipeline.as_deref(), intent.widening, intent.keep);
        assert_eq!(got, (pipeline, widening, None), "{target} {body}");
    }
    let batch = "{\"search_pipeline\":\"p\"}\n{\"query\":{\"match\":{\"a\":\"b\"}}}\n";
    let intent = read("/_msearch", batch);
    assert_eq!((intent.pipeline.as_deref(), intent.widening), (Some("p"), Widening::NotNeutral));
    for ext in ["rerank", "ml_inference", "generative_qa_parameters", "personalize_request_parameters"] {
        let body = format!(r#"{{"query":{{"match":{{"a":"b"}}}},"ext":{{"{ext}":{{"a":1}}}}}}"#);
        assert_eq!(read("/_search?search_pipeline=p", &body).keep, Some(KeepReason::Unsupported), "{ext}");
    }
    let verbose = read("/_search?search_pipeline=p&verbose_pipeline=true", search);
    assert_eq!(verbose.keep, Some(KeepReason::Unsupported));
}

#[test]
fn a_pipeline_in_the_body_is_read() {
    let with = |pipeline: &str| {
        read("/_search", &format!(r#"{{"query":{{"match":{{"a":"b"}}}},"search_pipeline":{pipeline}}}"#)).keep
    };
    for harmless in [
        "{}",
        "null",
        r#"{"description":"x","phase_results_processors":[{"normalization-processor":{}}]}"#,
        r#"{"phase_results_processors":[{"score-ranker-processor":{}}],"request_processors":[{"filter_query":{}}]}"#,
        r#"{"response_processors":[{"rename_field":{}}]}"#,
    ] {
        assert_eq!(with(harmless), None, "{harmless}");
    }
    for harmful in [
        r#"{"response_processors":[{"rerank":{}}]}"#,
        r#"{"response_processors":[{"rename_field":{}},{"collapse":{}}]}"#,
        r#"{"response_processors":[{"truncate_hits":{}}]}"#,
        r#"{"response_processors":[{"personalize_search_ranking":{}}]}"#,
        r#"{"response_processors":[{"retrieval_augmented_generation":{}}]}"#,
        r#"{"request_processors":[{"oversample":{}}]}"#,
        r#"{"request_processors":[{"script":{}}]}"#,
        r#"{"request_processors":[{}]}"#,
        r#"{"new_processors":[]}"#,
        "[]",
        "7",
    ] {
        assert_eq!(with(harmful), Some(KeepReason::Unsupported), "{harmful}");
    }
}
