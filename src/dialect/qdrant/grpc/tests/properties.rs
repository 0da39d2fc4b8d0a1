//! Laws over invented messages.

use proptest::prelude::*;

use super::*;
use crate::wire::{
    Page,
    proto::{Message, write},
};

const METHODS: [&str; 11] = [
    "Query",
    "QueryBatch",
    "QueryGroups",
    "Search",
    "SearchBatch",
    "SearchGroups",
    "Recommend",
    "RecommendBatch",
    "RecommendGroups",
    "Discover",
    "DiscoverBatch",
];

/// What a query may search for, in REST's JSON.
fn input() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(json!([0.5, -1.0])),
        Just(json!([0.25])),
        Just(json!(7)),
        Just(json!({"text": "red shoes", "model": "m"})),
        Just(json!({"text": "blue", "model": "m"})),
        Just(json!({"indices": [1], "values": [1.0]})),
        Just(json!({"image": "u", "model": "m"})),
    ]
}

fn formula() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(json!("$score")),
        Just(json!("price")),
        Just(json!(0.5)),
        Just(json!(-1)),
        Just(json!(0))
    ];
    leaf.prop_recursive(3, 10, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 0..3);
        prop_oneof![
            (prop::sample::select(&["sum", "mult", "max", "min"][..]), list)
                .prop_map(|(name, list)| json!({name: list})),
            (prop::sample::select(&["abs", "sqrt", "exp", "log10", "ln", "acosh", "neg"][..]), inner.clone())
                .prop_map(|(name, inner)| json!({name: inner})),
            (inner.clone(), inner.clone())
                .prop_map(|(left, right)| json!({"div": {"left": left, "right": right}})),
            (inner.clone(), inner)
                .prop_map(|(base, exponent)| json!({"pow": {"base": base, "exponent": exponent}})),
        ]
    })
}

fn any_query() -> impl Strategy<Value = Json> {
    prop_oneof![
        3 => input(),
        2 => input().prop_map(|nearest| json!({"nearest": nearest})),
        1 => input().prop_map(|nearest| json!({"nearest": nearest, "mmr": {}})),
        1 => input().prop_map(|target| json!({"discover": {"target": target, "context": []}})),
        1 => input().prop_map(|target| json!({"relevance_feedback": {"target": target, "feedback": [], "strategy": {}}})),
        1 => (input(), prop::sample::select(&["average_vector", "best_score"][..]))
            .prop_map(|(one, strategy)| json!({"recommend": {"positive": [one], "strategy": strategy}})),
        1 => Just(json!({"context": []})),
        1 => Just(json!({"order_by": "at"})),
        1 => Just(json!({"sample": "random"})),
        1 => Just(json!({"text": {"query": "red shoes"}})),
        3 => Just(json!({"fusion": "rrf"})),
        1 => Just(json!({"rrf": {"k": 2}})),
        2 => formula().prop_map(|formula| json!({"formula": formula})),
    ]
}

fn names() -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(
        prop::sample::select(&["title", "text", "meta", "meta.text", "meta[].text", "\"a b\".c"][..]),
        0..4,
    )
}

fn selector() -> impl Strategy<Value = Json> {
    prop_oneof![
        any::<bool>().prop_map(Json::from),
        names().prop_map(|names| json!(names)),
        names().prop_map(|names| json!({"include": names})),
        names().prop_map(|names| json!({"exclude": names})),
    ]
}

/// A search as REST has it, of members that both interfaces know.
fn search() -> impl Strategy<Value = Json> {
    let flat = (
        prop::option::weighted(0.9, any_query()),
        prop::option::of(0..40_u64),
        prop::option::of(0..4_u64),
        prop::option::of(selector()),
        prop::option::of(any::<bool>()),
    );
    let flat = flat.prop_map(|(query, limit, offset, payload, vectors)| {
        let members = [
            ("query", query),
            ("limit", limit.map(Json::from)),
            ("offset", offset.map(Json::from)),
            ("with_payload", payload),
            ("with_vector", vectors.map(Json::from)),
        ];
        let members = members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        Json::Object(members.collect())
    });
    flat.prop_recursive(3, 8, 3, |inner| {
        (inner.clone(), prop::collection::vec(inner, 1..3)).prop_map(|(mut search, prefetches)| {
            search["prefetch"] = Json::Array(prefetches);
            search
        })
    })
}

fn fields() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![Just(vec!["*"]), Just(vec![]), names()]
}

/// The fields of a message as they are written, but for those of these numbers.
fn others(message: &[u8], numbers: &[u32]) -> Vec<Vec<u8>> {
    let fields = Message::new(message).fields().map(Result::unwrap);
    let others = fields.filter(|field| !numbers.contains(&field.number));
    others.map(|field| message[field.span()].to_vec()).collect()
}

/// Some bytes that look like a message now and then.
fn odd() -> impl Strategy<Value = Vec<u8>> {
    let field =
        (1..20_u32, prop::collection::vec(any::<u8>(), 0..6), 0..4_u8).prop_map(|(number, bytes, wire)| {
            let mut out = Vec::new();
            match wire {
                0 => write::unsigned(&mut out, number, bytes.len() as u64),
                1 => write::float(&mut out, number, 0.5),
                _ => write::message(&mut out, number, |out| {
                    write::bytes(out, number % 4 + 1, &bytes);
                    write::message(out, 2, |out| write::bytes(out, 1, &bytes));
                }),
            }
            out
        });
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(field, 0..6).prop_map(|fields| fields.concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_search_asks_for_what_it_asks_for_over_rest(json in search()) {
        prop_assert_eq!(said(&asks(json.clone())), said(&rest(&json)), "{}", json);
    }

    #[test]
    fn widening_removes_what_it_does_over_rest_and_touches_nothing_else(
        json in search(), hits in prop::option::of(1..60_u64), fields in fields(), unknown in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let mut message = of_json::query_points(&json).encode_to_vec();
        write::bytes(&mut message, 1023, &unknown);
        let plan = plan(hits, &fields);
        let (body, strips) = rewritten("Query", &message, std::slice::from_ref(&plan));
        prop_assert_eq!(others(&body, &[8, 9, 11]), others(&message, &[8, 9, 11]));
        let intent = parse("Query", &body).unwrap().pop().unwrap();
        match hits {
            Some(hits) => prop_assert_eq!((intent.limit, intent.offset), (hits, 0)),
            None => prop_assert_eq!(others(&body, &[11]), others(&message, &[11])),
        }
        let (method, headers) = (Method::POST, HeaderMap::new());
        let head = Head { method: &method, path: "/collections/kb/points/query", query: None, headers: &headers };
        let rest = Qdrant.widen_body(&head, &Bytes::from(json.to_string()), &[plan]).unwrap();
        prop_assert_eq!(strips, rest.strips);
        let rest: Json = serde_json::from_slice(&rest.body).unwrap();
        let theirs = rest.get("with_payload").map(of_json::selector);
        prop_assert_eq!(messages::QueryPoints::decode(body).unwrap().with_payload, theirs);
    }

    #[test]
    fn no_message_is_too_odd(message in odd(), method in prop::sample::select(&METHODS[..])) {
        let operation = operation(method);
        let plans = vec![plan(50, &["text", "meta.title"]); 3];
        let body = Bytes::from(message);
        let intents = parse(method, &body);
        let widened = widen::widen(operation, &body, &plans);
        if let (Ok(intents), Ok((widened, strips))) = (&intents, widened) {
            prop_assert_eq!(strips.len(), intents.len());
            prop_assert_eq!(parse(method, &widened).unwrap().len(), intents.len());
        }
        if let Ok(page) = response::page(operation, body) {
            let turned: Vec<_> = page.lists().iter().map(|list| ranking((0..list.hits).rev())).collect();
            let again = response::page(operation, page.reordered(&[], &turned)).unwrap();
            prop_assert_eq!(again.reordered(&[], &turned).len(), page.body().len());
        }
    }
}
