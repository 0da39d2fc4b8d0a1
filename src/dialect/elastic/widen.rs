//! One search rewritten: more hits, the document's fields, none of the proxy's own members.

use super::{
    changes::Changes,
    fields, nearest, options,
    request::list_of_hits,
    reranker,
    settings::{self, FilterPath, SettingSource},
    shape,
    target::Params,
    value::{DEFAULT_SIZE, is_filled},
};
use crate::{
    dialect::SearchKind,
    search::{FetchPlan, MostHits},
    wire::json::{Object, ObjectEdit},
};

/// The changes that `plan` asks for. `shared` and `own` as for [`super::request::intent`].
pub(super) fn changes(
    kind: SearchKind,
    shared: &Params,
    own: &Params,
    body: Option<&Object<'_>>,
    plan: &FetchPlan,
) -> Changes {
    let mut changes = Changes::default();
    let mut root = body.cloned().map(ObjectEdit::of);
    if let (Some(body), Some(root)) = (body, &mut root) {
        options::remove(shared, body, root, &mut changes.body);
    }
    let search = fields::Search { kind, shared, own, body };
    // The filter of a batch is not that of one search.
    if plan.origins && !matches!(kind, SearchKind::Msearch | SearchKind::MsearchTemplate) {
        fields::ask_origins(&search, &mut changes);
    }
    let template = matches!(kind, SearchKind::SearchTemplate | SearchKind::MsearchTemplate);
    if !template {
        if plan.without_reranker {
            ask_for_candidates(own, body, plan.hits.is_none(), root.as_mut(), &mut changes);
        }
        if let Some(hits) = plan.hits {
            widen_limits((kind, shared), own, body, hits, root.as_mut(), &mut changes);
            let filter = FilterPath::read(shared);
            changes.strip.hides_empty = filter.is_some_and(|filter| filter.hides_empty(&list_of_hits(kind)));
        }
        fields::ask(&search, &plan.fields, root.as_mut(), &mut changes);
    }
    if let Some(root) = root {
        root.finish(&mut changes.body);
    }
    changes
}

/// Puts the inner retriever in the place of the request's reranker. A page that is left as the client wrote it
/// ends with the candidates, as it does where Elasticsearch reranks: most retrievers reject a longer one.
fn ask_for_candidates(
    own: &Params,
    body: Option<&Object<'_>>,
    page_stays: bool,
    root: Option<&mut ObjectEdit<'_>>,
    changes: &mut Changes,
) {
    let (Some(root), Ok((from, _)), Ok((size, _))) =
        (root, settings::number(own, body, "from", 0), settings::number(own, body, "size", DEFAULT_SIZE))
    else {
        return;
    };
    let Some(reranker) = reranker::read(own, body, size) else { return };
    root.set("retriever", reranker.inner);
    let left = reranker.candidates.saturating_sub(from);
    if page_stays && size > left {
        set_number(own, body, "size", left, Some(root), changes);
    }
}

/// Sets a number where it takes effect.
fn set_number(
    own: &Params,
    body: Option<&Object<'_>>,
    name: &'static str,
    wanted: u64,
    root: Option<&mut ObjectEdit<'_>>,
    changes: &mut Changes,
) {
    match (settings::number(own, body, name, wanted), root) {
        (Ok((_, SettingSource::Body | SettingSource::Unset)), Some(root)) => {
            root.set(name, wanted.to_string())
        }
        _ => changes.params.push((name, wanted.to_string())),
    }
}

fn widen_limits(
    (kind, shared): (SearchKind, &Params),
    own: &Params,
    body: Option<&Object<'_>>,
    hits: u64,
    mut root: Option<&mut ObjectEdit<'_>>,
    changes: &mut Changes,
) {
    let (Ok((from, _)), Ok((size, _))) =
        (settings::number(own, body, "from", 0), settings::number(own, body, "size", DEFAULT_SIZE))
    else {
        return;
    };
    if from != 0 {
        set_number(own, body, "from", 0, root.as_deref_mut(), changes);
    }
    if size != hits {
        set_number(own, body, "size", hits, root, changes);
    }
    let Some(body) = body else { return };
    if let Some(nearest) = nearest::nearest(own, body, from, size) {
        if nearest.k < hits && !nearest::hides_shards(kind, shared) {
            changes.strip.total_at_most = Some(MostHits::OnEachShard(nearest.k));
            nearest.deepen(hits, &mut changes.body);
        }
        return;
    }
    let mixed = own.has("q") || is_filled(body.get("query")) || is_filled(body.get("retriever"));
    let Some(knn) = shape::pure_knn(body).filter(|_| !mixed) else { return };
    let k = knn.get("k").and_then(settings::whole);
    changes.strip.total_at_most = Some(MostHits::InAll(k.unwrap_or(size)));
    let Some(mut edit) = ObjectEdit::new(knn) else { return };
    let mut changed = false;
    if k.is_some_and(|k| k < hits) {
        edit.set("k", hits.to_string());
        changed = true;
    }
    if knn.get("num_candidates").and_then(settings::whole).is_some_and(|candidates| candidates < hits) {
        edit.set("num_candidates", hits.to_string());
        changed = true;
    }
    // `root` sets no member `knn`, so the two edits do not overlap.
    if changed {
        edit.finish(&mut changes.body);
    }
}
