//! Elasticsearch 7.17 to 9 and OpenSearch 2 and 3.

mod failure;
mod fields;
mod format;
mod lucene;
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
mod widen;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;
use http::{StatusCode, header::CONTENT_TYPE};

use super::{
    Dialect, DialectError, Operation, Reading, SearchKind,
    ids::{self, IdKeys},
    reading,
    splice::{self, HitStyle},
};
use crate::{
    search::{
        FetchPlan, Head, Hit, HitId, HitList, HitPage, KeepReason, Ranking, Rewrite, SearchIntent, Strip,
    },
    wire::json::Object,
};
use target::Params;

/// The dialect of Elasticsearch and OpenSearch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Elastic;

/// A request taken apart.
struct Request<'a> {
    kind: SearchKind,
    params: Params<'a>,
    /// Where the bytes of the body are: the body, or the `source` parameter.
    source: Option<Cow<'a, [u8]>>,
    indices: Vec<String>,
}

impl<'a> Request<'a> {
    fn read(head: &Head<'a>, body: &'a [u8]) -> Result<Self, DialectError> {
        let (kind, index) = operation::read_path(head.path).ok_or(DialectError::Unsupported("this path"))?;
        let params = Params::parse(head.query)?;
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        let mut source = (!body.is_empty()).then_some(Cow::Borrowed(body));
        if source.is_some() && format::is_foreign_type(content_type) {
            return Err(DialectError::Unsupported("a body that is not JSON"));
        }
        if source.is_none()
            && let Some(text) = params.get("source")
        {
            if format::is_foreign_type(params.get("source_content_type").unwrap_or("")) {
                return Err(DialectError::Unsupported("a source that is not JSON"));
            }
            source = Some(Cow::Owned(text.as_bytes().to_vec()));
        }
        Ok(Self { kind, params, source, indices: operation::indices(index) })
    }

    /// The object of a request that is no batch; `None` where there is no body.
    fn object<'r>(&'r self, reading: &'r Reading) -> Result<Option<Object<'r>>, DialectError> {
        let Some(source) = self.source.as_deref() else { return Ok(None) };
        let index = reading.texts().first().ok_or(request::BODY)?;
        request::object(source, index).map(Some)
    }

    fn intents(&self, reading: &Reading) -> Result<Vec<SearchIntent>, DialectError> {
        if !self.is_batch() {
            let body = self.object(reading)?;
            let params = &self.params;
            let indices = self.indices.clone();
            return Ok(vec![request::intent(self.kind, indices, params, params, body.as_ref())]);
        }
        // A sub-search takes its limits from its body line alone.
        let own = Params::default();
        let intent = |pair: msearch::Pair<'_>| {
            let indices = pair.indices.unwrap_or_else(|| self.indices.clone());
            let mut intent = request::intent(self.kind, indices, &self.params, &own, Some(&pair.body));
            if let Some(pipeline) = pair.pipeline {
                request::goes_through(&mut intent, pipeline);
            }
            intent
        };
        Ok(msearch::pairs(self.bytes(), reading.texts())?.into_iter().map(intent).collect())
    }

    fn is_batch(&self) -> bool {
        is_batch(self.kind)
    }

    /// The bytes of the searches; empty where there are none.
    fn bytes(&self) -> &[u8] {
        self.source.as_deref().unwrap_or_default()
    }
}

fn is_batch(kind: SearchKind) -> bool {
    matches!(kind, SearchKind::Msearch | SearchKind::MsearchTemplate)
}

impl Dialect for Elastic {
    fn name(&self) -> &'static str {
        "elasticsearch"
    }

    fn kinds(&self) -> &'static [SearchKind] {
        &[SearchKind::Search, SearchKind::Msearch, SearchKind::SearchTemplate, SearchKind::MsearchTemplate]
    }

    fn classify(&self, head: &Head<'_>) -> Operation {
        operation::classify(head)
    }

    fn read(&self, head: &Head<'_>, body: Bytes) -> Result<Reading, DialectError> {
        let request = Request::read(head, &body)?;
        let texts = match request.source.as_deref() {
            Some(_) | None if request.is_batch() => msearch::indexes(request.bytes())?,
            Some(source) => vec![reading::index(source, request::BODY)?],
            None => Vec::new(),
        };
        drop(request);
        Ok(Reading::new(body, texts))
    }

    fn parse(&self, head: &Head<'_>, reading: &Reading) -> Result<Vec<SearchIntent>, DialectError> {
        let request = Request::read(head, reading.body())?;
        let mut intents = request.intents(reading)?;
        if format::is_foreign_response(head.headers, &request.params) {
            for intent in &mut intents {
                intent.keep.get_or_insert(KeepReason::Unsupported);
            }
        }
        Ok(intents)
    }

    fn widen(
        &self,
        head: &Head<'_>,
        reading: &Reading,
        plans: &[FetchPlan],
    ) -> Result<Rewrite, DialectError> {
        let request = Request::read(head, reading.body())?;
        let as_asked = FetchPlan::as_asked();
        let plan = |at: usize| plans.get(at).unwrap_or(&as_asked);
        let shared = &request.params;
        let mut changed = Vec::new();
        let mut strips = Vec::new();
        let mut params;
        let mut untouched = true;
        if request.is_batch() {
            let own = Params::default();
            for (at, pair) in msearch::pairs(request.bytes(), reading.texts())?.into_iter().enumerate() {
                let changes = widen::changes(request.kind, shared, &own, Some(&pair.body), plan(at));
                untouched &= changes.body.is_empty();
                strips.push(pair.write(changes, &mut changed));
            }
            let origins = origins_of_all(&request, reading, plans)?;
            for strip in &mut strips {
                strip.paths.extend(origins.strip.paths.iter().cloned());
            }
            params = origins.params;
        } else {
            let search = request.object(reading)?;
            let changes = widen::changes(request.kind, shared, shared, search.as_ref(), plan(0));
            untouched = changes.body.is_empty();
            if !untouched {
                changed = changes.body.apply_to(request.bytes());
            }
            params = changes.params;
            strips.push(changes.strip);
        }
        let mut new_body = reading.body().clone();
        if !untouched {
            if matches!(request.source, Some(Cow::Owned(_))) {
                let source =
                    String::from_utf8(changed).map_err(|_| DialectError::Unsupported("this source"))?;
                params.push(("source", source));
            } else {
                new_body = Bytes::from(changed);
            }
        }
        Ok(Rewrite { target: target(head, &request.params, &params), body: new_body, strips })
    }

    fn pick(
        &self,
        head: &Head<'_>,
        reading: &Reading,
        plans: &[FetchPlan],
        searches: &[usize],
    ) -> Option<Rewrite> {
        let request = Request::read(head, reading.body()).ok()?;
        if !request.is_batch() || !matches!(request.source, Some(Cow::Borrowed(_))) {
            return None;
        }
        let pairs = msearch::pairs(request.bytes(), reading.texts()).ok()?;
        let (mut body, mut strips) = (Vec::new(), Vec::new());
        for &search in searches {
            let (pair, plan) = (pairs.get(search)?, plans.get(search)?);
            let own = Params::default();
            let changes = widen::changes(request.kind, &request.params, &own, Some(&pair.body), plan);
            strips.push(pair.write(changes, &mut body));
        }
        Some(Rewrite { target: target(head, &request.params, &[]), body: Bytes::from(body), strips })
    }

    fn merge(&self, response: &Bytes, other: &Bytes, places: &[(usize, usize)]) -> Option<Bytes> {
        response::with_responses(response, other, places)
    }

    fn split(&self, head: &Head<'_>, body: Bytes) -> Result<HitPage, DialectError> {
        let (kind, _) = operation::read_path(head.path).ok_or(DialectError::Unsupported("this path"))?;
        let filtered = || Params::parse(head.query).is_ok_and(|params| params.has("filter_path"));
        response::split(is_batch(kind), body, filtered)
    }

    fn join(&self, page: &HitPage, strips: &[Strip], rankings: &[Option<Ranking>]) -> Bytes {
        let joined = splice::join(page, strips, rankings, &HitStyle { score_key: "_score" });
        let emptied: Vec<usize> = page.lists.iter().zip(rankings).filter_map(emptied).collect();
        let hidden = |search: &usize| strips.get(*search).is_some_and(|strip| strip.hides_empty);
        let gone: Vec<usize> = emptied.into_iter().filter(hidden).collect();
        if gone.is_empty() {
            return joined;
        }
        response::without_lists(&joined, &gone).unwrap_or(joined)
    }

    fn id(&self, body: &[u8], hit: &Hit) -> HitId {
        ids::hit_id(body, hit, &IdKeys { id: "_id", index: Some("_index") })
    }

    fn failure(&self, status: StatusCode, message: &str) -> Bytes {
        failure::failure(status, message)
    }
}

/// The response to a search of whose list no hit is left.
fn emptied((list, ranking): (&HitList, &Option<Ranking>)) -> Option<usize> {
    let none_left = ranking.as_ref().is_some_and(|ranking| ranking.hits.is_empty());
    (none_left && !list.hits.is_empty()).then_some(list.search)
}

/// What requests the index of every hit of a batch, if any search needs it. The response's filter is one for all:
/// what is added to it for one of them, the hits of all show.
fn origins_of_all(
    request: &Request<'_>,
    reading: &Reading,
    plans: &[FetchPlan],
) -> Result<widen::Changes, DialectError> {
    let (mut changes, own) = (widen::Changes::default(), Params::default());
    if !plans.iter().any(|plan| plan.origins) || !request.params.has("filter_path") {
        return Ok(changes);
    }
    for pair in msearch::pairs(request.bytes(), reading.texts())? {
        let mut of_one = widen::Changes::default();
        let body = Some(&pair.body);
        let search = fields::Search { kind: request.kind, shared: &request.params, own: &own, body };
        fields::ask_origins(&search, &mut of_one);
        if of_one.params.is_empty() {
            return Ok(of_one);
        }
        changes = of_one;
    }
    Ok(changes)
}

/// Path and query string; the client's own bytes where nothing is set.
fn target(head: &Head<'_>, params: &Params<'_>, changes: &[(&'static str, String)]) -> String {
    let query = if changes.is_empty() { head.query.map(str::to_owned) } else { params.with(changes) };
    query.map_or_else(|| head.path.to_owned(), |query| format!("{}?{query}", head.path))
}
