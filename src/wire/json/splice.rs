//! The response again, with hits moved: every byte of a hit that promise 3 does not name stays as it was.

use std::{collections::BTreeMap, ops::Range};

use bytes::Bytes;

use super::{
    Edits, Index, Object, ObjectEdit, Pieces,
    hits::{Hit, HitArray},
    select,
};
use crate::search::{MostHits, Passage, Ranked, Ranking, Selection, Strip, StripPath};

/// The replacement of a byte range of the response.
enum Change<'a> {
    Text(Vec<u8>),
    Hits(Hits<'a>),
}

/// The hits of a list, as they are to be written.
struct Hits<'a> {
    list: &'a HitArray,
    removal: Removal<'a>,
    ranking: Option<&'a Ranking>,
}

/// `body` with the hits of each list in the order of its ranking, less what the strips name. See
/// [`Page::reordered`](crate::wire::Page::reordered).
///
/// No hit is copied before the response is put together.
pub(super) fn reorder(
    body: &Bytes,
    lists: &[HitArray],
    envelope: &[(Range<usize>, Vec<u8>)],
    strips: &[Strip],
    rankings: &[Option<Ranking>],
) -> Bytes {
    let own = envelope.iter().map(|(range, new)| (range.clone(), Change::Text(new.clone())));
    let mut changes: Vec<(Range<usize>, Change<'_>)> = own.collect();
    for (at, list) in lists.iter().enumerate() {
        let ranking = rankings.get(at).and_then(Option::as_ref);
        let strip = strips.get(list.search);
        let [value, relation] = total(list, strip);
        let envelope = [max_score(list, ranking), value, relation];
        changes.extend(envelope.into_iter().flatten().map(|(span, new)| (span, Change::Text(new))));
        let removal = strip.map(Removal::new).unwrap_or_default();
        if !list.hits.is_empty() && (ranking.is_some() || !removal.is_empty()) {
            changes.push((list.array.clone(), Change::Hits(Hits { list, removal, ranking })));
        }
    }
    changes.sort_by_key(|(range, _)| range.start);
    // A hit, and what stands before it.
    let moved: usize = rankings.iter().flatten().map(|ranking| ranking.hits.len()).sum();
    let mut out = Pieces::of(body, moved.saturating_mul(2).saturating_add(changes.len() + 2));
    let mut done = 0;
    for (range, change) in changes {
        out.keep(done..range.start);
        match change {
            Change::Text(new) => out.put(new),
            Change::Hits(hits) => hits.write(body, &mut out),
        }
        done = range.end;
    }
    out.keep(done..body.len());
    out.into_bytes()
}

fn max_score(list: &HitArray, ranking: Option<&Ranking>) -> Option<(Range<usize>, Vec<u8>)> {
    let (span, ranking) = (list.max_score.clone()?, ranking?);
    let best = ranking.scores.number(ranking.best)?;
    // Where a floor has dropped every hit there is no best one.
    let none = ranking.best.is_none() && ranking.hits.is_empty();
    Some((span, if none { b"null".to_vec() } else { number(best) }))
}

/// The number of the total and its relation, where they have to differ. A total at its maximum is exact, whatever was
/// counted.
fn total(list: &HitArray, strip: Option<&Strip>) -> [Option<(Range<usize>, Vec<u8>)>; 2] {
    let (Some(total), Some(most)) = (&list.total, strip.and_then(|strip| strip.total_at_most)) else {
        return [None, None];
    };
    let most = match (most, total.total.shards) {
        (MostHits::InAll(most), _) => most,
        (MostHits::OnEachShard(most), Some(shards)) => most.saturating_mul(shards),
        (MostHits::OnEachShard(_), None) => return [None, None],
    };
    match total.total.count {
        Some(count) if count >= most => {
            let value = (count > most).then(|| (total.value.clone(), most.to_string().into_bytes()));
            let exact = |span: &Range<usize>| (span.clone(), b"\"eq\"".to_vec());
            [value, total.relation.as_ref().map(exact)]
        }
        _ => [None, None],
    }
}

impl Hits<'_> {
    /// The array's new text. White space between hits is that of the places, so that pretty responses stay pretty.
    fn write(&self, body: &[u8], out: &mut Pieces<'_>) {
        let list = self.list;
        let (Some(first), Some(last)) = (list.hits.first(), list.hits.last()) else { return };
        if self.ranking.is_some_and(|ranking| ranking.hits.is_empty()) {
            return out.put("[]");
        }
        out.keep(list.array.start..first.span.start);
        match self.ranking {
            Some(ranking) => {
                for (place, ranked) in ranking.hits.iter().enumerate() {
                    let Some(hit) = list.hits.get(ranked.hit) else { continue };
                    self.between(place, out);
                    self.hit(body, hit, Some(&HitChange { ranked: *ranked, ranking, place }), out);
                }
            }
            None => {
                for (place, hit) in list.hits.iter().enumerate() {
                    self.between(place, out);
                    self.hit(body, hit, None, out);
                }
            }
        }
        out.keep(last.span.end..list.array.end);
    }

    /// What stands before a place.
    fn between(&self, place: usize, out: &mut Pieces<'_>) {
        let before = place.checked_sub(1).and_then(|before| self.list.hits.get(before));
        if let (Some(before), Some(after)) = (before, self.list.hits.get(place)) {
            out.keep(before.span.end..after.span.start);
        }
    }

    fn hit(&self, body: &[u8], hit: &Hit, change: Option<&HitChange<'_>>, out: &mut Pieces<'_>) {
        let mut edits = Edits::new();
        if let Some(change) = change {
            if let (Some(new), Some(score)) =
                (change.ranking.scores.number(change.ranked.written), &hit.score)
            {
                edits.replace(score.clone(), number(new));
            }
            if let Some(rank) = &hit.rank {
                let new = change.ranking.offset.saturating_add(change.place as u64 + 1).to_string();
                edits.replace(rank.clone(), new);
            }
        }
        let annotation = change.filter(|change| change.ranking.annotate);
        if !self.removal.is_empty() || annotation.is_some() {
            self.members(body, hit, annotation, &mut edits);
        }
        edits.write(hit.span.clone(), out);
    }

    fn members(&self, body: &[u8], hit: &Hit, annotation: Option<&HitChange<'_>>, edits: &mut Edits) {
        let known =
            Index::known([&hit.source, &hit.fields].into_iter().flatten().map(|fields| fields.span.clone()));
        let Some(object) = Object::within_known(body, hit.span.clone(), &known) else { return };
        let mut edit = ObjectEdit::of(object);
        self.removal.tree.strip(&mut edit, edits);
        if let Some(selection) = self.removal.selection
            && let Some(member) = edit.members().iter().rev().find(|member| member.key == selection.member)
        {
            select::select(member.value, &selection.paths, edits);
        }
        if let Some(change) = annotation {
            if let Some(score) = change.ranked.score {
                edit.set("rerank_score", number(score));
            }
            edit.set("rerank_from", change.ranked.hit.to_string());
            if let Some(Passage { offset, length }) = change.ranked.passage {
                edit.set("rerank_passage", format!(r#"{{"offset":{offset},"length":{length}}}"#));
            }
        }
        edit.finish(edits);
    }
}

/// What a ranking changes inside one hit.
struct HitChange<'a> {
    ranked: Ranked,
    ranking: &'a Ranking,
    place: usize,
}

/// Shortest text that reads back as the same 32-bit float.
fn number(score: f32) -> Vec<u8> {
    serde_json::to_vec(&score).unwrap_or_else(|_| b"0.0".to_vec())
}

/// What is removed from every hit of a list.
#[derive(Default)]
struct Removal<'a> {
    tree: StripTree,
    selection: Option<&'a Selection>,
}

impl<'a> Removal<'a> {
    fn new(strip: &'a Strip) -> Self {
        Self { tree: StripTree::new(&strip.paths), selection: strip.selection.as_ref() }
    }

    fn is_empty(&self) -> bool {
        self.tree.is_empty() && self.selection.is_none()
    }
}

/// The paths of a strip as a tree, so that one pass over an object serves all of them.
#[derive(Default)]
struct StripTree {
    children: BTreeMap<String, StripTree>,
    leaf: bool,
    keep: bool,
}

impl StripTree {
    fn new(paths: &[StripPath]) -> Self {
        let mut root = Self::default();
        for path in paths {
            let mut node = &mut root;
            for (depth, key) in path.keys.iter().enumerate() {
                node = node.children.entry(key.clone()).or_default();
                node.keep |= depth < path.keep;
            }
            node.leaf = true;
        }
        root
    }

    fn is_empty(&self) -> bool {
        self.children.is_empty()
    }

    /// Takes the tree's members out of an object; deeper objects that this empties go too, unless kept.
    fn strip(&self, edit: &mut ObjectEdit<'_>, edits: &mut Edits) {
        for (key, node) in &self.children {
            if node.leaf {
                edit.remove(key);
                continue;
            }
            let found = edit.members().iter().rev().find(|member| member.key == *key).map(|m| m.value);
            let Some(mut inner) = found.and_then(ObjectEdit::new) else { continue };
            let had_members = !inner.members().is_empty();
            let mut inner_edits = Edits::new();
            node.strip(&mut inner, &mut inner_edits);
            if had_members && inner.leaves_nothing() && !node.keep {
                edit.remove(key);
            } else {
                inner.finish(&mut inner_edits);
                edits.append(inner_edits);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{search::ScoreWriting, wire::json::Value};

    fn page(body: &'static str) -> (Bytes, Vec<HitArray>) {
        let body = Bytes::from_static(body.as_bytes());
        let array = Value::parse(&body).unwrap().get("r").unwrap();
        let hits = array.items().unwrap();
        let hits = hits
            .iter()
            .map(|hit| Hit {
                span: hit.span(),
                score: hit.get("score").map(|score| score.span()),
                ..Hit::default()
            })
            .collect();
        let list = HitArray { hits: Arc::new(hits), array: array.span(), ..HitArray::default() };
        (body.clone(), vec![list])
    }

    fn ranking(hits: &[(usize, Option<f32>)]) -> Ranking {
        let hits = hits
            .iter()
            .map(|&(hit, score)| Ranked { score, written: score, ..Ranked::unscored(hit) })
            .collect();
        Ranking { hits, scores: ScoreWriting::Keep, annotate: false, best: None, offset: 0 }
    }

    fn joined((body, lists): &(Bytes, Vec<HitArray>), strip: Strip, ranking: Option<Ranking>) -> String {
        String::from_utf8(reorder(body, lists, &[], &[strip], &[ranking]).to_vec()).unwrap()
    }

    #[test]
    fn hits_move_and_the_space_between_places_stays() {
        let page = page("{\"r\": [ {\"a\":1},\n  {\"a\": 2 } ], \"t\":1}");
        let swapped = joined(&page, Strip::default(), Some(ranking(&[(1, None), (0, None)])));
        assert_eq!(swapped, "{\"r\": [ {\"a\": 2 },\n  {\"a\":1} ], \"t\":1}");
        let cut = joined(&page, Strip::default(), Some(ranking(&[(1, None)])));
        assert_eq!(cut, "{\"r\": [ {\"a\": 2 } ], \"t\":1}");
        assert_eq!(joined(&page, Strip::default(), Some(ranking(&[]))), "{\"r\": [], \"t\":1}");
    }

    #[test]
    fn the_identity_order_gives_the_same_bytes() {
        let page = page("{\"r\":[ {\"a\":1} , {\"a\":2}]}");
        let same = reorder(&page.0, &page.1, &[], &[], &[Some(ranking(&[(0, None), (1, None)]))]);
        assert_eq!(same, page.0);
    }

    #[test]
    fn added_members_go_with_the_parents_they_emptied_unless_kept() {
        let path =
            |keys: &[&str], keep| StripPath { keys: keys.iter().map(|k| k.to_string()).collect(), keep };
        let page = page(r#"{"r":[{"p":{"m":{"t":"x"}}},{"p":{"m":{"t":"x","u":1}},"q":2},{"p":{}}]}"#);
        let strip = |keep| Strip { paths: vec![path(&["p", "m", "t"], keep)], ..Strip::default() };
        assert_eq!(joined(&page, strip(0), None), r#"{"r":[{},{"p":{"m":{"u":1}},"q":2},{"p":{}}]}"#);
        assert_eq!(joined(&page, strip(1), None), r#"{"r":[{"p":{}},{"p":{"m":{"u":1}},"q":2},{"p":{}}]}"#);
    }

    #[test]
    fn scores_and_annotations_are_written_only_when_asked_for() {
        let page = page(r#"{"r":[{"score":7,"a":1},{"score":1e2}]}"#);
        let mut ranking = ranking(&[(1, Some(0.25)), (0, None)]);
        ranking.scores = ScoreWriting::Relevance;
        ranking.annotate = true;
        let text = joined(&page, Strip::default(), Some(ranking));
        assert_eq!(
            text,
            r#"{"r":[{"score":0.25,"rerank_score":0.25,"rerank_from":1},{"score":0.0,"a":1,"rerank_from":0}]}"#
        );
    }
}
