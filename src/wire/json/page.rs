//! [`JsonPage`]: a response in JSON whose hits stand in arrays, each hit an object in one piece.

use std::{ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    KnownList, ListKey, Object, Value,
    hits::{self, Fields, Hit, HitArray},
    ids, splice,
};
use crate::{
    search::{Failure, FieldSet, HitAt, HitId, HitList, KeptNames, Ranking, Strip},
    wire::{FieldObjects, Found, Member, Page, Place, Score, Value as FieldValue},
};

/// A response and the byte ranges of its hits.
#[derive(Clone, Debug)]
pub struct JsonPage {
    body: Bytes,
    lists: Vec<HitList>,
    /// The same lists: where they stand.
    arrays: Vec<HitArray>,
    failed: Vec<Failure>,
    style: &'static PageStyle,
    envelope: Vec<(Range<usize>, Vec<u8>)>,
    /// The names of its hits' documents, where its only list was known.
    kept_names: Option<Arc<KeptNames>>,
}

/// What differs between databases that respond like this.
#[derive(Debug)]
pub struct PageStyle {
    /// The response without the lists of these searches, which have lost all their hits, in databases that can be told
    /// to leave out what is empty.
    pub without_lists: Option<WithoutLists>,
}

/// Writes a response without the lists of some searches; `None` where it cannot be read.
pub type WithoutLists = fn(response: &Bytes, searches: &[usize]) -> Option<Bytes>;

impl JsonPage {
    /// The response `body`, whose hits stand in these arrays, in their order.
    pub fn new(body: Bytes, arrays: Vec<HitArray>, failed: Vec<Failure>, style: &'static PageStyle) -> Self {
        Self {
            body,
            lists: arrays.iter().map(HitArray::list).collect(),
            arrays,
            failed,
            style,
            envelope: Vec::new(),
            kept_names: None,
        }
    }

    /// The page of `body`, whose list of hits, which begins at `start`, is the `known` one: this is the page of the same
    /// response without any hits. `None` where its list is another one than the one that hits were taken out of.
    pub fn with_known(mut self, body: Bytes, known: &KnownList, start: usize) -> Option<Self> {
        let [only] = self.arrays.as_mut_slice() else { return None };
        let is_where_they_were = only.hits.is_empty() && only.array == (start..start + 2);
        if !is_where_they_were || !self.envelope.is_empty() {
            return None;
        }
        let place = |range: Range<usize>| known.behind(range, start);
        only.array = known.array(start);
        only.hits = known.hits(start);
        only.max_score = only.max_score.take().map(place);
        if let Some(total) = &mut only.total {
            total.value = place(total.value.clone());
            total.relation = total.relation.take().map(place);
        }
        self.lists = vec![only.list()];
        Some(Self { body, kept_names: Some(known.kept_names()), ..self })
    }

    /// The same, which is written with these bytes in place of those ranges, none of them in an array of hits.
    pub fn with_envelope(self, envelope: Vec<(Range<usize>, Vec<u8>)>) -> Self {
        Self { envelope, ..self }
    }

    /// Where the hits stand.
    pub fn arrays(&self) -> &[HitArray] {
        &self.arrays
    }

    #[inline]
    fn hit(&self, at: HitAt) -> Option<&Hit> {
        self.arrays.get(at.list)?.hits.get(at.hit)
    }

    fn text(&self, range: Range<usize>) -> Option<&str> {
        std::str::from_utf8(self.body.get(range)?).ok()
    }
}

impl Page for JsonPage {
    fn body(&self) -> &Bytes {
        &self.body
    }

    fn lists(&self) -> &[HitList] {
        &self.lists
    }

    fn failed(&self) -> &[Failure] {
        &self.failed
    }

    fn held_bytes(&self) -> usize {
        self.arrays.iter().map(HitArray::held_bytes).sum::<usize>()
            + self.arrays.capacity() * size_of::<HitArray>()
            + self.lists.capacity() * size_of::<HitList>()
            + self.failed.capacity() * size_of::<Failure>()
            + self
                .envelope
                .iter()
                .map(|(_, new)| new.capacity() + size_of::<(Range<usize>, Vec<u8>)>())
                .sum::<usize>()
    }

    fn hit_bytes(&self, at: HitAt) -> usize {
        self.hit(at).map_or(0, |hit| hit.span.len())
    }

    fn id(&self, at: HitAt) -> HitId {
        self.hit(at).map(|hit| ids::hit_id(&self.body, hit)).unwrap_or_default()
    }

    fn score(&self, at: HitAt) -> Option<Score<'_>> {
        self.text(self.hit(at)?.score.clone()?).map(Score::Written)
    }

    fn index(&self, at: HitAt) -> Option<&[u8]> {
        self.body.get(self.hit(at)?.index.clone()?)
    }

    fn field(&self, at: HitAt, names: &[&str]) -> Found {
        let Some(hit) = self.hit(at) else { return Found::Nothing };
        match (&hit.source, &hit.fields) {
            (Some(only), None) | (None, Some(only)) => found(&self.body, [only], names),
            (Some(source), Some(fields)) => found(&self.body, [source, fields], names),
            (None, None) => Found::Nothing,
        }
    }

    fn value(&self, place: &Place) -> Option<FieldValue<'_>> {
        Value::found(&self.body, place.range()).map(FieldValue::Json)
    }

    fn written(&self, place: &Place) -> &[u8] {
        self.body.get(place.range()).unwrap_or_default()
    }

    fn json(&self, place: &Place) -> Option<&[u8]> {
        Some(self.written(place))
    }

    fn fields(&self, at: HitAt) -> FieldObjects<'_> {
        let Some(hit) = self.hit(at) else { return FieldObjects::default() };
        let members =
            |fields: &Fields| Object::members_within(&self.body, fields.span.clone(), Member::of_json);
        let objects = [&hit.source, &hit.fields].into_iter().flatten().map(members).collect();
        FieldObjects { objects, last_is_flat: hit.fields.is_some() }
    }

    fn to_know(&self, key: &ListKey, documents: (&FieldSet, usize)) -> Option<KnownList> {
        let [only] = self.arrays.as_slice() else { return None };
        let is_new = self.kept_names.is_none() && self.envelope.is_empty();
        is_new.then(|| KnownList::new(key, &self.body, only, documents))?
    }

    fn kept_names(&self, _: usize) -> Option<&KeptNames> {
        self.kept_names.as_deref()
    }

    /// Elasticsearch's and OpenSearch's `highlight`: lists of fragments by field.
    fn highlights(&self, at: HitAt) -> Vec<String> {
        let hit = self.hit(at).and_then(|hit| Value::found(&self.body, hit.span.clone()));
        let fields = hit.and_then(|hit| hit.get("highlight")?.members()).unwrap_or_default();
        let fragments = fields.into_iter().flat_map(|member| member.value.items().unwrap_or_default());
        fragments.filter_map(|fragment| fragment.as_str().map(|text| text.into_owned())).collect()
    }

    fn reordered(&self, strips: &[Strip], rankings: &[Option<Ranking>]) -> Bytes {
        let joined = splice::reorder(&self.body, &self.arrays, &self.envelope, strips, rankings);
        let Some(without_lists) = self.style.without_lists else { return joined };
        let emptied = self.arrays.iter().zip(rankings).filter_map(emptied);
        let hidden = |search: &usize| strips.get(*search).is_some_and(|strip| strip.hides_empty);
        let gone: Vec<usize> = emptied.filter(hidden).collect();
        if gone.is_empty() { joined } else { without_lists(&joined, &gone).unwrap_or(joined) }
    }
}

/// The first of these names that one of a hit's objects has.
#[inline]
fn found<const N: usize>(body: &[u8], objects: [&Fields; N], names: &[&str]) -> Found {
    if objects.iter().any(|object| object.members.is_none()) {
        return Found::Unsure;
    }
    for (name, text) in names.iter().enumerate() {
        for object in objects {
            let Some(value) = object.last(body, text) else { continue };
            return match hits::is_text(body.get(value.clone()).unwrap_or_default()) {
                true => Found::Text { name, value: Place::new(value) },
                false => Found::Unsure,
            };
        }
    }
    Found::Nothing
}

/// The response to a search of whose list no hit is left.
fn emptied((list, ranking): (&HitArray, &Option<Ranking>)) -> Option<usize> {
    let none_left = ranking.as_ref().is_some_and(|ranking| ranking.hits.is_empty());
    (none_left && !list.hits.is_empty()).then_some(list.search)
}
