//! Qdrant's REST interface.

mod failure;
mod fields;
mod formula;
pub mod grpc;
mod kind;
mod object;
mod operation;
mod order;
mod paths;
mod query;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod widen;

use bytes::Bytes;
use http::StatusCode;

use super::{
    Dialect, DialectError, Operation, Reading, SearchKind,
    ids::{self, IdKeys},
    reading,
    splice::{self, HitStyle},
};
use crate::search::{FetchPlan, Head, Hit, HitId, HitPage, Ranking, Rewrite, SearchIntent, Strip};
use operation::Endpoint;

/// Qdrant: `query`, and the older `search`, `recommend` and `discover`, alone, in batches and in groups.
#[derive(Clone, Copy, Debug, Default)]
pub struct Qdrant;

impl Dialect for Qdrant {
    fn name(&self) -> &'static str {
        "qdrant"
    }

    fn kinds(&self) -> &'static [SearchKind] {
        use SearchKind::*;
        &[
            Query,
            QueryBatch,
            QueryGroups,
            Search,
            SearchBatch,
            SearchGroups,
            Recommend,
            RecommendBatch,
            RecommendGroups,
            Discover,
            DiscoverBatch,
        ]
    }

    fn classify(&self, head: &Head<'_>) -> Operation {
        match Endpoint::found(head) {
            Some((endpoint, false)) => Operation::Search(endpoint.kind()),
            Some((endpoint, true)) => Operation::BelowPrefix(endpoint.kind()),
            None => Operation::Forward,
        }
    }

    fn read(&self, _head: &Head<'_>, body: Bytes) -> Result<Reading, DialectError> {
        let index = reading::index(&body, request::BODY)?;
        Ok(Reading::new(body, vec![index]))
    }

    fn parse(&self, head: &Head<'_>, reading: &Reading) -> Result<Vec<SearchIntent>, DialectError> {
        let endpoint = endpoint(head)?;
        request::Request::read(endpoint.form, reading)?.intents(&endpoint, request::timeout(head.query))
    }

    fn widen(
        &self,
        head: &Head<'_>,
        reading: &Reading,
        plans: &[FetchPlan],
    ) -> Result<Rewrite, DialectError> {
        let (body, strips) = widen::widen(&endpoint(head)?, reading, plans)?;
        let target = match head.query {
            Some(query) => format!("{}?{query}", head.path),
            None => head.path.to_owned(),
        };
        Ok(Rewrite { target, body, strips })
    }

    fn split(&self, head: &Head<'_>, body: Bytes) -> Result<HitPage, DialectError> {
        response::split(&endpoint(head)?, body)
    }

    fn join(&self, page: &HitPage, strips: &[Strip], rankings: &[Option<Ranking>]) -> Bytes {
        splice::join(page, strips, rankings, &HitStyle { score_key: "score" })
    }

    fn id(&self, body: &[u8], hit: &Hit) -> HitId {
        ids::hit_id(body, hit, &IdKeys { id: "id", index: None })
    }

    fn failure(&self, _status: StatusCode, message: &str) -> Bytes {
        failure::failure(message)
    }
}

fn endpoint(head: &Head<'_>) -> Result<Endpoint, DialectError> {
    Endpoint::of(head).ok_or(DialectError::Unsupported("a path that is no search"))
}
