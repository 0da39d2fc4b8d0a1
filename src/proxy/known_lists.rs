//! [`KnownLists`]: where the hits stand in responses that come again and again.

use std::{fmt, sync::Arc};

use quick_cache::{OptionsBuilder, Weighter, sync::Cache};

use crate::{
    pipeline::PlannedSearch,
    search::FieldSet,
    wire::{
        Page,
        json::{KnownList, ListKey, start_of_list},
    },
};

/// The fewest bytes of a part that has a lock of its own, and the most parts.
const PART_BYTES: u64 = 2 << 20;
const MOST_PARTS: u64 = 16;
/// What a list of 50 hits takes; only the number of evicted ones that are remembered depends on it.
const USUAL_BYTES: u64 = 24 << 10;
/// What is counted for a list beside what it holds.
const ENTRY_BYTES: u64 = 128;

/// Lists of hits by how they begin and who asks for what, bounded in bytes. Those that are asked for again stay longest. No text is in it,
/// and none can be told from it.
pub struct KnownLists {
    key: ListKey,
    lists: Option<Lists>,
}

type Lists = Cache<u64, Arc<KnownList>, Weight>;

/// Who asks for a list, and what for: nobody else is told by the time that it takes whether it is known.
#[derive(Hash)]
pub(super) struct Asker<'a> {
    dialect: &'a str,
    tenant: Option<&'a str>,
    query: &'a str,
    fields: &'a FieldSet,
    document_bytes: usize,
    /// Of lists that begin alike each length has a place of its own.
    hits: Option<u64>,
}

/// A list that is known, and where it begins.
pub(super) struct FoundList {
    pub(super) list: Arc<KnownList>,
    pub(super) start: usize,
}

#[derive(Clone)]
struct Weight;

impl Weighter<u64, Arc<KnownList>> for Weight {
    fn weight(&self, _: &u64, list: &Arc<KnownList>) -> u64 {
        list.held_bytes() as u64 + ENTRY_BYTES
    }
}

impl<'a> Asker<'a> {
    /// Whoever asks for this search; `None`: it is not to be reranked.
    pub(super) fn of(search: &'a PlannedSearch, dialect: &'a str) -> Option<Self> {
        let (profile, work) = (&search.profile, search.work.as_ref().ok()?);
        Some(Self {
            dialect,
            tenant: profile.tenant.as_ref().map(|tenant| &*tenant.name),
            query: &work.query,
            fields: &work.fields,
            document_bytes: profile.document_bytes,
            hits: search.fetch.hits,
        })
    }
}

impl KnownLists {
    /// At most so many bytes of them; none where that is no room for one. `random`: bits that nobody else has.
    pub fn new(max_bytes: u64, random: [u64; 4]) -> Self {
        let parts = 1_usize << (max_bytes / PART_BYTES).clamp(1, MOST_PARTS).ilog2();
        let options = OptionsBuilder::new()
            .shards(parts)
            .weight_capacity(max_bytes)
            .estimated_items_capacity(usize::try_from(max_bytes / USUAL_BYTES).unwrap_or_default())
            .build();
        let lists = options.ok().filter(|_| max_bytes >= USUAL_BYTES);
        let new = |options| Cache::with_options(options, Weight, Default::default(), Default::default());
        Self { key: ListKey::new(random), lists: lists.map(new) }
    }

    /// The list of hits of a response, if it has been there before.
    pub(super) fn find(&self, asker: &Asker<'_>, response: &[u8]) -> Option<FoundList> {
        let lists = self.lists.as_ref()?;
        let start = start_of_list(response)?;
        let list = lists.get(&self.key.beginning(response, start, asker))?;
        list.is_at(&self.key, response, start).then_some(FoundList { list, start })
    }

    /// Adds the list of a page, if it is not known; where it begins as another one does, in its place.
    pub(super) fn add(&self, asker: &Asker<'_>, page: &dyn Page) {
        let Some(lists) = &self.lists else { return };
        if let Some(list) = page.to_know(&self.key, (asker.fields, asker.document_bytes)) {
            lists.insert(self.key.beginning(page.body(), list.start(), asker), Arc::new(list));
        }
    }
}

impl Default for KnownLists {
    /// Knows none.
    fn default() -> Self {
        Self::new(0, [0; 4])
    }
}

impl fmt::Debug for KnownLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownLists")
            .field("lists", &self.lists.as_ref().map(Cache::len))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::wire::json::{HitArray, JsonPage, PageStyle, hits::Hit};

    static STYLE: PageStyle = PageStyle { without_lists: None };

    /// A list of one hit of this number.
    fn page(number: usize) -> JsonPage {
        let body = Bytes::from(format!(r#"[{{"id":{number:08},"text":"{}"}}]"#, "x".repeat(2000)));
        let hit = Hit { span: 1..body.len() - 1, ..Hit::default() };
        let list = HitArray { hits: Arc::new(vec![hit]), array: 0..body.len(), ..HitArray::default() };
        JsonPage::new(body, vec![list], Vec::new(), &STYLE)
    }

    fn asker(tenant: Option<&'static str>) -> Asker<'static> {
        static FIELDS: FieldSet = FieldSet::Auto;
        Asker { dialect: "qdrant", tenant, query: "zebra", fields: &FIELDS, document_bytes: 100, hits: None }
    }

    #[test]
    fn a_list_is_known_to_whom_it_was_added_for_and_to_nobody_else() {
        let known = KnownLists::new(1 << 20, [1, 2, 3, 4]);
        let found = |page: &JsonPage, asker: &Asker<'_>| known.find(asker, page.body()).is_some();
        let (one, other) = (page(1), page(2));
        assert!(!found(&one, &asker(None)));
        known.add(&asker(None), &one);
        assert!(found(&one, &asker(None)) && !found(&other, &asker(None)));
        assert!(!found(&one, &asker(Some("acme"))), "it would learn what others have searched");
        assert!(!found(&one, &Asker { query: "lion", ..asker(None) }), "their names are others");
        assert!(!found(&one, &Asker { document_bytes: 99, ..asker(None) }), "of other documents");
        assert_eq!(format!("{known:?}"), "KnownLists { lists: Some(1), .. }");
    }

    #[test]
    fn lists_take_no_more_than_their_share_and_those_that_are_asked_for_stay() {
        const MOST: u64 = 64 << 10;
        let known = KnownLists::new(MOST, [1, 2, 3, 4]);
        let often = page(0);
        known.add(&asker(None), &often);
        for number in 1..2_000 {
            known.add(&asker(None), &page(number));
            assert!(known.find(&asker(None), often.body()).is_some(), "{number}");
        }
        let lists = known.lists.as_ref().unwrap();
        assert!(
            lists.weight() <= MOST && lists.len() > 50,
            "{} lists of {} bytes",
            lists.len(),
            lists.weight()
        );
        assert!(KnownLists::new(0, [0; 4]).lists.is_none());
    }
}
