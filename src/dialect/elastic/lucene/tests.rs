use proptest::prelude::*;

use super::*;
use crate::wire::json::Value;

/// The words with their fields, as one line.
fn line(words: &[Words]) -> String {
    let part = |words: &Words| match &words.field {
        Some(field) => format!("{field}:[{}]", words.text),
        None => words.text.clone(),
    };
    words.iter().map(part).collect::<Vec<_>>().join(" ")
}

#[test]
fn only_the_words_that_a_query_string_looks_for_are_left() {
    for (query, words) in [
        ("", ""),
        ("***", ""),
        ("*:*", ""),
        ("red shoes", "red shoes"),
        ("moon OR tomatoes", "moon tomatoes"),
        ("body:(coffee AND fresh)", "body:[coffee fresh]"),
        ("title:\"quick fox\"~2^3.5 -lazy +dog*", "title:[quick fox] dog"),
        ("co-op C\\+\\+ roam~0.8 c++", "co-op C++ roam c++"),
        ("meta.author:(x) && !y", "meta.author:[x]"),
        // Exclusion, in all its spellings.
        ("shoes NOT leather", "shoes"),
        ("shoes -leather", "shoes"),
        ("shoes - leather", "shoes"),
        ("shoes !leather", "shoes"),
        ("shoes !(leather suede) boots", "shoes boots"),
        ("shoes AND NOT (leather OR \"real suede\")", "shoes"),
        ("shoes AND NOT leather AND red", "shoes red"),
        ("shoes || -leather || red", "shoes red"),
        ("-title:leather shoes", "shoes"),
        ("NOT title:(leather suede) shoes", "shoes"),
        ("-\"real leather\" shoes", "shoes"),
        ("-(a -(b c) d) e", "e"),
        ("NOT leather", ""),
        ("Hello! world", "Hello"),
        ("red not blue and green", "red not blue and green"),
        ("shoes and not leather", "shoes and not leather"),
        ("+red +shoes", "red shoes"),
        ("well-known e-mail", "well-known e-mail"),
        // Ranges, patterns and other syntax.
        ("year:[2019 TO 2020] shoes", "shoes"),
        ("year:{* TO 2020} shoes", "shoes"),
        ("year:[2019 TO 2020} AND shoes", "shoes"),
        ("date:[\"a ] b\" TO c] shoes", "shoes"),
        ("age:>10 age:>=10 age:<10 age:(>=10 AND <20) shoes", "shoes"),
        ("name:/joh?n(ath[oa]n)/ shoes", "shoes"),
        ("/a b/ shoes", "shoes"),
        ("and/or", "and/or"),
        ("sho* *hoe s*e qu?ck sho?", "sho hoe sho"),
        ("is it far?", "is it far"),
        ("what\\? \\*", "what?"),
        ("red^2 shoes^0 (blue boots)^0.0 \"a b\"^0 green ^0", "red"),
        ("red (blue a:b boots)^0 shoes", "red shoes"),
        ("red~ shoes~2 \"a b\"~5", "red shoes a b"),
        ("_exists_:title red", "_exists_:[title] red"),
        ("title : red", "title:[red]"),
        ("title:red shoes", "title:[red] shoes"),
        ("first\\ name:Ann", "first name:[Ann]"),
        ("book.\\*:(quick brown)", "book.*:[quick brown]"),
        ("*:red", "*:[red]"),
        ("a:(b c:(d e) f)", "a:[b] c:[d e] a:[f]"),
        ("\\u0041bc", "Abc"),
        ("Rotwein für Käse ❤", "Rotwein für Käse ❤"),
        ("AT & T", "AT T"),
        // What the database rejects; the words are of no use, but there is no end of them.
        ("red (shoes", "red shoes"),
        ("red \"shoes", "red shoes"),
        ("red) shoes", "red shoes"),
        ("red [shoes", "red shoes"),
        ("\\", ""),
        ("a:", ""),
    ] {
        assert_eq!(line(&query_string(query)), words, "{query}");
    }
}

#[test]
fn only_the_words_that_a_simple_query_string_looks_for_are_left() {
    let all = Flags::read(None);
    for (query, words) in [
        ("", ""),
        ("red shoes", "red shoes"),
        ("red + shoes | boots", "red shoes boots"),
        ("shoes -leather", "shoes"),
        ("shoes - leather", "shoes leather"),
        ("shoes --leather", "shoes leather"),
        ("shoes -(leather suede) boots", "shoes boots"),
        ("shoes -(leather (suede)) boots", "shoes boots"),
        ("shoes -(leather", "shoes leather"),
        ("shoes -\"real leather\" boots", "shoes boots"),
        ("shoes -\"real leather boots", "shoes real leather boots"),
        ("(red (big) -blue)", "red big"),
        ("well-known e-mail", "well-known e-mail"),
        ("\"red shoes\"~2 bo* far~1", "red shoes bo far"),
        ("title:red", "title:red"),
        ("shoes NOT leather", "shoes NOT leather"),
        ("\\-leather \\\"", "-leather"),
        ("()", ""),
        (")(", ""),
        ("\"\" -", ""),
    ] {
        assert_eq!(line(&simple_query_string(query, all)), words, "{query}");
    }
}

#[test]
fn signs_mean_something_only_where_flags_let_them() {
    let read = |flags: &str, query: &str| {
        let flags = Value::parse(flags.as_bytes()).unwrap();
        line(&simple_query_string(query, Flags::read(Some(flags))))
    };
    assert_eq!(read("\"OR|AND|PREFIX\"", "shoes -leather"), "shoes -leather");
    assert_eq!(read("\"NONE\"", "shoes -leather"), "shoes -leather");
    assert_eq!(read("\"not|whitespace\"", "shoes -leather"), "shoes");
    assert_eq!(read("\"ALL\"", "shoes -leather"), "shoes");
    assert_eq!(read("2", "shoes -leather"), "shoes -leather");
    assert_eq!(read("130", "shoes -leather"), "shoes");
    assert_eq!(read("-1", "shoes -leather"), "shoes");
    assert_eq!(read("null", "shoes -leather"), "shoes");
    // Without brackets and quotation marks a sign reaches the next word alone.
    assert_eq!(read("\"NOT|WHITESPACE\"", "-(leather suede)"), "suede)");
}

#[test]
fn escaped_signs_stand_for_themselves() {
    let read = |query: &str| line(&query_string(&escaped(query)));
    assert_eq!(read("a:b -c (d) [e] \"f\" g*"), "a:b -c (d) [e] \"f\" g*");
    assert_eq!(read("a NOT b"), "a");
}

#[test]
fn a_query_that_jumps_from_field_to_field_has_no_words() {
    let query: String = (0..300).map(|at| format!("f{at}:x ")).collect();
    assert!(query_string(&query).is_empty());
    assert!(query_string(&"a:b ".repeat(300)).len() == 1);
    let long = format!("{}:(a b)", "f".repeat(100_000));
    assert_eq!(query_string(&long)[0].field.as_deref(), Some(""));
}

#[test]
fn a_query_of_brackets_has_no_words_and_takes_no_memory() {
    let many = "(".repeat(1_000_000) + "a";
    assert!(query_string(&many).is_empty());
    assert!(simple_query_string(&many, Flags::read(None)).is_empty());
    let few = format!("{}a{} b", "(".repeat(1000), ")".repeat(1000));
    assert_eq!(
        (line(&query_string(&few)), line(&simple_query_string(&few, Flags::read(None)))),
        ("a b".into(), "a b".into())
    );
}

#[test]
fn long_queries_are_read_in_one_go() {
    for unit in [
        "\"",
        "[",
        "/",
        "a:",
        "\\",
        "-",
        "*",
        "^",
        "~",
        "a/b ",
        "\"a\" ",
        "[a TO b] ",
        "x:(a y:b) ",
        "-(a ",
        "'",
        "{",
    ] {
        let query = unit.repeat(200_000 / unit.len());
        query_string(&query);
        simple_query_string(&query, Flags::read(None));
    }
}

fn word() -> impl Strategy<Value = String> {
    "[a-z]{1,6}"
}

/// A clause that is excluded together with words that only stand in it.
fn excluded() -> impl Strategy<Value = String> {
    let inner = prop_oneof![
        Just("hidden".to_owned()),
        Just("\"hidden phrase\"".to_owned()),
        Just("(hidden OR (hidden AND +hidden))".to_owned()),
        Just("title:hidden".to_owned()),
        Just("title:(hidden \"hidden\")".to_owned()),
        Just("hidden^2".to_owned()),
        Just("hidden~1".to_owned()),
        Just("(-hidden)".to_owned()),
    ];
    let before =
        prop::sample::select(vec!["-", "!", "NOT ", "- ", "! ", "AND NOT ", "OR -", "&& !", "|| NOT "]);
    (before, inner).prop_map(|(before, inner)| format!("{before}{inner}"))
}

proptest! {
    #[test]
    fn what_is_excluded_is_never_a_word(parts in prop::collection::vec(prop_oneof![word(), excluded()], 1..8)) {
        let kept: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.contains("hidden")).collect();
        let found = line(&query_string(&parts.join(" ")));
        prop_assert_eq!(found, kept.join(" "));
    }

    #[test]
    fn no_query_makes_them_panic(query in "[a-z \\\\\"()\\[\\]{}:^~*?/!+<>=|&0\u{e9}\u{1f600}-]{0,40}", flags in any::<u16>()) {
        query_string(&query);
        query_string(&escaped(&query));
        let flags = flags.to_string();
        simple_query_string(&query, Flags::read(Value::parse(flags.as_bytes()).ok()));
        simple_query_string(&query, Flags::read(None));
    }
}
