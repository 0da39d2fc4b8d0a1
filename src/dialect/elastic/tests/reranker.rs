//! `text_similarity_reranker`: what is read of it, and what is asked in its place.

use super::rules::{ask, read};
use super::*;
use crate::search::NamedReranker;

/// A body with this inside of the reranker and these members beside the retriever.
fn body(inside: &str, beside: &str) -> String {
    format!(r#"{{"retriever":{{"text_similarity_reranker":{{{inside}}}}}{beside}}}"#)
}

const INNER: &str = r#""retriever":{"standard":{"query":{"match":{"body":"coffee"}}}}"#;

fn basic(more: &str) -> String {
    format!(r#"{INNER},"field":"body","inference_text":"fresh coffee"{more}"#)
}

fn widened(body: &str, hits: Option<u64>, fields: &[&str]) -> String {
    let fields = WantedFields::Named(fields.iter().map(|name| (*name).to_owned()).collect());
    let plan = FetchPlan { hits, fields, without_reranker: true, ..FetchPlan::as_asked() };
    let body = Bytes::copy_from_slice(body.as_bytes());
    let rewrite = ask("/a/_search", |head| Elastic.widen_body(head, &body, &[plan])).unwrap();
    String::from_utf8(rewrite.body.to_vec()).unwrap()
}

#[test]
fn the_recorded_request_is_read_and_asked_without_its_reranker() {
    let fixture = Fixture::all().into_iter().find(|fixture| fixture.id == "174").unwrap();
    let body = fixture.body("request");
    let intent = fixture.with_head(|head| Elastic.parse_body(head, &body).unwrap().remove(0));
    assert_eq!((intent.limit, intent.max_hits, intent.keep), (2, 50, None));
    let named = NamedReranker {
        inference_id: "my-cohere-rerank".to_owned(),
        query: "how do I keep coffee fresh at home".to_owned(),
        field: "body".to_owned(),
        window: 50,
        min_score: Some(0.2),
        chunks: None,
    };
    assert!(intent.reranker == Some(named));
    assert!(!format!("{intent:?}").contains("coffee"));
    let text = std::str::from_utf8(&body).unwrap();
    assert_eq!(
        widened(text, Some(50), &["body"]),
        r#"{"retriever":{"standard":{"query":{"match":{"body":"coffee"}}}},"size":50,"_source":["title"],"fields":["body"]}"#
    );
    assert_eq!(
        widened(text, None, &[]),
        r#"{"retriever":{"standard":{"query":{"match":{"body":"coffee"}}}},"size":2,"_source":["title"]}"#
    );
}

#[test]
fn what_is_left_out_has_elasticsearchs_defaults() {
    let intent = read("/a/_search", &body(&basic(""), ""));
    let named = intent.reranker.unwrap();
    assert_eq!(named.inference_id, ".rerank-v1-elasticsearch");
    assert_eq!((named.window, named.min_score, intent.max_hits), (10, None, 10));
    let more = r#","chunk_rescorer":{"size":1},"allow_rerank_failures":true,"_name":"x","min_score":null"#;
    assert!(read("/a/_search", &body(&basic(more), "")).reranker.is_some());
}

#[test]
fn an_outer_filter_goes_before_the_inner_retrievers_own() {
    let filter = |inner: &str, filter: &str| {
        let inside = format!(r#""retriever":{inner},"field":"b","inference_text":"q","filter":{filter}"#);
        let text = widened(&body(&inside, ""), Some(7), &[]);
        text.strip_prefix(r#"{"retriever":"#)
            .unwrap()
            .strip_suffix(r#","size":7}"#)
            .map(str::to_owned)
            .unwrap()
    };
    assert_eq!(
        filter(r#"{"standard":{"query":{"match_all":{}}}}"#, r#"{"term":{"a":1.0}}"#),
        r#"{"standard":{"query":{"match_all":{}},"filter":[{"term":{"a":1.0}}]}}"#
    );
    assert_eq!(
        filter(r#"{"knn":{"filter":{"x":1},"k":5}}"#, r#"[{"a":1},{"b":2}]"#),
        r#"{"knn":{"filter":[{"a":1},{"b":2},{"x":1}],"k":5}}"#
    );
    assert_eq!(filter(r#"{"rrf":{"retrievers":[]}}"#, "null"), r#"{"rrf":{"retrievers":[]}}"#);
}

#[test]
fn a_page_ends_with_the_candidates() {
    let rrf = |own: &str| {
        format!(
            r#""retriever":{{"rrf":{{"retrievers":[]{own}}}}},"field":"b","inference_text":"q","rank_window_size":40"#
        )
    };
    // The inner retriever's own window bounds its candidates.
    for (own, candidates) in [("", 10), (r#","rank_window_size":30"#, 30), (r#","rank_window_size":99"#, 40)]
    {
        assert_eq!(read("/a/_search", &body(&rrf(own), "")).max_hits, candidates, "{own}");
    }
    let page = |beside: &str| widened(&body(&rrf(""), beside), None, &[]);
    assert_eq!(page(r#","size":20"#), r#"{"retriever":{"rrf":{"retrievers":[]}},"size":10}"#);
    assert_eq!(page(r#","from":4"#), r#"{"retriever":{"rrf":{"retrievers":[]}},"from":4,"size":6}"#);
    assert_eq!(page(r#","from":40"#), r#"{"retriever":{"rrf":{"retrievers":[]}},"from":40,"size":0}"#);
    assert_eq!(page(r#","from":4,"size":5"#), r#"{"retriever":{"rrf":{"retrievers":[]}},"from":4,"size":5}"#);
    let own_query = ask("/a/_search?size=20", |head| {
        let plan = FetchPlan { without_reranker: true, ..FetchPlan::as_asked() };
        Elastic.widen_body(head, &Bytes::from(body(&rrf(""), "")), &[plan]).unwrap()
    });
    assert_eq!(own_query.target, "/a/_search?size=10");
}

#[test]
fn what_could_not_be_served_as_elasticsearch_does_is_left_to_it() {
    let untouched = |target: &str, text: &str| {
        let intent = read(target, text);
        assert!(intent.reranker.is_none(), "{text}");
        assert!(
            matches!(
                intent.keep,
                Some(KeepReason::Unsupported | KeepReason::NotRanked | KeepReason::Malformed)
            ),
            "{text}: {:?}",
            intent.keep
        );
        let plan = FetchPlan { without_reranker: true, ..FetchPlan::as_asked() };
        let body = Bytes::copy_from_slice(text.as_bytes());
        let rewrite = ask(target, |head| Elastic.widen_body(head, &body, &[plan])).unwrap();
        assert_eq!((rewrite.target.as_str(), &rewrite.body), (target, &body));
    };
    for inside in [
        r#""retriever":{"standard":{}},"field":"b","inference_text":" ""#,
        r#""retriever":{"standard":{}},"field":"","inference_text":"q""#,
        r#""retriever":{"standard":{}},"field":"b.*","inference_text":"q""#,
        r#""retriever":{"standard":{}},"inference_text":"q""#,
        r#""field":"b","inference_text":"q""#,
        r#""retriever":{"standard":{},"knn":{}},"field":"b","inference_text":"q""#,
        r#""retriever":{"rule":{"retriever":{"standard":{}}}},"field":"b","inference_text":"q""#,
        r#""retriever":{"standard":{"sort":["year"]}},"field":"b","inference_text":"q""#,
        r#""retriever":{"text_similarity_reranker":{"retriever":{"standard":{}}}},"field":"b","inference_text":"q""#,
        r#""retriever":{"rrf":{"retrievers":[{"text_similarity_reranker":{}}]}},"field":"b","inference_text":"q""#,
        &basic(r#","rank_window_size":0"#),
        &basic(r#","rank_window_size":-1"#),
        &basic(r#","rank_window_size":9"#),
        &basic(r#","min_score":"high""#),
        &basic(r#","inference_id":7"#),
        &basic(r#","tomorrow":1"#),
        &format!(r#"{INNER},"field":"{}","inference_text":"q""#, ["a"; 33].join(".")),
    ] {
        untouched("/a/_search", &body(inside, ""));
    }
    for beside in [
        r#","query":{"match_all":{}}"#,
        r#","sort":["year"]"#,
        r#","rescore":{"query":{}}"#,
        r#","search_after":[1]"#,
        r#","terminate_after":5"#,
        r#","min_score":0.5"#,
        r#","size":11"#,
    ] {
        untouched("/a/_search", &body(&basic(""), beside));
    }
    for target in ["/a/_search?q=x", "/a/_search?scroll=1m", "/a/_search?sort=year"] {
        untouched(target, &body(&basic(""), ""));
    }
    untouched(
        "/a/_search",
        &format!(
            r#"{{"retriever":{{"rrf":{{"retrievers":[{{"text_similarity_reranker":{{{}}}}}]}}}}}}"#,
            basic("")
        ),
    );
}

#[test]
fn each_search_of_an_msearch_has_its_own() {
    let lines = format!("{{}}\n{}\n{{}}\n{{\"size\":3}}\n", body(&basic(r#","rank_window_size":20"#), ""));
    let plan = FetchPlan { hits: Some(20), without_reranker: true, ..FetchPlan::as_asked() };
    let (intents, rewrite) = ask("/a/_msearch", |head| {
        let lines = Bytes::from(lines.clone());
        let plans = [plan, FetchPlan::as_asked()];
        (Elastic.parse_body(head, &lines).unwrap(), Elastic.widen_body(head, &lines, &plans).unwrap())
    });
    assert!(intents[0].reranker.is_some() && intents[1].reranker.is_none());
    let expected = format!("{{}}\n{{{INNER},\"size\":20}}\n{{}}\n{{\"size\":3}}\n");
    assert_eq!(rewrite.body, expected);
}
