use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::{
    values::{any_json, json, theirs},
    *,
};
use crate::{
    search::{HitAt, PathStep, Ranked, Ranking, ScoreWriting, Selection, Strip, StripPath},
    wire::{
        Found, Page, Score,
        proto::{FieldsAt, IdAt, Layout, Marked, ProtoPage, ScoreAt, kinds},
    },
};

const PLAIN: Layout = Layout {
    around: &[],
    hits: 1,
    each_is_search: false,
    id: IdAt::Message(1),
    fields: FieldsAt { around: &[], entries: 2, kinds: &kinds::QDRANT },
    score: ScoreAt {
        inside: None,
        score: Marked { number: 3, present: None },
        distance: None,
        relevance: None,
    },
};
static SINGLE: Layout = PLAIN;
static BATCH: Layout = Layout { around: &[1], each_is_search: true, ..PLAIN };
static GROUPS: Layout = Layout { around: &[1, 1], hits: 2, ..PLAIN };
static LAYOUTS: [&Layout; 3] = [&SINGLE, &BATCH, &GROUPS];

/// A list of hits as a model: each place holds a hit's message, or none, and a field of something else before it or not.
type List = Vec<(Option<Vec<u8>>, Option<Vec<u8>>)>;

/// A response with these lists, each hit's field written by `write::bytes`.
fn response(layout: &Layout, lists: &[List]) -> Bytes {
    let message = |list: &List| {
        let mut out = Vec::new();
        for (before, hit) in list {
            if let Some(other) = before {
                write::bytes(&mut out, 60, other);
            }
            if let Some(hit) = hit {
                write::bytes(&mut out, layout.hits, hit);
            }
        }
        write::double(&mut out, 50, 0.25);
        out
    };
    let (mut inner, mut out) = (Vec::new(), Vec::new());
    match layout.around {
        [] => out = message(&lists[0]),
        [one] => lists.iter().for_each(|list| write::bytes(&mut out, *one, &message(list))),
        [outer, one, ..] => {
            lists.iter().for_each(|list| write::bytes(&mut inner, *one, &message(list)));
            write::bytes(&mut out, *outer, &inner);
        }
    }
    write::double(&mut out, 2, 0.5);
    Bytes::from(out)
}

/// A hit with an id, these fields, a score unless it is 0, and something that nobody knows.
fn hit(id: u64, fields: &Json, score: f32) -> Vec<u8> {
    let mut out = Vec::new();
    write::message(&mut out, 1, |out| write::unsigned(out, 1, id));
    for (key, value) in fields.as_object().unwrap() {
        write::bytes(&mut out, 2, &entry(key, value));
    }
    if score != 0.0 {
        write::float(&mut out, 3, score);
    }
    write::unsigned(&mut out, 5, 1);
    write::bytes(&mut out, 1023, b"unknown");
    out
}

fn entry(key: &str, value: &Json) -> Vec<u8> {
    let mut out = Vec::new();
    write::bytes(&mut out, 1, key.as_bytes());
    write::bytes(&mut out, 2, &prost::Message::encode_to_vec(&theirs(value)));
    out
}

fn object() -> impl Strategy<Value = Json> {
    prop::collection::vec(("[a-c]{1,2}", any_json()), 0..5)
        .prop_map(|members| Json::Object(members.into_iter().collect()))
}

fn list() -> impl Strategy<Value = List> {
    let hit = (any::<u64>(), object(), prop_oneof![Just(0.0), any::<f32>()])
        .prop_map(|(id, fields, score)| Some(hit(id, &fields, score)));
    let other = prop::option::weighted(0.2, prop::collection::vec(any::<u8>(), 0..5));
    prop::collection::vec((other, hit), 0..6)
}

fn ranking(order: impl IntoIterator<Item = usize>) -> Ranking {
    let hits = order.into_iter().map(Ranked::unscored).collect();
    Ranking { hits, scores: ScoreWriting::Keep, annotate: true, best: None, offset: 0 }
}

fn at(list: usize, hit: usize) -> HitAt {
    HitAt { list, hit }
}

fn hits(page: &ProtoPage, list: usize) -> usize {
    page.lists().get(list).map_or(0, |list| list.hits)
}

fn score(page: &ProtoPage, hit: usize) -> Option<Score<'_>> {
    page.score(at(0, hit))
}

fn length(page: &ProtoPage, hit: usize) -> usize {
    page.span(at(0, hit)).unwrap().len()
}

/// The hits of the page's lists, by their ids.
fn ids(page: &ProtoPage) -> Vec<Vec<String>> {
    let list = |list| (0..hits(page, list)).map(|hit| page.id(at(list, hit)).id).collect();
    (0..page.lists().len()).map(list).collect()
}

fn as_json(value: crate::wire::Value<'_>) -> Json {
    match value {
        crate::wire::Value::Proto(value) => json(value),
        crate::wire::Value::Json(_) => panic!("no JSON here"),
    }
}

/// The fields of a hit as JSON.
fn fields_of(page: &ProtoPage, list: usize, hit: usize) -> Json {
    let mut objects = page.fields(at(list, hit)).objects;
    assert_eq!(objects.len(), 1);
    let entry = |member: crate::wire::Member<'_>| (member.key.into_owned(), as_json(member.value));
    Json::Object(objects.remove(0).into_iter().map(entry).collect())
}

/// What the server leaves of a value where these paths are requested.
fn selected(value: &Json, paths: &[&[PathStep]]) -> Json {
    let after = |is_next: &dyn Fn(&PathStep) -> bool| {
        let rest = |path: &&[PathStep]| {
            path.split_first().filter(|(step, _)| is_next(step)).map(|(_, rest)| rest.to_vec())
        };
        paths.iter().filter_map(rest).collect::<Vec<_>>()
    };
    let inside = |value: &Json, below: &[Vec<PathStep>]| {
        let below: Vec<&[PathStep]> = below.iter().map(Vec::as_slice).collect();
        if below.contains(&&[][..]) { value.clone() } else { selected(value, &below) }
    };
    match value {
        Json::Object(members) => {
            let left = members.iter().filter_map(|(key, value)| {
                let below = after(&|step| matches!(step, PathStep::Key(name) if name == key));
                (!below.is_empty()).then(|| (key.clone(), inside(value, &below)))
            });
            Json::Object(left.collect())
        }
        Json::Array(items) => match after(&|step| *step == PathStep::Elements) {
            below if below.is_empty() => json!([]),
            below => items.iter().map(|item| inside(item, &below)).collect(),
        },
        scalar => scalar.clone(),
    }
}

fn step() -> impl Strategy<Value = PathStep> {
    prop_oneof![
        6 => "[a-c]{1,2}".prop_map(PathStep::Key),
        2 => Just(PathStep::Elements),
        1 => Just(PathStep::Element)
    ]
}

fn paths() -> impl Strategy<Value = Vec<Vec<PathStep>>> {
    let path = ("[a-c]{1,2}", prop::collection::vec(step(), 0..3))
        .prop_map(|(first, rest)| [PathStep::Key(first)].into_iter().chain(rest).collect());
    prop::collection::vec(path, 0..4)
}

proptest! {
    #[test]
    fn an_order_that_changes_nothing_gives_the_same_bytes(
        lists in prop::collection::vec(list(), 1..4), layout in prop::sample::select(&LAYOUTS[..]),
    ) {
        let body = response(layout, &lists);
        let page = ProtoPage::read(body.clone(), layout).unwrap();
        prop_assert_eq!(page.reordered(&[], &[]).as_ptr(), body.as_ptr());
        let same: Vec<_> = (0..page.lists().len()).map(|list| Some(ranking(0..hits(&page, list)))).collect();
        prop_assert_eq!(page.reordered(&[Strip::default()], &same).as_ptr(), body.as_ptr());
        prop_assert!(page.held_bytes() <= ProtoPage::reading_bytes(&body, layout));
    }

    #[test]
    fn any_order_moves_hits_as_they_are_and_nothing_else(
        lists in prop::collection::vec(list(), 1..4), layout in prop::sample::select(&LAYOUTS[..]),
        seed in any::<prop::sample::Index>(), dropped in 0..3_usize,
    ) {
        let body = response(layout, &lists);
        let page = ProtoPage::read(body.clone(), layout).unwrap();
        let order = |list: usize| {
            let hits = self::hits(&page, list);
            let turn = if hits == 0 { 0 } else { seed.index(hits) };
            let left = hits.saturating_sub(dropped);
            (0..hits).rev().map(move |at| (at + turn) % hits).take(left).collect::<Vec<_>>()
        };
        let rankings: Vec<_> = (0..page.lists().len()).map(|list| Some(ranking(order(list)))).collect();
        let lists: Vec<List> = lists.iter().take(page.lists().len()).cloned().collect();
        // What stands before a place stays, also where the place is empty now.
        let expected: Vec<List> = lists.iter().enumerate().map(|(at, list)| {
            let mut hits = order(at).into_iter().map(|hit| list[hit].1.clone());
            list.iter().map(|(before, _)| (before.clone(), hits.next().flatten())).collect()
        }).collect();
        let reordered = page.reordered(&[], &rankings);
        prop_assert_eq!(&reordered, &response(layout, &expected));
        let again = ProtoPage::read(reordered, layout).unwrap();
        for (list, ids) in ids(&again).into_iter().enumerate() {
            let old = &self::ids(&page)[list];
            let expected: Vec<String> = order(list).into_iter().map(|hit| old[hit].clone()).collect();
            prop_assert_eq!(ids, expected);
        }
    }

    #[test]
    fn a_selection_leaves_of_fields_what_it_leaves_of_the_same_fields_in_json(
        fields in prop::collection::vec(object(), 1..4), paths in paths(),
    ) {
        let list: List = fields.iter().enumerate().map(|(at, fields)| (None, Some(hit(at as u64, fields, 0.5)))).collect();
        let page = ProtoPage::read(response(&SINGLE, &[list]), &SINGLE).unwrap();
        let selection = Selection { member: "payload".to_owned(), paths: paths.clone() };
        let strip = Strip { selection: Some(selection), ..Strip::default() };
        let turned = Some(ranking((0..fields.len()).rev()));
        let again = ProtoPage::read(page.reordered(&[strip], &[turned]), &SINGLE).unwrap();
        for (at, fields) in fields.iter().rev().enumerate() {
            let paths: Vec<&[PathStep]> = paths.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(fields_of(&again, 0, at), selected(fields, &paths));
        }
    }

    #[test]
    fn no_bytes_are_too_odd(body in prop::collection::vec(prop::sample::select(&[0x0a, 0x12, 0x1d, 0x32, 0x3a, 0, 1, 2, 3, 4, b'a', 0xff, 0x22][..]), 0..40)) {
        let body = Bytes::from(body);
        for layout in LAYOUTS {
            let Ok(page) = ProtoPage::read(body.clone(), layout) else { continue };
            let strip = Strip { selection: Some(Selection { member: "payload".to_owned(), paths: Vec::new() }), ..Strip::default() };
            let turned: Vec<_> = (0..page.lists().len()).map(|list| Some(ranking((0..hits(&page, list)).rev()))).collect();
            let again = page.reordered(&[strip], &turned);
            prop_assert!(ProtoPage::read(again, layout).is_ok());
            for list in 0..page.lists().len() {
                for hit in 0..hits(&page, list) {
                    let _ = (page.id(at(list, hit)), page.fields(at(list, hit)).objects.len(), page.field(at(list, hit), &["a", ""]));
                }
            }
        }
    }
}

fn one_list(hits: &[Vec<u8>]) -> ProtoPage {
    let list: List = hits.iter().map(|hit| (None, Some(hit.clone()))).collect();
    ProtoPage::read(response(&SINGLE, &[list]), &SINGLE).unwrap()
}

fn path(keys: &[&str], keep: usize) -> StripPath {
    StripPath { keys: keys.iter().map(|key| key.to_string()).collect(), keep }
}

#[test]
fn lists_ids_and_scores_are_found() {
    let uuid = {
        let mut out = Vec::new();
        write::message(&mut out, 1, |out| write::bytes(out, 2, b"5c56c793-69f3-4fbf-87e6-c4bf54c28c26"));
        out
    };
    let lists: [List; 3] = [
        vec![(None, Some(hit(u64::MAX, &json!({}), 0.5))), (None, Some(hit(0, &json!({}), 0.0)))],
        Vec::new(),
        vec![(None, Some(uuid)), (None, Some(Vec::new()))],
    ];
    let expected: [Vec<&str>; 3] =
        [vec!["18446744073709551615", "0"], Vec::new(), vec!["5c56c793-69f3-4fbf-87e6-c4bf54c28c26", ""]];
    for layout in [&BATCH, &GROUPS] {
        let page = ProtoPage::read(response(layout, &lists), layout).unwrap();
        assert_eq!(ids(&page), expected);
        assert_eq!([score(&page, 0), score(&page, 1)], [Some(Score::Float(0.5)), Some(Score::Float(0.0))]);
        assert_eq!(page.score(at(1, 0)), None);
        let searches: Vec<usize> = page.lists().iter().map(|list| list.search).collect();
        assert_eq!(searches, if layout.each_is_search { [0, 1, 2] } else { [0, 0, 0] });
    }
    let odd = one_list(&[hit(1, &json!({}), f32::NAN), hit(2, &json!({}), f32::INFINITY)]);
    assert_eq!([score(&odd, 0), score(&odd, 1)], [Some(Score::Written("null")); 2], "as over REST");
    let nothing = ProtoPage::read(Bytes::new(), &SINGLE).unwrap();
    assert_eq!((nothing.lists().len(), hits(&nothing, 0)), (1, 0));
    let nothing = ProtoPage::read(Bytes::new(), &GROUPS).unwrap();
    assert!(nothing.lists().is_empty());
}

#[test]
fn a_score_is_written_in_its_place_or_added() {
    let hits = [hit(1, &json!({"a": 1}), 7.5), hit(2, &json!({}), 0.0)];
    let page = one_list(&hits);
    let mut ranking = ranking([1, 0]);
    ranking.scores = ScoreWriting::Relevance;
    ranking.hits[0].written = Some(0.25);
    let again = ProtoPage::read(page.reordered(&[], &[Some(ranking)]), &SINGLE).unwrap();
    assert_eq!(ids(&again), [["2", "1"]]);
    assert_eq!([score(&again, 0), score(&again, 1)], [Some(Score::Float(0.25)), Some(Score::Float(0.0))]);
    let mut expected = hits[1].clone();
    write::float(&mut expected, 3, 0.25);
    let first = again.span(at(0, 0)).unwrap();
    assert_eq!(again.body()[first][2..], expected, "all else stays");
    assert_eq!(length(&again, 1), length(&page, 0));
}

#[test]
fn fields_that_nobody_asked_for_go_and_the_hit_stays() {
    let fields = json!({"a": {"b": "x"}, "c": {"d": {"e": 1}, "f": 2}, "g": {}});
    let page = one_list(&[hit(1, &fields, 0.5)]);
    let left = |paths: Vec<StripPath>| {
        let strip = Strip { paths, ..Strip::default() };
        let again = ProtoPage::read(page.reordered(&[strip], &[None]), &SINGLE).unwrap();
        assert_eq!((ids(&again), score(&again, 0)), (vec![vec!["1".to_owned()]], Some(Score::Float(0.5))));
        (fields_of(&again, 0, 0), length(&again, 0))
    };
    let bare = one_list(&[hit(1, &json!({}), 0.5)]);
    assert_eq!(left(vec![path(&["payload"], 0)]), (json!({}), length(&bare, 0)));
    let below = vec![path(&["payload", "a", "b"], 0), path(&["payload", "c", "d", "e"], 0)];
    assert_eq!(left(below).0, json!({"c": {"f": 2}, "g": {}}), "what this empties goes too");
    let kept = vec![path(&["payload", "a", "b"], 2), path(&["payload", "c", "d", "e"], 3)];
    assert_eq!(left(kept).0, json!({"a": {}, "c": {"d": {}, "f": 2}, "g": {}}));
    assert_eq!(left(vec![path(&["payload", "z"], 0)]).0, fields);
}

#[test]
fn a_field_is_found_by_its_first_name_and_only_where_it_certainly_is_a_text() {
    let fields =
        json!({"title": "Red shoes", "n": 1, "list": ["a", 1], "empty": "", "blank": " a", "none": []});
    let page = one_list(&[hit(1, &fields, 0.5)]);
    let found = |names: &[&str]| match page.field(at(0, 0), names) {
        Found::Text { name, value } => (name, as_json(page.value(&value).unwrap())),
        other => panic!("{other:?}"),
    };
    assert_eq!(found(&["text", "title"]), (1, json!("Red shoes")));
    assert_eq!(found(&["list"]), (0, json!(["a", 1])));
    assert_eq!(page.field(at(0, 0), &["text", "name"]), Found::Nothing);
    assert_eq!(page.field(at(0, 9), &["title"]), Found::Nothing);
    for unsure in ["n", "empty", "blank", "none"] {
        assert_eq!(page.field(at(0, 0), &[unsure, "title"]), Found::Unsure, "{unsure}");
    }
    // A second entry of the same name counts.
    let mut twice = hit(1, &json!({"title": "first"}), 0.5);
    write::bytes(&mut twice, 2, &entry("title", &json!("second")));
    let page = one_list(&[twice]);
    let Found::Text { value, .. } = page.field(at(0, 0), &["title"]) else { panic!("no title") };
    assert_eq!(page.value(&value).unwrap().as_str().as_deref(), Some("second"));
    assert_eq!(page.written(&value), [&[0x22, 6][..], b"second"].concat(), "equal bytes are equal values");
    // What is no UTF-8 is replaced where the text is read.
    let mut odd = Vec::new();
    write::message(&mut odd, 2, |out| {
        write::bytes(out, 1, b"title");
        write::message(out, 2, |out| write::bytes(out, 4, b"a\xff"));
    });
    let page = one_list(&[odd]);
    let Found::Text { value, .. } = page.field(at(0, 0), &["title"]) else { panic!("no title") };
    assert_eq!(page.value(&value).unwrap().as_str().as_deref(), Some("a\u{fffd}"));
}

#[test]
fn a_table_in_a_hit_is_not_noted_and_still_read() {
    let table = |fields: usize| {
        let members: serde_json::Map<_, _> =
            (0..fields).map(|at| (format!("f{at:03}"), json!("x"))).collect();
        hit(1, &Json::Object(members), 0.5)
    };
    let page = one_list(&[table(32), table(33), table(2)]);
    assert!(page.held_bytes() <= ProtoPage::reading_bytes(page.body(), &SINGLE));
    assert!(matches!(page.field(at(0, 0), &["f031"]), Found::Text { .. }));
    assert_eq!(page.field(at(0, 1), &["f031"]), Found::Unsure);
    assert_eq!(page.fields(at(0, 1)).objects[0].len(), 33);
    assert!(matches!(page.field(at(0, 2), &["f001"]), Found::Text { .. }));
}
