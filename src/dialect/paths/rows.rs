//! [`RowsPage`]: a response whose hits are objects.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    compiled::Compiled,
    definition::Rows,
    echo::Requested,
    scan::{Seen, read},
};
use crate::{
    dialect::DialectError,
    search::{Failure, Got, HitAt, HitId, HitList, Ranking, ScoreWriting, Strip},
    wire::{
        FieldObjects, Found, Page, Place, Score, Value as FieldValue,
        json::{JsonPage, PageStyle, hits::HitArray},
    },
};

static STYLE: PageStyle = PageStyle { without_lists: None };

const HITS: DialectError = DialectError::Malformed { member: "hits", expected: "an array of objects" };
const LEFT_ALONE: DialectError = DialectError::Unsupported("a response of this form");

/// A response and its hits.
pub(super) struct RowsPage {
    page: JsonPage,
    pinned: Vec<HitAt>,
    compiled: Arc<Compiled>,
    operation: usize,
}

impl RowsPage {
    /// Finds the hits. `requested` is what each search asks for where that is more than its client does.
    pub(super) fn read(
        compiled: &Arc<Compiled>,
        operation: usize,
        body: Bytes,
        requested: &[Option<Requested>],
    ) -> Result<Self, DialectError> {
        let (of, shape) = compiled.operation(operation).ok_or(HITS)?;
        let results = read(shape, false, &body)?;
        let batch = of.response.results.is_some();
        let (mut arrays, mut failed, mut envelope) = (Vec::new(), Vec::new(), Vec::new());
        let mut pinned = Vec::new();
        for (search, mut seen) in results.into_iter().enumerate() {
            let requested = requested.get(search).and_then(Option::as_ref);
            if let Some(requested) = requested {
                let echoes = &of.response.echoes;
                if requested.may_be_capped(&body, echoes, &seen, hits_of(&seen))? {
                    failed.push(Failure { search, got: Got::Short });
                }
                envelope.extend(requested.restored(&body, echoes, &seen));
            }
            let marked = std::mem::take(&mut seen.pinned);
            match found(seen, search, of.response.may_lack_hits) {
                Ok(array) => {
                    pinned.extend(marked.into_iter().map(|hit| HitAt { list: arrays.len(), hit }));
                    arrays.push(array);
                }
                // No part of a batch can be sent again alone.
                Err((error, got)) if requested.is_some() && (got == Got::Rejected || error == LEFT_ALONE) => {
                    return Err(error);
                }
                Err((_, got)) if batch || (got == Got::NoList && of.response.may_lack_hits) => {
                    failed.push(Failure { search, got })
                }
                Err((error, _)) => return Err(error),
            }
        }
        // None of them grows any more.
        arrays.shrink_to_fit();
        pinned.shrink_to_fit();
        let page = JsonPage::new(body, arrays, failed, &STYLE).with_envelope(envelope);
        Ok(Self { page, pinned, compiled: compiled.clone(), operation })
    }

    fn rows(&self) -> Option<&Rows> {
        self.compiled.rows(self.operation)
    }
}

fn hits_of(seen: &Seen) -> usize {
    seen.hits.iter().flatten().map(|(_, hits)| hits.len()).sum()
}

/// The list of a result, or what it is instead: alone, and in a batch.
fn found(seen: Seen, search: usize, may_lack: bool) -> Result<HitArray, (DialectError, Got)> {
    if seen.leave_alone == Some(true) {
        return Err((LEFT_ALONE, Got::NoList));
    }
    match seen.hits {
        Some(Some((array, hits))) => Ok(HitArray { search, hits, array, ..HitArray::default() }),
        Some(None) => Err((HITS, Got::Rejected)),
        None if may_lack => Err((HITS, Got::NoList)),
        None => match seen.status {
            Some(401 | 403 | 404) => Err((HITS, Got::Denied)),
            _ => Err((HITS, Got::Rejected)),
        },
    }
}

impl Page for RowsPage {
    fn body(&self) -> &Bytes {
        self.page.body()
    }

    fn lists(&self) -> &[HitList] {
        self.page.lists()
    }

    fn failed(&self) -> &[Failure] {
        self.page.failed()
    }

    fn held_bytes(&self) -> usize {
        self.page.held_bytes() + self.pinned.capacity() * size_of::<HitAt>()
    }

    fn hit_bytes(&self, at: HitAt) -> usize {
        self.page.hit_bytes(at)
    }

    fn pinned(&self) -> &[HitAt] {
        &self.pinned
    }

    fn id(&self, at: HitAt) -> HitId {
        self.page.id(at)
    }

    fn score(&self, at: HitAt) -> Option<Score<'_>> {
        self.page.score(at)
    }

    fn index(&self, _: HitAt) -> Option<&[u8]> {
        None
    }

    fn field(&self, at: HitAt, names: &[&str]) -> Found {
        self.page.field(at, names)
    }

    fn value(&self, place: &Place) -> Option<FieldValue<'_>> {
        self.page.value(place)
    }

    fn written(&self, place: &Place) -> &[u8] {
        self.page.written(place)
    }

    fn json(&self, place: &Place) -> Option<&[u8]> {
        self.page.json(place)
    }

    fn fields(&self, at: HitAt) -> FieldObjects<'_> {
        self.page.fields(at)
    }

    fn reordered(&self, strips: &[Strip], rankings: &[Option<Ranking>]) -> Bytes {
        let writes = rankings.iter().flatten().any(|ranking| ranking.scores != ScoreWriting::Keep);
        if writes && self.rows().is_some_and(|rows| rows.distance) {
            // A score, of which higher is better, in place of a distance would say the opposite.
            let kept = |ranking: &Option<Ranking>| {
                ranking.clone().map(|ranking| Ranking { scores: ScoreWriting::Keep, ..ranking })
            };
            return self.page.reordered(strips, &rankings.iter().map(kept).collect::<Vec<_>>());
        }
        self.page.reordered(strips, rankings)
    }
}
