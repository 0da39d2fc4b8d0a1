//! [`ProtoPage`]: a response whose hits are fields of messages, each in one piece.

use std::ops::Range;

use bytes::Bytes;

use super::{
    Content, Layout, Malformed, Member, Message, Value,
    layout::Met,
    member, reorder,
    value::{KEY, VALUE},
};
use crate::{
    search::{Failure, HitAt, HitId, HitList, Ranking, Strip},
    wire::{FieldObjects, Found, Kind, Page, Place, Score, Value as FieldValue, value},
};

/// The most fields of a hit that are noted: hits have fewer, and a table in one must not use up memory.
const MOST_NOTED: usize = 32;

/// How much longer the text of a value may be than the value: a `double` takes 11 bytes in a list, and up to 26 as text
/// with a comma.
const TEXT_GROWTH: usize = 3;

/// A response and the byte ranges of its hits. Nothing inside a hit is copied.
#[derive(Clone, Debug)]
pub struct ProtoPage {
    body: Bytes,
    layout: &'static Layout,
    lists: Vec<HitList>,
    /// The hits of all lists, one after the other, and where those of each list begin.
    starts: Vec<usize>,
    hits: Vec<Hit>,
    /// What was noted of the hits' fields, for all hits in one.
    noted: Vec<Entry>,
}

/// One hit.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    /// All of its field, tag and length included.
    pub(super) span: Range<usize>,
    /// The message in it.
    content: Range<usize>,
    score: f32,
    /// Which entries are its own; `None` where there are too many.
    entries: Option<Range<usize>>,
}

/// A field of a hit: where its name and its value stand.
#[derive(Clone, Debug)]
struct Entry {
    name: Range<usize>,
    value: Range<usize>,
}

/// How many of each there are.
#[derive(Clone, Copy, Default)]
struct Counts {
    lists: usize,
    hits: usize,
    entries: usize,
}

impl ProtoPage {
    /// The response `body`, whose hits stand where `layout` says.
    pub fn read(body: Bytes, layout: &'static Layout) -> Result<Self, Malformed> {
        let counts = Counts::of(&body, layout)?;
        let mut lists: Vec<HitList> = Vec::with_capacity(counts.lists);
        let mut starts = Vec::with_capacity(counts.lists);
        let mut hits = Vec::with_capacity(counts.hits);
        let mut noted = Vec::with_capacity(counts.entries);
        layout.walk(Message::new(&body), |met| {
            match met {
                Met::List => {
                    let search = if layout.each_is_search { lists.len() } else { 0 };
                    lists.push(HitList { search, hits: 0, total: None, sorted: false });
                    starts.push(hits.len());
                }
                Met::Hit(field) => {
                    hits.push(hit(field.span(), field.message()?, layout, &mut noted)?);
                    if let Some(list) = lists.last_mut() {
                        list.hits += 1;
                    }
                }
            }
            Ok(())
        })?;
        Ok(Self { body, layout, lists, starts, hits, noted })
    }

    /// The most memory that [`read`](Self::read) takes beside the response, in bytes.
    pub fn reading_bytes(body: &[u8], layout: &Layout) -> usize {
        // What cannot be read ends where this does.
        Counts::of(body, layout).unwrap_or_default().bytes()
    }

    /// Where a hit stands, its tag and its length included.
    pub fn span(&self, at: HitAt) -> Option<Range<usize>> {
        Some(self.hit(at)?.span.clone())
    }

    pub(super) fn layout(&self) -> &'static Layout {
        self.layout
    }

    /// Which search of the request a list answers.
    pub(super) fn search_of(&self, list: usize) -> Option<usize> {
        self.lists.get(list).map(|list| list.search)
    }

    pub(super) fn hits_of(&self, list: usize) -> &[Hit] {
        let hits = self.starts.get(list).zip(self.lists.get(list));
        hits.and_then(|(start, list)| self.hits.get(*start..)?.get(..list.hits)).unwrap_or_default()
    }

    fn hit(&self, at: HitAt) -> Option<&Hit> {
        self.hits_of(at.list).get(at.hit)
    }

    fn message(&self, at: HitAt) -> Option<Message<'_>> {
        Message::within(&self.body, self.hit(at)?.content.clone())
    }

    /// Whether a value is a string, or an array that begins with one, whose first character can be seen.
    fn is_text(&self, value: &Range<usize>) -> bool {
        let seen = |value: Value<'_>| {
            value.as_str().is_some_and(|text| text.starts_with(|first: char| first.is_ascii_graphic()))
        };
        let Some(value) = Value::found(&self.body, value.clone()) else { return false };
        match value.kind() {
            Kind::String => seen(value),
            Kind::Array => value.items().is_some_and(|items| items.first().is_some_and(|first| seen(*first))),
            _ => false,
        }
    }
}

impl Page for ProtoPage {
    fn body(&self) -> &Bytes {
        &self.body
    }

    fn lists(&self) -> &[HitList] {
        &self.lists
    }

    fn failed(&self) -> &[Failure] {
        &[]
    }

    fn held_bytes(&self) -> usize {
        let (lists, hits, entries) = (self.lists.capacity(), self.hits.capacity(), self.noted.capacity());
        Counts { lists, hits, entries }.bytes()
    }

    fn hit_bytes(&self, at: HitAt) -> usize {
        self.hit(at).map_or(0, |hit| hit.content.len().saturating_mul(TEXT_GROWTH))
    }

    fn id(&self, at: HitAt) -> HitId {
        let id = self.message(at).and_then(|hit| id(hit, self.layout.id));
        HitId { id: id.unwrap_or_default(), index: None }
    }

    fn score(&self, at: HitAt) -> Option<Score<'_>> {
        self.hit(at).map(|hit| Score::Float(hit.score))
    }

    fn index(&self, _at: HitAt) -> Option<&[u8]> {
        None
    }

    fn field(&self, at: HitAt, names: &[&str]) -> Found {
        let Some(hit) = self.hit(at) else { return Found::Nothing };
        let Some(entries) = hit.entries.clone() else { return Found::Unsure };
        let entries = self.noted.get(entries).unwrap_or_default();
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
        Value::found(&self.body, place.range()).map(FieldValue::Proto)
    }

    fn written(&self, place: &Place) -> &[u8] {
        self.body.get(place.range()).unwrap_or_default()
    }

    /// One that cannot be read is left out.
    fn fields(&self, at: HitAt) -> FieldObjects<'_> {
        let Some(hit) = self.message(at) else { return FieldObjects::default() };
        let fields = hit.fields().filter_map(Result::ok).filter(|field| field.number == self.layout.fields);
        let members: Vec<Member<'_>> =
            fields.filter_map(|field| member(field.message().ok()?).ok()).collect();
        FieldObjects { objects: vec![value::Member::of_proto(members)], last_is_flat: false }
    }

    /// There is no room for annotations in these messages.
    fn reordered(&self, strips: &[Strip], rankings: &[Option<Ranking>]) -> Bytes {
        // It has been read before.
        reorder::reordered(self, strips, rankings).unwrap_or_else(|_| self.body.clone())
    }
}

impl Counts {
    /// Notes no hit; passes the hits' own fields once.
    fn of(body: &[u8], layout: &Layout) -> Result<Self, Malformed> {
        let mut counts = Self::default();
        layout.walk(Message::new(body), |met| {
            match met {
                Met::List => counts.lists += 1,
                Met::Hit(field) => {
                    counts.hits += 1;
                    let mut entries = 0;
                    for field in field.message()?.fields() {
                        entries += usize::from(field?.number == layout.fields);
                    }
                    if entries <= MOST_NOTED {
                        counts.entries += entries;
                    }
                }
            }
            Ok(())
        })?;
        Ok(counts)
    }

    fn bytes(self) -> usize {
        self.lists * (size_of::<HitList>() + size_of::<usize>())
            + self.hits * size_of::<Hit>()
            + self.entries * size_of::<Entry>()
    }
}

fn hit(
    span: Range<usize>,
    message: Message<'_>,
    layout: &Layout,
    noted: &mut Vec<Entry>,
) -> Result<Hit, Malformed> {
    let (mut score, mut entries) = (0.0, 0);
    let first = noted.len();
    for field in message.fields() {
        let field = field?;
        if field.number == layout.fields {
            entries += 1;
            if entries <= MOST_NOTED {
                noted.push(entry(field.message()?)?);
            }
        } else if field.number == layout.score {
            score = field.float()?;
        }
    }
    let all = entries <= MOST_NOTED;
    if !all {
        noted.truncate(first);
    }
    Ok(Hit { span, content: message.span(), score, entries: all.then_some(first..noted.len()) })
}

fn entry(entry: Message<'_>) -> Result<Entry, Malformed> {
    let end = entry.span().end;
    let mut noted = Entry { name: end..end, value: end..end };
    for field in entry.fields() {
        let field = field?;
        match field.number {
            KEY => noted.name = content(&field)?,
            VALUE => noted.value = content(&field)?,
            _ => {}
        }
    }
    Ok(noted)
}

fn content(field: &super::Field<'_>) -> Result<Range<usize>, Malformed> {
    field.bytes().map(|_| field.content_span())
}

/// The id in a hit: the number or the text that stands in the message of that field.
fn id(hit: Message<'_>, number: u32) -> Option<String> {
    let id = hit.last(number).ok()??.message().ok()?;
    let field = id.fields().filter_map(Result::ok).last()?;
    match field.content {
        Content::Varint(number) => Some(number.to_string()),
        Content::Bytes(_) => field.text().ok().map(str::to_owned),
        _ => None,
    }
}
