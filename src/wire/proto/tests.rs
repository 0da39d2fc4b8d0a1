//! The scanner, the editor and the view of values, held to an independent decoder and to models.

mod edits;
mod pages;
mod scanning;
mod values;

use proptest::prelude::*;

use super::{Content, Malformed, Message, write};

/// A message as a model: its fields in their order.
type Fields = Vec<(u32, Tree)>;

#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(Vec<u8>),
    Message(Fields),
    Group(Fields),
}

fn written(fields: &Fields) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, tree) in fields {
        match tree {
            Tree::Varint(value) => write::unsigned(&mut out, *number, *value),
            Tree::Fixed64(bits) => write::double(&mut out, *number, f64::from_bits(*bits)),
            Tree::Fixed32(bits) => write::float(&mut out, *number, f32::from_bits(*bits)),
            Tree::Bytes(bytes) => write::bytes(&mut out, *number, bytes),
            Tree::Message(inner) => write::message(&mut out, *number, |out| out.extend(written(inner))),
            Tree::Group(inner) => {
                write::varint(&mut out, u64::from(*number) << 3 | 3);
                out.extend(written(inner));
                write::varint(&mut out, u64::from(*number) << 3 | 4);
            }
        }
    }
    out
}

/// The fields of a message, messages inside it found by the model's shape.
fn read_as(model: &Fields, message: Message<'_>) -> Result<Fields, Malformed> {
    let mut fields = Vec::new();
    for (at, field) in message.fields().enumerate() {
        let field = field?;
        let tree = match (field.content, model.get(at).map(|(_, tree)| tree)) {
            (Content::Bytes(_), Some(Tree::Message(inner))) => {
                Tree::Message(read_as(inner, field.message()?)?)
            }
            (Content::Bytes(bytes), _) => Tree::Bytes(bytes.to_vec()),
            (Content::Group(bytes), Some(Tree::Group(inner))) => {
                Tree::Group(read_as(inner, Message::new(bytes))?)
            }
            (Content::Group(_), _) => return Err(Malformed),
            (Content::Varint(value), _) => Tree::Varint(value),
            (Content::Fixed64(bits), _) => Tree::Fixed64(bits),
            (Content::Fixed32(bits), _) => Tree::Fixed32(bits),
        };
        fields.push((field.number, tree));
    }
    Ok(fields)
}

fn number() -> impl Strategy<Value = u32> + Clone {
    prop_oneof![6 => 1..16_u32, 2 => 16..3000_u32, 1 => Just((1 << 29) - 1)]
}

fn varint() -> impl Strategy<Value = u64> {
    prop_oneof![0..300_u64, any::<u64>(), (0..64_u32).prop_map(|bit| 1 << bit)]
}

/// Any message.
fn fields() -> impl Strategy<Value = Fields> {
    let leaf = prop_oneof![
        varint().prop_map(Tree::Varint),
        // As numbers, so that writing them as such loses nothing.
        any::<f64>().prop_map(|number| Tree::Fixed64(number.to_bits())),
        any::<f32>().prop_map(|number| Tree::Fixed32(number.to_bits())),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Tree::Bytes),
        Just(Tree::Bytes(vec![b'x'; 200])),
    ];
    let tree = leaf.prop_recursive(4, 40, 5, |inner| {
        let fields = prop::collection::vec((number(), inner), 0..5);
        prop_oneof![4 => fields.clone().prop_map(Tree::Message), 1 => fields.prop_map(Tree::Group)]
    });
    prop::collection::vec((number(), tree), 0..6)
}
