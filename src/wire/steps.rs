//! Paths into a value, followed step by step.

use crate::search::PathStep;

/// What is left of a path.
pub(super) type Steps<'p> = &'p [PathStep];

/// What is left of the paths that begin with such a step.
pub(super) fn after<'p>(paths: &[Steps<'p>], is_next: impl Fn(&PathStep) -> bool) -> Vec<Steps<'p>> {
    let rest = |path: &Steps<'p>| path.split_first().filter(|(step, _)| is_next(step)).map(|(_, rest)| rest);
    paths.iter().filter_map(rest).collect()
}

/// Whether one of the paths ends here.
pub(super) fn holds_all(paths: &[Steps<'_>]) -> bool {
    paths.iter().any(|path| path.is_empty())
}
