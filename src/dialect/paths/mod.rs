//! Databases that are described rather than programmed: where a search and its hits stand is data, a [`Definition`].

mod change;
mod columns;
mod compiled;
mod definition;
mod echo;
mod endpoint;
mod fields;
mod names;
mod operation;
mod parameters;
mod presets;
mod request;
mod rows;
mod scan;
mod shape;
#[cfg(test)]
mod tests;
mod text;
mod view;
mod widen;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};

pub use definition::{
    Absent, Columns, Condition, Definition, Echo, Echoed, FieldForm, FieldRequest, Hits, NamesAt, Number,
    Operation, Part, PathPattern, Place, Response as ResponseDefinition, Rows, Segment, Sort, Syntax, Test,
    Text,
};
pub use names::{Clock, Names};
pub use presets::{PRESETS, Preset};

#[cfg(test)]
pub(super) use tests::{samples, widened};

use super::{Dialect, Route, SearchKind, Told, grpc::is_grpc, http_response};
use crate::search::Head;
use compiled::Compiled;
use endpoint::PathsEndpoint;

/// A database by its definition.
pub struct Paths(Arc<Compiled>);

impl Paths {
    /// The database that speaks like this, and the names of its collections as far as they are known.
    pub fn new(definition: Definition, names: Arc<Names>) -> Self {
        Self(Arc::new(Compiled::new(definition, names)))
    }
}

impl Dialect for Paths {
    fn name(&self) -> &'static str {
        self.0.definition.name
    }

    fn kinds(&self) -> &[SearchKind] {
        self.0.kinds()
    }

    fn speaks(&self, headers: &HeaderMap) -> bool {
        !is_grpc(headers)
    }

    fn route(&self, head: &Head<'_>) -> Option<Route> {
        let operation::Found { operation, collection, below_prefix } =
            operation::find(&self.0.definition, head)?;
        let endpoint = PathsEndpoint::new(self.0.clone(), operation, collection, head);
        Some(Route { endpoint: Arc::new(endpoint), below_prefix })
    }

    fn told(&self, head: &Head<'_>) -> Option<Arc<dyn Told>> {
        let at = self.0.definition.names.as_ref()?;
        let id = operation::named(&at.paths, head)?;
        let names = self.0.names.clone();
        match *head.method {
            Method::GET | Method::POST => Some(Arc::new(names::Listener { names, at: at.clone() })),
            _ => {
                names.forget(&id);
                Some(Arc::new(names::Change { names, id }))
            }
        }
    }

    fn failure(&self, status: StatusCode, message: &str) -> Response<Bytes> {
        let text = serde_json::Value::from(message).to_string();
        let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
        let body = &self.0.definition.error;
        let body = body.replace("{status}", status.as_str()).replace("{message}", inner);
        http_response::json_failure(status, Bytes::from(body))
    }
}
