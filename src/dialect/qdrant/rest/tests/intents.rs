//! What is read from a search.

use std::time::Duration;

use super::*;
use crate::search::{KeepReason, NativeText, Widening};

fn keep(target: &str, body: &str) -> Option<KeepReason> {
    one(target, body).keep
}

fn malformed(target: &str, body: &str) -> bool {
    matches!(parse(target, body), Err(DialectError::Malformed { .. }))
}

#[test]
fn limits_and_offsets_have_the_servers_defaults() {
    let page = |target: &str, body: &str| {
        let intent = one(target, body);
        (intent.limit, intent.offset)
    };
    assert_eq!(page(QUERY, r#"{"query":[1]}"#), (10, 0));
    assert_eq!(page(QUERY, r#"{"query":[1],"limit":null,"offset":null}"#), (10, 0));
    assert_eq!(page(QUERY, r#"{"query":[1],"limit":18446744073709551615,"offset":7}"#), (u64::MAX, 7));
    assert_eq!(page(SEARCH, r#"{"vector":[1],"limit":3,"offset":2}"#), (3, 2));
    assert_eq!(page(GROUPS, r#"{"query":[1],"group_by":"a"}"#), (3, 0));
    assert_eq!(page(GROUPS, r#"{"query":[1],"group_by":"a","limit":50,"group_size":4}"#), (4, 0));
    let groups = one(GROUPS, r#"{"query":[1],"group_by":"a"}"#);
    assert!(groups.grouped);
    assert_eq!(groups.widening, Widening::Never);
    assert_eq!(groups.max_hits, u64::MAX);
}

#[test]
fn what_the_server_rejects_is_malformed() {
    for bad in ["-1", "3.0", "\"3\"", "1e2", "18446744073709551616", "[]", "true"] {
        assert!(malformed(QUERY, &format!(r#"{{"query":[1],"limit":{bad}}}"#)), "{bad}");
        assert!(malformed(QUERY, &format!(r#"{{"query":[1],"offset":{bad}}}"#)), "{bad}");
        assert!(malformed(GROUPS, &format!(r#"{{"query":[1],"group_size":{bad}}}"#)), "{bad}");
    }
    for body in ["", "[]", "{", "{} x", "\u{feff}{}", r#"{"query":11,"limit":1,"limit":2}"#] {
        assert!(malformed(QUERY, body), "{body}");
    }
    for body in [r#"{"query":[1],"prefetch":7}"#, r#"{"query":[1],"prefetch":[7]}"#] {
        assert!(malformed(QUERY, body), "{body}");
    }
    assert!(malformed(SEARCH, r#"{"vector":[1]}"#));
    assert!(malformed(RECOMMEND, r#"{"positive":[1],"limit":null}"#));
    assert!(malformed(BATCH, r#"{"searches":{}}"#));
    assert!(malformed(BATCH, r#"{"searches":[{"query":1},3]}"#));
    assert!(malformed(BATCH, "{}"));
}

#[test]
fn an_empty_batch_has_no_searches_and_others_have_one_intent_each() {
    assert!(parse(BATCH, r#"{"searches":[]}"#).unwrap().is_empty());
    let intents = parse(BATCH, r#"{"searches":[{"query":[1],"limit":2},{"query":1}]}"#).unwrap();
    assert_eq!(intents.iter().map(|intent| intent.limit).collect::<Vec<_>>(), [2, 10]);
}

#[test]
fn the_clients_own_timeout_is_read_in_seconds() {
    let timeout = |query: &str| one(&format!("{QUERY}{query}"), r#"{"query":[1]}"#).timeout;
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(timeout("?timeout=5&consistency=majority"), seconds(5));
    assert_eq!(timeout("?consistency=1&time%6fut=%35"), seconds(5));
    for none in [
        "",
        "?",
        "?timeout",
        "?timeout=",
        "?timeout=0",
        "?timeout=-1",
        "?timeout=1.5",
        "?timeout=5s",
        "?timeouts=5",
    ] {
        assert_eq!(timeout(none), None, "{none}");
    }
    let batch = parse(&format!("{BATCH}?timeout=2"), r#"{"searches":[{"query":[1]},{"query":1}]}"#).unwrap();
    assert!(batch.iter().all(|intent| intent.timeout == seconds(2)));
}

#[test]
fn hits_that_no_query_ranked_keep_their_order() {
    for body in [
        r#"{}"#,
        r#"{"limit":5}"#,
        r#"{"query":null}"#,
        r#"{"prefetch":[]}"#,
        r#"{"query":{"order_by":"rank"}}"#,
        r#"{"query":{"sample":"random"}}"#,
        r#"{"query":{"nearest":[1],"mmr":{"diversity":0.5}}}"#,
        r#"{"query":{"context":[{"positive":1,"negative":2}]}}"#,
        r#"{"query":[1],"limit":0}"#,
        r#"{"query":{"recommend":{"positive":[1]}},"with_vector":true}"#,
        r#"{"query":{"recommend":{"positive":[1],"strategy":"average_vector"}},"with_vectors":["a"]}"#,
    ] {
        assert_eq!(keep(QUERY, body), Some(KeepReason::NotRanked), "{body}");
    }
    for body in [
        r#"{"query":[1]}"#,
        r#"{"query":"1ff87139-ca13-48a2-802b-fef97b425958","lookup_from":{"collection":"x"}}"#,
        r#"{"query":{"nearest":[1],"mmr":null},"with_vector":true}"#,
        r#"{"query":{"recommend":{"positive":[1]}},"with_vector":false}"#,
        r#"{"query":{"recommend":{"positive":[1],"strategy":"best_score"}},"with_vector":true}"#,
        r#"{"query":{"discover":{"target":1,"context":[]}}}"#,
        r#"{"query":{"relevance_feedback":{"target":[1]}}}"#,
        r#"{"query":{"indices":[1],"values":[1]},"score_threshold":0.1,"filter":{},"params":{}}"#,
    ] {
        assert_eq!(keep(QUERY, body), None, "{body}");
    }
    assert_eq!(
        keep(RECOMMEND, r#"{"positive":[1],"limit":2,"with_vector":true}"#),
        Some(KeepReason::NotRanked)
    );
    assert_eq!(
        keep(RECOMMEND, r#"{"positive":[1],"limit":2,"with_vector":true,"strategy":"best_score"}"#),
        None
    );
    let discover = "/collections/kb/points/discover";
    assert_eq!(keep(discover, r#"{"context":[],"limit":2}"#), Some(KeepReason::NotRanked));
    assert_eq!(keep(discover, r#"{"target":1,"limit":2}"#), None);
    assert_eq!(keep(QUERY, r#"{"query":{"tomorrow":1}}"#), Some(KeepReason::Unsupported));
}

#[test]
fn only_what_a_longer_list_cannot_change_is_neutral() {
    let widening = |body: &str| one(QUERY, body).widening;
    for body in [
        r#"{"query":[1]}"#,
        r#"{"query":11}"#,
        r#"{"query":{"nearest":[1]},"prefetch":null}"#,
        r#"{"query":{"text":"x","model":"m"}}"#,
    ] {
        assert_eq!(widening(body), Widening::Neutral, "{body}");
    }
    for body in [
        r#"{"query":{"fusion":"rrf"},"prefetch":[{"query":[1]}]}"#,
        r#"{"query":{"rrf":{"k":2}},"prefetch":{"query":[1]}}"#,
        r#"{"query":{"formula":"$score"},"prefetch":{"query":[1]}}"#,
        r#"{"query":[1],"prefetch":[{"query":[1]}]}"#,
    ] {
        assert_eq!(widening(body), Widening::NotNeutral, "{body}");
    }
}

#[test]
fn the_text_of_documents_is_the_querys_own() {
    let native = |body: &str| one(QUERY, body).native;
    let text = || NativeText::One("a b".to_owned());
    let document = r#"{"text":"a\u0020b","model":"m"}"#;
    assert!(native(&format!(r#"{{"query":{document}}}"#)) == text());
    assert!(native(&format!(r#"{{"query":{{"nearest":{document}}}}}"#)) == text());
    let fused = |a: &str, b: &str| {
        format!(
            r#"{{"query":{{"fusion":"rrf"}},"prefetch":[{{"query":{a}}},{{"prefetch":{{"query":{b}}},"query":[1]}}]}}"#
        )
    };
    assert!(native(&fused(document, r#"{"text":"a b","model":"other"}"#)) == text());
    assert!(native(&fused("[1]", document)) == text());
    assert!(native(&fused(document, r#"{"text":"c","model":"m"}"#)) == NativeText::Several);
    for none in [
        r#""a b""#,
        r#"{"image":"u","model":"m"}"#,
        r#"{"object":{"text":"a"},"model":"m"}"#,
        r#"{"recommend":{"positive":[{"text":"a","model":"m"}]}}"#,
    ] {
        assert!(native(&format!(r#"{{"query":{none}}}"#)) == NativeText::None, "{none}");
    }
    assert!(!format!("{:?}", one(QUERY, &format!(r#"{{"query":{document}}}"#))).contains("a b"));
}

#[test]
fn a_vector_is_known_by_its_first_components() {
    let vector = |target: &str, body: &str| one(target, body).vector;
    assert_eq!(vector(QUERY, r#"{"query":[1, -0.5]}"#), [1.0, -0.5]);
    assert_eq!(vector(QUERY, r#"{"query":{"nearest":[1]}}"#), [1.0]);
    let long = (0..40).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(vector(QUERY, &format!(r#"{{"query":[{long}]}}"#)).len(), 16);
    assert_eq!(vector(SEARCH, r#"{"vector":[2],"limit":1}"#), [2.0]);
    assert_eq!(vector(SEARCH, r#"{"vector":{"name":"a","vector":[2]},"limit":1}"#), [2.0]);
    let fused = r#"{"query":{"fusion":"rrf"},"prefetch":[
        {"query":{"indices":[1],"values":[1]}},{"query":{"nearest":[3]}},{"query":[4]}]}"#;
    assert_eq!(vector(QUERY, fused), [3.0]);
    for none in [
        r#"{"query":11}"#,
        r#"{"query":[]}"#,
        r#"{"query":[[1,2],[3,4]]}"#,
        r#"{"query":{"indices":[1],"values":[1]}}"#,
        r#"{"query":[1e400]}"#,
    ] {
        assert!(vector(QUERY, none).is_empty(), "{none}");
    }
    let sparse = r#"{"vector":{"name":"a","vector":{"indices":[1],"values":[1]}},"limit":1}"#;
    assert!(vector(SEARCH, sparse).is_empty());
}

#[test]
fn callers_may_say_how_to_rerank() {
    let body = r#"{"query":[1],"rerank":{"query":"q","window":20,"min_score":0.25,"enabled":true,
        "model":"m","fields":["a","b.c"],"deadline":"300ms","other":1}}"#;
    let intent = one(QUERY, body);
    assert!(intent.own_members);
    assert_eq!(intent.keep, None);
    let caller = intent.caller;
    assert_eq!(caller.query.as_deref(), Some("q"));
    assert_eq!((caller.window, caller.min_score, caller.enabled), (Some(20), Some(0.25), Some(true)));
    assert_eq!(caller.model.as_deref(), Some("m"));
    assert_eq!(caller.fields.unwrap(), ["a", "b.c"]);
    assert_eq!(caller.deadline_ms, Some(300));
    let caller = |rerank: &str| one(QUERY, &format!(r#"{{"query":[1],"rerank":{rerank}}}"#)).caller;
    assert_eq!(caller(r#"{"deadline":250}"#).deadline_ms, Some(250));
    assert_eq!(caller("false").enabled, Some(false));
    assert_eq!(caller("null").enabled, None);
    assert!(!one(QUERY, r#"{"query":[1]}"#).own_members);
}

#[test]
fn a_rerank_member_of_the_wrong_type_keeps_the_order_and_still_goes() {
    for rerank in [
        "7",
        "[]",
        "\"off\"",
        r#"{"query":1}"#,
        r#"{"window":-1}"#,
        r#"{"min_score":"a"}"#,
        r#"{"min_score":1e300}"#,
        r#"{"enabled":"no"}"#,
        r#"{"window":"abc"}"#,
        r#"{"fields":7}"#,
        r#"{"deadline":"soon"}"#,
        r#"{"deadline":-5}"#,
    ] {
        let body = format!(r#"{{"query":[1],"rerank":{rerank}}}"#);
        let intent = one(QUERY, &body);
        assert!(intent.own_members, "{rerank}");
        assert_eq!(intent.keep, Some(KeepReason::Malformed), "{rerank}");
        assert!(intent.caller.query.is_none() && intent.caller.window.is_none(), "{rerank}");
        assert_eq!(&widen(QUERY, &body, &[FetchPlan::as_asked()]).body[..], br#"{"query":[1]}"#);
    }
}

#[test]
fn a_batch_shares_its_rerank_member_with_searches_that_have_none() {
    let body =
        r#"{"searches":[{"query":[1]},{"query":[2],"rerank":{"query":"own"}}],"rerank":{"query":"all"}}"#;
    let intents = parse(BATCH, body).unwrap();
    let queries: Vec<_> = intents.iter().map(|intent| intent.caller.query.as_deref().unwrap()).collect();
    assert_eq!(queries, ["all", "own"]);
    assert!(intents.iter().all(|intent| intent.own_members));
    let plans = [FetchPlan::as_asked(), FetchPlan::as_asked()];
    assert_eq!(&widen(BATCH, body, &plans).body[..], br#"{"searches":[{"query":[1]},{"query":[2]}]}"#);
}
