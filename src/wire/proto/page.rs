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
    search::{HitId, Ranking, Strip},
    wire::Kind,
};

/// The most fields of a hit that are noted: hits have fewer, and a table in one must not use up memory.
const MOST_NOTED: usize = 32;

/// A response and the byte ranges of its hits. Nothing inside a hit is copied.
#[derive(Clone, Debug)]
pub struct ProtoPage {
    body: Bytes,
    layout: &'static Layout,
    /// The hits of each list, by their numbers among all.
    lists: Vec<Range<usize>>,
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
        let mut lists: Vec<Range<usize>> = Vec::with_capacity(counts.lists);
        let mut hits = Vec::with_capacity(counts.hits);
        let mut noted = Vec::with_capacity(counts.entries);
        layout.walk(Message::new(&body), |met| {
            match met {
                Met::List => lists.push(hits.len()..hits.len()),
                Met::Hit(field) => {
                    hits.push(hit(field.span(), field.message()?, layout, &mut noted)?);
                    if let Some(list) = lists.last_mut() {
                        list.end = hits.len();
                    }
                }
            }
            Ok(())
        })?;
        Ok(Self { body, layout, lists, hits, noted })
    }

    /// The most memory that [`read`](Self::read) takes beside the response, in bytes.
    pub fn reading_bytes(body: &[u8], layout: &Layout) -> usize {
        // What cannot be read ends where this does.
        Counts::of(body, layout).unwrap_or_default().bytes()
    }

    /// What it holds in memory beside the response, in bytes.
    pub fn held_bytes(&self) -> usize {
        let (lists, hits, entries) = (self.lists.capacity(), self.hits.capacity(), self.noted.capacity());
        Counts { lists, hits, entries }.bytes()
    }

    /// The whole response.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// How many lists it has: one for a plain search, one per search of a batch, one per group.
    pub fn lists(&self) -> usize {
        self.lists.len()
    }

    /// How many hits a list has.
    pub fn hits(&self, list: usize) -> usize {
        self.lists.get(list).map_or(0, Range::len)
    }

    /// Which search of the request a list answers, counted from 0.
    pub fn search(&self, list: usize) -> usize {
        if self.layout.each_is_search { list } else { 0 }
    }

    /// Where a hit stands, its tag and its length included.
    pub fn span(&self, list: usize, hit: usize) -> Option<Range<usize>> {
        Some(self.hit(list, hit)?.span.clone())
    }

    /// The database's score of a hit.
    pub fn score(&self, list: usize, hit: usize) -> Option<f32> {
        Some(self.hit(list, hit)?.score)
    }

    /// The database's id of a hit, a number as its digits.
    pub fn id(&self, list: usize, hit: usize) -> HitId {
        let id = self.message(list, hit).and_then(|hit| id(hit, self.layout.id));
        HitId { id: id.unwrap_or_default(), index: None }
    }

    /// The fields of a hit, read again, in their order. One that cannot be read is left out.
    pub fn members(&self, list: usize, hit: usize) -> Vec<Member<'_>> {
        let Some(hit) = self.message(list, hit) else { return Vec::new() };
        let fields = hit.fields().filter_map(Result::ok).filter(|field| field.number == self.layout.fields);
        fields.filter_map(|field| member(field.message().ok()?).ok()).collect()
    }

    /// The first of these names that a hit has a field of: which name, and where the value stands if it certainly is a
    /// text. `Err` where only reading the hit again shows whether there is one.
    pub fn field(
        &self,
        list: usize,
        hit: usize,
        names: &[&str],
    ) -> Result<Option<(usize, Range<usize>)>, Unsure> {
        let Some(hit) = self.hit(list, hit) else { return Ok(None) };
        let entries = self.noted.get(hit.entries.clone().ok_or(Unsure)?).unwrap_or_default();
        for (at, name) in names.iter().enumerate() {
            let named = |entry: &&Entry| self.body.get(entry.name.clone()) == Some(name.as_bytes());
            // Of entries with the same name the last one counts.
            if let Some(entry) = entries.iter().rev().find(named) {
                let value = entry.value.clone();
                return if self.is_text(&value) { Ok(Some((at, value))) } else { Err(Unsure) };
            }
        }
        Ok(None)
    }

    /// The value at a place that [`field`](Self::field) has found.
    pub fn value(&self, place: Range<usize>) -> Option<Value<'_>> {
        Value::found(&self.body, place)
    }

    /// The response again with only the hits of each ranking, in that order, less what the strips name. One ranking per
    /// list, one strip per search; `None` as a ranking leaves the list as it is, strips apart. There is no room for
    /// annotations in these messages.
    pub fn reordered(&self, strips: &[Strip], rankings: &[Option<Ranking>]) -> Bytes {
        // It has been read before.
        reorder::reordered(self, strips, rankings).unwrap_or_else(|_| self.body.clone())
    }

    pub(super) fn layout(&self) -> &'static Layout {
        self.layout
    }

    pub(super) fn hits_of(&self, list: usize) -> &[Hit] {
        self.lists.get(list).and_then(|list| self.hits.get(list.clone())).unwrap_or_default()
    }

    fn hit(&self, list: usize, hit: usize) -> Option<&Hit> {
        self.hits_of(list).get(hit)
    }

    fn message(&self, list: usize, hit: usize) -> Option<Message<'_>> {
        Message::within(&self.body, self.hit(list, hit)?.content.clone())
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

/// It can only be determined from the whole hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsure;

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
        self.lists * size_of::<Range<usize>>()
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
