//! One search rewritten: more hits, the document's fields, none of the proxy's own members.

use super::{
    fields, options,
    request::is_filled,
    settings::{self, Place},
    shape,
    target::Params,
};
use crate::{
    dialect::SearchKind,
    json::{Edits, ObjectEdit, Value},
    search::{FetchPlan, Strip},
};

/// Changes to one search.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) body: Edits,
    /// Parameters to set, unescaped.
    pub(super) params: Vec<(&'static str, String)>,
    pub(super) strip: Strip,
}

/// The changes that `plan` asks for. `shared` and `own` as for [`super::request::intent`].
pub(super) fn changes(
    kind: SearchKind,
    shared: &Params<'_>,
    own: &Params<'_>,
    body: Option<Value<'_>>,
    plan: &FetchPlan,
) -> Changes {
    let mut changes = Changes::default();
    let mut root = body.and_then(ObjectEdit::new);
    if let (Some(body), Some(root)) = (body, &mut root) {
        options::remove(shared, body, root, &mut changes.body);
    }
    let template = matches!(kind, SearchKind::SearchTemplate | SearchKind::MsearchTemplate);
    if !template {
        if let Some(hits) = plan.hits {
            widen_limits(own, body, hits, root.as_mut(), &mut changes);
        }
        let search = fields::Search { kind, shared, own, body };
        fields::ask(&search, &plan.fields, root.as_mut(), &mut changes);
    }
    if let Some(root) = root {
        root.finish(&mut changes.body);
    }
    changes
}

fn widen_limits(
    own: &Params<'_>,
    body: Option<Value<'_>>,
    hits: u64,
    mut root: Option<&mut ObjectEdit<'_>>,
    changes: &mut Changes,
) {
    let mut size_before = 10;
    for (name, default, wanted) in [("from", 0, 0), ("size", 10, hits)] {
        let Ok((now, place)) = settings::number(own, body, name, default) else { return };
        if name == "size" {
            size_before = now;
        }
        if now == wanted {
            continue;
        }
        match (place, root.as_deref_mut()) {
            (Place::Body | Place::Unset, Some(root)) => root.set(name, wanted.to_string()),
            _ => changes.params.push((name, wanted.to_string())),
        }
    }
    let Some(body) = body else { return };
    let mixed = own.has("q") || is_filled(body.get("query")) || is_filled(body.get("retriever"));
    let Some(knn) = shape::pure_knn(body).filter(|_| !mixed) else { return };
    let k = knn.get("k").and_then(Value::as_u64);
    changes.strip.total_at_most = Some(k.unwrap_or(size_before));
    let Some(mut edit) = ObjectEdit::new(knn) else { return };
    let mut changed = false;
    if k.is_some_and(|k| k < hits) {
        edit.set("k", hits.to_string());
        changed = true;
    }
    if knn.get("num_candidates").and_then(Value::as_u64).is_some_and(|candidates| candidates < hits) {
        edit.set("num_candidates", hits.to_string());
        changed = true;
    }
    // `root` sets no member `knn`, so the two edits do not overlap.
    if changed {
        edit.finish(&mut changes.body);
    }
}
