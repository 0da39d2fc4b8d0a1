use proptest::prelude::*;
use serde_json::value::RawValue;

use super::*;

/// Well-formed JSON, and JSON that is nearly so: pieces of it in any order.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b" ",
        b"\n",
        b"\t",
        b"\r",
        b"\x0c",
        b"\"",
        b"\"\"",
        b"\"a\"",
        b"\"a\":",
        b"\"\\u0061\"",
        b"\"\\ud800\"",
        b"\"\\ud83d\\ude00\"",
        b"\"\\x\"",
        b"\"\\u12g4\"",
        b"\\",
        b"\x01",
        b"\"\x1f\"",
        b"\"\x7f\"",
        "\"é🙂\"".as_bytes(),
        b"\xff",
        b"\xc3",
        b"\xef\xbb\xbf",
        b"0",
        b"-",
        b"1",
        b"01",
        b"-0",
        b"12345678901234567",
        b".",
        b"0.5",
        b"1e",
        b"e+5",
        b"1E-7",
        b"1e400",
        b"true",
        b"false",
        b"null",
        b"nul",
        b"NaN",
        b"//",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..12).prop_map(|pieces| pieces.concat())
}

/// Well-formed JSON with long strings and repeated keys.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1e400".to_owned()),
        Just("-0.0".to_owned()),
        Just("null".to_owned()),
        Just("{ }".to_owned()),
        Just("[\n]".to_owned()),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| n.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        "[a-z\"\\\\\n\u{e9}\u{1f642}]{0,200}".prop_map(|text| serde_json::Value::from(text).to_string()),
        (0..150_usize).prop_map(|depth| format!("{}7{}", "[".repeat(depth), "]".repeat(depth))),
        (0..150_usize).prop_map(|depth| format!("{}7{}", "[{\"a\": ".repeat(depth), "} ]".repeat(depth))),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        let key = prop::sample::select(&["a", "a", "\\u0061", "é", "", "long enough for two words"][..]);
        let member = (key, inner.clone(), "[ \n\t\r]{0,2}")
            .prop_map(|(key, value, space)| format!("{space}\"{key}\"{space}:{space}{value}{space}"));
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(|items| format!("[{}]", items.join(" , "))),
            prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
}

/// The members of an object as serde_json reads them: key and text of the value.
struct Pairs<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> serde::de::Visitor<'de> for Collect {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// Compares a body, and all that is in it, with what serde_json reads.
fn same_as_serde_json(body: &[u8]) -> Result<(), TestCaseError> {
    let theirs = serde_json::from_slice::<&RawValue>(body).ok().map(RawValue::get);
    let ours = Value::parse(body).ok();
    prop_assert_eq!(ours.map(Value::text), theirs);
    let Some(value) = ours else { return Ok(()) };
    prop_assert_eq!(&body[value.span()], value.text().as_bytes());
    // serde_json reads no text with half a surrogate pair in it.
    if value.text().to_ascii_lowercase().contains("\\ud") {
        return Ok(());
    }
    let members = value.members();
    let pairs = serde_json::from_str::<Pairs<'_>>(value.text()).ok();
    prop_assert_eq!(members.is_some(), pairs.is_some());
    for (member, (key, raw)) in
        members.unwrap_or_default().into_iter().zip(pairs.map(|p| p.0).unwrap_or_default())
    {
        prop_assert_eq!(&*member.key, &key);
        prop_assert_eq!(&body[member.value.span()], raw.get().as_bytes());
        prop_assert!(std::ptr::eq(member.value.text(), raw.get()));
        prop_assert_eq!(body[member.key_start], b'"');
        let before = std::str::from_utf8(&body[member.key_start..member.value.span().start]).unwrap();
        let written: String =
            serde_json::from_str(before.trim_end().trim_end_matches(':').trim_end()).unwrap();
        prop_assert_eq!(written, key);
        same_as_serde_json(member.value.text().as_bytes())?;
    }
    let items = value.items();
    let raws = serde_json::from_str::<Vec<&RawValue>>(value.text()).ok();
    prop_assert_eq!(items.is_some(), raws.is_some());
    for (item, raw) in items.unwrap_or_default().into_iter().zip(raws.unwrap_or_default()) {
        prop_assert!(std::ptr::eq(item.text(), raw.get()));
        prop_assert_eq!(&body[item.span()], raw.get().as_bytes());
        // One way down is enough.
        if item.text().len() < 200 {
            same_as_serde_json(item.text().as_bytes())?;
        }
    }
    prop_assert_eq!(value.as_str().map(Cow::into_owned), serde_json::from_str::<String>(value.text()).ok());
    Ok(())
}

#[test]
fn half_a_surrogate_pair_makes_another_name_of_a_key_and_no_text() {
    // serde_json takes no such string.
    let value = Value::parse(br#"{"a\ud800":1,"a":"b\udc00c","a":"\ud83d"}"#).unwrap();
    let keys: Vec<_> = value.members().unwrap().into_iter().map(|member| member.key.into_owned()).collect();
    assert_eq!(keys, ["a\u{fffd}", "a", "a"]);
    assert_eq!(value.get("a").and_then(Value::as_str).as_deref(), Some(""));
    let text = Value::parse(br#""b\udc00c""#).unwrap();
    assert_eq!(text.as_str().as_deref(), Some("bc"));
    assert_eq!(text.as_marked_str().as_deref(), Some("b\u{fffd}c"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_nearly_json_is_taken_and_rejected_as_serde_json_does(body in nearly_json()) {
        same_as_serde_json(&body)?;
    }

    #[test]
    fn json_is_read_as_serde_json_reads_it(body in json(), space in "[ \n]{0,2}") {
        same_as_serde_json(format!("{space}{body}{space}").as_bytes())?;
    }

    #[test]
    fn json_with_one_byte_changed_is_taken_and_rejected_as_serde_json_does(
        body in json(), at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut body = body.into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        same_as_serde_json(&body)?;
        body.truncate(at);
        same_as_serde_json(&body)?;
    }
}

#[test]
fn what_nobody_takes_is_checked_all_the_same() {
    let keys = |body: &'static str| {
        let mut keys = Vec::new();
        let read = Scanner::whole(body.as_bytes(), |scanner| {
            scanner.members(|key, _| {
                keys.push(key.name.into_owned());
                Ok(())
            })
        });
        (read.is_ok(), keys.join(" "))
    };
    assert_eq!(keys(r#"{"a":[1,{"b":2}],"c":"x"}"#), (true, "a c".to_owned()));
    assert_eq!(keys(r#"{"a":[1,{"b":02}],"c":"x"}"#), (false, "a".to_owned()));
    assert_eq!(keys(r#"{"a":1} 2"#), (false, "a".to_owned()));
}
