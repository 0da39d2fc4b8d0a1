//! [`Hits`]: where the hits of a response stand.

use std::ops::Range;

use super::{
    Field, Layout, Malformed, Message,
    layout::Met,
    score::Numbers,
    value::{KEY, VALUE},
};
use crate::search::HitList;

/// The most fields of a hit that are noted: hits have fewer, and a table in one must not use up memory.
const MOST_NOTED: usize = 32;

/// The hits of a response.
#[derive(Clone, Debug)]
pub(super) struct Hits {
    pub(super) lists: Vec<HitList>,
    /// The hits of all lists, one after the other, and where those of each list begin.
    all: Vec<Hit>,
    starts: Vec<usize>,
    /// What was noted of the hits' fields, for all hits in one.
    noted: Vec<Entry>,
}

/// One hit.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    /// All of its field, tag and length included.
    pub(super) span: Range<usize>,
    /// The message in it.
    pub(super) content: Range<usize>,
    /// `None` where the database gives none.
    pub(super) score: Option<f32>,
    /// Which entries are its own; `None` where there are too many.
    entries: Option<Range<usize>>,
}

/// A field of a hit: where its name and its value stand.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

/// How many of each there are.
#[derive(Clone, Copy, Default)]
struct Counts {
    lists: usize,
    hits: usize,
    entries: usize,
}

impl Hits {
    /// Finds them where `layout` says.
    pub(super) fn find(body: &[u8], layout: &Layout) -> Result<Self, Malformed> {
        let counts = Counts::of(body, layout)?;
        let mut hits = Self {
            lists: Vec::with_capacity(counts.lists),
            all: Vec::with_capacity(counts.hits),
            starts: Vec::with_capacity(counts.lists),
            noted: Vec::with_capacity(counts.entries),
        };
        layout.walk(Message::new(body), |met| match met {
            Met::List => {
                let search = if layout.each_is_search { hits.lists.len() } else { 0 };
                hits.lists.push(HitList { search, hits: 0, total: None, sorted: false });
                hits.starts.push(hits.all.len());
                Ok(())
            }
            Met::Hit(field) => hits.add(&field, layout),
        })?;
        Ok(hits)
    }

    /// The most memory that finding them takes, in bytes.
    pub(super) fn finding_bytes(body: &[u8], layout: &Layout) -> usize {
        // What cannot be read ends where this does.
        Counts::of(body, layout).unwrap_or_default().bytes()
    }

    pub(super) fn held_bytes(&self) -> usize {
        let (lists, hits, entries) = (self.lists.capacity(), self.all.capacity(), self.noted.capacity());
        Counts { lists, hits, entries }.bytes()
    }

    pub(super) fn of_list(&self, list: usize) -> &[Hit] {
        let hits = self.starts.get(list).zip(self.lists.get(list));
        hits.and_then(|(start, list)| self.all.get(*start..)?.get(..list.hits)).unwrap_or_default()
    }

    /// What was noted of a hit's fields; `None` where they are too many.
    pub(super) fn entries(&self, hit: &Hit) -> Option<&[Entry]> {
        self.noted.get(hit.entries.clone()?)
    }

    fn add(&mut self, field: &Field<'_>, layout: &Layout) -> Result<(), Malformed> {
        let (mut numbers, mut entries) = (Numbers::default(), 0);
        let first = self.noted.len();
        let mut note = |field: Field<'_>| -> Result<(), Malformed> {
            entries += 1;
            if entries <= MOST_NOTED {
                self.noted.push(entry(field.message()?)?);
            }
            Ok(())
        };
        let hit = field.message()?;
        for inner in hit.fields() {
            let inner = inner?;
            if layout.fields.around.is_empty() && inner.number == layout.fields.entries {
                note(inner)?;
            } else {
                layout.score.note(&inner, &mut numbers)?;
            }
        }
        if !layout.fields.around.is_empty() {
            layout.fields.entries(hit, &mut note)?;
        }
        let score = layout.score.of(numbers);
        let all = entries <= MOST_NOTED;
        if !all {
            self.noted.truncate(first);
        }
        let entries = all.then_some(first..self.noted.len());
        self.all.push(Hit { span: field.span(), content: field.content_span(), score, entries });
        if let Some(list) = self.lists.last_mut() {
            list.hits += 1;
        }
        Ok(())
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
                    layout.fields.entries(field.message()?, &mut |_| {
                        entries += 1;
                        Ok(())
                    })?;
                    counts.entries += entries.min(MOST_NOTED);
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

fn content(field: &Field<'_>) -> Result<Range<usize>, Malformed> {
    field.bytes().map(|_| field.content_span())
}
