//! Which paths are searches.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::{
    dialect::{
        SearchKind,
        qdrant::kind::{self, Form, Verb},
    },
    search::Head,
};

/// A search path, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// The collection or alias, decoded.
    pub collection: String,
    pub verb: Verb,
    pub form: Form,
    /// The name for metrics and logs.
    pub kind: SearchKind,
}

impl Operation {
    /// What a head asks for, `None` for whatever is not a search; and whether it would be one only without the
    /// beginning of its path.
    pub fn found(head: &Head<'_>) -> Option<(Self, bool)> {
        if head.method != Method::POST || !head.path.starts_with('/') {
            return None;
        }
        // The server takes doubled slashes, one at the end and needlessly encoded letters; a slash that is
        // encoded belongs to its segment.
        let segments: Vec<Cow<'_, str>> = head
            .path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(|segment| percent_decode_str(segment).decode_utf8().ok())
            .collect::<Option<_>>()?;
        let segments: Vec<&str> = segments.iter().map(Cow::as_ref).collect();
        let (before, collection, verb, form) = match &segments[..] {
            [before @ .., "collections", collection, "points", verb] => {
                (before, collection, verb, Form::Single)
            }
            [before @ .., "collections", collection, "points", verb, "batch"] => {
                (before, collection, verb, Form::Batch)
            }
            [before @ .., "collections", collection, "points", verb, "groups"] => {
                (before, collection, verb, Form::Groups)
            }
            _ => return None,
        };
        let verb = match *verb {
            "query" => Verb::Query,
            "search" => Verb::Search,
            "recommend" => Verb::Recommend,
            "discover" => Verb::Discover,
            _ => return None,
        };
        let operation =
            Self { collection: (*collection).to_owned(), verb, form, kind: kind::kind(verb, form)? };
        Some((operation, !before.is_empty()))
    }
}
