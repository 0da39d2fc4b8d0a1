//! [`ProtoPage`]: a response whose hits are fields of messages, each in one piece.

use std::ops::Range;

use bytes::Bytes;

use super::{
    Content, IdAt, Layout, Malformed, Member, Message, Value,
    hits::{Entry, Hit, Hits},
    member, reorder,
};
use crate::{
    search::{Failure, HitAt, HitId, HitList, Ranking, Strip},
    wire::{FieldObjects, Found, Kind, Page, Place, Score, Value as FieldValue, value},
};

/// How much longer the text of a value may be than the value: a `double` takes 11 bytes in a list, and up to 26 as text
/// with a comma.
const TEXT_GROWTH: usize = 3;

/// A response and the byte ranges of its hits. Nothing inside a hit is copied.
#[derive(Clone, Debug)]
pub struct ProtoPage {
    body: Bytes,
    layout: &'static Layout,
    hits: Hits,
}

impl ProtoPage {
    /// The response `body`, whose hits stand where `layout` says.
    pub fn read(body: Bytes, layout: &'static Layout) -> Result<Self, Malformed> {
        let hits = Hits::find(&body, layout)?;
        Ok(Self { body, layout, hits })
    }

    /// The most memory that [`read`](Self::read) takes beside the response, in bytes.
    pub fn reading_bytes(body: &[u8], layout: &Layout) -> usize {
        Hits::finding_bytes(body, layout)
    }

    /// Where a hit stands, its tag and its length included.
    pub fn span(&self, at: HitAt) -> Option<Range<usize>> {
        Some(self.hit(at)?.span.clone())
    }

    fn hit(&self, at: HitAt) -> Option<&Hit> {
        self.hits.of_list(at.list).get(at.hit)
    }

    fn message(&self, at: HitAt) -> Option<Message<'_>> {
        Message::within(&self.body, self.hit(at)?.content.clone())
    }

    fn found(&self, value: Range<usize>) -> Option<Value<'_>> {
        Value::found(&self.body, value, self.layout.fields.kinds)
    }

    /// Whether a value is a string, or an array that begins with one, whose first character can be seen.
    fn is_text(&self, value: &Range<usize>) -> bool {
        let seen = |value: Value<'_>| value.first_byte().is_some_and(|first| first.is_ascii_graphic());
        let Some(value) = self.found(value.clone()) else { return false };
        match value.kind() {
            Kind::String => seen(value),
            Kind::Array => {
                value.first_items(1).is_some_and(|items| items.first().is_some_and(|first| seen(*first)))
            }
            _ => false,
        }
    }
}

impl Page for ProtoPage {
    fn body(&self) -> &Bytes {
        &self.body
    }

    fn lists(&self) -> &[HitList] {
        &self.hits.lists
    }

    fn failed(&self) -> &[Failure] {
        &[]
    }

    fn held_bytes(&self) -> usize {
        self.hits.held_bytes()
    }

    fn hit_bytes(&self, at: HitAt) -> usize {
        self.hit(at).map_or(0, |hit| hit.content.len().saturating_mul(TEXT_GROWTH))
    }

    fn id(&self, at: HitAt) -> HitId {
        let id = self.message(at).and_then(|hit| id(hit, &self.layout.id));
        HitId { id: id.unwrap_or_default(), index: None }
    }

    fn score(&self, at: HitAt) -> Option<Score<'_>> {
        let score = self.hit(at)?.score?;
        // As the server writes it in JSON where it is none.
        Some(if score.is_finite() { Score::Float(score) } else { Score::Written("null") })
    }

    fn index(&self, _at: HitAt) -> Option<&[u8]> {
        None
    }

    fn field(&self, at: HitAt, names: &[&str]) -> Found {
        let Some(hit) = self.hit(at) else { return Found::Nothing };
        let Some(entries) = self.hits.entries(hit) else { return Found::Unsure };
        for (name, text) in names.iter().enumerate() {
            let named = |entry: &&Entry| self.body.get(entry.name.clone()) == Some(text.as_bytes());
            // Of entries with the same name the last one counts.
            if let Some(entry) = entries.iter().rev().find(named) {
                return match self.is_text(&entry.value) {
                    true => Found::Text { name, value: Place::new(entry.value.clone()) },
                    false => Found::Unsure,
                };
            }
        }
        Found::Nothing
    }

    fn value(&self, place: &Place) -> Option<FieldValue<'_>> {
        self.found(place.range()).map(FieldValue::Proto)
    }

    fn written(&self, place: &Place) -> &[u8] {
        self.body.get(place.range()).unwrap_or_default()
    }

    /// One that cannot be read is left out.
    fn fields(&self, at: HitAt) -> FieldObjects<'_> {
        let Some(hit) = self.message(at) else { return FieldObjects::default() };
        let kinds = self.layout.fields.kinds;
        let mut members: Vec<Member<'_>> = Vec::new();
        // What follows something unreadable is not read either.
        let _ = self.layout.fields.entries(hit, &mut |field| {
            members.extend(field.message().and_then(|entry| member(entry, kinds)).ok());
            Ok(())
        });
        FieldObjects { objects: vec![value::Member::of_proto(members)], last_is_flat: false }
    }

    /// Annotations are written where the messages have room for them.
    fn reordered(&self, strips: &[Strip], rankings: &[Option<Ranking>]) -> Bytes {
        // It has been read before.
        let reordered = reorder::reordered(&self.body, self.layout, &self.hits, strips, rankings);
        reordered.unwrap_or_else(|_| self.body.clone())
    }
}

/// The id in a hit.
fn id(hit: Message<'_>, at: &IdAt) -> Option<String> {
    match *at {
        IdAt::Message(number) => {
            let id = hit.last(number).ok()??.message().ok()?;
            let field = id.fields().filter_map(Result::ok).last()?;
            match field.content {
                Content::Varint(number) => Some(number.to_string()),
                Content::Bytes(_) => field.text().ok().map(str::to_owned),
                _ => None,
            }
        }
        IdAt::Uuid { inside, text, bytes } => {
            let around = hit.last(inside).ok()??.message().ok()?;
            match around.last(text).ok()? {
                Some(text) => text.text().ok().map(str::to_owned),
                None => uuid(around.last(bytes).ok()??.bytes().ok()?),
            }
        }
    }
}

/// A UUID as people write it.
fn uuid(bytes: &[u8]) -> Option<String> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    Some(text)
}
