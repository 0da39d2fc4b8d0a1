//! What a search ranks by: whether its order may be changed, its text, its vectors.

use super::numbers::{self, for_target, hybrid, near_vector, vectors};
use crate::{
    dialect::{DialectError, grpc::Object},
    search::{KeepReason, NativeText, Widening},
    wire::{MOST_COMPONENTS, proto::Field},
};

/// Vectors are written as floats of four bytes, the lowest first.
const FLOAT: usize = 4;

/// How the hits of a search are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// By one scorer: a longer response begins as the shorter one does.
    Plain,
    /// From inner lists whose lengths matter.
    Composed,
    /// Not by relevance to a query, or in an order that is the point of the request.
    Kept(KeepReason),
}

impl Order {
    pub(super) fn widening(self) -> Widening {
        match self {
            Order::Plain => Widening::Neutral,
            Order::Composed => Widening::NotNeutral,
            Order::Kept(_) => Widening::Never,
        }
    }
}

/// How `search` ranks.
pub(super) fn order(search: &Object<'_>) -> Result<Order, DialectError> {
    let known = |number: &u32| numbers::KNOWN.contains(number) || numbers::KNOWN_FLAGS.contains(number);
    if search.fields().any(|field| !known(&field.number)) || search.count(numbers::AUTOCUT)?.unwrap_or(0) > 0
    {
        return Ok(Order::Kept(KeepReason::Unsupported));
    }
    // The properties of hits stand elsewhere in responses to older clients.
    if search.count(numbers::USES_123)?.unwrap_or(0) == 0 {
        return Ok(Order::Kept(KeepReason::Unsupported));
    }
    if search.has(numbers::SORT_BY) || !search.text(numbers::AFTER)?.is_empty() {
        return Ok(Order::Kept(KeepReason::NotRanked));
    }
    let mut operators = operators(search);
    Ok(match (operators.next(), operators.next()) {
        // In the order of ids.
        (None, _) => Order::Kept(KeepReason::NotRanked),
        (Some(only), None) => by(only)?,
        _ => Order::Kept(KeepReason::Unsupported),
    })
}

fn operators<'o, 'a>(search: &'o Object<'a>) -> impl Iterator<Item = &'o Field<'a>> {
    search.fields().filter(|field| (numbers::HYBRID..=numbers::LAST_OPERATOR).contains(&field.number))
}

fn by(operator: &Field<'_>) -> Result<Order, DialectError> {
    let several = match operator.number {
        numbers::HYBRID => true,
        numbers::BM25 => false,
        numbers::NEAR_VECTOR => {
            let near = Object::inside(operator)?;
            let lists =
                [near_vector::VECTOR_PER_TARGET, near_vector::VECTOR_FOR_TARGETS, near_vector::VECTORS];
            lists.iter().any(|&list| near.all(list).count() > 1)
                || targets(&near, near_vector::TARGET_VECTORS, near_vector::TARGETS)?
        }
        numbers::NEAR_TEXT => targets(&Object::inside(operator)?, 6, 7)?,
        _ => targets(&Object::inside(operator)?, 4, 5)?,
    };
    Ok(if several { Order::Composed } else { Order::Plain })
}

/// Whether several of the collection's vectors are searched, whose hits are then combined.
fn targets(near: &Object<'_>, old: u32, new: u32) -> Result<bool, DialectError> {
    const TARGET_VECTORS: u32 = 1;
    let new = near.inner(new)?.map_or(0, |targets| targets.all(TARGET_VECTORS).count());
    Ok(new > 1 || near.all(old).count() > 1)
}

/// The text that hits are ranked by.
pub(super) fn text(search: &Object<'_>) -> Result<NativeText, DialectError> {
    let mut texts = NativeText::None;
    for operator in operators(search) {
        let inside = Object::inside(operator)?;
        match operator.number {
            numbers::BM25 | numbers::NEAR_TEXT => add(&inside, &mut texts)?,
            numbers::HYBRID => {
                add(&inside, &mut texts)?;
                if let Some(near) = inside.inner(hybrid::NEAR_TEXT)? {
                    add(&near, &mut texts)?;
                }
            }
            _ => {}
        }
    }
    Ok(texts)
}

fn add(operator: &Object<'_>, texts: &mut NativeText) -> Result<(), DialectError> {
    for text in operator.all(numbers::QUERY) {
        let text = text.text()?;
        if !text.trim().is_empty() {
            texts.add(text.into());
        }
    }
    Ok(())
}

/// Takes the components of a vector.
type See<'s> = &'s mut dyn FnMut(&[f32]);

/// Gives `see` each dense vector that hits are ranked by.
pub(super) fn each_vector(search: &Object<'_>, see: See<'_>) -> Result<(), DialectError> {
    for operator in operators(search) {
        match operator.number {
            numbers::NEAR_VECTOR => of_near_vector(&Object::inside(operator)?, see)?,
            numbers::HYBRID => {
                let inside = Object::inside(operator)?;
                of_vector(&inside, hybrid::VECTOR, hybrid::VECTOR_BYTES, see)?;
                of_vectors(&inside, hybrid::VECTORS, see)?;
                if let Some(near) = inside.inner(hybrid::NEAR_VECTOR)? {
                    of_near_vector(&near, see)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn of_near_vector(near: &Object<'_>, see: See<'_>) -> Result<(), DialectError> {
    of_vector(near, near_vector::VECTOR, near_vector::VECTOR_BYTES, see)?;
    for entry in near.all(near_vector::VECTOR_PER_TARGET) {
        if let Some(bytes) = Object::inside(entry)?.last(numbers::VALUE) {
            of_bytes(bytes.bytes()?, see);
        }
    }
    for target in near.messages(near_vector::VECTOR_FOR_TARGETS)? {
        if let Some(bytes) = target.last(for_target::BYTES) {
            of_bytes(bytes.bytes()?, see);
        }
        of_vectors(&target, for_target::VECTORS, see)?;
    }
    of_vectors(near, near_vector::VECTORS, see)
}

/// A vector as bytes, which go before the same in the form of older clients.
fn of_vector(message: &Object<'_>, floats: u32, bytes: u32, see: See<'_>) -> Result<(), DialectError> {
    match message.last(bytes) {
        Some(bytes) => of_bytes(bytes.bytes()?, see),
        // One more than can be, to tell a longer one.
        None => seen(&message.message().floats(floats, MOST_COMPONENTS + 1)?, see),
    }
    Ok(())
}

fn of_vectors(message: &Object<'_>, number: u32, see: See<'_>) -> Result<(), DialectError> {
    for vector in message.messages(number)? {
        if let Some(bytes) = vector.last(vectors::BYTES)
            && vector.count(vectors::TYPE)?.unwrap_or(0) != vectors::MULTI
        {
            of_bytes(bytes.bytes()?, see);
        }
    }
    Ok(())
}

fn of_bytes(bytes: &[u8], see: See<'_>) {
    let (components, rest) = bytes.as_chunks::<FLOAT>();
    if rest.is_empty() && components.len() <= MOST_COMPONENTS {
        let components: Vec<f32> = components.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
        seen(&components, see);
    }
}

fn seen(components: &[f32], see: See<'_>) {
    let finite = components.iter().all(|component| component.is_finite());
    if finite && !components.is_empty() && components.len() <= MOST_COMPONENTS {
        see(components);
    }
}
