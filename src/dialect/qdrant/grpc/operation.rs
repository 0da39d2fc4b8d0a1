//! Which paths are searches.

use crate::{
    dialect::{
        SearchKind, grpc,
        qdrant::kind::{self, Form, Verb},
    },
    search::Head,
};

/// The service with all searches.
const SERVICE: &str = "qdrant.Points";

/// A method that searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    pub verb: Verb,
    pub form: Form,
    /// The name for metrics and logs.
    pub kind: SearchKind,
}

impl Operation {
    /// What a head asks for, `None` for whatever is not a search; and whether it would be one only without the
    /// beginning of its path.
    pub fn found(head: &Head<'_>) -> Option<(Self, bool)> {
        let (method, below_prefix) = grpc::method_of(SERVICE, head)?;
        Some((Self::of(method)?, below_prefix))
    }

    fn of(method: &str) -> Option<Self> {
        let forms = [("Batch", Form::Batch), ("Groups", Form::Groups)];
        let form = forms.into_iter().find_map(|(end, form)| Some((method.strip_suffix(end)?, form)));
        let (verb, form) = form.unwrap_or((method, Form::Single));
        let verb = match verb {
            "Query" => Verb::Query,
            "Search" => Verb::Search,
            "Recommend" => Verb::Recommend,
            "Discover" => Verb::Discover,
            _ => return None,
        };
        Some(Self { verb, form, kind: kind::kind(verb, form)? })
    }
}
