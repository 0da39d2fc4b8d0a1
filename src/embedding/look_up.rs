use std::collections::BTreeMap;

use super::{
    Recall, Recalled,
    metrics::{LookedUp, Tier},
    vector::Imprint,
};
use crate::{
    bounds::Permit,
    fleet::Fleet,
    search::{KeepReason, NativeText},
};

/// The most vectors of one request that the fleet is asked for.
const MOST_ASKED: usize = 256;
/// What is held of a vector until the fleet has answered, in bytes.
const WAITING: usize = 2048;
/// How often a text is held while its search is on its way.
const COPIES: usize = 4;

/// The vectors of the searches of one request, as they are looked up: first each in the memory, then, where a search
/// has none that is known there, in the fleet.
pub struct LookUp<'a> {
    recall: &'a Recall,
    /// Whose texts are looked for, where they are kept apart from those of all.
    of: Option<&'a str>,
    /// Grows with what is found.
    permit: &'a mut Permit,
    searches: BTreeMap<usize, Found>,
    waiting: usize,
}

/// What is known of the vectors of one search.
struct Found {
    /// `Err`: a text is known, and there is no room for it.
    text: Result<NativeText, KeepReason>,
    /// Those that the fleet may know.
    unknown: Vec<Imprint>,
    /// Who has answered last.
    tier: Tier,
}

impl<'a> LookUp<'a> {
    /// Begins to look up the vectors of one request. What is found is counted against `permit`.
    pub fn new(recall: &'a Recall, permit: &'a mut Permit) -> Self {
        Self { recall, of: None, permit, searches: BTreeMap::new(), waiting: 0 }
    }

    /// The same, looking for the texts of this tenant and no others.
    pub fn of(self, tenant: Option<&'a str>) -> Self {
        Self { of: tenant, ..self }
    }

    /// Looks up, in the memory, a vector of the search with this number.
    pub fn vector(&mut self, search: usize, vector: &[f32]) {
        let memory = &self.recall.memory;
        let Some(imprint) = memory.imprint_of(self.of, vector) else { return };
        let found = self.searches.entry(search).or_insert_with(Found::nothing);
        match memory.recall_by(&imprint) {
            Recalled::Known(text) => found.add(&text, self.permit),
            Recalled::Ambiguous => found.text = Ok(NativeText::Several),
            Recalled::Unknown => {
                let asks = self.recall.fleet.is_some() && self.waiting < MOST_ASKED;
                if asks && self.permit.resize(self.permit.units() + WAITING) {
                    self.waiting += 1;
                    found.unknown.push(imprint);
                }
            }
        }
    }

    /// Asks the fleet, where there is one, for the vectors of the searches that the memory knows no text of: in one
    /// round trip and within its own timeout.
    pub async fn ask(&mut self) {
        let Some(fleet) = self.recall.fleet.as_deref() else { return };
        let wanting = self.searches.values().filter(|found| found.wants_more());
        let names: Vec<[u8; 16]> = wanting.flat_map(|found| &found.unknown).map(Imprint::name).collect();
        if !names.is_empty() {
            self.take(fleet, &names).await;
        }
    }

    async fn take(&mut self, fleet: &Fleet, names: &[[u8; 16]]) {
        let mut answers = fleet.texts(names).await.into_iter();
        for found in self.searches.values_mut().filter(|found| found.wants_more()) {
            found.tier = Tier::Fleet;
            for imprint in std::mem::take(&mut found.unknown) {
                let Some(sealed) = answers.next().flatten() else { continue };
                let Some(text) = imprint.open(&sealed) else { continue };
                self.recall.take_over(&imprint, &sealed);
                found.add(&text, self.permit);
            }
        }
    }

    /// The texts of those searches that one or several are known of, by their numbers; `Err` where there is no room for
    /// it. Counts how every search ended.
    pub fn texts(self) -> impl Iterator<Item = (usize, Result<NativeText, KeepReason>)> {
        for found in self.searches.values() {
            found.count(self.recall);
        }
        let some = |found: &Found| found.text != Ok(NativeText::None);
        let found = self.searches.into_iter().filter(move |(_, found)| some(found));
        found.map(|(search, found)| (search, found.text))
    }
}

impl Found {
    fn nothing() -> Self {
        Self { text: Ok(NativeText::None), unknown: Vec::new(), tier: Tier::Memory }
    }

    fn wants_more(&self) -> bool {
        !self.unknown.is_empty() && self.text == Ok(NativeText::None)
    }

    fn add(&mut self, text: &str, permit: &mut Permit) {
        match &mut self.text {
            Ok(NativeText::None) if !permit.resize(permit.units() + COPIES * text.len()) => {
                self.text = Err(KeepReason::Overloaded);
            }
            Ok(texts) => texts.add(text.into()),
            Err(_) => {}
        }
    }

    fn count(&self, recall: &Recall) {
        let result = match self.text {
            Ok(NativeText::None) => LookedUp::Missed,
            Ok(NativeText::Several) => LookedUp::Ambiguous,
            _ => LookedUp::Found,
        };
        if self.tier == Tier::Fleet {
            recall.metrics.looked_up(Tier::Memory, LookedUp::Missed);
        }
        recall.metrics.looked_up(self.tier, result);
    }
}

#[cfg(test)]
#[path = "look_up_tests.rs"]
mod tests;
