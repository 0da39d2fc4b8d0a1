//! Hits of a response, as byte ranges of it.

use std::{borrow::Cow, ops::Range, sync::Arc};

use super::{Key, ScanResult, Scanner, Value};
use crate::search::{HitList, Total};

/// The most members of an object that are noted: hits have fewer, and a table in one must not use up memory.
pub const MOST_NOTED: usize = 32;
/// As many as most have.
const FEW: usize = 8;

/// One hit.
#[derive(Clone, Debug, Default)]
pub struct Hit {
    /// The hit's object.
    pub span: Range<usize>,
    /// The number of its score member, or the `null` that stands there, if it has one.
    pub score: Option<Range<usize>>,
    /// The object that holds its fields (`payload`, `_source`), if there is one.
    pub source: Option<Fields>,
    /// A second object with fields, each an array of values (Elasticsearch's `fields`).
    pub fields: Option<Fields>,
    /// The number of its `_rank` member (Elasticsearch 8.8–8.15 RRF).
    pub rank: Option<Range<usize>>,
    /// The text of the member that names its index, without quotes (Elasticsearch).
    pub index: Option<Range<usize>>,
    /// The value of the member that says which hit it is, if it has one.
    pub id: Option<Range<usize>>,
}

/// The hits of an array; responses with the same bytes share them.
pub type Hits = Arc<Vec<Hit>>;

/// An object with fields.
#[derive(Clone, Debug)]
pub struct Fields {
    /// The object.
    pub span: Range<usize>,
    /// Its members, in their order; `None` where they were not noted: they are many, or a name is written with
    /// escapes.
    pub members: Option<Vec<Field>>,
    /// How long their names are: a bit for each length in bytes, the last one for all that are longer.
    lengths: u32,
}

/// A member of an object: where its name and its value stand.
#[derive(Clone, Debug)]
pub struct Field {
    /// The name, without quotes; there are no escapes in it.
    pub name: Range<usize>,
    /// The value.
    pub value: Range<usize>,
}

/// One array of hits.
#[derive(Clone, Debug, Default)]
pub struct HitArray {
    /// Which search of the request it answers, counted from 0.
    pub search: usize,
    /// The hits, in the database's order.
    pub hits: Hits,
    /// The array's range in the body, brackets included.
    pub array: Range<usize>,
    /// `max_score`'s number or `null`, where the response has one for this list.
    pub max_score: Option<Range<usize>>,
    /// How many hits there are, where the response says so.
    pub total: Option<TotalPlace>,
    /// The hits have sort values.
    pub sorted: bool,
}

/// Where the response says how many hits there are.
#[derive(Clone, Debug)]
pub struct TotalPlace {
    /// What it says.
    pub total: Total,
    /// Where the number stands.
    pub value: Range<usize>,
    /// The text that says whether it is exact or a lower bound.
    pub relation: Option<Range<usize>>,
}

impl HitArray {
    pub(super) fn list(&self) -> HitList {
        let total = self.total.as_ref().map(|total| total.total);
        HitList { search: self.search, hits: self.hits.len(), total, sorted: self.sorted }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.hits.capacity() * size_of::<Hit>() + self.hits.iter().map(Hit::held_bytes).sum::<usize>()
    }
}

impl Hit {
    /// What is held for its fields, in bytes.
    pub(super) fn held_bytes(&self) -> usize {
        [&self.source, &self.fields].into_iter().flatten().map(Fields::held_bytes).sum()
    }

    /// The same hit where the array that began at `from` begins at `to`.
    pub(super) fn moved(&self, from: usize, to: usize) -> Self {
        // Wrapping, since it may go either way.
        let by = to.wrapping_sub(from);
        let place = |range: &Range<usize>| range.start.wrapping_add(by)..range.end.wrapping_add(by);
        let fields = |fields: &Fields| fields.moved(&place);
        Self {
            span: place(&self.span),
            score: self.score.as_ref().map(place),
            source: self.source.as_ref().map(fields),
            fields: self.fields.as_ref().map(fields),
            rank: self.rank.as_ref().map(place),
            index: self.index.as_ref().map(place),
            id: self.id.as_ref().map(place),
        }
    }
}

impl Fields {
    /// An object and its members, if they were noted.
    pub fn new(span: Range<usize>, members: Option<Vec<Field>>) -> Self {
        let bits = members.iter().flatten().map(|field| length_bit(field.name.len()));
        Self { span, lengths: bits.fold(0, |all, bit| all | bit), members }
    }

    /// Whether one of them may be called so.
    #[inline]
    pub(super) fn may_have(&self, name: &str) -> bool {
        self.lengths & length_bit(name.len()) != 0
    }

    /// The value of the last of the noted members that is called so, in the body that they were noted of.
    #[inline]
    pub fn last(&self, body: &[u8], name: &str) -> Option<Range<usize>> {
        if !self.may_have(name) {
            return None;
        }
        let named = |field: &&Field| {
            field.name.len() == name.len() && body.get(field.name.clone()) == Some(name.as_bytes())
        };
        self.members.as_deref()?.iter().rev().find(named).map(|field| field.value.clone())
    }

    fn moved(&self, place: &impl Fn(&Range<usize>) -> Range<usize>) -> Self {
        let moved = |field: &Field| Field { name: place(&field.name), value: place(&field.value) };
        let members = self.members.as_ref().map(|members| members.iter().map(moved).collect());
        Self { span: place(&self.span), members, lengths: self.lengths }
    }

    /// What is held for its members, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.members.as_ref().map_or(0, |members| members.capacity() * size_of::<Field>())
    }
}

/// Whether a value is a string, or an array that begins with one, whose first character can be seen.
pub fn is_text(value: &[u8]) -> bool {
    matches!(
        value,
        [b'"', first, ..] | [b'[', b'"', first, ..] if first.is_ascii_graphic() && !matches!(first, b'"' | b'\\')
    )
}

/// An array's range and its hits; `None` where it is no array, or something in it is no hit.
pub fn array_of_hits(
    array: &mut Scanner<'_>,
    mut hit: impl FnMut(&mut Scanner<'_>) -> ScanResult<Option<Hit>>,
) -> ScanResult<Option<(Range<usize>, Hits)>> {
    let mut hits = Vec::new();
    let mut odd = false;
    let array = array.items(|item| {
        let hit = hit(item)?;
        odd |= hit.is_none();
        hits.extend(hit);
        Ok(())
    })?;
    Ok(array.filter(|_| !odd).map(|array| (array.span(), Arc::new(hits))))
}

/// An object with fields, its members noted on the way; `None` for any other value.
pub fn fields(value: &mut Scanner<'_>) -> ScanResult<Option<Fields>> {
    noted(value, |_, value| value.pass())
}

/// The same, and `each` sees every member, where a hit's own members are its fields.
#[inline]
pub fn fields_and(
    value: &mut Scanner<'_>,
    mut each: impl FnMut(&str, Value<'_>),
) -> ScanResult<Option<Fields>> {
    noted(value, |name, value| {
        let value = value.skip()?;
        each(name, value);
        Ok(value.span())
    })
}

/// An object whose members `pass` takes, which says where their values stand.
#[inline]
fn noted<'a>(
    value: &mut Scanner<'a>,
    mut pass: impl FnMut(&str, &mut Scanner<'a>) -> ScanResult<Range<usize>>,
) -> ScanResult<Option<Fields>> {
    let (mut members, mut all) = (Vec::with_capacity(FEW), true);
    let object = value.object(|key, value| {
        let value = pass(&key.name, value)?;
        all = all && note(&mut members, &key, value);
        Ok(())
    })?;
    let noted = |readable| (all && readable).then_some(members);
    Ok(object.map(|(object, readable)| Fields::new(object.span(), noted(readable))))
}

/// The bit of a name of this length.
#[inline]
fn length_bit(bytes: usize) -> u32 {
    1 << bytes.min(31)
}

/// Notes one more member; `false` if they are too many now, or its name is written with escapes.
#[inline]
fn note(noted: &mut Vec<Field>, key: &Key<'_>, value: Range<usize>) -> bool {
    let Cow::Borrowed(name) = key.name else { return false };
    match noted.len() {
        MOST_NOTED => return false,
        FEW => noted.reserve_exact(MOST_NOTED - FEW),
        _ => {}
    }
    let start = key.start + 1;
    noted.push(Field { name: start..start + name.len(), value });
    true
}
