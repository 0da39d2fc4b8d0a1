//! One pass over a response: where its hits stand, and what else its definition asks about.

use std::ops::Range;

use super::shape::{Act, HitShape, Node, Shape};
use crate::{
    dialect::DialectError,
    wire::json::{
        Kind, ScanResult, Scanner, Value,
        hits::{Fields, Hit, Hits, array_of_hits, fields, fields_and},
    },
};

const BODY: DialectError = DialectError::Malformed { member: "body", expected: "JSON" };
const RESULTS: DialectError = DialectError::Malformed { member: "results", expected: "an array of objects" };

/// What has been found of one result.
#[derive(Default)]
pub(super) struct Seen {
    /// The array of hits and the hits; `Some(None)` where something else stands there.
    pub(super) hits: Option<Option<(Range<usize>, Hits)>>,
    /// Which of them are pinned, by their numbers.
    pub(super) pinned: Vec<usize>,
    pub(super) columns: Vec<(usize, Column)>,
    /// The number of the echo, and the value.
    pub(super) echoes: Vec<(usize, Range<usize>)>,
    /// Something that says to leave it alone is there: whether it is more than `null`.
    pub(super) leave_alone: Option<bool>,
    pub(super) status: Option<u64>,
}

/// A column: its rows, or its own entries where there is one query.
#[derive(Debug, Default)]
pub(super) struct Column {
    pub(super) span: Range<usize>,
    pub(super) rows: Vec<Row>,
    /// An array in it, or an entry, is none.
    pub(super) odd: bool,
    /// Of the column with fields: the objects of each row, with the numbers of their entries.
    pub(super) objects: Vec<Vec<(usize, Fields)>>,
}

/// The entries of an array.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) span: Range<usize>,
    pub(super) entries: Vec<Range<usize>>,
}

/// Reads a response through: its results in their order.
pub(super) fn read(shape: &Shape, per_query: bool, body: &[u8]) -> Result<Vec<Seen>, DialectError> {
    let read = Reader { hit: &shape.hit, fields: shape.fields, per_query };
    let found = Scanner::whole(body, |root| match &shape.results {
        None => {
            let mut seen = Seen::default();
            read.visit(&shape.result, root, &mut seen)?;
            Ok(Some(vec![seen]))
        }
        Some(path) => {
            let mut all = None;
            read.results(path, &shape.result, root, &mut all)?;
            Ok(all)
        }
    });
    found.map_err(|_| BODY)?.ok_or(RESULTS)
}

struct Reader<'s> {
    hit: &'s HitShape,
    fields: Option<usize>,
    per_query: bool,
}

impl Reader<'_> {
    fn results(
        &self,
        path: &[String],
        result: &Node,
        value: &mut Scanner<'_>,
        all: &mut Option<Vec<Seen>>,
    ) -> ScanResult<()> {
        let Some((key, rest)) = path.split_first() else {
            let mut found = Vec::new();
            let array = value.items(|item| {
                let mut seen = Seen::default();
                self.visit(result, item, &mut seen)?;
                found.push(seen);
                Ok(())
            })?;
            *all = array.map(|_| found);
            return Ok(());
        };
        value.members(|name, value| match name.name == key.as_str() {
            true => self.results(rest, result, value, all),
            false => Ok(()),
        })?;
        Ok(())
    }

    fn visit(&self, node: &Node, value: &mut Scanner<'_>, seen: &mut Seen) -> ScanResult<()> {
        match node.act {
            Some(Act::Hits) => {
                let (mut number, mut pinned) = (0, Vec::new());
                let hits = array_of_hits(value, |item| {
                    let (hit, is_pinned) = self.hit(item)?;
                    if is_pinned {
                        pinned.push(number);
                    }
                    number += 1;
                    Ok(hit)
                })?;
                (seen.hits, seen.pinned) = (Some(hits), pinned);
            }
            Some(Act::Column(number)) => {
                if let Some(column) = self.column(number, value)? {
                    seen.columns.push((number, column));
                }
            }
            Some(Act::Echo(number)) => seen.echoes.push((number, value.skip()?.span())),
            Some(Act::LeaveAlone) => {
                let is_something = !value.skip()?.is_null();
                seen.leave_alone = Some(is_something || seen.leave_alone == Some(true));
            }
            Some(Act::Status) => seen.status = value.skip()?.as_u64(),
            None => {
                value.members(|key, value| match node.member(&key.name) {
                    Some(inner) => self.visit(inner, value, seen),
                    None => Ok(()),
                })?;
            }
        }
        Ok(())
    }

    /// A hit, and whether it is pinned.
    fn hit(&self, object: &mut Scanner<'_>) -> ScanResult<(Option<Hit>, bool)> {
        let HitShape { id: id_at, score: score_at, fields: fields_at, pinned: pinned_at } = self.hit;
        let (mut id, mut score, mut source, mut pinned) = (None, None, None, false);
        let mut note = |name: &str, value: Value<'_>| {
            if let Some(inside) = inside(id_at, name) {
                id = at(value, inside).map(Value::span);
            }
            if let Some(inside) = inside(score_at, name) {
                score = at(value, inside).and_then(number);
            }
            if let Some(inside) = inside(pinned_at, name) {
                pinned = at(value, inside).is_some_and(says_yes);
            }
        };
        let Some((own, below)) = fields_at.split_first() else {
            let source = fields_and(object, note)?;
            let span = source.as_ref().map(|source| source.span.clone());
            return Ok((span.map(|span| Hit { span, id, score, source, ..Hit::default() }), pinned));
        };
        let (id_below, pinned_below) = (below_fields(fields_at, id_at), below_fields(fields_at, pinned_at));
        let (mut id_of_fields, mut pinned_in_fields) = (None, false);
        let object = object.members(|key, value| {
            if *key.name == **own {
                source = within(value, below, &mut |name, value| {
                    if name == id_below {
                        id_of_fields = Some(value.span());
                    }
                    if !pinned_below.is_empty() && name == pinned_below {
                        pinned_in_fields = says_yes(value);
                    }
                })?;
            } else if [id_at, score_at, pinned_at].into_iter().any(|path| is_first(path, &key.name)) {
                note(&key.name, value.skip()?);
            }
            Ok(())
        })?;
        let id = id_of_fields.or(id);
        let hit = object.map(|object| Hit { span: object.span(), id, score, source, ..Hit::default() });
        Ok((hit, pinned || pinned_in_fields))
    }

    fn column(&self, number: usize, value: &mut Scanner<'_>) -> ScanResult<Option<Column>> {
        if value.kind() != Kind::Array {
            value.skip()?;
            return Ok(None);
        }
        let has_fields = self.fields == Some(number);
        let mut column = Column::default();
        let mut take = |value: &mut Scanner<'_>| {
            let mut objects = Vec::new();
            match row(value, has_fields.then_some(&mut objects))? {
                Some(row) => column.rows.push(row),
                None => column.odd = true,
            }
            if has_fields {
                column.objects.push(objects);
            }
            Ok(())
        };
        if self.per_query {
            let array = value.items(take)?;
            column.span = array.map(Value::span).unwrap_or_default();
        } else {
            take(value)?;
            column.span = column.rows.first().map(|row| row.span.clone()).unwrap_or_default();
        }
        Ok(Some(column))
    }
}

/// The entries of an array; those that are objects of fields are noted.
fn row(value: &mut Scanner<'_>, mut objects: Option<&mut Vec<(usize, Fields)>>) -> ScanResult<Option<Row>> {
    let mut entries = Vec::new();
    let array = value.items(|item| {
        if let Some(objects) = objects.as_mut().filter(|_| item.kind() == Kind::Object) {
            let fields = fields(item)?;
            entries.push(fields.as_ref().map(|fields| fields.span.clone()).unwrap_or_default());
            objects.extend(fields.map(|fields| (entries.len() - 1, fields)));
            return Ok(());
        }
        entries.push(item.skip()?.span());
        Ok(())
    })?;
    Ok(array.map(|array| Row { span: array.span(), entries }))
}

/// The fields at the end of a path; `each` sees them.
fn within(
    value: &mut Scanner<'_>,
    path: &[String],
    each: &mut dyn FnMut(&str, Value<'_>),
) -> ScanResult<Option<Fields>> {
    let Some((key, rest)) = path.split_first() else { return fields_and(value, each) };
    let mut found = None;
    value.members(|name, value| {
        if name.name == key.as_str() {
            found = within(value, rest, each)?;
        }
        Ok(())
    })?;
    Ok(found)
}

/// The one key below the fields that a path leads to; empty where it leads elsewhere.
fn below_fields<'p>(fields: &[String], path: &'p [String]) -> &'p str {
    match path.strip_prefix(fields) {
        Some([only]) => only,
        _ => "",
    }
}

/// Whether a mark is there: neither `null` nor `false`.
fn says_yes(value: Value<'_>) -> bool {
    !value.is_null() && value.as_bool() != Some(false)
}

fn is_first(path: &[String], name: &str) -> bool {
    path.first().is_some_and(|first| first == name)
}

/// What is left of a path that begins with this name.
fn inside<'p>(path: &'p [String], name: &str) -> Option<&'p [String]> {
    path.split_first().filter(|(first, _)| *first == name).map(|(_, inside)| inside)
}

fn at<'a>(value: Value<'a>, path: &[String]) -> Option<Value<'a>> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// Where a score stands: a number, `null`, or the inside of a text.
fn number(value: Value<'_>) -> Option<Range<usize>> {
    let span = value.span();
    match value.kind() {
        Kind::Number | Kind::Null => Some(span),
        Kind::String if !value.text().contains('\\') && span.len() > 2 => Some(span.start + 1..span.end - 1),
        _ => None,
    }
}
