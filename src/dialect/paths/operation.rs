//! Which heads are searches.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::definition::{Definition, PathPattern, Segment};
use crate::search::Head;

/// What a head asks for.
pub(super) struct Found {
    /// The number of the operation.
    pub(super) operation: usize,
    /// The collection in the path, decoded.
    pub(super) collection: Option<String>,
    /// It would be one only without the beginning of its path.
    pub(super) below_prefix: bool,
}

/// Whether a path is one of these, and its last segment.
pub(super) fn named(patterns: &[PathPattern], head: &Head<'_>) -> Option<String> {
    let segments = segments(head)?;
    let exactly = |pattern: &PathPattern| matches!(matched(pattern, &segments), Some((_, false)));
    patterns.iter().any(exactly).then(|| segments.last().map(|last| last.clone().into_owned())).flatten()
}

/// The segments of a path, decoded.
fn segments<'a>(head: &Head<'a>) -> Option<Vec<Cow<'a, str>>> {
    let all = head.path.strip_prefix('/')?.split('/').filter(|segment| !segment.is_empty());
    all.map(|segment| percent_decode_str(segment).decode_utf8().ok()).collect()
}

/// The operation of a head.
pub(super) fn find(definition: &Definition, head: &Head<'_>) -> Option<Found> {
    let segments = segments(head)?;
    let mut below = None;
    for (operation, each) in definition.operations.iter().enumerate() {
        if !each.methods.contains(head.method) {
            continue;
        }
        for pattern in &each.paths {
            match matched(pattern, &segments) {
                Some((collection, false)) => {
                    return Some(Found { operation, collection, below_prefix: false });
                }
                Some((collection, true)) => {
                    below = below.or(Some(Found { operation, collection, below_prefix: true }));
                }
                None => {}
            }
        }
    }
    below
}

/// The collection, and whether something stands before the pattern.
fn matched(pattern: &PathPattern, segments: &[Cow<'_, str>]) -> Option<(Option<String>, bool)> {
    let before = segments.len().checked_sub(pattern.0.len())?;
    let mut collection = None;
    for (expected, segment) in pattern.0.iter().zip(segments.get(before..)?) {
        match expected {
            Segment::Literal(literal) if literal == segment => {}
            Segment::Literal(_) => return None,
            Segment::Collection(start, end) => {
                let name = segment.strip_prefix(start.as_str())?.strip_suffix(end.as_str())?;
                collection = Some(name.to_owned());
            }
            Segment::Any => {}
        }
    }
    Some((collection, before > 0))
}
