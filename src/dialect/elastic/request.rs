//! One search of a request, read.

use super::{
    options, orders, pins,
    pipelines::{self, SearchPipeline},
    query_text, reranker,
    settings::{self, FilterPath},
    shape,
    target::Params,
    value::{DEFAULT_SIZE, MAX_RESULT_WINDOW},
    vector,
};
use crate::{
    dialect::{DialectError, SearchKind},
    search::{KeepReason, NativeText, Pins, SearchIntent, Widening},
    wire::json::{Index, Object, Value},
};

/// What a JSON text of a request has to be.
pub(super) const BODY: DialectError =
    DialectError::Malformed { member: "body", expected: "a JSON object without repeated keys" };

/// The body of a search as an object without repeated keys; Elasticsearch rejects all others.
pub(super) fn object<'a>(body: &'a [u8], index: &'a Index) -> Result<Object<'a>, DialectError> {
    let object = Value::indexed(body, index).ok().and_then(Object::new).ok_or(BODY)?;
    let mut keys: Vec<&str> = object.members().iter().map(|member| member.key.as_ref()).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) { Err(BODY) } else { Ok(object) }
}

/// What is read from one search. `shared` are the parameters of the whole request, `own` those that this search
/// obeys as its own settings (none of them for a sub-search of `_msearch`).
pub(super) fn intent(
    kind: SearchKind,
    collections: Vec<String>,
    shared: &Params,
    own: &Params,
    body: Option<&Object<'_>>,
) -> SearchIntent {
    let caller = options::read(shared, body);
    let mut intent = SearchIntent {
        collections,
        expression: true,
        limit: DEFAULT_SIZE,
        offset: 0,
        keep: None,
        native: NativeText::None,
        recalled: NativeText::None,
        caller: caller.options,
        own_members: caller.own_members,
        own_ext: caller.in_ext,
        vector: Vec::new(),
        widening: Widening::Never,
        max_hits: MAX_RESULT_WINDOW,
        most_per_shard: None,
        grouped: false,
        timeout: settings::timeout(own, body),
        pipeline: None,
        reranker: None,
        pins: Pins::default(),
    };
    let piped = match pipelines::of(shared, body) {
        SearchPipeline::None => false,
        SearchPipeline::Named(name) => {
            intent.pipeline = Some(name.into_owned());
            pipelines::is_spoken_to(body)
        }
        SearchPipeline::Inline(inline) => !pipelines::only_prepares(inline) || pipelines::is_spoken_to(body),
    };
    let caller_keep = caller.malformed.then_some(KeepReason::Malformed);
    if matches!(kind, SearchKind::SearchTemplate | SearchKind::MsearchTemplate) {
        // What a template makes of its parameters is known to the upstream only.
        intent.limit = MAX_RESULT_WINDOW;
        let scrolled = shared.has("scroll").then_some(KeepReason::NotRanked);
        intent.keep = caller_keep
            .or(scrolled)
            .or(piped.then_some(KeepReason::Unsupported))
            .or_else(|| filtered_away(kind, shared).then_some(KeepReason::Unsupported));
        return intent;
    }
    let (from, size) =
        (settings::number(own, body, "from", 0), settings::number(own, body, "size", DEFAULT_SIZE));
    let mut malformed = from.is_err() || size.is_err();
    intent.offset = from.map_or(0, |(from, _)| from);
    intent.limit = size.map_or(DEFAULT_SIZE, |(size, _)| size);
    let mut first = None;
    intent.native = query_text::native(own, body, &mut |vector| {
        first.get_or_insert_with(|| vector::head(vector));
    });
    intent.vector = first.unwrap_or_default();
    match shape::widening(own, body, intent.offset, intent.limit) {
        Ok(shape) => {
            intent.widening = shape.widening;
            intent.max_hits = shape.max_hits;
            intent.most_per_shard = shape.most_per_shard;
            // `k` bounds the hits of a kNN search, whatever its size.
            if let Some(k) = shape.k {
                intent.limit = intent.limit.min(k.saturating_sub(intent.offset));
            }
        }
        Err(()) => malformed = true,
    }
    if let Some(reranker) = reranker::read(own, body, intent.limit) {
        intent.max_hits = reranker.candidates;
        intent.widening = Widening::Neutral;
        intent.reranker = Some(reranker.named);
    } else {
        intent.pins = pins::read(own, body);
    }
    if let Some(pipeline) = intent.pipeline.take() {
        goes_through(&mut intent, pipeline);
    }
    let foreign = intent.reranker.is_none();
    intent.keep = caller_keep
        .or(malformed.then_some(KeepReason::Malformed))
        .or_else(|| (intent.limit == 0 || orders::not_ranked(own, body)).then_some(KeepReason::NotRanked))
        .or(piped.then_some(KeepReason::Unsupported))
        .or_else(|| unsupported(kind, shared, own, body).then_some(KeepReason::Unsupported))
        .or_else(|| (foreign && reranks_upstream(body)).then_some(KeepReason::Unsupported));
    intent
}

/// Gives `each` the vectors that rank a search; `own` as for [`intent`].
pub(super) fn vectors(
    kind: SearchKind,
    own: &Params,
    body: Option<&Object<'_>>,
    each: &mut dyn FnMut(&[f32]),
) {
    if matches!(kind, SearchKind::SearchTemplate | SearchKind::MsearchTemplate) {
        return;
    }
    let mut components = Vec::new();
    query_text::native(own, body, &mut |found| {
        if vector::components(found, &mut components) {
            each(&components);
        }
    });
}

/// Notes a search pipeline that the search goes through. It may depend on how many hits it is given.
pub(super) fn goes_through(intent: &mut SearchIntent, pipeline: String) {
    if intent.widening == Widening::Neutral {
        intent.widening = Widening::NotNeutral;
    }
    intent.pipeline = Some(pipeline);
}

/// Whether a reranker of the request runs upstream, wherever it stands.
fn reranks_upstream(body: Option<&Object<'_>>) -> bool {
    body.and_then(|body| body.get("retriever")).is_some_and(|r| shape::reranks_upstream(r, 20))
}

fn unsupported(kind: SearchKind, shared: &Params, own: &Params, body: Option<&Object<'_>>) -> bool {
    let stored = settings::names(body.and_then(|body| body.get("stored_fields")));
    let stored_none = own.get("stored_fields").is_some_and(|list| list.split(',').any(|f| f == "_none_"))
        || stored.iter().any(|field| field == "_none_");
    let has = |name: &str| body.is_some_and(|body| body.get(name).is_some_and(|value| !value.is_null()));
    stored_none
        || filtered_away(kind, shared)
        || shared.get("verbose_pipeline").is_some_and(|verbose| verbose != "false")
        || has("slice")
        || has("runtime_mappings")
}

/// Whether `filter_path` hides the hits or their text.
fn filtered_away(kind: SearchKind, params: &Params) -> bool {
    FilterPath::read(params)
        .is_some_and(|filter| filter.excludes || !filter.includes(&hit_member(kind, "_source")))
}

/// The path of a hit's member in the response.
pub(super) fn hit_member(kind: SearchKind, member: &str) -> Vec<&str> {
    let mut path = list_of_hits(kind);
    path.push(member);
    path
}

/// The path of the hits in the response.
pub(super) fn list_of_hits(kind: SearchKind) -> Vec<&'static str> {
    match kind {
        SearchKind::Msearch | SearchKind::MsearchTemplate => vec!["responses", "hits", "hits"],
        _ => vec!["hits", "hits"],
    }
}
