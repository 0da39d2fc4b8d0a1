//! What was added to hits is removed again: entries of their fields, and what is inside of these.

use super::{
    Field, FieldsAt, Kinds, Malformed, Message, MessageEdit, ValueKind,
    value::{FIELDS, KEY, VALUE, VALUES},
};
use crate::{
    search::{PathStep, Selection, Strip},
    wire::steps::{Steps, after, holds_all},
};

/// What is removed from every hit of a list. A strip names members of hits as in JSON; here a hit has one with fields.
#[derive(Default)]
pub(super) struct Removal<'s> {
    /// All fields go.
    whole: bool,
    /// Paths to what goes, from the fields down.
    paths: Vec<Down<'s>>,
    /// Paths to what stays, everything else goes.
    selected: Option<Vec<Steps<'s>>>,
}

/// What is left of a path: the keys, and how many of them stay even when emptied.
#[derive(Clone, Copy)]
struct Down<'s> {
    keys: &'s [String],
    keep: usize,
}

impl<'s> Removal<'s> {
    pub(super) fn new(strip: &'s Strip) -> Self {
        let below = |keys: &'s [String]| keys.split_first().map(|(_, below)| below);
        let paths = strip
            .paths
            .iter()
            .filter_map(|path| Some(Down { keys: below(&path.keys)?, keep: path.keep.saturating_sub(1) }));
        let (whole, paths): (Vec<_>, Vec<_>) = paths.partition(|path| path.keys.is_empty());
        let selected = |selection: &'s Selection| selection.paths.iter().map(Vec::as_slice).collect();
        Self { whole: !whole.is_empty(), paths, selected: strip.selection.as_ref().map(selected) }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.whole && self.paths.is_empty() && self.selected.is_none()
    }

    /// Notes in `edit` what goes from a hit whose fields stand there.
    pub(super) fn strip<'a>(
        &self,
        hit: Message<'a>,
        at: &FieldsAt,
        edit: &mut MessageEdit<'a>,
    ) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { self.strip_inside(hit, at.around, at, edit) }
    }

    fn strip_inside<'a>(
        &self,
        message: Message<'a>,
        around: &[u32],
        at: &FieldsAt,
        edit: &mut MessageEdit<'a>,
    ) -> Result<(), Malformed> {
        for field in message.fields() {
            let field = field?;
            match around.split_first() {
                // The message around the map goes with it.
                Some((number, [])) if field.number == *number && self.whole => edit.remove(&field),
                Some((number, around)) if field.number == *number => {
                    let inner = field.message()?;
                    let mut inside = MessageEdit::of(inner);
                    self.strip_inside(inner, around, at, &mut inside)?;
                    edit.change(field, inside);
                }
                None if field.number == at.entries => self.fate(&field, at.kinds)?.note(field, edit),
                _ => {}
            }
        }
        Ok(())
    }

    fn fate<'a>(&self, entry: &Field<'a>, kinds: &Kinds) -> Result<Fate<'a>, Malformed> {
        match (self.whole, &self.selected) {
            (true, _) => Ok(Fate::Goes),
            (false, Some(paths)) if self.paths.is_empty() => selected_of(entry, paths, kinds),
            (false, _) => pruned_of(entry, &self.paths, kinds),
        }
    }
}

/// What becomes of an entry.
enum Fate<'a> {
    Stays,
    Goes,
    Changes(MessageEdit<'a>),
}

impl<'a> Fate<'a> {
    fn note(self, field: Field<'a>, edit: &mut MessageEdit<'a>) {
        match self {
            Fate::Stays => {}
            Fate::Goes => edit.remove(&field),
            Fate::Changes(inner) => edit.change(field, inner),
        }
    }

    /// That of an entry whose value is to be changed by `inside`, which gets the message of each value.
    fn of_entry(
        entry: Message<'a>,
        mut inside: impl FnMut(Message<'a>) -> Result<MessageEdit<'a>, Malformed>,
    ) -> Result<Self, Malformed> {
        let mut edit = MessageEdit::of(entry);
        for field in entry.fields() {
            let field = field?;
            if field.number == VALUE {
                edit.change(field, inside(field.message()?)?);
            }
        }
        Ok(Fate::Changes(edit))
    }
}

/// Takes out of an entry all that lies on no path, neither on its way nor below its end. Scalars on the way stay, and so
/// do lists and objects that this empties: the server that filters by itself keeps them too. Goes as deep as the longest
/// path. Source: Qdrant's `JsonPath::value_filter` and `check_include_pattern`.
fn selected_of<'a>(field: &Field<'a>, paths: &[Steps<'_>], kinds: &Kinds) -> Result<Fate<'a>, Malformed> {
    let entry = field.message()?;
    let key = key(entry)?;
    let below = after(paths, |step| matches!(step, PathStep::Key(name) if name == key));
    if below.is_empty() {
        return Ok(Fate::Goes);
    }
    if holds_all(&below) {
        return Ok(Fate::Stays);
    }
    Fate::of_entry(entry, |value| selected(value, &below, kinds))
}

/// The same inside a value.
fn selected<'a>(
    value: Message<'a>,
    paths: &[Steps<'_>],
    kinds: &Kinds,
) -> Result<MessageEdit<'a>, Malformed> {
    let mut edit = MessageEdit::of(value);
    for variant in value.fields() {
        let variant = variant?;
        let inside = match kinds.at(variant.number) {
            Some(ValueKind::Object) => selected_members(variant.message()?, paths, kinds)?,
            Some(ValueKind::List) => selected_items(variant.message()?, paths, kinds)?,
            _ => continue,
        };
        edit.change(variant, inside);
    }
    Ok(edit)
}

fn selected_members<'a>(
    object: Message<'a>,
    paths: &[Steps<'_>],
    kinds: &Kinds,
) -> Result<MessageEdit<'a>, Malformed> {
    let mut edit = MessageEdit::of(object);
    for field in object.fields() {
        let field = field?;
        if field.number == FIELDS {
            selected_of(&field, paths, kinds)?.note(field, &mut edit);
        }
    }
    Ok(edit)
}

fn selected_items<'a>(
    list: Message<'a>,
    paths: &[Steps<'_>],
    kinds: &Kinds,
) -> Result<MessageEdit<'a>, Malformed> {
    let below = after(paths, |step| *step == PathStep::Elements);
    let mut edit = MessageEdit::of(list);
    if holds_all(&below) {
        return Ok(edit);
    }
    for field in list.fields() {
        let field = field?;
        match field.number {
            VALUES if below.is_empty() => edit.remove(&field),
            VALUES => edit.change(field, selected(field.message()?, &below, kinds)?),
            _ => {}
        }
    }
    Ok(edit)
}

/// Takes out of an entry what the paths end at; objects that this empties go too, unless kept.
fn pruned_of<'a>(field: &Field<'a>, paths: &[Down<'_>], kinds: &Kinds) -> Result<Fate<'a>, Malformed> {
    let entry = field.message()?;
    let key = key(entry)?;
    let below: Vec<Down<'_>> = paths.iter().filter_map(|path| path.below(key)).collect();
    if below.is_empty() {
        return Ok(Fate::Stays);
    }
    if below.iter().any(|path| path.keys.is_empty()) {
        return Ok(Fate::Goes);
    }
    let is_kept = paths.iter().any(|path| path.keep > 0 && path.below(key).is_some());
    let mut emptied = false;
    let fate = Fate::of_entry(entry, |value| {
        let mut edit = MessageEdit::of(value);
        for variant in value.fields() {
            let variant = variant?;
            if kinds.at(variant.number) == Some(ValueKind::Object) {
                let (inside, is_empty) = pruned(variant.message()?, &below, kinds)?;
                emptied = is_empty;
                edit.change(variant, inside);
            }
        }
        Ok(edit)
    })?;
    Ok(if emptied && !is_kept { Fate::Goes } else { fate })
}

/// The same inside an object, and whether all of its members are gone.
fn pruned<'a>(
    object: Message<'a>,
    paths: &[Down<'_>],
    kinds: &Kinds,
) -> Result<(MessageEdit<'a>, bool), Malformed> {
    let mut edit = MessageEdit::of(object);
    let (mut had, mut has) = (false, false);
    for field in object.fields() {
        let field = field?;
        if field.number == FIELDS {
            let fate = pruned_of(&field, paths, kinds)?;
            had = true;
            has |= !matches!(fate, Fate::Goes);
            fate.note(field, &mut edit);
        }
    }
    Ok((edit, had && !has))
}

impl<'s> Down<'s> {
    fn below(self, key: &str) -> Option<Self> {
        let (first, keys) = self.keys.split_first()?;
        (first == key).then_some(Self { keys, keep: self.keep.saturating_sub(1) })
    }
}

/// The key of an entry, whatever its value is.
fn key(entry: Message<'_>) -> Result<&str, Malformed> {
    entry.last(KEY)?.map_or(Ok(""), |field| field.text())
}
