use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::search::Template;
use crate::{
    document::{
        document,
        test_support::{HIT, noted},
    },
    wire::json::Scanner,
};

fn name_of(document: &Document) -> Vec<u8> {
    let mut name = Vec::new();
    document.identity(|piece| name.extend_from_slice(piece));
    name
}

/// The one document of a hit, if it has text.
fn one(page: &Arc<dyn Page>, set: &FieldSet, max_bytes: usize) -> Option<Document> {
    let (places, mut documents) = documents(page, 0, [0].into_iter(), set, max_bytes);
    assert_eq!(places.len(), documents.len());
    documents.pop()
}

fn is_made_later(document: &Document) -> bool {
    document.is_made()
}

/// A payload: names that mean something, values of every kind.
fn payload() -> impl Strategy<Value = String> {
    let name = prop::sample::select(
        &["title", "name", "text", "content", "body", "x", "a.b", "a", "t\\u0065xt", "_node_content", "tags"]
            [..],
    );
    let value = prop::sample::select(
        &[
            r#""A text.""#,
            r#"" blank first""#,
            r#""\n""#,
            r#""""#,
            r#""\u0041 letter""#,
            r#""two\nlines  \n end""#,
            r#"["one","two"]"#,
            r#"["one",2,{"text":"three"}]"#,
            "[]",
            "[1,2]",
            "7",
            "null",
            r#"{"text":"inner"}"#,
            r#"{"b":"deep"}"#,
            r#""été""#,
            r#""plain: with # signs""#,
            r#""{\"text\":\"node\"}""#,
            r#""\"quoted\"""#,
        ][..],
    );
    prop::collection::vec((name, value), 0..6).prop_map(|members| {
        let members: Vec<String> =
            members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

fn set() -> impl Strategy<Value = FieldSet> {
    let path =
        prop::sample::select(&["text", "title", "a.b", "a", "x", "tags", " x", "_node_content", ""][..]);
    let template = prop::sample::select(
        &[
            "{text}",
            "{title}\n{text}",
            "T: {title} ({x})\n\n{a.b}: {tags:date}",
            "{a} {x} {a}",
            "{_node_content}\n{tags}",
        ][..],
    );
    prop_oneof![
        3 => Just(FieldSet::Auto),
        1 => Just(FieldSet::All),
        3 => prop::collection::vec(path.prop_map(str::to_owned), 0..4).prop_map(FieldSet::Named),
        3 => template.prop_map(|text| FieldSet::Template(Arc::new(Template::parse(text).unwrap()))),
    ]
}

proptest! {
    #[test]
    fn a_text_made_when_it_is_read_is_the_one_made_at_once(
        source in payload(), second in prop::option::of(payload()), set in set(), max_bytes in 0..40_usize,
    ) {
        let page = noted(&source, second.as_deref());
        prop_assert!(Scanner::whole(source.as_bytes(), Scanner::skip).is_ok());
        let made = one(&page, &set, max_bytes);
        let at_once = document(&*page, HIT, &set, max_bytes);
        prop_assert_eq!(made.as_ref().map(Document::text), at_once.as_deref());
    }

    #[test]
    fn documents_of_one_name_have_one_text(
        payloads in prop::collection::vec(payload(), 2..6), set in set(), others in set(), cuts in [1..30_usize, 1..30],
    ) {
        let mut texts: HashMap<Vec<u8>, String> = HashMap::new();
        for payload in &payloads {
            let page = noted(payload, None);
            for (set, max_bytes) in [(&set, cuts[0]), (&set, cuts[1]), (&others, cuts[0])] {
                if let Some(document) = one(&page, set, max_bytes) {
                    let text = document.text().to_owned();
                    let before = texts.entry(name_of(&document)).or_insert_with(|| text.clone());
                    prop_assert_eq!(&*before, &text);
                }
            }
        }
    }
}

#[test]
fn what_a_document_is_not_made_of_does_not_change_its_name() {
    let of = |payload: &str, set: &FieldSet| {
        let page = noted(payload, None);
        let document = one(&page, set, 99).unwrap();
        assert!(is_made_later(&document), "{payload}");
        name_of(&document)
    };
    let auto = of(r#"{"n":1,"title":"T","text":"a"}"#, &FieldSet::Auto);
    assert_eq!(of(r#"{"text":"a", "n" : 2,"title":"T"}"#, &FieldSet::Auto), auto);
    assert_ne!(of(r#"{"n":1,"name":"T","text":"a"}"#, &FieldSet::Auto), auto, "the name is in the text");
    assert_ne!(of(r#"{"title":"Ta","text":""}"#.replace(r#""""#, r#""b""#).as_str(), &FieldSet::Auto), auto);
    let named = FieldSet::Named(vec!["text".to_owned()]);
    assert_eq!(of(r#"{"text":"a","title":"T"}"#, &named), of(r#"{"title":"U","text":"a"}"#, &named));
}

#[test]
fn a_text_and_what_another_is_made_of_never_have_one_name() {
    let page = noted(r#"{"text":"a"}"#, None);
    let made = name_of(&one(&page, &FieldSet::Auto, 99).unwrap());
    assert!(std::str::from_utf8(&made).is_err(), "no text has such bytes");
    assert_eq!(name_of(&Document::from("a")), b"a");
}

#[test]
fn nothing_of_a_text_is_shown_for_debugging() {
    assert_eq!(format!("{:?}", Document::from("secret")), "Document(..)");
}
