use std::{borrow::Cow, ops::Range};

use crate::{
    search::{Field, Fields, Hit},
    wire::json::{Key, ScanResult, Scanner, Value},
};

/// The most members of an object that are noted: hits have fewer, and a table in one must not use up memory.
pub(super) const MOST_NOTED: usize = 32;
/// As many as most have.
const FEW: usize = 8;

/// An array's range and its hits; `None` where it is no array, or something in it is no hit.
pub(super) fn array_of_hits(
    array: &mut Scanner<'_>,
    hit: impl Fn(&mut Scanner<'_>) -> ScanResult<Option<Hit>>,
) -> ScanResult<Option<(Range<usize>, Vec<Hit>)>> {
    let mut hits = Vec::new();
    let mut odd = false;
    let array = array.items(|item| {
        let hit = hit(item)?;
        odd |= hit.is_none();
        hits.extend(hit);
        Ok(())
    })?;
    Ok(array.filter(|_| !odd).map(|array| (array.span(), hits)))
}

/// An object with fields, its members noted on the way; `None` for any other value.
pub(super) fn fields(value: &mut Scanner<'_>) -> ScanResult<Option<Fields>> {
    let mut members = Some(Vec::with_capacity(FEW));
    let object = value.object(|key, value| {
        let value = value.skip()?;
        members = members.take().and_then(|noted| with(noted, &key, value));
        Ok(())
    })?;
    let noted = |readable| members.filter(|_| readable);
    Ok(object.map(|(object, readable)| Fields { span: object.span(), members: noted(readable) }))
}

/// The members with another one; `None` if they are too many now, or its name is written with escapes.
fn with(mut noted: Vec<Field>, key: &Key<'_>, value: Value<'_>) -> Option<Vec<Field>> {
    let Cow::Borrowed(name) = key.name else { return None };
    match noted.len() {
        MOST_NOTED => return None,
        FEW => noted.reserve_exact(MOST_NOTED - FEW),
        _ => {}
    }
    let start = key.start + 1;
    noted.push(Field { name: start..start + name.len(), value: value.span() });
    Some(noted)
}
