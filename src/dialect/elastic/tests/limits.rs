//! How much is asked for, and what a response that has less is taken for.

use super::{
    rules::{ask, read, widened},
    *,
};
use crate::search::{Got, MostHits};

#[test]
fn what_counts_or_cuts_after_the_nearest_k_keeps_k() {
    let knn = r#""knn":{"field":"v","query_vector":[1],"k":5,"num_candidates":20},"size":5"#;
    for after in [
        r#""post_filter":{"term":{"tag":"a"}}"#,
        r#""aggs":{"x":{"terms":{"field":"a"}}}"#,
        r#""aggregations":{"x":{}}"#,
        r#""collapse":{"field":"a"}"#,
        r#""rescore":{"window_size":5}"#,
        r#""terminate_after":5"#,
        r#""rank":{"rrf":{}}"#,
        r#""sub_searches":[{}]"#,
        r#""profile":true"#,
        r#""explain":true"#,
        r#""explain":"true""#,
    ] {
        assert_eq!(read("/_search", &format!("{{{knn},{after}}}")).widening, Widening::Never, "{after}");
    }
    for beside in [
        r#""post_filter":{}"#,
        r#""suggest":{"x":{}}"#,
        r#""min_score":0.5"#,
        r#""profile":false"#,
        r#""explain":false"#,
        r#""track_total_hits":3"#,
        r#""highlight":{}"#,
    ] {
        let intent = read("/_search", &format!("{{{knn},{beside}}}"));
        assert_eq!((intent.widening, intent.limit), (Widening::NotNeutral, 5), "{beside}");
    }
    let compound = r#"{"retriever":{"rrf":{"retrievers":[]}},"post_filter":{"term":{"a":1}}}"#;
    assert_eq!(read("/_search", compound).widening, Widening::Never);
    // A query finds the same hits whatever is cut from them later.
    let query = r#"{"query":{"match":{"a":"b"}},"post_filter":{"term":{"a":1}},"collapse":{"field":"a"}}"#;
    assert_eq!(read("/_search", query).widening, Widening::Neutral);
}

#[test]
fn numbers_are_understood_as_both_products_do() {
    let four = read("/_search", r#"{"size":4,"from":2}"#);
    for same in [r#""4""#, "4.0", r#""4.0""#, "4e0", r#"" 4 ""#] {
        let intent = read("/_search", &format!(r#"{{"size":{same},"from":"2"}}"#));
        assert_eq!((intent.limit, intent.offset, intent.keep), (four.limit, four.offset, None), "{same}");
        let (_, body, _) = widened("/_search", &format!(r#"{{"size":{same}}}"#), 50, &[]);
        assert_eq!(body, r#"{"size":50}"#);
        let batch = format!("{{}}\n{{\"size\":{same}}}\n");
        assert_eq!(read("/_msearch", &batch).limit, 4);
    }
    for other in
        [r#""4.5""#, "4.5", r#""abc""#, "-1", r#""-1""#, r#""NaN""#, r#""inf""#, "1e12", "[4]", "true"]
    {
        let intent = read("/_search", &format!(r#"{{"size":{other}}}"#));
        assert_eq!(intent.keep, Some(KeepReason::Malformed), "{other}");
    }
    assert_eq!(read("/_search?size=4&from=2", "{}").limit, 4);
    for other in ["4.0", "abc", "-1", "4.5"] {
        assert_eq!(
            read(&format!("/_search?size={other}"), "{}").keep,
            Some(KeepReason::Malformed),
            "{other}"
        );
    }
    let knn = r#"{"knn":{"query_vector":[1],"k":"3","num_candidates":"20.0"},"size":"10"}"#;
    assert_eq!((read("/_search", knn).limit, read("/_search", knn).keep), (3, None));
    let (_, body, strips) = widened("/_search", knn, 50, &[]);
    assert_eq!(body, r#"{"knn":{"query_vector":[1],"k":50,"num_candidates":50},"size":50}"#);
    assert_eq!(strips[0].total_at_most, Some(MostHits::InAll(3)));
    let knn = r#"{"knn":{"query_vector":[1],"k":"3.5"}}"#;
    assert_eq!(read("/_search", knn).keep, Some(KeepReason::Malformed));
    let compound = r#"{"retriever":{"rrf":{"retrievers":[],"rank_window_size":"30"}}}"#;
    assert_eq!(read("/_search", compound).max_hits, 30);
}

#[test]
fn a_response_that_will_not_be_json_is_left_alone() {
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::ACCEPT, http::HeaderValue::from_static("application/cbor"));
    for (path, body) in [("/a/_search", "{}"), ("/_msearch", "{}\n{}\n"), ("/_search/template", "{}")] {
        let head = Head { method: &Method::POST, path, query: None, headers: &headers };
        let intents = Elastic.parse_body(&head, &Bytes::from_static(body.as_bytes())).unwrap();
        assert_eq!(intents[0].keep, Some(KeepReason::Unsupported), "{path}");
    }
}

/// What `response` is for a client whose page ends before the first of its two hits.
fn cut_to_nothing(target: &str, body: &str, response: &str) -> String {
    let searches = body.matches("size").count();
    let plan = FetchPlan { hits: Some(50), ..FetchPlan::as_asked() };
    ask(target, |head| {
        let rewrite = Elastic.widen_body(head, &Bytes::from(body.to_owned()), &vec![plan; searches]).unwrap();
        let page = split(head, Bytes::from(response.to_owned())).unwrap();
        let none = crate::search::Ranking {
            hits: Vec::new(),
            scores: crate::search::ScoreWriting::Keep,
            annotate: false,
            best: None,
            offset: 0,
        };
        let rankings = vec![Some(none); page.arrays().len()];
        String::from_utf8(page.reordered(&rewrite.strips, &rankings).to_vec()).unwrap()
    })
}

#[test]
fn an_emptied_list_is_left_out_where_filter_path_leaves_it_out() {
    let search = r#"{"size":5,"from":19}"#;
    let hits = r#"{"hits":{"hits":[{"_id":"1","_source":{}},{"_id":"2","_source":{}}]}}"#;
    for hiding in [
        "hits.hits._id,hits.hits._source",
        "hits.hits._source",
        "**._source",
        "*.*._source",
        "hits.**._source",
        "hits.hits.*",
        "hits.hits.**",
        "hits%2Ehits._source",
        "took,hits.hits._source",
    ] {
        assert_eq!(
            cut_to_nothing(&format!("/a/_search?filter_path={hiding}"), search, hits),
            "{}",
            "{hiding}"
        );
    }
    for showing in
        ["hits", "hits.hits", "*", "**", "hits.*", "hits.**", "hits.hits,hits.hits._source", "**.hits"]
    {
        let response = cut_to_nothing(&format!("/a/_search?filter_path={showing}"), search, hits);
        assert_eq!(response, r#"{"hits":{"hits":[]}}"#, "{showing}");
    }
    let target = "/a/_search?filter_path=took,hits.total,hits.hits._source";
    let (response, left) = (
        r#"{"took":1,"hits":{"total":{"value":2},"hits":[{"_source":{}}]}}"#,
        r#"{"took":1,"hits":{"total":{"value":2}}}"#,
    );
    assert_eq!(cut_to_nothing(target, search, response), left);
    let response =
        "{\n  \"hits\" : {\n    \"hits\" : [\n      {\n        \"_id\" : \"1\"\n      }\n    ]\n  }\n}\n";
    assert_eq!(cut_to_nothing("/a/_search?pretty&filter_path=hits.hits._source", search, response), "{ }\n");
    assert_eq!(cut_to_nothing("/a/_search", search, hits), r#"{"hits":{"hits":[]}}"#);
}

#[test]
fn an_emptied_list_of_a_batch_takes_its_response_along() {
    let two = "{}\n{\"size\":5,\"from\":19}\n{}\n{\"size\":5}\n";
    let target = "/_msearch?filter_path=responses.hits.hits._source";
    let one = r#"{"hits":{"hits":[{"_source":{}}]}}"#;
    assert_eq!(cut_to_nothing(target, two, &format!(r#"{{"responses":[{one},{one}]}}"#)), "{}");
    let target = "/_msearch?filter_path=took,responses.status,responses.hits.hits._source";
    let one = r#"{"hits":{"hits":[{"_source":{}}]},"status":200}"#;
    assert_eq!(
        cut_to_nothing(target, two, &format!(r#"{{"took":1,"responses":[{one},{one}]}}"#)),
        r#"{"took":1,"responses":[{"status":200},{"status":200}]}"#
    );
}

#[test]
fn a_response_of_which_a_filter_leaves_nothing_is_a_response() {
    for (target, response) in [
        ("/a/_search?filter_path=hits.hits._source", "{}"),
        ("/a/_search?%66ilter_path=hits.hits._source", r#"{"took":1}"#),
        ("/_msearch?filter_path=responses.hits.hits._source", "{}"),
    ] {
        let page = ask(target, |head| split(head, Bytes::from_static(response.as_bytes()))).unwrap();
        assert_eq!((page.arrays().len(), page.failed().len()), (0, 0), "{target}");
    }
    assert!(ask("/a/_search", |head| split(head, Bytes::from_static(b"{}"))).is_err());
}

#[test]
fn any_error_of_a_search_of_a_batch_is_reported() {
    let error = |status: u16| format!(r#"{{"error":{{"type":"x"}},"status":{status}}}"#);
    let statuses = [400, 403, 404, 408, 429, 500, 503];
    let responses = statuses.map(error).join(",");
    let body = Bytes::from(format!(r#"{{"responses":[{responses},{{"hits":{{"hits":[]}},"status":200}}]}}"#));
    let page = ask("/_msearch", |head| split(head, body.clone())).unwrap();
    assert_eq!(page.failed().iter().filter(|failure| failure.got != Got::NoList).count(), 7);
    assert_eq!((page.failed().len(), page.lists().len()), (7, 1));
}

#[test]
fn a_page_of_a_compound_retriever_ends_with_its_window() {
    let read = |window: &str, page: &str| {
        let body = format!(r#"{{"retriever":{{"rrf":{{"retrievers":[]{window}}}}},{page}}}"#);
        let intent = read("/a/_search", &body);
        (intent.offset, intent.limit, intent.widening, intent.keep)
    };
    use crate::search::{KeepReason::NotRanked, Widening::*};
    let window = r#","rank_window_size":20"#;
    assert_eq!(read(window, r#""from":8,"size":4"#), (8, 4, NotNeutral, None));
    assert_eq!(read(window, r#""from":18,"size":4"#), (18, 2, NotNeutral, None));
    assert_eq!(read("", r#""from":8,"size":4"#), (8, 2, NotNeutral, None));
    assert_eq!(read(window, r#""from":20,"size":4"#), (20, 0, NotNeutral, Some(NotRanked)));
    // Rejected as it is.
    assert_eq!(read(window, r#""size":21"#).2, Never);
}
