use std::ops::Range;

use crate::{
    json::{Read, Scanner},
    search::Hit,
};

/// An array's range and its hits; `None` where it is no array, or something in it is no hit.
pub(super) fn array_of_hits(
    array: &mut Scanner<'_>,
    hit: impl Fn(&mut Scanner<'_>) -> Read<Option<Hit>>,
) -> Read<Option<(Range<usize>, Vec<Hit>)>> {
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
