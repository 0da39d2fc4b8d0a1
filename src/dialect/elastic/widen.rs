//! One search rewritten: more hits, the document's fields, none of the proxy's own members.

use super::{
    options,
    request::{hit_member, is_filled},
    settings::{self, FilterPath, Place, SourceRule, covers},
    shape,
    target::Params,
};
use crate::{
    dialect::SearchKind,
    json::{Edits, ObjectEdit, Value},
    search::{FetchPlan, Strip, StripPath},
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
        add_fields(kind, shared, own, body, &plan.fields, root.as_mut(), &mut changes);
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

/// Asks for the fields that `_source` would not show, where the client has not excluded them.
fn add_fields(
    kind: SearchKind,
    shared: &Params<'_>,
    own: &Params<'_>,
    body: Option<Value<'_>>,
    wanted: &[String],
    root: Option<&mut ObjectEdit<'_>>,
    changes: &mut Changes,
) {
    let rule = settings::source_rule(own, body);
    let (includes, excludes) = match &rule {
        SourceRule::All => return,
        SourceRule::None => (&[][..], &[][..]),
        SourceRule::Filter { includes, excludes } if includes.is_empty() && excludes.is_empty() => return,
        SourceRule::Filter { includes, excludes } => (&includes[..], &excludes[..]),
    };
    let excluded =
        |name: &str| excludes.iter().any(|p| covers(p, name) || p.starts_with(&format!("{name}.")));
    let shown = |name: &str| match rule {
        SourceRule::None => false,
        _ => includes.is_empty() || includes.iter().any(|pattern| covers(pattern, name)),
    };
    let mut missing: Vec<&String> = Vec::new();
    for name in wanted {
        if !name.is_empty()
            && !name.contains('*')
            && !excluded(name)
            && !shown(name)
            && !missing.contains(&name)
        {
            missing.push(name);
        }
    }
    if missing.is_empty() {
        return;
    }
    match (body, root) {
        (Some(body), Some(root)) => {
            in_fields(kind, shared, own, body, &rule, missing, root, changes);
        }
        _ => in_source_includes(own, includes, missing, changes),
    }
}

/// The first choice: they come in an object of their own and leave `_source` alone.
#[allow(clippy::too_many_arguments)]
fn in_fields(
    kind: SearchKind,
    shared: &Params<'_>,
    own: &Params<'_>,
    body: Value<'_>,
    rule: &SourceRule,
    mut missing: Vec<&String>,
    root: &mut ObjectEdit<'_>,
    changes: &mut Changes,
) {
    // What else of the client's comes under `fields`.
    let mut theirs = Vec::new();
    for member in ["fields", "docvalue_fields", "stored_fields"] {
        theirs.extend(settings::names(body.get(member)));
        theirs.extend(own.get(member).unwrap_or("").split(',').map(str::to_owned));
    }
    theirs.extend(body.at(&["collapse", "field"]).and_then(Value::as_str).map(|name| name.into_owned()));
    let scripts = body.get("script_fields").and_then(Value::members).unwrap_or_default();
    theirs.extend(scripts.iter().map(|script| script.key.clone().into_owned()));
    theirs.retain(|name| !name.is_empty());
    missing.retain(|name| !theirs.iter().any(|pattern| covers(pattern, name)));
    if missing.is_empty() {
        return;
    }
    if let Some(filter) = FilterPath::read(shared)
        && !filter.includes(&hit_member(kind, "fields"))
    {
        // Letting `fields` through would show what the filter hides, or hits that it drops.
        let batch = matches!(kind, SearchKind::Msearch);
        if batch || !theirs.is_empty() || *rule == SourceRule::None || filter.excludes {
            return;
        }
        let list = shared.get("filter_path").unwrap_or("");
        changes.params.push(("filter_path", format!("{list},hits.hits.fields")));
    }
    let quoted = |name: &&String| serde_json::Value::from(name.as_str()).to_string();
    let names: Vec<String> = missing.iter().map(quoted).collect();
    let list = match body.get("fields").filter(|fields| !fields.is_null()) {
        // A list keeps its text, a single value becomes the first of a list.
        Some(fields) => match fields.items() {
            Some(items) if items.is_empty() => format!("[{}]", names.join(",")),
            Some(_) => {
                let open = fields.text().strip_suffix(']').unwrap_or("[").trim_end();
                format!("{open},{}]", names.join(","))
            }
            None => format!("[{},{}]", fields.text(), names.join(",")),
        },
        None => format!("[{}]", names.join(",")),
    };
    root.set("fields", list);
    for name in missing {
        for object in ["fields", "ignored_field_values"] {
            changes.strip.paths.push(StripPath { keys: vec![object.to_owned(), name.clone()], keep: 0 });
        }
    }
}

/// The second choice, where there is no body to hold `fields`.
fn in_source_includes(own: &Params<'_>, includes: &[String], missing: Vec<&String>, changes: &mut Changes) {
    let parameter = ["_source_includes", "_source"]
        .into_iter()
        .find(|name| own.get(name).is_some_and(|list| !list.is_empty() && list != "true" && list != "false"));
    let Some(parameter) = parameter else { return };
    // A client's pattern that reaches below a name would lose its part when the name is taken out again.
    let reaches_into = |name: &str| {
        includes.iter().any(|p| p.starts_with(&format!("{name}.")) || (p.contains('*') && p.contains('.')))
    };
    let names: Vec<&String> = missing.into_iter().filter(|name| !reaches_into(name)).collect();
    if names.is_empty() {
        return;
    }
    let mut list = own.get(parameter).unwrap_or("").to_owned();
    for name in names {
        list.push(',');
        list.push_str(name);
        let keys = std::iter::once("_source").chain(name.split('.')).map(str::to_owned).collect();
        changes.strip.paths.push(StripPath { keys, keep: 1 });
    }
    changes.params.push((parameter, list));
}
