//! What a request becomes for its plans.

use super::*;
use crate::search::{PathStep, Selection, Strip, StripPath};

fn widened(target: &str, body: &str, plan: FetchPlan) -> String {
    String::from_utf8(widen(target, body, &[plan]).body.to_vec()).unwrap()
}

/// The body and the strips' paths, written `kept|gone`.
fn asked(body: &str, fields: &[&str]) -> (String, Vec<String>) {
    let rewrite = widen(QUERY, body, &[plan(None, fields)]);
    let path = |path: &StripPath| {
        let (kept, gone) = path.keys.split_at(path.keep);
        format!("{}|{}", kept.join("."), gone.join("."))
    };
    let strips = rewrite.strips[0].paths.iter().map(path).collect();
    (String::from_utf8(rewrite.body.to_vec()).unwrap(), strips)
}

#[test]
fn limit_and_offset_move_and_every_other_byte_stays() {
    for (before, after) in [
        (r#"{"query":[1]}"#, r#"{"query":[1],"limit":50}"#),
        (r#"{ "limit" : 5 , "query":[1.00] }"#, r#"{ "limit" : 50 , "query":[1.00] }"#),
        (r#"{"offset":20,"query":1,"limit":10}"#, r#"{"offset":0,"query":1,"limit":50}"#),
        (r#"{"query":1,"limit":null,"offset":0}"#, r#"{"query":1,"limit":50,"offset":0}"#),
        (r#"{"rerank":{"query":"x"},"query":1}"#, r#"{"query":1,"limit":50}"#),
    ] {
        assert_eq!(widened(QUERY, before, plan(50, &[])), after);
    }
    let same = r#"{"query":1,"limit":50}"#;
    let body = Bytes::from(same);
    let rewrite = with_head(&POST, QUERY, |head| Qdrant.widen_body(head, &body, &[plan(50, &[])])).unwrap();
    assert_eq!(rewrite.body.as_ptr(), body.as_ptr());
}

#[test]
fn path_and_query_string_stay_as_they_are() {
    let target = "/collections/caf%C3%A9//points/quer%79/?timeout=5&consistency=majority";
    assert_eq!(widen(target, r#"{"query":1}"#, &[plan(50, &[])]).target, target);
}

#[test]
fn groups_are_never_widened_but_bring_their_fields() {
    let body = r#"{"query":1,"group_by":"a","group_size":2}"#;
    assert_eq!(
        widened(GROUPS, body, plan(50, &["text"])),
        r#"{"query":1,"group_by":"a","group_size":2,"with_payload":["text"]}"#
    );
}

#[test]
fn the_limits_of_prefetches_are_the_clients_own() {
    for (before, after) in [
        (
            r#"{"prefetch":[{"query":[1],"limit":20},{"query":[3],"prefetch":{"query":[4]}},{}],"query":{"fusion":"rrf"},"limit":5}"#,
            r#"{"prefetch":[{"query":[1],"limit":20},{"query":[3],"prefetch":{"query":[4]}},{}],"query":{"fusion":"rrf"},"limit":50}"#,
        ),
        (
            r#"{"prefetch":{"query":{"order_by":"n"},"limit":10},"query":[2],"limit":30,"offset":20}"#,
            r#"{"prefetch":{"query":{"order_by":"n"},"limit":10},"query":[2],"limit":50,"offset":0}"#,
        ),
        (
            r#"{"query":{"formula":"$score"},"prefetch":{"query":[1],"limit":"all"}}"#,
            r#"{"query":{"formula":"$score"},"prefetch":{"query":[1],"limit":"all"},"limit":50}"#,
        ),
    ] {
        assert_eq!(widened(QUERY, before, plan(50, &[])), after);
        assert_eq!(widened(QUERY, before, FetchPlan::as_asked()), before);
    }
}

#[test]
fn a_limit_is_changed_under_the_name_that_the_client_gave_it() {
    const DISCOVER: &str = "/collections/kb/points/discover";
    for (target, before, after) in [
        (SEARCH, r#"{"vector":[1],"top":5}"#, r#"{"vector":[1],"top":50}"#),
        (RECOMMEND, r#"{"top": 2,"positive":[1]}"#, r#"{"top": 50,"positive":[1]}"#),
        (DISCOVER, r#"{"target":1,"t\u006fp":5}"#, r#"{"target":1,"t\u006fp":50}"#),
        // No other name here: the server does not look at it.
        (QUERY, r#"{"query":1,"top":3}"#, r#"{"query":1,"top":3,"limit":50}"#),
    ] {
        assert_eq!(widened(target, before, plan(50, &[])), after);
    }
    let batch = "/collections/kb/points/search/batch";
    let body = r#"{"searches":[{"vector":[1],"top":1},{"vector":[2],"limit":2}]}"#;
    let rewrite = widen(batch, body, &[plan(50, &[]), plan(60, &[])]);
    assert_eq!(rewrite.body, r#"{"searches":[{"vector":[1],"top":50},{"vector":[2],"limit":60}]}"#);
}

#[test]
fn payload_that_nobody_asked_for_goes_again_as_a_whole() {
    for before in
        [r#"{"query":1}"#, r#"{"query":1,"with_payload":null}"#, r#"{"query":1,"with_payload":false}"#]
    {
        let (after, strips) = asked(before, &["title", "text"]);
        assert_eq!(after, r#"{"query":1,"with_payload":["title","text"]}"#);
        assert_eq!(strips, ["|payload"]);
    }
}

#[test]
fn a_list_of_fields_grows_by_those_that_are_missing() {
    let list = |list: &str, fields: &[&str]| {
        let rewrite = widen(QUERY, &format!(r#"{{"with_payload":{list},"query":1}}"#), &[plan(None, fields)]);
        let after = String::from_utf8(rewrite.body.to_vec()).unwrap();
        let list = after.strip_prefix(r#"{"with_payload":"#).unwrap();
        let stays = rewrite.strips[0].selection.as_ref().map(|selection| selection.paths.len());
        (list.strip_suffix(r#","query":1}"#).unwrap().to_owned(), stays)
    };
    let is = |list: &str, stays| (list.to_owned(), stays);
    assert_eq!(list("[]", &["text"]), is(r#"["text"]"#, Some(0)));
    assert_eq!(list("[ ]", &["a", "b"]), is(r#"[ "a","b"]"#, Some(0)));
    assert_eq!(list(r#"["title"]"#, &["title", "text"]), is(r#"["title","text"]"#, Some(1)));
    assert_eq!(list(r#"["meta","text"]"#, &["text"]), is(r#"["meta","text"]"#, None));
    assert_eq!(list(r#"{"include":["a"]}"#, &["b"]), is(r#"{"include":["a","b"]}"#, Some(1)));
    assert_eq!(list(r#"["text.en"]"#, &["text"]), is(r#"["text.en","text"]"#, Some(1)));
    // What the client's list brings anyway is not asked for twice.
    let crossed = list(r#"["meta"]"#, &["meta.text"]);
    assert_eq!(crossed, is(r#"["meta","\"meta.text\""]"#, Some(1)));
    let crossed = list(r#"["meta[]"]"#, &["meta.text"]);
    assert_eq!(crossed, is(r#"["meta[]","\"meta.text\"","meta.text"]"#, Some(1)));
}

#[test]
fn payload_that_comes_anyway_or_is_excluded_is_left_alone() {
    for payload in [
        "true",
        r#"{"exclude":["text"]}"#,
        r#"{"exclude":[]}"#,
        "7",
        "[1]",
        r#"{"include":null}"#,
        "\"a\"",
        "{}",
    ] {
        let body = format!(r#"{{"query":1,"with_payload":{payload}}}"#);
        assert_eq!(asked(&body, &["text"]), (body, Vec::new()));
    }
}

#[test]
fn all_fields_are_asked_for_unless_some_are_excluded() {
    for before in
        [r#"{"query":1}"#, r#"{"query":1,"with_payload":null}"#, r#"{"query":1,"with_payload":false}"#]
    {
        let (after, strips) = asked(before, &["*"]);
        assert_eq!(after, r#"{"query":1,"with_payload":true}"#);
        assert_eq!(strips, ["|payload"]);
    }
    for list in [r#"["a",  "b[].c", "\"x.y\".z[0]"]"#, r#"{"include":["a","b[].c","\"x.y\".z[0]"]}"#] {
        let rewrite = widen(QUERY, &format!(r#"{{"with_payload":{list},"query":1}}"#), &[plan(None, &["*"])]);
        assert_eq!(rewrite.body, r#"{"with_payload":true,"query":1}"#);
        let key = |key: &str| PathStep::Key(key.to_owned());
        let paths = vec![
            vec![key("a")],
            vec![key("b"), PathStep::Elements, key("c")],
            vec![key("x.y"), key("z"), PathStep::Element],
        ];
        let selection = Some(Selection { member: "payload".to_owned(), paths });
        assert_eq!(rewrite.strips, [Strip { selection, ..Strip::default() }]);
    }
    let deep = format!(r#"["{}"]"#, vec!["a"; 65].join("."));
    for payload in ["true", r#"{"exclude":["text"]}"#, "7", "[1]", r#"["a["]"#, r#"{"include":null}"#, &deep]
    {
        let body = format!(r#"{{"query":1,"with_payload":{payload}}}"#);
        assert_eq!(asked(&body, &["*"]), (body, Vec::new()));
    }
}

#[test]
fn what_the_client_had_not_listed_is_gone_from_the_joined_page() {
    let body = r#"{"query":1,"with_payload":["title","meta.author","chunks[].n"]}"#;
    let strips = widen(QUERY, body, &[plan(50, &["*"])]).strips;
    let response = r#"{"result":{"points":[{"id":1,"score":0.5,"payload":{"title":"a","meta":{"x":1},"text":"b"}},{"id":2,"score":0.4,"payload":{"chunks":[{"n":1.50,"t":"x"},7],"text":"b"}},{"id":3,"score":0.3,"payload":{}}]},"time":0.1}"#;
    let page = with_head(&POST, QUERY, |head| split(head, Bytes::from(response))).unwrap();
    let joined = page.reordered(&strips, &[reversed(&page.arrays()[0])]);
    assert_eq!(
        joined,
        r#"{"result":{"points":[{"id":3,"score":0.3,"payload":{}},{"id":2,"score":0.4,"payload":{"chunks":[{"n":1.50},7]}},{"id":1,"score":0.5,"payload":{"title":"a","meta":{}}}]},"time":0.1}"#
    );
}

#[test]
fn fields_are_written_in_the_servers_syntax() {
    let (after, _) = asked(r#"{"query":1}"#, &["a b", "naïve_1-x", "c[0]", ""]);
    assert_eq!(after, r#"{"query":1,"with_payload":["\"a b\"","\"naïve_1-x\"","\"c[0]\"","\"\""]}"#);
    // A key that no path can name comes only with all the others.
    for field in ["say \"hi\"", "back\\slash", "\""] {
        let (after, strips) = asked(r#"{"query":1}"#, &["title", field]);
        assert_eq!(after, r#"{"query":1,"with_payload":true}"#);
        assert_eq!(strips, ["|payload"]);
    }
}

#[test]
fn each_search_of_a_batch_follows_its_own_plan() {
    let body = r#"{"searches":[{"query":1},{"query":2,"rerank":false},{"query":3,"with_payload":["a"]}]}"#;
    let rewrite = widen(BATCH, body, &[plan(50, &[]), FetchPlan::as_asked(), plan(None, &["b"])]);
    assert_eq!(
        &rewrite.body[..],
        br#"{"searches":[{"query":1,"limit":50},{"query":2},{"query":3,"with_payload":["a","b"]}]}"#
    );
    let lengths: Vec<_> = rewrite.strips.iter().map(|strip| strip.paths.len()).collect();
    assert_eq!(lengths, [0, 0, 0]);
    assert!(rewrite.strips[2].selection.is_some());
}

#[test]
fn an_added_payload_is_gone_from_the_joined_page() {
    let body = r#"{"query":1,"with_payload":["title"]}"#;
    let strips = widen(QUERY, body, &[plan(50, &["meta.text"])]).strips;
    let response = r#"{"result":{"points":[{"id":1,"score":0.5,"payload":{"title":"a","meta":{"text":"b"}}},{"id":2,"score":0.4,"payload":{"meta":"x"}}]},"time":0.1}"#;
    let page = with_head(&POST, QUERY, |head| split(head, Bytes::from(response))).unwrap();
    let joined = page.reordered(&strips, &[reversed(&page.arrays()[0])]);
    assert_eq!(
        joined,
        r#"{"result":{"points":[{"id":2,"score":0.4,"payload":{}},{"id":1,"score":0.5,"payload":{"title":"a"}}]},"time":0.1}"#
    );
}
