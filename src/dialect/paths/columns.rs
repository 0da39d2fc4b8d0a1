//! [`ColumnsPage`]: a response whose hits stand in parallel arrays.

use std::{borrow::Cow, ops::Range, sync::Arc};

use bytes::Bytes;

use super::{
    compiled::Compiled,
    definition::Columns,
    echo::Requested,
    scan::{Column, Row, read},
};
use crate::{
    dialect::DialectError,
    search::{Failure, Got, HitAt, HitId, HitList, Ranked, Ranking, ScoreWriting, Strip},
    wire::{
        FieldObjects, Found, Member, Page, Pieces, Place, Score, Value as FieldValue,
        json::{
            Kind, Object, Value,
            hits::{Fields, is_text},
        },
    },
};

const COLUMNS: DialectError = DialectError::Malformed { member: "columns", expected: "of one length" };
const LEFT_ALONE: DialectError = DialectError::Unsupported("a response of this form");

/// A response and its columns.
pub(super) struct ColumnsPage {
    body: Bytes,
    lists: Vec<HitList>,
    /// With the number of each in the definition. One that is `null` is not among them.
    columns: Vec<(usize, Column)>,
    failed: Vec<Failure>,
    /// What is written over its echoes.
    envelope: Vec<(Range<usize>, Vec<u8>)>,
    compiled: Arc<Compiled>,
    operation: usize,
}

impl ColumnsPage {
    /// Finds the columns. `requested` is what is asked for where that is more than the client does.
    pub(super) fn read(
        compiled: &Arc<Compiled>,
        operation: usize,
        body: Bytes,
        requested: Option<&Requested>,
    ) -> Result<Self, DialectError> {
        let (of, shape) = compiled.operation(operation).ok_or(COLUMNS)?;
        let columns = compiled.columns(operation).ok_or(COLUMNS)?;
        let seen = read(shape, of.queries.is_some(), &body)?.into_iter().next().ok_or(COLUMNS)?;
        if seen.leave_alone == Some(true) {
            return Err(LEFT_ALONE);
        }
        let id = columns.all.iter().position(|name| *name == columns.id).ok_or(COLUMNS)?;
        let ids = seen.columns.iter().find(|(number, _)| *number == id).ok_or(COLUMNS)?;
        let lengths: Vec<usize> = ids.1.rows.iter().map(|row| row.entries.len()).collect();
        let alike = |column: &Column| {
            let own = column.rows.iter().map(|row| row.entries.len());
            !column.odd && own.eq(lengths.iter().copied())
        };
        if !seen.columns.iter().all(|(_, column)| alike(column)) {
            return Err(COLUMNS);
        }
        let list = |(search, hits): (usize, usize)| HitList { search, hits, total: None, sorted: false };
        let (mut failed, mut envelope) = (Vec::new(), Vec::new());
        if let Some(requested) = requested {
            let echoes = &of.response.echoes;
            for (search, hits) in lengths.iter().enumerate() {
                if requested.may_be_capped(&body, echoes, &seen, *hits)? {
                    failed.push(Failure { search, got: Got::Short });
                }
            }
            envelope = requested.restored(&body, echoes, &seen);
        }
        let lists = lengths.into_iter().enumerate().map(list).collect();
        let (columns, compiled) = (seen.columns, compiled.clone());
        Ok(Self { body, lists, columns, failed, envelope, compiled, operation })
    }

    fn definition(&self) -> Option<&Columns> {
        self.compiled.columns(self.operation)
    }

    fn column(&self, name: &str) -> Option<&Column> {
        let number = self.definition()?.all.iter().position(|known| known == name)?;
        self.columns.iter().find(|(at, _)| *at == number).map(|(_, column)| column)
    }

    /// The entry of a hit in a column.
    fn entry(&self, column: &Column, at: HitAt) -> Option<Range<usize>> {
        column.rows.get(at.list)?.entries.get(at.hit).cloned()
    }

    fn named(&self, name: &str, at: HitAt) -> Option<Range<usize>> {
        self.entry(self.column(name)?, at)
    }

    /// The text of a hit that is a field of this name; `null` is none.
    fn text(&self, field: &str, at: HitAt) -> Option<Range<usize>> {
        let texts = &self.definition()?.texts;
        let (_, column) = texts.iter().find(|(known, _)| known == field)?;
        self.named(column, at).filter(|span| self.body.get(span.start) != Some(&b'n'))
    }

    /// The object with the fields of a hit.
    fn object(&self, at: HitAt) -> Option<&Fields> {
        let column = self.column(self.definition()?.fields.as_deref()?)?;
        let row = column.objects.get(at.list)?;
        let place = row.binary_search_by_key(&at.hit, |(entry, _)| *entry).ok()?;
        row.get(place).map(|(_, fields)| fields)
    }

    /// The column that a strip takes away.
    fn is_gone(&self, strips: &[Strip], number: usize) -> bool {
        let name = self.definition().and_then(|columns| columns.all.get(number));
        let paths = strips.iter().flat_map(|strip| &strip.paths);
        name.is_some_and(|name| paths.into_iter().any(|path| path.keys.as_slice() == [name.as_str()]))
    }

    /// What the response says of which columns were requested, without those that are gone.
    fn echo(&self, strips: &[Strip]) -> Option<(Range<usize>, Vec<u8>)> {
        let key = self.definition()?.echo.as_ref()?;
        let gone: Vec<&str> = strips
            .iter()
            .flat_map(|strip| &strip.paths)
            .filter_map(|path| path.keys.first().map(String::as_str))
            .collect();
        if gone.is_empty() {
            return None;
        }
        let list = Value::parse(&self.body).ok()?.get(key)?;
        let left: Vec<&str> = list
            .items()?
            .into_iter()
            .filter(|item| item.as_str().is_none_or(|name| !gone.iter().any(|gone| *gone == name)))
            .map(Value::text)
            .collect();
        Some((list.span(), format!("[{}]", left.join(",")).into_bytes()))
    }
}

impl Page for ColumnsPage {
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
        let rows = self.columns.iter().flat_map(|(_, column)| &column.rows);
        let entries: usize = rows.map(|row| row.entries.capacity() * size_of::<Range<usize>>()).sum();
        let rows: usize =
            self.columns.iter().map(|(_, column)| column.rows.capacity() * size_of::<Row>()).sum();
        let objects = self.columns.iter().flat_map(|(_, column)| &column.objects);
        let objects: usize = objects
            .map(|row| {
                row.capacity() * size_of::<(usize, Fields)>()
                    + row.iter().map(|(_, fields)| fields.held_bytes()).sum::<usize>()
                    + size_of::<Vec<(usize, Fields)>>() * 2
            })
            .sum();
        entries
            + rows
            + objects
            + self.columns.capacity() * size_of::<(usize, Column)>()
            + self.lists.capacity() * size_of::<HitList>()
    }

    fn hit_bytes(&self, at: HitAt) -> usize {
        self.columns.iter().filter_map(|(_, column)| self.entry(column, at)).map(|span| span.len()).sum()
    }

    fn id(&self, at: HitAt) -> HitId {
        let span = self.definition().and_then(|columns| self.named(&columns.id, at));
        let value = span.and_then(|span| Value::found(&self.body, span));
        let id = value.map(|value| match value.kind() {
            Kind::Number => value.text().to_owned(),
            _ => value.as_str().unwrap_or_default().into_owned(),
        });
        HitId { id: id.unwrap_or_default(), index: None }
    }

    fn score(&self, at: HitAt) -> Option<Score<'_>> {
        let span = self.named(self.definition()?.score.as_deref()?, at)?;
        std::str::from_utf8(self.body.get(span)?).ok().map(Score::Written)
    }

    fn index(&self, _: HitAt) -> Option<&[u8]> {
        None
    }

    fn field(&self, at: HitAt, names: &[&str]) -> Found {
        let object = self.object(at);
        if object.is_some_and(|object| object.members.is_none()) {
            return Found::Unsure;
        }
        for (name, text) in names.iter().enumerate() {
            let found = || object.and_then(|object| object.last(&self.body, text));
            let Some(value) = self.text(text, at).or_else(found) else { continue };
            return match is_text(self.body.get(value.clone()).unwrap_or_default()) {
                true => Found::Text { name, value: Place::new(value) },
                false => Found::Unsure,
            };
        }
        Found::Nothing
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
        let Some(columns) = self.definition() else { return FieldObjects::default() };
        let text = |(field, _): &'_ (String, String)| {
            let value = Value::found(&self.body, self.text(field, at)?)?;
            Some(Member { key: Cow::Owned(field.clone()), value: FieldValue::Json(value) })
        };
        let mut objects = vec![columns.texts.iter().filter_map(text).collect()];
        if let Some(object) = self.object(at) {
            objects.push(Object::members_within(&self.body, object.span.clone(), Member::of_json));
        }
        FieldObjects { objects, last_is_flat: false }
    }

    fn reordered(&self, strips: &[Strip], rankings: &[Option<Ranking>]) -> Bytes {
        let score = self.definition().and_then(|columns| {
            let name = columns.score.as_ref().filter(|_| !columns.distance)?;
            columns.all.iter().position(|known| known == name)
        });
        let mut changes: Vec<(Range<usize>, Change<'_>)> = Vec::new();
        for (number, column) in &self.columns {
            if self.is_gone(strips, *number) {
                changes.push((column.span.clone(), Change::New(b"null".to_vec())));
                continue;
            }
            for (list, row) in column.rows.iter().enumerate() {
                if let Some(Some(ranking)) = rankings.get(list).filter(|_| !row.entries.is_empty()) {
                    let writes = score == Some(*number);
                    changes.push((row.span.clone(), Change::Row { row, ranking, writes }));
                }
            }
        }
        let envelope = self.envelope.iter().cloned();
        changes.extend(envelope.map(|(span, new)| (span, Change::New(new))));
        changes.extend(self.echo(strips).map(|(span, new)| (span, Change::New(new))));
        changes.sort_by_key(|(range, _)| range.start);
        let (mut out, mut done) = (Pieces::of(&self.body, 2 * changes.len() + 2), 0);
        for (range, change) in changes {
            out.keep(done..range.start);
            match change {
                Change::New(new) => out.put(new),
                Change::Row { row, ranking, writes } => write(row, ranking, writes, &mut out),
            }
            done = range.end;
        }
        out.keep(done..self.body.len());
        out.into_bytes()
    }
}

/// What is written in place of a part of the response.
enum Change<'a> {
    New(Vec<u8>),
    Row { row: &'a Row, ranking: &'a Ranking, writes: bool },
}

/// A row in another order, with the white space of the places.
fn write(row: &Row, ranking: &Ranking, writes: bool, out: &mut Pieces<'_>) {
    let (Some(first), Some(last)) = (row.entries.first(), row.entries.last()) else { return };
    if ranking.hits.is_empty() {
        return out.put("[]");
    }
    out.keep(row.span.start..first.start);
    for (place, ranked) in ranking.hits.iter().enumerate() {
        let Some(entry) = row.entries.get(ranked.hit) else { continue };
        let before = place.checked_sub(1).and_then(|before| row.entries.get(before));
        if let (Some(before), Some(here)) = (before, row.entries.get(place)) {
            out.keep(before.end..here.start);
        }
        match new_score(ranked, ranking.scores).filter(|_| writes) {
            Some(score) => out.put(score),
            None => out.keep(entry.clone()),
        }
    }
    out.keep(last.end..row.span.end);
}

fn new_score(ranked: &Ranked, scores: ScoreWriting) -> Option<Vec<u8>> {
    serde_json::to_vec(&scores.number(ranked.written)?).ok()
}
