//! A search on its way: its endpoint, then its request.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};

use super::{
    change,
    columns::ColumnsPage,
    compiled::Compiled,
    definition::{Hits, Operation, Response, Syntax},
    echo::Requested,
    parameters::Parameters,
    request,
    rows::RowsPage,
    view::{At, View},
    widen,
};
use crate::{
    dialect::{
        DialectError, Endpoint, SearchKind, SearchRequest, Verdict, http_response, own,
        reading::{self, Reading},
    },
    search::{FetchPlan, Head, Rewrite, SearchIntent, Strip, Unread},
    wire::{
        Page,
        json::{BlockPlace, Edits, Object, Value, page_bytes, reading_bytes},
    },
};

/// What is held for one search of a batch.
const SEARCH_BYTES: usize = 700;

/// The most searches of one request that are read.
const MOST_SEARCHES: usize = 1000;

/// What stands beside several searches counts for each of them, and is looked at once for each: so many bytes in all.
const MOST_BESIDE: usize = 16 << 20;

const BODY: DialectError = DialectError::Malformed { member: "body", expected: "a well-formed JSON object" };
const SEARCHES: DialectError = DialectError::Malformed { member: "searches", expected: "an array" };
const PARAMETERS: DialectError = DialectError::Malformed { member: "parameters", expected: "text" };

/// What the head of a search says.
pub(super) struct PathsEndpoint {
    compiled: Arc<Compiled>,
    operation: usize,
    collection: Option<String>,
    path: String,
    /// As it is written, without its question mark.
    query: Option<String>,
    is_form: bool,
}

/// A search that has been read.
struct PathsRequest {
    endpoint: Arc<PathsEndpoint>,
    query: Parameters,
    form: Option<Parameters>,
    /// The body; of a form, or of none, without an index.
    reading: Reading,
}

impl PathsEndpoint {
    pub(super) fn new(
        compiled: Arc<Compiled>,
        operation: usize,
        collection: Option<String>,
        head: &Head<'_>,
    ) -> Self {
        let content =
            head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_form =
            content.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded");
        let (path, query) = (head.path.to_owned(), head.query.map(str::to_owned));
        Self { compiled, operation, collection, path, query, is_form }
    }

    fn definition(&self) -> Option<&Operation> {
        self.compiled.definition.operations.get(self.operation)
    }
}

impl Endpoint for PathsEndpoint {
    fn kind(&self) -> SearchKind {
        self.compiled.kinds().get(self.operation).copied().unwrap_or(SearchKind::Search)
    }

    fn unread(&self, request: &[u8]) -> Option<Unread<'_>> {
        let of = self.definition()?;
        let alone = of.searches.is_none() && of.queries.is_none() && !of.collection_by_id;
        // Another name of that member would be found only by reading.
        let usual = of.options.as_deref().is_none_or(|own| own == "rerank");
        let collection = self.collection.as_ref().filter(|_| alone && usual && own::is_absent(request))?;
        if collection.contains(',') {
            return None;
        }
        Some(Unread { collections: std::slice::from_ref(collection), expression: false })
    }

    fn working_bytes(&self, request: &[u8]) -> usize {
        let parameters = self.query.as_ref().map_or(0, String::len).saturating_add(request.len());
        // A parameter of one letter takes a hundred bytes.
        let parameters = if self.is_form { parameters.saturating_mul(100) } else { parameters };
        reading_bytes(request, SEARCH_BYTES).saturating_add(parameters)
    }

    fn read(self: Arc<Self>, request: Bytes) -> Result<Arc<dyn SearchRequest>, DialectError> {
        let query = Parameters::read(self.query.as_deref().unwrap_or_default()).ok_or(PARAMETERS)?;
        let form = match self.is_form {
            true => {
                let text = std::str::from_utf8(&request).map_err(|_| PARAMETERS)?;
                Some(Parameters::read(text).ok_or(PARAMETERS)?)
            }
            false => None,
        };
        let texts = match form.is_some() || request.is_empty() {
            true => Vec::new(),
            false => vec![reading::index(&request, BODY)?],
        };
        Ok(Arc::new(PathsRequest { endpoint: self, query, form, reading: Reading::new(request, texts) }))
    }
}

impl PathsRequest {
    fn operation(&self) -> Result<&Operation, DialectError> {
        self.endpoint.definition().ok_or(BODY)
    }

    fn root(&self) -> Result<Option<Value<'_>>, DialectError> {
        match self.reading.texts().first() {
            Some(index) => Value::indexed(self.reading.body(), index).map(Some).map_err(|_| BODY),
            None => Ok(None),
        }
    }

    /// The members around the searches of a batch.
    fn top(&self, operation: &Operation) -> Result<Option<Object<'_>>, DialectError> {
        match &operation.searches {
            Some(_) => Ok(self.root()?.and_then(Object::new)),
            None => Ok(None),
        }
    }

    /// The searches in their order; several with one view where they differ in nothing but the query.
    fn views<'a>(
        &'a self,
        operation: &Operation,
        top: Option<&'a Object<'a>>,
    ) -> Result<Vec<(View<'a>, Option<Value<'a>>)>, DialectError> {
        let root = self.root()?;
        let view = |body| View { body, top, query: &self.query, form: self.form.as_ref() };
        if let Some(path) = &operation.searches {
            let list = path.iter().fold(root, |value, key| value?.get(key)).ok_or(SEARCHES)?;
            return Ok(self.several(list)?.into_iter().map(|one| (view(Some(one)), None)).collect());
        }
        let one = view(root);
        let Some(place) = &operation.queries else { return Ok(vec![(one, None)]) };
        match one.find(std::slice::from_ref(place))? {
            Some((_, At::Json(list))) => {
                Ok(self.several(list)?.into_iter().map(|query| (one, Some(query))).collect())
            }
            _ => Err(SEARCHES),
        }
    }

    /// The elements of a list with a search each, if they are not too many for what stands beside them.
    fn several<'a>(&self, list: Value<'a>) -> Result<Vec<Value<'a>>, DialectError> {
        let items = list.first_items(MOST_SEARCHES + 1).ok_or(SEARCHES)?;
        if items.len() > MOST_SEARCHES {
            return Err(DialectError::Unsupported("so many searches in one request"));
        }
        let whole = self.reading.body().len() + self.endpoint.query.as_ref().map_or(0, String::len);
        let beside = whole.saturating_sub(list.text().len());
        match beside.saturating_mul(items.len()) <= MOST_BESIDE {
            true => Ok(items),
            false => Err(DialectError::Unsupported("so much beside so many searches")),
        }
    }

    /// What has been requested beyond what the client does, search by search.
    fn requested(
        &self,
        operation: &Operation,
        plans: &[&FetchPlan],
    ) -> Result<Vec<Option<Requested>>, DialectError> {
        if plans.iter().all(|plan| plan.hits.is_none() && plan.fields.is_none()) {
            return Ok(Vec::new());
        }
        let top = self.top(operation)?;
        let views = self.views(operation, top.as_ref())?;
        let shared = operation.queries.is_some().then(|| shared(plans, views.len()));
        let plans = plans.iter().map(|plan| shared.as_ref().unwrap_or(plan));
        Ok(views.iter().zip(plans).map(|((view, _), plan)| Requested::of(operation, view, plan)).collect())
    }

    fn target(&self, query: Option<&str>) -> String {
        match query {
            Some(query) => format!("{}?{query}", self.endpoint.path),
            None => self.endpoint.path.clone(),
        }
    }
}

impl SearchRequest for PathsRequest {
    fn body(&self) -> &Bytes {
        self.reading.body()
    }

    fn held_bytes(&self) -> usize {
        let form = self.form.as_ref().map_or(0, Parameters::held_bytes);
        self.reading.held_bytes() + self.query.held_bytes() + form
    }

    fn intents(&self) -> Result<Vec<SearchIntent>, DialectError> {
        let operation = self.operation()?;
        let top = self.top(operation)?;
        let views = self.views(operation, top.as_ref())?;
        let id = self.endpoint.collection.as_deref();
        let by_id = operation.collection_by_id;
        let name = id.filter(|_| by_id).and_then(|id| self.endpoint.compiled.names.of(id));
        let mut intents = Vec::with_capacity(views.len());
        for (view, query) in &views {
            let mut intent = request::intent(operation, view, name.as_deref().or(id), *query)?;
            // Without its name it may be any collection, also one that is excluded.
            intent.expression |= by_id && name.is_none();
            intents.push(intent);
        }
        Ok(intents)
    }

    fn vectors(&self, searches: &[usize], each: &mut dyn FnMut(usize, &[f32])) -> Result<(), DialectError> {
        let operation = self.operation()?;
        let top = self.top(operation)?;
        let views = self.views(operation, top.as_ref())?;
        let mut components = Vec::new();
        for &at in searches {
            let Some((view, query)) = views.get(at) else { continue };
            request::each_vector(operation, view, *query, &mut components, &mut |vector| each(at, vector))?;
        }
        Ok(())
    }

    fn rewrite(&self, plans: &[FetchPlan]) -> Result<Rewrite, DialectError> {
        let operation = self.operation()?;
        let top = self.top(operation)?;
        let views = self.views(operation, top.as_ref())?;
        let as_asked = FetchPlan::as_asked();
        let plan_of = |at: usize| plans.get(at).unwrap_or(&as_asked);
        let mut edits = Edits::new();
        let mut top = Vec::new();
        let (mut query, mut form) = (Vec::new(), Vec::new());
        let mut strips: Vec<Strip> = Vec::with_capacity(views.len());
        // Queries of one request share their limit and their fields.
        let all: Vec<&FetchPlan> = plans.iter().collect();
        let shared = operation.queries.is_some().then(|| shared(&all, views.len()));
        for (at, (view, _)) in views.iter().enumerate() {
            let plan = shared.as_ref().unwrap_or_else(|| plan_of(at));
            if at > 0 && shared.is_some() {
                strips.push(strips.first().cloned().unwrap_or_default());
                continue;
            }
            let (mut changes, strip) = widen::changes(operation, view, plan)?;
            strips.push(strip);
            top.extend(changes.take_top());
            changes.write(view.body, &mut edits);
            query.append(&mut changes.query);
            form.append(&mut changes.form);
        }
        let root = self.root()?;
        let own = operation.options.as_ref().filter(|_| operation.searches.is_some());
        if let Some(own) = own.filter(|own| root.is_some_and(|root| root.get(own).is_some())) {
            top.push((vec![own.clone()], None));
        }
        if let Some(root) = root {
            change::change(root, &top, &mut edits);
        }
        // What the searches of a batch share cannot be changed for one of them.
        if operation.searches.is_some() && !(query.is_empty() && form.is_empty()) {
            return Err(DialectError::Unsupported("a batch whose limit stands beside it"));
        }
        let own = self.endpoint.query.as_deref();
        let target = match query.is_empty() {
            true => self.target(own),
            false => self.target(Some(&self.query.with(own.unwrap_or_default(), &query))),
        };
        let body = match (&self.form, form.is_empty()) {
            (Some(read), false) => {
                let text = std::str::from_utf8(self.reading.body()).map_err(|_| PARAMETERS)?;
                Bytes::from(read.with(text, &form))
            }
            _ => edits.apply(self.reading.body()),
        };
        Ok(Rewrite { target, body, strips })
    }

    fn verdict(&self, status: StatusCode, _: &HeaderMap) -> Verdict {
        match status {
            StatusCode::FORBIDDEN | StatusCode::NOT_MODIFIED => Verdict::Denied,
            status => http_response::verdict(status),
        }
    }

    fn may_reject_names(&self) -> bool {
        true
    }

    fn block_place(&self) -> BlockPlace {
        match self.endpoint.definition() {
            // A response of GraphQL has no other place for what is not GraphQL's (specification of October 2021, §7.1).
            Some(of) if of.text.syntax == Syntax::GraphQl => BlockPlace::Inside("extensions"),
            Some(Operation { response: Response { results: Some(path), .. }, .. }) => {
                BlockPlace::Each(path.clone())
            }
            _ => BlockPlace::Top,
        }
    }

    fn can_read(&self, headers: &HeaderMap) -> bool {
        http_response::is_json(headers)
    }

    fn page_bytes(&self, response: &[u8]) -> usize {
        match self.endpoint.definition().map(|operation| &operation.response.hits) {
            Some(Hits::Columns(_)) => columns_bytes(response),
            _ => page_bytes(response).saturating_add(response.len() / 8).saturating_add(1024),
        }
    }

    fn page(&self, response: Bytes) -> Result<Arc<dyn Page>, DialectError> {
        self.page_for(response, &[])
    }

    fn page_for(&self, response: Bytes, plans: &[&FetchPlan]) -> Result<Arc<dyn Page>, DialectError> {
        let operation = self.operation()?;
        let PathsEndpoint { compiled, operation: number, .. } = &*self.endpoint;
        let requested = self.requested(operation, plans)?;
        if let Hits::Columns(_) = operation.response.hits {
            let requested = requested.first().and_then(Option::as_ref);
            return Ok(Arc::new(ColumnsPage::read(compiled, *number, response, requested)?));
        }
        Ok(Arc::new(RowsPage::read(compiled, *number, response, &requested)?))
    }
}

/// What is held for the places of columns: an entry each, in lists that grow, and the lists.
fn columns_bytes(response: &[u8]) -> usize {
    let count = |sign| memchr::memchr_iter(sign, response).count();
    let entries = count(b',').saturating_mul(48);
    let objects = count(b'{').saturating_mul(256);
    let rows = count(b'[').saturating_mul(512).saturating_add(4096).saturating_add(objects);
    entries.saturating_add(rows).saturating_add(page_bytes(response))
}

/// One plan for all queries of a request: more hits only where all want as many, the fields of all.
fn shared(plans: &[&FetchPlan], queries: usize) -> FetchPlan {
    let first = plans.first().map_or_else(FetchPlan::as_asked, |first| FetchPlan::clone(first));
    let alike = plans.len() == queries && plans.iter().all(|plan| plan.hits == first.hits);
    let fields = plans.iter().map(|plan| &plan.fields).find(|fields| !fields.is_none());
    FetchPlan {
        hits: first.hits.filter(|_| alike),
        fields: fields.cloned().unwrap_or_else(crate::search::WantedFields::none),
        ..first
    }
}
