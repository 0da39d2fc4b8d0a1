//! Elasticsearch 7.17 to 9 and OpenSearch 2 and 3.

mod changes;
mod chunks;
mod endpoint;
mod failure;
mod fields;
mod format;
pub(in crate::dialect) mod lucene;
mod msearch;
mod nearest;
mod operation;
mod options;
mod orders;
mod pins;
mod pipelines;
mod query_text;
mod request;
mod reranker;
mod response;
mod settings;
mod shape;
mod target;
mod value;
mod vector;
mod widen;

#[cfg(test)]
mod tests;

#[cfg(test)]
pub(in crate::dialect) use tests::samples;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

use super::{Dialect, Route, SearchKind, grpc::is_grpc, http_response};
use crate::search::Head;
use endpoint::ElasticEndpoint;

/// The dialect of Elasticsearch and OpenSearch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elastic;

impl Dialect for Elastic {
    fn name(&self) -> &'static str {
        "elasticsearch"
    }

    fn kinds(&self) -> &[SearchKind] {
        &[SearchKind::Search, SearchKind::Msearch, SearchKind::SearchTemplate, SearchKind::MsearchTemplate]
    }

    fn speaks(&self, headers: &HeaderMap) -> bool {
        !is_grpc(headers)
    }

    fn route(&self, head: &Head<'_>) -> Option<Route> {
        let operation = operation::operation(head)?;
        let below_prefix = operation.below_prefix;
        Some(Route { endpoint: Arc::new(ElasticEndpoint::new(operation, head)), below_prefix })
    }

    fn failure(&self, status: StatusCode, message: &str) -> Response<Bytes> {
        http_response::json_failure(status, failure::failure(status, message))
    }
}
