//! Documents that a search puts at places of their own: `pinned` and `rule`, as queries and as retrievers, wherever they
//! stand among what ranks; and documents that a ranking clause names by their ids to lift them, which is what OpenSearch
//! has instead.

use base64::{Engine, prelude::BASE64_STANDARD};

use super::{target::Params, value::one_or_many};
use crate::{
    search::{Pin, Pins},
    wire::json::{Kind, Object, Value},
};

/// Deeper than any query that is answered.
const MAX_DEPTH: usize = 40;
/// Elasticsearch takes a hundred; what lifts more than this many does not name its favourites.
const MOST_PINS: usize = 1000;
/// More bytes than a query without a vector has, mostly.
const LONG: usize = 4096;

/// What the pins of one search are. `q` replaces the body's query, and pins nothing.
pub(super) fn read(params: &Params, body: Option<&Object<'_>>) -> Pins {
    let mut pins = Pins::default();
    let Some(body) = body else { return pins };
    for member in ["query", "retriever"] {
        let value = body.get(member).filter(|_| member == "retriever" || !params.has("q"));
        if let Some(value) = value.filter(|value| may_pin(*value)) {
            clause(value, MAX_DEPTH, &mut pins);
        }
    }
    let searches = body.get("sub_searches").filter(|searches| may_pin(*searches));
    for search in searches.map(one_or_many).unwrap_or_default() {
        clause(search, MAX_DEPTH, &mut pins);
    }
    pins.documents.truncate(MOST_PINS);
    pins
}

/// Nearly all have no pins, and need not be walked through. What is long holds a vector, as a rule: a walk passes it by,
/// a look for words does not.
fn may_pin(value: Value<'_>) -> bool {
    const WORDS: [&[u8]; 5] = [b"pinned", b"\"rule", b"ids\"", b"_id\"", b"wrapper"];
    let text = value.text().as_bytes();
    text.len() > LONG
        || WORDS.iter().any(|word| memchr::memmem::find(text, word).is_some())
        || memchr::memchr(b'\\', text).is_some()
}

/// Looks for pins in what ranks: below every member but those that only select.
fn clause(value: Value<'_>, depth: usize, pins: &mut Pins) {
    let Some(depth) = depth.checked_sub(1) else { return };
    for member in value.members().unwrap_or_default() {
        let inner = member.value;
        match member.key.as_ref() {
            "filter" | "must_not" | "post_filter" | "negative" | "inner_hits" | "query_vector" => continue,
            "pinned" if is_pinning(inner) => documents(inner, pins),
            "rule" | "rule_query" if is_ruled(inner) => pins.ruled = true,
            "should" | "queries" => one_or_many(inner).into_iter().for_each(|each| lifted(each, pins)),
            "functions" => one_or_many(inner).into_iter().for_each(|each| weighed(each, pins)),
            "wrapper" => {
                wrapped(inner, depth, pins);
                continue;
            }
            _ => {}
        }
        match inner.kind() {
            Kind::Object => clause(inner, depth, pins),
            Kind::Array => {
                // A vector is no list of clauses.
                let first = inner.first_items(1).unwrap_or_default();
                if first.first().is_some_and(|first| first.kind() == Kind::Object) {
                    let items = inner.items().unwrap_or_default();
                    items.into_iter().for_each(|item| clause(item, depth, pins));
                }
            }
            _ => {}
        }
    }
}

/// Not a field of that name.
fn is_pinning(value: Value<'_>) -> bool {
    ["ids", "docs", "documents"].iter().any(|key| value.get(key).is_some())
        && ["organic", "retriever"].iter().any(|key| value.get(key).is_some())
}

fn is_ruled(value: Value<'_>) -> bool {
    ["organic", "retriever"].iter().any(|key| value.get(key).is_some())
}

fn documents(value: Value<'_>, pins: &mut Pins) {
    ids(value.get("ids"), pins);
    for key in ["docs", "documents"] {
        for document in value.get(key).map(one_or_many).unwrap_or_default() {
            if let Some(id) = document.get("_id").and_then(word) {
                let index = document.get("_index").and_then(Value::as_str).map(|index| index.into_owned());
                pins.documents.push(Pin { index, id });
            }
        }
    }
}

fn ids(value: Option<Value<'_>>, pins: &mut Pins) {
    let ids = value.map(one_or_many).unwrap_or_default().into_iter().filter_map(word);
    pins.documents.extend(ids.map(|id| Pin { index: None, id }));
}

/// An id: a text, or a number as it is written.
fn word(value: Value<'_>) -> Option<String> {
    match value.kind() {
        Kind::String => value.as_str().map(|text| text.into_owned()),
        Kind::Number => Some(value.text().to_owned()),
        _ => None,
    }
}

/// A clause beside others that names documents by their ids, with a boost above the usual one: `ids`, `term` and
/// `terms` on `_id`, also inside `constant_score`.
fn lifted(clause: Value<'_>, pins: &mut Pins) {
    let Some((named, boost)) = by_id(clause) else { return };
    if boost > 1.0 {
        ids(Some(named), pins);
    }
}

/// A function of `function_score` with a weight for documents that its filter names by their ids.
fn weighed(function: Value<'_>, pins: &mut Pins) {
    let weight = function.get("weight").and_then(number).unwrap_or(1.0);
    if let Some((named, _)) = function.get("filter").and_then(by_id).filter(|_| weight > 1.0) {
        ids(Some(named), pins);
    }
}

/// The ids that a clause asks for, and nothing else, with its boost.
fn by_id(clause: Value<'_>) -> Option<(Value<'_>, f64)> {
    let members = clause.members()?;
    let [only] = &members[..] else { return None };
    let (value, own) = (only.value, only.value.get("boost").and_then(number));
    let boost = |own: Option<f64>| own.unwrap_or(1.0);
    match only.key.as_ref() {
        "ids" => Some((value.get("values")?, boost(own))),
        "terms" => Some((value.get("_id")?, boost(own))),
        "term" => {
            let id = value.get("_id")?;
            let inner = id.get("boost").and_then(number);
            Some((id.get("value").unwrap_or(id), boost(inner.or(own))))
        }
        "constant_score" => by_id(value.get("filter")?).map(|(ids, _)| (ids, boost(own))),
        _ => None,
    }
}

fn number(value: Value<'_>) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

fn wrapped(value: Value<'_>, depth: usize, pins: &mut Pins) {
    let text = value.get("query").and_then(Value::as_str);
    let decoded = text.and_then(|text| BASE64_STANDARD.decode(&*text).ok());
    if let Some(query) = decoded.as_deref().and_then(|query| Value::parse(query).ok()) {
        clause(query, depth, pins);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{elastic::request, reading};

    fn pins(body: &str) -> (Vec<String>, bool) {
        let index = reading::index(body.as_bytes(), request::BODY).unwrap();
        let object = request::object(body.as_bytes(), &index).unwrap();
        let pins = read(&Params::default(), Some(&object));
        let reported = |pin: &Pin| match &pin.index {
            Some(index) => format!("{index}/{}", pin.id),
            None => pin.id.clone(),
        };
        (pins.documents.iter().map(reported).collect(), pins.ruled)
    }

    fn ids(body: &str) -> Vec<String> {
        let (ids, ruled) = pins(body);
        assert!(!ruled, "{body}");
        ids
    }

    const PINNED: &str = r#"{"pinned":{"ids":["v1",2],"organic":{"match":{"a":"b"}}}}"#;

    #[test]
    fn ids_are_read_wherever_a_pinned_query_ranks() {
        let wrapper = BASE64_STANDARD.encode(PINNED);
        for query in [
            PINNED.to_owned(),
            format!(r#"{{"bool":{{"must":[{PINNED}],"filter":[]}}}}"#),
            format!(r#"{{"bool":{{"should":{PINNED}}}}}"#),
            format!(r#"{{"function_score":{{"query":{PINNED}}}}}"#),
            format!(r#"{{"script_score":{{"query":{PINNED},"script":{{"source":"_score"}}}}}}"#),
            format!(r#"{{"dis_max":{{"queries":[{{"match_all":{{}}}},{PINNED}]}}}}"#),
            format!(r#"{{"boosting":{{"positive":{PINNED},"negative":{{}}}}}}"#),
            format!(r#"{{"wrapper":{{"query":"{wrapper}"}}}}"#),
        ] {
            assert_eq!(ids(&format!(r#"{{"query":{query}}}"#)), ["v1", "2"], "{query}");
            let standard = format!(r#"{{"standard":{{"query":{query}}}}}"#);
            assert_eq!(ids(&format!(r#"{{"retriever":{standard}}}"#)), ["v1", "2"]);
            let fused = format!(r#"{{"rrf":{{"retrievers":[{{"retriever":{standard},"weight":2}}]}}}}"#);
            assert_eq!(ids(&format!(r#"{{"retriever":{fused}}}"#)), ["v1", "2"]);
        }
    }

    #[test]
    fn retrievers_and_documents_of_one_index_are_read() {
        let inner = r#""retriever":{"standard":{"query":{"match":{"a":"b"}}}}"#;
        let pinned = format!(r#"{{"pinned":{{"ids":["v1"],{inner}}}}}"#);
        assert_eq!(ids(&format!(r#"{{"retriever":{pinned}}}"#)), ["v1"]);
        assert_eq!(ids(&format!(r#"{{"retriever":{{"rescorer":{{"retriever":{pinned}}}}}}}"#)), ["v1"]);
        let docs = format!(
            r#"{{"retriever":{{"pinned":{{"docs":[{{"_index":"i","_id":"1"}},{{"_id":2}}],{inner}}}}}}}"#
        );
        assert_eq!(ids(&docs), ["i/1", "2"]);
        let query = r#"{"query":{"pinned":{"docs":[{"_index":"i","_id":"1"}],"organic":{}}}}"#;
        assert_eq!(ids(query), ["i/1"]);
    }

    #[test]
    fn rules_pin_what_the_request_does_not_name() {
        let organic = r#""organic":{"match":{"a":"b"}}"#;
        for query in [
            format!(r#"{{"rule":{{{organic},"ruleset_ids":["s"],"match_criteria":{{}}}}}}"#),
            format!(r#"{{"rule_query":{{{organic},"ruleset_id":"s","match_criteria":{{}}}}}}"#),
            format!(r#"{{"bool":{{"must":{{"rule":{{{organic}}}}}}}}}"#),
        ] {
            assert!(pins(&format!(r#"{{"query":{query}}}"#)).1, "{query}");
        }
        let retriever = r#"{"retriever":{"rule":{"ruleset_ids":["s"],"retriever":{"standard":{}}}}}"#;
        assert!(pins(retriever).1);
        assert!(pins(r#"{"retriever":{"\u0072ule":{"retriever":{"standard":{}}}}}"#).1);
    }

    #[test]
    fn documents_that_are_lifted_by_their_ids_are_pinned() {
        for clause in [
            r#"{"ids":{"values":["v1","2"],"boost":10}}"#,
            r#"{"terms":{"_id":["v1","2"],"boost":"1e6"}}"#,
            r#"{"constant_score":{"filter":{"terms":{"_id":["v1","2"]}},"boost":1000}}"#,
        ] {
            let query =
                format!(r#"{{"query":{{"bool":{{"must":{{"match":{{"a":"b"}}}},"should":[{clause}]}}}}}}"#);
            assert_eq!(ids(&query), ["v1", "2"], "{clause}");
        }
        let function = r#"{"query":{"function_score":{"query":{},"functions":[{"filter":{"ids":{"values":["v1"]}},"weight":50}]}}}"#;
        assert_eq!(ids(function), ["v1"]);
        let term =
            r#"{"query":{"bool":{"should":[{"match":{}},{"term":{"_id":{"value":"v1","boost":9}}}]}}}"#;
        assert_eq!(ids(term), ["v1"]);
    }

    #[test]
    fn what_only_selects_pins_nothing() {
        for body in [
            format!(r#"{{"query":{{"bool":{{"filter":{PINNED},"must_not":[{PINNED}]}}}}}}"#),
            format!(r#"{{"query":{{"constant_score":{{"filter":{PINNED}}}}}}}"#),
            r#"{"query":{"match":{"pinned":"ids"}}}"#.to_owned(),
            r#"{"query":{"match":{"rule":{"query":"organic"}}}}"#.to_owned(),
            r#"{"query":{"bool":{"should":[{"ids":{"values":["1"]}}],"filter":{"ids":{"values":["2"],"boost":5}}}}}"#
                .to_owned(),
            r#"{"query":{"match_all":{}},"aggs":{"pinned":{"ids":[1],"organic":{}}}}"#.to_owned(),
            r#"{"query":{"ids":{"values":["1","2"],"boost":5}}}"#.to_owned(),
        ] {
            assert_eq!(pins(&body), (Vec::new(), false), "{body}");
        }
    }
}
