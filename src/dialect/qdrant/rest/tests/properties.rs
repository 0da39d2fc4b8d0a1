use proptest::prelude::*;

use super::*;

const PATHS: [&str; 5] = [QUERY, BATCH, GROUPS, SEARCH, RECOMMEND];

/// JSON that parsers like to get wrong.
fn odd_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1e400".to_owned()),
        Just("18446744073709551616".to_owned()),
        Just("-0.0".to_owned()),
        Just("0.1234567890123456789".to_owned()),
        Just(r#""\u00e9\ud83d\ude00\"\\ } ] {""#.to_owned()),
        Just("\"é😀\u{202e}\"".to_owned()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("{}".to_owned()),
        (0..100usize).prop_map(|depth| format!("{}0{}", "[ ".repeat(depth), "]".repeat(depth))),
        any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|items| format!("[{}]", items.join(" , "))),
            members(inner, &["a", "a", "score", "payload", "text", "\\u0061", ""]),
        ]
    })
}

/// An object of some of `keys`, repeats likely.
fn members(
    value: impl Strategy<Value = String>,
    keys: &'static [&'static str],
) -> impl Strategy<Value = String> {
    let member = (prop::sample::select(keys), value, "[ \n\t]{0,2}")
        .prop_map(|(key, value, space)| format!("{space}\"{key}\"{space}:{space}{value}{space}"));
    prop::collection::vec(member, 0..6).prop_map(|members| format!("{{{}}}", members.join(",")))
}

fn hits() -> impl Strategy<Value = String> {
    let hit = members(odd_json(), &["id", "version", "score", "payload", "vector", "payload", "score"]);
    (prop::collection::vec(hit, 0..6), "[ \n]{0,2}")
        .prop_map(|(hits, space)| format!("[{space}{}{space}]", hits.join(&format!("{space},"))))
}

/// A response of each shape around lists of hits.
fn respond() -> impl Strategy<Value = (&'static str, String)> {
    let lists = prop::collection::vec(hits(), 1..4);
    (prop::sample::select(&PATHS[..]), lists, odd_json()).prop_map(|(path, lists, odd)| {
        let each = |open: &str, close: &str| {
            lists.iter().map(|list| format!("{open}{list}{close}")).collect::<Vec<_>>().join(",")
        };
        let result = match path {
            QUERY => format!("{{\"points\":{}}}", lists[0]),
            BATCH => format!("[{}]", each("{\"points\": ", "}")),
            GROUPS => format!("{{\"groups\":[{}]}}", each("{\"hits\":", ",\"id\":1}")),
            _ => lists[0].clone(),
        };
        (path, format!(" {{\"usage\":{odd},\"result\" : {result},\"status\":\"ok\"}}\n"))
    })
}

/// A request that is nearly one of the server's, or quite.
fn request() -> impl Strategy<Value = String> {
    const KEYS: &[&str] = &[
        "query",
        "nearest",
        "prefetch",
        "limit",
        "offset",
        "with_payload",
        "include",
        "rerank",
        "searches",
        "vector",
        "text",
        "model",
        "group_size",
        "with_vector",
        "strategy",
        "recommend",
    ];
    let leaf = prop_oneof![
        Just("5".to_owned()),
        Just("[0.5,1]".to_owned()),
        Just("[\"title\"]".to_owned()),
        Just("\"text\"".to_owned()),
        odd_json()
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            2 => members(inner.clone(), KEYS),
            1 => prop::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(","))),
        ]
    })
}

fn exercise(path: &str, body: Bytes) -> Result<(), TestCaseError> {
    with_head(&POST, path, |head| {
        let plans = vec![plan(50, &["text", "meta.title"]); 3];
        let parsed = Qdrant.parse_body(head, &body);
        let widened = Qdrant.widen_body(head, &body, &plans);
        if let Ok(intents) = parsed {
            let widened = widened.unwrap();
            prop_assert_eq!(widened.strips.len(), intents.len());
            prop_assert!(serde_json::from_slice::<&serde_json::value::RawValue>(&widened.body).is_ok());
            let again = Qdrant.parse_body(head, &widened.body).unwrap();
            prop_assert!(again.iter().all(|intent| !intent.own_members && intent.caller.query.is_none()));
        }
        let _ = split(head, body);
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn arbitrary_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..64), path in 0..PATHS.len()) {
        exercise(PATHS[path], Bytes::from(body))?;
    }

    #[test]
    fn odd_requests_are_rejected_or_widened_to_well_formed_ones(body in request(), path in 0..PATHS.len()) {
        exercise(PATHS[path], Bytes::from(body))?;
    }

    #[test]
    fn arbitrary_paths_are_survived(path in ".{0,40}") {
        with_head(&POST, &path, |head| Qdrant.kind(head));
    }

    #[test]
    fn odd_responses_split_and_join_to_the_same_bytes((path, body) in respond()) {
        let body = Bytes::from(body);
        with_head(&POST, path, |head| {
            let page = split(head, body.clone()).unwrap();
            let same: Vec<_> = page.arrays().iter().map(identity).collect();
            prop_assert_eq!(&page.reordered(&[], &same), &body);
            let none: Vec<_> = page.arrays().iter().map(|_| None).collect();
            prop_assert_eq!(&page.reordered(&[], &none), &body);
            let turned: Vec<_> = page.arrays().iter().map(reversed).collect();
            let turned = page.reordered(&[], &turned);
            let again = split(head, turned).unwrap();
            let back: Vec<_> = again.arrays().iter().map(reversed).collect();
            prop_assert_eq!(&again.reordered(&[], &back), &body);
            Ok(())
        })?;
    }
}
