//! Asking hits where they are from.

use super::{rules::ask, *};

fn asked(target: &str, body: &str) -> (String, Vec<Vec<String>>) {
    let plans = vec![FetchPlan { origins: true, ..FetchPlan::as_asked() }; 2];
    let body = Bytes::from(body.to_owned());
    let rewrite = ask(target, |head| Elastic.widen_body(head, &body, &plans)).unwrap();
    assert_eq!(rewrite.body, body);
    let keys = |strip: Strip| strip.paths.into_iter().map(|path| path.keys.join(".")).collect();
    (rewrite.target, rewrite.strips.into_iter().map(keys).collect())
}

#[test]
fn a_filter_that_hides_the_index_lets_it_through() {
    let one = |target: &str| {
        let (target, strips) = asked(target, r#"{"query":{"match":{"a":"b"}}}"#);
        (target, strips.concat().join(","))
    };
    for open in [
        "/a/_search",
        "/a/_search?filter_path=hits",
        "/a/_search?filter_path=hits.hits",
        "/a/_search?filter_path=**._index",
    ] {
        assert_eq!(one(open), (open.to_owned(), String::new()));
    }
    let (target, strip) = one("/a/_search?filter_path=hits.hits._id,hits.hits._source&pretty");
    assert_eq!(target, "/a/_search?filter_path=hits.hits._id,hits.hits._source,hits.hits._index&pretty");
    assert_eq!(strip, "_index");
    // Hits that have nothing to show are dropped by the filter, and must stay so.
    let (target, _) = asked("/a/_search?filter_path=hits.hits._source", r#"{"_source":false}"#);
    assert_eq!(target, "/a/_search?filter_path=hits.hits._source");
}

#[test]
fn the_filter_of_a_batch_is_changed_once_and_for_all_its_searches() {
    let body = "{}\n{\"query\":{}}\n{}\n{}\n";
    let (target, strips) = asked("/_msearch?filter_path=responses.hits.hits._source", body);
    let both = "responses.hits.hits._source,responses.hits.hits._index";
    assert_eq!(target, format!("/_msearch?filter_path={both}"));
    assert_eq!(strips, [["_index"], ["_index"]]);
    let body = "{}\n{\"query\":{}}\n{}\n{\"_source\":false}\n";
    let (target, strips) = asked("/_msearch?filter_path=responses.hits.hits._source", body);
    assert_eq!((&*target, strips.concat().len()), ("/_msearch?filter_path=responses.hits.hits._source", 0));
}
