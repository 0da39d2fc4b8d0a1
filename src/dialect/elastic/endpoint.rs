//! A search of Elasticsearch's or OpenSearch's on its way: its endpoint, then its request.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE};

use super::{
    changes::Changes,
    fields, format, msearch,
    operation::{self, Operation},
    request, response,
    target::Params,
    widen,
};
use crate::{
    dialect::{
        DialectError, Endpoint, SearchKind, SearchRequest, Verdict, http_response, own,
        reading::{self, Reading},
    },
    search::{FetchPlan, Head, KeepReason, Rewrite, SearchIntent, Unread},
    wire::{
        Page,
        json::{BlockPlace, JsonPage, Object, page_bytes, reading_bytes},
    },
};

/// What is held for one search of a batch, but for the names of the indices in the path.
const SEARCH_BYTES: usize = 700;
/// A name of one letter in a path takes twenty times its place there.
const NAME_BYTES: usize = 20;

/// What the head of a search says.
pub(super) struct ElasticEndpoint {
    kind: SearchKind,
    /// The index expressions of the path.
    indices: Vec<String>,
    path: String,
    query: Option<String>,
    params: Result<Params, DialectError>,
    /// The body is of another format than JSON.
    foreign_body: bool,
    /// The response will be, if the parameters do not say otherwise.
    accept: Vec<HeaderValue>,
}

/// A search that has been read.
struct ElasticRequest {
    endpoint: Arc<ElasticEndpoint>,
    /// The text of a search that stands in the query string.
    source: Option<Vec<u8>>,
    reading: Reading,
}

impl ElasticEndpoint {
    pub(super) fn new(operation: Operation<'_>, head: &Head<'_>) -> Self {
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        Self {
            kind: operation.kind,
            indices: operation::indices(operation.index),
            path: head.path.to_owned(),
            query: head.query.map(str::to_owned),
            params: Params::parse(head.query),
            foreign_body: format::is_foreign_type(content_type),
            accept: format::accepted(head.headers),
        }
    }

    fn is_batch(&self) -> bool {
        matches!(self.kind, SearchKind::Msearch | SearchKind::MsearchTemplate)
    }

    /// Path and query string; the client's own bytes where nothing is set.
    fn target(&self, params: &Params, changes: &[(&'static str, String)]) -> String {
        let query = if changes.is_empty() { self.query.clone() } else { params.with(changes) };
        query.map_or_else(|| self.path.clone(), |query| format!("{}?{query}", self.path))
    }
}

impl Endpoint for ElasticEndpoint {
    fn kind(&self) -> SearchKind {
        self.kind
    }

    fn unread(&self, request: &[u8]) -> Option<Unread<'_>> {
        let params = self.params.as_ref().ok()?;
        // A search in the query string is written with escapes.
        let one = self.kind == SearchKind::Search && !params.has("source") && own::is_absent(request);
        one.then_some(Unread { collections: &self.indices, expression: true })
    }

    fn working_bytes(&self, request: &[u8]) -> usize {
        let names = self.path.len().saturating_mul(NAME_BYTES);
        reading_bytes(request, SEARCH_BYTES.saturating_add(names))
    }

    fn read(self: Arc<Self>, request: Bytes) -> Result<Arc<dyn SearchRequest>, DialectError> {
        let params = self.params.as_ref().map_err(Clone::clone)?;
        if !request.is_empty() && self.foreign_body {
            return Err(DialectError::Unsupported("a body that is not JSON"));
        }
        let mut source = None;
        if request.is_empty()
            && let Some(text) = params.get("source")
        {
            if format::is_foreign_type(params.get("source_content_type").unwrap_or("")) {
                return Err(DialectError::Unsupported("a source that is not JSON"));
            }
            source = Some(text.as_bytes().to_vec());
        }
        let text = source.as_deref().unwrap_or(&request);
        let texts = match self.is_batch() {
            true => msearch::indexes(text)?,
            false if source.is_none() && request.is_empty() => Vec::new(),
            false => vec![reading::index(text, request::BODY)?],
        };
        let reading = Reading::new(request, texts);
        Ok(Arc::new(ElasticRequest { endpoint: self, source, reading }))
    }
}

impl ElasticRequest {
    fn json_page(&self, response: Bytes) -> Result<JsonPage, DialectError> {
        let filtered = || self.params().is_ok_and(|params| params.has("filter_path"));
        response::page(self.endpoint.is_batch(), response, filtered)
    }

    /// What has been found to be well-formed when it was read.
    fn params(&self) -> Result<&Params, DialectError> {
        self.endpoint.params.as_ref().map_err(Clone::clone)
    }

    /// The bytes of the searches; empty where there are none.
    fn bytes(&self) -> &[u8] {
        self.source.as_deref().unwrap_or(self.reading.body())
    }

    /// The object of a request that is no batch; `None` where there is no body.
    fn object(&self) -> Result<Option<Object<'_>>, DialectError> {
        match self.reading.texts() {
            [] => Ok(None),
            [index, ..] => request::object(self.bytes(), index).map(Some),
        }
    }

    fn pairs(&self) -> Result<Vec<msearch::Pair<'_>>, DialectError> {
        msearch::pairs(self.bytes(), self.reading.texts())
    }

    /// A sub-search takes its limits from its body line alone.
    fn intents_of_batch(&self, params: &Params) -> Result<Vec<SearchIntent>, DialectError> {
        let own = Params::default();
        let intent = |pair: msearch::Pair<'_>| {
            let indices = pair.indices.unwrap_or_else(|| self.endpoint.indices.clone());
            let mut intent = request::intent(self.endpoint.kind, indices, params, &own, Some(&pair.body));
            if let Some(pipeline) = pair.pipeline {
                request::goes_through(&mut intent, pipeline);
            }
            intent
        };
        Ok(self.pairs()?.into_iter().map(intent).collect())
    }

    /// What requests the index of every hit of a batch, if any search needs it. The response's filter is one for all:
    /// what is added to it for one of them, the hits of all show.
    fn origins_of_all(&self, params: &Params, plans: &[FetchPlan]) -> Result<Changes, DialectError> {
        let (mut changes, own) = (Changes::default(), Params::default());
        if !plans.iter().any(|plan| plan.origins) || !params.has("filter_path") {
            return Ok(changes);
        }
        for pair in self.pairs()? {
            let mut of_one = Changes::default();
            let body = Some(&pair.body);
            let search = fields::Search { kind: self.endpoint.kind, shared: params, own: &own, body };
            fields::ask_origins(&search, &mut of_one);
            if of_one.params.is_empty() {
                return Ok(of_one);
            }
            changes = of_one;
        }
        Ok(changes)
    }

    fn rewrite_batch(&self, params: &Params, plans: &[FetchPlan]) -> Result<Rewritten, DialectError> {
        let (as_asked, own) = (FetchPlan::as_asked(), Params::default());
        let mut new = Rewritten::default();
        for (at, pair) in self.pairs()?.into_iter().enumerate() {
            let plan = plans.get(at).unwrap_or(&as_asked);
            let changes = widen::changes(self.endpoint.kind, params, &own, Some(&pair.body), plan);
            new.is_changed |= !changes.body.is_empty();
            new.strips.push(pair.write(changes, &mut new.text));
        }
        let origins = self.origins_of_all(params, plans)?;
        for strip in &mut new.strips {
            strip.paths.extend(origins.strip.paths.iter().cloned());
        }
        new.params = origins.params;
        Ok(new)
    }

    fn rewrite_one(&self, params: &Params, plans: &[FetchPlan]) -> Result<Rewritten, DialectError> {
        let as_asked = FetchPlan::as_asked();
        let search = self.object()?;
        let plan = plans.first().unwrap_or(&as_asked);
        let changes = widen::changes(self.endpoint.kind, params, params, search.as_ref(), plan);
        let is_changed = !changes.body.is_empty();
        let text = if is_changed { changes.body.apply_to(self.bytes()) } else { Vec::new() };
        Ok(Rewritten { text, is_changed, params: changes.params, strips: vec![changes.strip] })
    }
}

/// The searches of a request, rewritten.
#[derive(Default)]
struct Rewritten {
    /// The new text, if it is one.
    text: Vec<u8>,
    is_changed: bool,
    /// Parameters to set.
    params: Vec<(&'static str, String)>,
    strips: Vec<crate::search::Strip>,
}

impl SearchRequest for ElasticRequest {
    fn body(&self) -> &Bytes {
        self.reading.body()
    }

    fn held_bytes(&self) -> usize {
        self.reading.held_bytes().saturating_add(self.source.as_ref().map_or(0, Vec::capacity))
    }

    fn intents(&self) -> Result<Vec<SearchIntent>, DialectError> {
        let (endpoint, params) = (&self.endpoint, self.params()?);
        let mut intents = match endpoint.is_batch() {
            true => self.intents_of_batch(params)?,
            false => {
                let body = self.object()?;
                let indices = endpoint.indices.clone();
                vec![request::intent(endpoint.kind, indices, params, params, body.as_ref())]
            }
        };
        if format::is_foreign_response(&endpoint.accept, params) {
            for intent in &mut intents {
                intent.keep.get_or_insert(KeepReason::Unsupported);
            }
        }
        Ok(intents)
    }

    fn vectors(&self, searches: &[usize], each: &mut dyn FnMut(usize, &[f32])) -> Result<(), DialectError> {
        let (kind, params) = (self.endpoint.kind, self.params()?);
        if !self.endpoint.is_batch() {
            let body = self.object()?;
            for &search in searches.iter().filter(|&&search| search == 0) {
                request::vectors(kind, params, body.as_ref(), &mut |vector| each(search, vector));
            }
            return Ok(());
        }
        let (pairs, own) = (self.pairs()?, Params::default());
        for &search in searches {
            if let Some(pair) = pairs.get(search) {
                request::vectors(kind, &own, Some(&pair.body), &mut |vector| each(search, vector));
            }
        }
        Ok(())
    }

    fn rewrite(&self, plans: &[FetchPlan]) -> Result<Rewrite, DialectError> {
        let params = self.params()?;
        let mut new = match self.endpoint.is_batch() {
            true => self.rewrite_batch(params, plans)?,
            false => self.rewrite_one(params, plans)?,
        };
        let mut body = self.reading.body().clone();
        if new.is_changed {
            match self.source {
                Some(_) => {
                    let source = String::from_utf8(new.text);
                    let source = source.map_err(|_| DialectError::Unsupported("this source"))?;
                    new.params.push(("source", source));
                }
                None => body = Bytes::from(new.text),
            }
        }
        Ok(Rewrite { target: self.endpoint.target(params, &new.params), body, strips: new.strips })
    }

    fn pick(&self, plans: &[FetchPlan], searches: &[usize]) -> Option<Rewrite> {
        let params = self.params().ok()?;
        if !self.endpoint.is_batch() || self.source.is_some() {
            return None;
        }
        let (pairs, own) = (self.pairs().ok()?, Params::default());
        let (mut body, mut strips) = (Vec::new(), Vec::new());
        for &search in searches {
            let (pair, plan) = (pairs.get(search)?, plans.get(search)?);
            let changes = widen::changes(self.endpoint.kind, params, &own, Some(&pair.body), plan);
            strips.push(pair.write(changes, &mut body));
        }
        Some(Rewrite { target: self.endpoint.target(params, &[]), body: Bytes::from(body), strips })
    }

    fn merge(&self, response: &Bytes, other: &Bytes, places: &[(usize, usize)]) -> Option<Bytes> {
        response::with_responses(response, other, places)
    }

    fn verdict(&self, status: StatusCode, _headers: &HeaderMap) -> Verdict {
        http_response::verdict(status)
    }

    fn block_place(&self) -> BlockPlace {
        match self.endpoint.is_batch() {
            true => BlockPlace::Each(vec!["responses".to_owned()]),
            false => BlockPlace::Top,
        }
    }

    fn can_read(&self, headers: &HeaderMap) -> bool {
        http_response::is_json(headers)
    }

    fn page_bytes(&self, response: &[u8]) -> usize {
        page_bytes(response)
    }

    fn page(&self, response: Bytes) -> Result<Arc<dyn Page>, DialectError> {
        Ok(Arc::new(self.json_page(response)?))
    }

    fn page_without_hits(&self, response: Bytes) -> Option<JsonPage> {
        self.json_page(response).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    #[test]
    fn parameters_that_cannot_be_read_leave_the_request_alone() {
        let headers = HeaderMap::new();
        let head =
            Head { method: &Method::POST, path: "/a/_search", query: Some("a=%zz"), headers: &headers };
        let operation = operation::operation(&head).unwrap();
        let endpoint = Arc::new(ElasticEndpoint::new(operation, &head));
        assert!(matches!(endpoint.read(Bytes::from("{}")), Err(DialectError::Malformed { .. })));
    }
}
