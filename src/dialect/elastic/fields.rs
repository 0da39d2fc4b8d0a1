//! Requesting the fields that documents are made of, and how to remove them from the hits again.

use super::{
    changes::Changes,
    request::hit_member,
    settings::{self, FilterPath, SourceRule, covers},
    target::Params,
};
use crate::{
    dialect::SearchKind,
    search::{StripPath, WantedFields},
    wire::json::{Object, ObjectEdit, Value},
};

/// What one search says about the fields that its hits show. `shared` and `own` as for [`super::request::intent`].
pub(super) struct Search<'a> {
    pub(super) kind: SearchKind,
    pub(super) shared: &'a Params,
    pub(super) own: &'a Params,
    pub(super) body: Option<&'a Object<'a>>,
}

/// Requests what `_source` would not show, where the client has not excluded it.
pub(super) fn ask(
    search: &Search<'_>,
    wanted: &WantedFields,
    root: Option<&mut ObjectEdit<'_>>,
    changes: &mut Changes,
) {
    let rule = settings::source_rule(search.own, search.body);
    match (wanted, rule) {
        (_, SourceRule::All) => {}
        (WantedFields::All, SourceRule::None) => whole_source(search, root, changes),
        (WantedFields::All, SourceRule::Filter { includes, excludes }) => {
            // Neither `fields` nor a longer list of includes could leave out what is excluded, and the client's own
            // `fields` could not be told from the rest afterwards.
            if !includes.is_empty() && excludes.is_empty() && shown_under_fields(search).is_empty() {
                in_fields(search, false, &["*".to_owned()], root, changes);
            }
        }
        (WantedFields::Named(names), rule) => ask_for(search, &rule, names, root, changes),
    }
}

/// The client wants no `_source`: all of it is removed again.
fn whole_source(search: &Search<'_>, root: Option<&mut ObjectEdit<'_>>, changes: &mut Changes) {
    match root.filter(|_| !search.own.has("_source")) {
        Some(root) => root.set("_source", "true"),
        None => changes.params.push(("_source", "true".to_owned())),
    }
    changes.strip.paths.push(StripPath { keys: vec!["_source".to_owned()], keep: 0 });
}

fn ask_for(
    search: &Search<'_>,
    rule: &SourceRule,
    names: &[String],
    root: Option<&mut ObjectEdit<'_>>,
    changes: &mut Changes,
) {
    let (includes, excludes) = match rule {
        SourceRule::Filter { includes, excludes } => (&includes[..], &excludes[..]),
        SourceRule::All | SourceRule::None => (&[][..], &[][..]),
    };
    let excluded =
        |name: &str| excludes.iter().any(|p| covers(p, name) || p.starts_with(&format!("{name}.")));
    let shown = |name: &str| match rule {
        SourceRule::None => false,
        _ => includes.is_empty() || includes.iter().any(|pattern| covers(pattern, name)),
    };
    let mut missing: Vec<String> = Vec::new();
    for name in names {
        if !name.is_empty()
            && !name.contains('*')
            && !excluded(name)
            && !shown(name)
            && !missing.contains(name)
        {
            missing.push(name.clone());
        }
    }
    let theirs = shown_under_fields(search);
    let without_body = search.body.is_none() || root.is_none();
    if without_body && *rule != SourceRule::None {
        return in_source_includes(search.own, includes, &missing, changes);
    }
    missing.retain(|name| !theirs.iter().any(|pattern| covers(pattern, name)));
    if without_body {
        return as_source(search.own, &missing, changes);
    }
    // Letting `fields` through a filter would show what else it hides there, or hits that it drops.
    let hidden = !theirs.is_empty() || *rule == SourceRule::None;
    in_fields(search, hidden, &missing, root, changes);
}

/// Which of the client's fields are returned under the hits' `fields`.
fn shown_under_fields(search: &Search<'_>) -> Vec<String> {
    let member = |name: &str| search.body.and_then(|body| body.get(name));
    let mut theirs = Vec::new();
    for name in ["fields", "docvalue_fields", "stored_fields"] {
        theirs.extend(settings::names(member(name)));
        theirs.extend(search.own.get(name).unwrap_or("").split(',').map(str::to_owned));
    }
    theirs
        .extend(member("collapse").and_then(|c| c.get("field")?.as_str().map(std::borrow::Cow::into_owned)));
    let scripts = member("script_fields").and_then(Value::members).unwrap_or_default();
    theirs.extend(scripts.iter().map(|script| script.key.clone().into_owned()));
    theirs.retain(|name| !name.is_empty());
    theirs
}

/// The first choice: they come in an object of their own and leave `_source` alone. `hidden`: where a
/// `filter_path` hides that object, it has to stay hidden.
fn in_fields(
    search: &Search<'_>,
    hidden: bool,
    names: &[String],
    root: Option<&mut ObjectEdit<'_>>,
    changes: &mut Changes,
) {
    let (Some(body), Some(root)) = (search.body, root) else { return };
    if names.is_empty() {
        return;
    }
    if let Some(filter) = FilterPath::read(search.shared)
        && !filter.includes(&hit_member(search.kind, "fields"))
    {
        if matches!(search.kind, SearchKind::Msearch) || hidden || filter.excludes {
            return;
        }
        let before = changes.params.iter().position(|(name, _)| *name == "filter_path");
        let before = before.map(|at| changes.params.swap_remove(at).1);
        let list = before.as_deref().or_else(|| search.shared.get("filter_path")).unwrap_or("");
        let list = format!("{list},hits.hits.fields");
        changes.params.push(("filter_path", list));
    }
    root.set("fields", with_names(body.get("fields"), names));
    for name in names {
        for object in ["fields", "ignored_field_values"] {
            let mut keys = vec![object.to_owned()];
            keys.extend((name != "*").then(|| name.clone()));
            changes.strip.paths.push(StripPath { keys, keep: 0 });
        }
    }
}

/// Requests the index name of each hit, where a `filter_path` hides it. Not where the filter drops hits for having
/// nothing to show: they would come back.
pub(super) fn ask_origins(search: &Search<'_>, changes: &mut Changes) {
    if settings::source_rule(search.own, search.body) == SourceRule::None {
        return;
    }
    let path = hit_member(search.kind, "_index");
    if FilterPath::read(search.shared).is_some_and(|filter| !filter.excludes && !filter.includes(&path)) {
        let list = search.shared.get("filter_path").unwrap_or("");
        changes.params.push(("filter_path", format!("{list},{}", path.join("."))));
        changes.strip.paths.push(StripPath { keys: vec!["_index".to_owned()], keep: 0 });
    }
}

/// The client's `fields` and these: a list keeps its text, a single value becomes the first of a list.
fn with_names(fields: Option<Value<'_>>, names: &[String]) -> String {
    let quoted = |name: &String| serde_json::Value::from(name.as_str()).to_string();
    let names = names.iter().map(quoted).collect::<Vec<_>>().join(",");
    let Some(fields) = fields.filter(|fields| !fields.is_null()) else { return format!("[{names}]") };
    match fields.items() {
        Some(items) if items.is_empty() => format!("[{names}]"),
        Some(_) => {
            let open = fields.text().strip_suffix(']').unwrap_or("[").trim_end();
            format!("{open},{names}]")
        }
        None => format!("[{},{names}]", fields.text()),
    }
}

/// The same where the client sees no `_source` at all: one that holds these names is removed again as a whole.
fn as_source(own: &Params, missing: &[String], changes: &mut Changes) {
    if missing.is_empty() || own.has("_source_excludes") {
        return;
    }
    changes.params.push(("_source", missing.join(",")));
    changes.strip.paths.push(StripPath { keys: vec!["_source".to_owned()], keep: 0 });
}

/// The second choice, where there is no body to hold `fields`.
fn in_source_includes(own: &Params, includes: &[String], missing: &[String], changes: &mut Changes) {
    let parameter = ["_source_includes", "_source"]
        .into_iter()
        .find(|name| own.get(name).is_some_and(|list| !list.is_empty() && list != "true" && list != "false"));
    let Some(parameter) = parameter else { return };
    // A client's pattern that reaches below a name would lose its part when the name is taken out again.
    let reaches_into = |name: &str| {
        includes.iter().any(|p| p.starts_with(&format!("{name}.")) || (p.contains('*') && p.contains('.')))
    };
    let names: Vec<&String> = missing.iter().filter(|name| !reaches_into(name)).collect();
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
