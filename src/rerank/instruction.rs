//! How a service is told what counts as relevant beside the query.

use std::sync::Arc;

use super::RerankRequest;

/// How a service takes an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructed {
    /// As a member of its own, of this name.
    Member(&'static str),
    /// Before the query, in the same text.
    BeforeQuery,
}

/// A request as a service gets it that takes instructions so, or takes none: what is no member of its own is the query's. So all
/// that reads a request (limits, budgets, the cache's keys, equal work) sees what the service sees.
pub(super) fn told(request: RerankRequest, how: Option<Instructed>) -> RerankRequest {
    match (how, &request.instruction) {
        (Some(Instructed::Member(_)), _) | (_, None) => request,
        (None, Some(_)) => RerankRequest { instruction: None, ..request },
        (Some(Instructed::BeforeQuery), Some(instruction)) => {
            let query: Arc<str> = format!("{instruction}\nQuery: {}", request.query).into();
            RerankRequest { query, instruction: None, ..request }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rerank::test_support::request;

    #[test]
    fn an_instruction_is_the_querys_where_it_has_no_member_and_nothing_where_it_is_not_taken() {
        let asked = RerankRequest { instruction: Some("Prefer laws.".into()), ..request(&["a"]) };
        let query = asked.query.clone();
        let of = |how| {
            let told = told(asked.clone(), how);
            (told.query.to_string(), told.instruction.as_deref().map(str::to_owned))
        };
        assert_eq!(of(None), (query.to_string(), None));
        let member = Some(Instructed::Member("instruction"));
        assert_eq!(of(member), (query.to_string(), Some("Prefer laws.".to_owned())));
        assert_eq!(of(Some(Instructed::BeforeQuery)), (format!("Prefer laws.\nQuery: {query}"), None));
    }
}
