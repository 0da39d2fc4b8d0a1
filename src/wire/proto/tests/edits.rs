use bytes::Bytes;

use super::*;
use crate::wire::proto::{MessageEdit, Part};

/// What is done to one field.
#[derive(Clone, Debug)]
enum Deed {
    Keep,
    Remove,
    Replace(u64),
    Inside(Vec<Deed>, Option<u64>),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let leaf =
        prop_oneof![3 => Just(Deed::Keep), 1 => Just(Deed::Remove), 1 => varint().prop_map(Deed::Replace)];
    let deed = leaf.prop_recursive(4, 30, 5, |inner| {
        let inside = (prop::collection::vec(inner, 0..5), prop::option::of(varint()));
        inside.prop_map(|(deeds, tail)| Deed::Inside(deeds, tail))
    });
    prop::collection::vec(deed, 0..7)
}

/// The model with the deeds done, a field 1 appended where there is a tail.
fn done(model: &Fields, deeds: &[Deed], tail: Option<u64>) -> Fields {
    let mut fields = Vec::new();
    for (at, (number, tree)) in model.iter().enumerate() {
        match (deeds.get(at), tree) {
            (Some(Deed::Remove), _) => {}
            (Some(Deed::Replace(value)), _) => fields.push((9, Tree::Varint(*value))),
            (Some(Deed::Inside(deeds, tail)), Tree::Message(inner)) => {
                fields.push((*number, Tree::Message(done(inner, deeds, *tail))));
            }
            _ => fields.push((*number, tree.clone())),
        }
    }
    fields.extend(tail.map(|value| (1, Tree::Varint(value))));
    fields
}

fn field(number: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    write::unsigned(&mut out, number, value);
    out
}

fn edit<'a>(message: Message<'a>, model: &Fields, deeds: &[Deed], tail: Option<u64>) -> MessageEdit<'a> {
    let mut edit = MessageEdit::of(message);
    for (at, of) in message.fields().enumerate() {
        let of = of.unwrap();
        match (deeds.get(at), &model[at].1) {
            (Some(Deed::Remove), _) => edit.remove(&of),
            (Some(Deed::Replace(value)), _) => edit.replace(&of, field(9, *value)),
            (Some(Deed::Inside(deeds, tail)), Tree::Message(inner)) => {
                edit.change(of, self::edit(of.message().unwrap(), inner, deeds, *tail));
            }
            _ => {}
        }
    }
    if let Some(value) = tail {
        edit.append(field(1, value));
    }
    edit
}

proptest! {
    #[test]
    fn an_edit_changes_what_it_names_and_every_length_around_it(
        model in fields(), deeds in deeds(), tail in prop::option::of(varint()),
    ) {
        let body = Bytes::from(written(&model));
        let edit = edit(Message::new(&body), &model, &deeds, tail);
        let expected = written(&done(&model, &deeds, tail));
        prop_assert_eq!(edit.length(), expected.len());
        prop_assert_eq!(edit.apply(&body), expected);
    }

    #[test]
    fn the_fields_of_a_message_may_be_put_in_any_order(model in fields(), seed in any::<prop::sample::Index>()) {
        let body = Bytes::from(written(&model));
        let spans: Vec<_> = Message::new(&body).fields().map(|field| field.unwrap().span()).collect();
        let turn = if spans.is_empty() { 0 } else { seed.index(spans.len()) };
        let mut edit = MessageEdit::of(Message::new(&body));
        for (at, place) in spans.iter().enumerate() {
            edit.put(place.clone(), Part::Moved(spans[(at + turn) % spans.len()].clone()));
        }
        let mut turned = model.clone();
        turned.rotate_left(turn);
        prop_assert_eq!(edit.apply(&body), written(&turned));
    }
}

#[test]
fn a_message_without_changes_is_the_same_bytes() {
    let body = Bytes::from(written(&vec![(1, Tree::Message(vec![(2, Tree::Varint(1))]))]));
    let message = Message::new(&body);
    let field = message.fields().next().unwrap().unwrap();
    let mut edit = MessageEdit::of(message);
    edit.change(field, MessageEdit::of(field.message().unwrap()));
    assert!(edit.is_empty());
    assert_eq!(edit.apply(&body).as_ptr(), body.as_ptr());
}

#[test]
fn padded_tags_and_lengths_stay_where_they_may() {
    // Field 1 with its tag in two bytes and its length in three; inside, field 2 and field 3.
    let body = Bytes::from_static(&[0x8a, 0x00, 0x84, 0x80, 0x00, 0x10, 0x01, 0x18, 0x01]);
    let message = Message::new(&body);
    let outer = message.fields().next().unwrap().unwrap();
    let second = outer.message().unwrap().last(2).unwrap().unwrap();
    let changed = |new: Vec<u8>| {
        let mut inner = MessageEdit::of(outer.message().unwrap());
        inner.replace(&second, new);
        let mut edit = MessageEdit::of(message);
        edit.change(outer, inner);
        edit.apply(&body)
    };
    assert_eq!(changed(field(2, 5))[..], [0x8a, 0x00, 0x84, 0x80, 0x00, 0x10, 0x05, 0x18, 0x01]);
    assert_eq!(changed(Vec::new())[..], [0x8a, 0x00, 0x02, 0x18, 0x01]);
}
