use proptest::prelude::*;
use saphyr::{LoadableYamlNode, Yaml};

use super::*;
use test_support::{HIT, of_objects, page};

fn render(source: &str, set: &FieldSet) -> Option<String> {
    document(&*page(source), HIT, set, 1 << 20).map(Cow::into_owned)
}

fn auto(source: &str) -> Option<String> {
    render(source, &FieldSet::Auto)
}

fn named(paths: &[&str]) -> FieldSet {
    FieldSet::Named(paths.iter().map(|&path| path.to_owned()).collect())
}

#[test]
fn auto_asks_for_titles_texts_and_the_node() {
    let named_paths = |set: &FieldSet| match wanted_fields(set) {
        WantedFields::Named(paths) => paths.to_vec(),
        WantedFields::All => panic!("not all fields"),
    };
    let wanted = named_paths(&FieldSet::Auto);
    assert_eq!(&wanted[..4], ["title", "name", "heading", "page_content"]);
    assert_eq!(wanted.last().unwrap(), "_node_content");
    assert_eq!(named_paths(&named(&["a.b", "_node_content.text", "a.b"])), ["a.b", "_node_content"]);
    assert_eq!(wanted_fields(&FieldSet::All), WantedFields::All);
}

#[test]
fn auto_takes_the_first_main_field_with_text_and_a_title_before_it() {
    let source = r#"{"text":"B","page_content":" ","body":"C","metadata":{"x":"y"},"name":"N","secret":"s"}"#;
    assert_eq!(auto(source).unwrap(), "name: N\ntext: B");
    assert_eq!(auto(r#"{"content":"just\ntext","topic":"x"}"#).unwrap(), "just\ntext");
    let langchain = r#"{"page_content":"P","metadata":{"source":"s","text":"no"}}"#;
    assert_eq!(auto(langchain).unwrap(), "P");
    let spring_ai = r#"{"doc_content":"S","topic":"x"}"#;
    assert_eq!(auto(spring_ai).unwrap(), "S");
}

#[test]
fn llama_index_text_is_found_inside_its_node() {
    let node = r#"{"_node_content":"{\"id_\":\"1\",\"embedding\":null,\"text\":\"Caf\\u00e9\\nau lait\"}","_node_type":"TextNode"}"#;
    assert_eq!(auto(node).unwrap(), "Café\nau lait");
    assert_eq!(render(node, &named(&["_node_content.text"])).unwrap(), "Café\nau lait");
    let newer = r#"{"_node_content":"{\"text_resource\":{\"text\":\"T\"}}"}"#;
    assert_eq!(auto(newer).unwrap(), "T");
    assert_eq!(auto(r#"{"_node_content":"not JSON","title":"t"}"#), None);
}

#[test]
fn a_legacy_semantic_text_object_gives_its_text_and_no_chunks() {
    let source = r#"{"content":{"text":"T","inference":{"chunks":[{"text":"chunk","embeddings":[0.1]}]}},"v":[0.1,0.2]}"#;
    assert_eq!(auto(source).unwrap(), "T");
    assert_eq!(render(source, &named(&["content"])).unwrap(), "T");
    assert_eq!(render(source, &FieldSet::All).unwrap(), "content: T");
}

#[test]
fn the_odd_payloads_of_the_fixture_become_text_or_nothing() {
    for none in [
        r#"{"title":"No text field at all","source":"kb/special/notext.md","summary":"This document has a summary but no text."}"#,
        r#"{"text":null,"title":"Text is null","topic":"special","rank":66}"#,
        r#"{"text":{"en":"An object instead of a string.","de":"Ein Objekt."},"title":"Text is an object"}"#,
        r#"{"text":"","title":"Empty text","seq":9007199254741053}"#,
        r#"{"text":"   \n\t ","title":"Only white space"}"#,
        r#"{"text":42,"title":"Text is a number","nums":[1,1.0,-0.0,1e-7,18446744073709551615]}"#,
        "{}",
        "[]",
        "not JSON",
    ] {
        assert_eq!(auto(none), None);
    }
    let control = r#"{"text":"Zero\u0000byte, lone quote ', <b>markup</b> & amp; and right-to-left \u202bשלום\u202c.","title":"Control characters","a.b":"dotted key","":"empty key","_score":1}"#;
    assert_eq!(
        auto(control).unwrap(),
        "title: Control characters\ntext: Zerobyte, lone quote ', <b>markup</b> & amp; and right-to-left \u{202b}שלום\u{202c}."
    );
    assert_eq!(render(control, &named(&["a.b"])).unwrap(), "dotted key");
    let array = r#"{"text":["First passage about password resets.","Second passage about pasta water."]}"#;
    assert_eq!(
        auto(array).unwrap(),
        "First passage about password resets., Second passage about pasta water."
    );
}

#[test]
fn named_fields_come_in_their_order_without_nulls() {
    let source = r#"{"b":"B","a":{"x":{"y":"deep"}},"n":1.50,"t":true,"z":null,"tags":["p",null,"q",3],"a.x.w":"flat","list":[{"s":"1st"},{"s":"2nd"}],"v":[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1.0,1.1,1.2,1.3,1.4,1.5,1.6,1.7]}"#;
    assert_eq!(
        render(source, &named(&["t", "a.x.y", "z", "n", "a.x.w", "missing", "tags", "list.s", "b", "v"]))
            .unwrap(),
        "t: true\na.x.y: deep\nn: 1.50\na.x.w: flat\ntags: p, q, 3\nlist.s: 1st, 2nd\nb: B"
    );
    assert_eq!(render(source, &named(&["n"])).unwrap(), "1.50");
    assert_eq!(render(source, &named(&["b", "missing"])).unwrap(), "b: B", "one shape for all hits");
    assert_eq!(render(source, &named(&["v"])), None);
}

#[test]
fn all_takes_every_string_and_nothing_else() {
    let source = r#"{"s":"x","n":1,"v":[0.1,0.2],"m":{"author":"É. Szabó","rev":1},"chunks":[{"text":"c"}],"tags":["a","b"],"s":"last"}"#;
    let expected = "m.author: É. Szabó\nchunks.text: c\ntags: a, b\ns: last";
    assert_eq!(render(source, &FieldSet::All).unwrap(), expected);
}

#[test]
fn strings_are_found_wherever_they_stand() {
    let v: Vec<String> = (0..40).map(|n| format!("0.{n}")).collect();
    let vector = v.join(",");
    let source = format!(
        r#"{{"chunks":[{{"text":"t1","v":[{vector}],"n":1}},{{"text":"t2","tags":["x",["y"]]}},7,"s",null,[{{"text":"t3"}}]],
            "m":{{"parts":[{{"p":{{"q":["a",{{"r":"b"}}]}}}},{{"p":{{"q":"c"}}}}]}},"lists":[["d",[["e"]]],3],"k":[[1],[2]],
            "legacy":[{{"text":"T","inference":{{"chunks":[{{"text":"no"}}]}}}}],"twice":[{{"z":"no","z":"last"}}]}}"#
    );
    assert_eq!(
        render(&source, &FieldSet::All).unwrap(),
        "chunks.text: t1, t2, t3\nchunks.tags: x, y\nchunks: 7, s\nm.parts.p.q: a, c\nm.parts.p.q.r: b\n\
         lists: d, e, 3\nlegacy: T\ntwice.z: last"
    );
    assert_eq!(render(&source, &named(&["chunks"])).unwrap(), "t1, t2, 7, s, t3");
    assert_eq!(render(&source, &named(&["m.parts"])).unwrap(), "m.parts.p.q: a, c\nm.parts.p.q.r: b");
    assert_eq!(render(&source, &named(&["lists"])).unwrap(), "d, e, 3");
    assert_eq!(auto(r#"{"text":[["First."],[["second."]]]}"#).unwrap(), "First., second.");
}

#[test]
fn a_path_leads_through_lists_and_literal_keys_go_first() {
    let source = r#"{"c":[{"d":"d1"},{"e":2},7,["n",{"d":"d2"}],[[{"d":"too far"}]]],"a":{"b":"way","b.c":"x"},"a.b":"key"}"#;
    assert_eq!(render(source, &named(&["c.d"])).unwrap(), "d1, d2");
    assert_eq!(render(source, &named(&["a.b"])).unwrap(), "key");
    assert_eq!(render(source, &named(&["a.b.c"])).unwrap(), "x");
}

#[test]
fn elasticsearch_fields_are_read_after_the_source() {
    let page = of_objects(r#"{"title":"T"}"#, r#"{"body":["one"],"user.name":["Ana"],"title":["other"]}"#);
    assert_eq!(document(&*page, HIT, &FieldSet::Auto, 99).unwrap(), "title: T\nbody: one");
    assert_eq!(document(&*page, HIT, &named(&["user.name"]), 99).unwrap(), "Ana");
    assert_eq!(top_level_keys(&*page, HIT), ["title", "body", "user.name"]);
}

#[test]
fn all_fields_of_elasticsearch_come_once_without_their_multi_fields() {
    let page = of_objects(
        r#"{"title":"T","m":{"a":"A"},"x.y":"kept"}"#,
        r#"{"title":["T"],"title.keyword":["T"],"m.a":["A"],"m.a.raw":["A"],"body":["B"],"v":[0.1,0.2]}"#,
    );
    assert_eq!(document(&*page, HIT, &FieldSet::All, 99).unwrap(), "title: T\nm.a: A\nx.y: kept\nbody: B");
}

#[test]
fn a_document_is_cut_between_characters_and_never_empty() {
    let source = r#"{"text":"ééé"}"#;
    assert_eq!(document(&*page(source), HIT, &FieldSet::Auto, 3).unwrap(), "é");
    assert_eq!(document(&*page(source), HIT, &FieldSet::Auto, 1), None);
}

#[test]
fn a_hit_that_is_not_there_gives_nothing() {
    for at in [HitAt { list: 1, ..HIT }, HitAt { hit: 1, ..HIT }] {
        assert_eq!(document(&*page(r#"{"text":"x"}"#), at, &FieldSet::All, 99), None);
    }
}

#[test]
fn no_depth_or_breadth_of_a_payload_is_too_much() {
    let deep = format!(r#"{{"text":{}"x"{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    let nested = format!("{}1{}", r#"{"a":"#.repeat(20_000), "}".repeat(20_000));
    let keys: Vec<String> = (0..20_000).map(|n| format!(r#""k{n}":"v""#)).collect();
    let broad = format!("{{{}}}", keys.join(","));
    for set in [FieldSet::Auto, FieldSet::All, named(&["text", "a.a.a.a"])] {
        assert_eq!(render(&deep, &set), None);
        assert_eq!(render(&nested, &set), None);
    }
    assert_eq!(render(&broad, &FieldSet::All).unwrap().lines().count(), 256);
    assert_eq!(top_level_keys(&*page(&broad), HIT).len(), 32);
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~\\n\\t]{0,40}",
        "\\PC{0,30}",
        any::<String>(),
        "[-?:,#&*!|>'\"%@` ~+.0-9e_xo\\[\\]{}\\\\\\n]{1,12}",
        prop::sample::select(vec![
            "yes", "null", "~", "1.5", "0x1f", "1_000", ".inf", "12:30:45", "---", "<<"
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn a_yaml_document_parses_back_to_its_fields(
        fields in prop::collection::vec((any_text(), any_text()), 1..5)
    ) {
        let mut source = String::from("{");
        let mut expected: Vec<(String, String)> = Vec::new();
        for (index, (key, text)) in fields.iter().enumerate() {
            let key = format!("{key}{index}");
            if index > 0 { source.push(','); }
            source.push_str(&serde_json::to_string(&key).unwrap());
            source.push(':');
            source.push_str(&serde_json::to_string(text).unwrap());
            let (key, text) = (clean::line(&key), clean::text(text));
            if !key.is_empty() && key.len() <= 256 && !text.is_empty() && expected.iter().all(|(k, _)| *k != key) {
                expected.push((key.into_owned(), text.into_owned()));
            }
        }
        source.push('}');
        let Some(document) = render(&source, &FieldSet::All) else {
            prop_assert!(expected.is_empty());
            return Ok(());
        };
        let yaml = Yaml::load_from_str(&document).map_err(|e| TestCaseError::fail(format!("{e}: {document:?}")))?;
        let mapping = yaml[0].as_mapping().unwrap();
        let read: Vec<(String, String)> = mapping
            .iter()
            .map(|(k, v)| (k.as_str().unwrap_or("?").to_owned(), v.as_str().unwrap_or("?").to_owned()))
            .collect();
        prop_assert_eq!(read, expected, "{:?}", document);
    }

    #[test]
    fn no_payload_panics(source in "\\PC{0,60}", max in 0usize..50) {
        for set in [FieldSet::Auto, FieldSet::All, named(&["a.b", "_node_content"])] {
            let page = page(&source);
            let document = document(&*page, HIT, &set, max);
            prop_assert!(document.is_none_or(|d| !d.is_empty() && d.len() <= max));
        }
    }
}

#[test]
fn half_a_surrogate_pair_costs_a_document_nothing_else() {
    let pair = named(&["title", "tags", "text"]);
    for (source, set, document) in [
        (r#"{"content":"red shoes for summer \ud83d"}"#, FieldSet::Auto, "red shoes for summer"),
        (r#"{"content":"\ude00 red shoes"}"#, FieldSet::Auto, "red shoes"),
        (r#"{"content":["\ud83d","red \ud83dshoes","\ude00"]}"#, FieldSet::Auto, "red shoes"),
        (r#"{"title":"\ud83d","content":"red"}"#, FieldSet::Auto, "red"),
        (r#"{"title":"A\ud83d","content":"red"}"#, FieldSet::Auto, "title: A\ncontent: red"),
        (r#"{"text":"\ud83d","body":"red"}"#, FieldSet::Auto, "red"),
        (
            r#"{"title":"\udc00","tags":["\udc00","b\udc00"],"text":"c\ud800"}"#,
            pair.clone(),
            "tags: b\ntext: c",
        ),
        (r#"{"a\ud83d":"red\ud83d","b":"\ud83d"}"#, FieldSet::All, "a\u{fffd}: red"),
        (r#"{"_node_content":"{\"text\":\"red \\ud83d\"}"}"#, FieldSet::Auto, "red"),
        (r#"{"_node_content":"{\"text\":\"red \ud83d\"}"}"#, FieldSet::Auto, "red"),
    ] {
        assert_eq!(render(source, &set).as_deref(), Some(document), "{source}");
    }
}

#[test]
fn what_shows_nothing_is_no_document() {
    for text in [
        r"\ud83d",
        r"\ude00\ud83d",
        r" \u00a0\u3000 ",
        r"\u200b\u200d\ufeff",
        r"\u0000\u0085",
        r"\u00ad\u2060\ud800",
    ] {
        for source in [
            format!(r#"{{"text":"{text}"}}"#),
            format!(r#"{{"text":["{text}","{text}"]}}"#),
            format!(r#"{{"title":"{text}","text":"{text}","body":"{text}"}}"#),
        ] {
            for set in [FieldSet::Auto, named(&["text"]), named(&["title", "text"]), FieldSet::All] {
                assert_eq!(render(&source, &set), None, "{source}");
            }
        }
    }
    // Nor what is cut before anything can be seen.
    let source = "{\"text\":\"\u{200b}\u{200b}red\"}";
    assert_eq!(document(&*page(source), HIT, &FieldSet::Auto, 6), None);
}

proptest! {
    #[test]
    fn no_string_makes_a_document_that_is_blank(
        pieces in prop::collection::vec(
            prop::sample::select(&[
                "a", " ", "\\n", "\\r\\n", "\\t", "\\ud83d", "\\ude00", "\\u200b", "\u{200d}", "\\ufeff", "\u{a0}", "\\u0000",
                "\\u2028", "\u{3164}", "\u{fe0f}", "\\ud83d\\ude00", "\\\"",
            ][..]),
            0..8,
        ),
        most in 0..20_usize,
    ) {
        let text = pieces.concat();
        for source in [
            format!(r#"{{"text":"{text}"}}"#),
            format!(r#"{{"title":"{text}","text":["{text}"]}}"#),
        ] {
            for set in [FieldSet::Auto, named(&["text"]), named(&["title", "text"]), FieldSet::All] {
                let page = page(&source);
                let made = document(&*page, HIT, &set, most);
                prop_assert!(made.is_none_or(|text| !is_blank(&text) && text.len() <= most), "{}", source);
                let (_, all) = documents(&page, 0, [0].into_iter(), &set, most);
                prop_assert!(all.iter().all(|document| !is_blank(document.text())), "{}", source);
            }
        }
    }
}
