//! The proxy's own members of a search body: `rerank`, and `ext.rerank` where nothing upstream reads it.

use super::pipelines::{self, SearchPipeline};
use super::target::Params;
use crate::{
    dialect::own,
    search::CallerOptions,
    wire::json::{Kind, Object, ObjectEdit, Value},
};

/// The member at the top of a body, and under `ext`.
const OWN: &str = "rerank";

/// The most keys of a path to the query text: a query nests no deeper than 30 clauses of two keys each.
const MOST_KEYS: usize = 64;

/// What the caller says in the body.
#[derive(Default)]
pub(super) struct Caller {
    pub(super) options: CallerOptions,
    /// There is something to remove before forwarding.
    pub(super) own_members: bool,
    /// And it is in a place and of a form that a pipeline of OpenSearch's reads too.
    pub(super) in_ext: bool,
    /// A member has the wrong type; nothing of it is used.
    pub(super) malformed: bool,
}

/// Reads `rerank` and `ext.rerank`; the former wins where both say something.
pub(super) fn read(params: &Params, body: Option<&Object<'_>>) -> Caller {
    let mut caller = Caller::default();
    let Some(body) = body else { return caller };
    let mut found = Vec::new();
    found.extend(body.get(OWN));
    // With a pipeline upstream, `ext.rerank` is the pipeline's.
    if let SearchPipeline::None = pipelines::of(params, Some(body)) {
        let in_ext = body.at(&["ext", OWN]);
        caller.in_ext = in_ext.is_some_and(|own| own.get("query_context").is_some());
        found.extend(in_ext);
    }
    caller.own_members = !found.is_empty();
    for own in found {
        match options(own, body) {
            Some(options) => fill(&mut caller.options, options),
            None => caller.malformed = true,
        }
    }
    if caller.malformed {
        caller.options = CallerOptions::default();
    }
    caller
}

/// Takes the own members out of `root`, and writes the change of a kept `ext` into `edits`.
pub(super) fn remove(
    params: &Params,
    body: &Object<'_>,
    root: &mut ObjectEdit<'_>,
    edits: &mut crate::wire::json::Edits,
) {
    root.remove(OWN);
    let SearchPipeline::None = pipelines::of(params, Some(body)) else { return };
    if let Some(mut ext) = body.get("ext").and_then(ObjectEdit::new)
        && ext.remove(OWN)
    {
        if ext.leaves_nothing() {
            root.remove("ext");
        } else {
            ext.finish(edits);
        }
    }
}

fn fill(into: &mut CallerOptions, from: CallerOptions) {
    into.query = into.query.take().or(from.query);
    into.enabled = into.enabled.or(from.enabled);
    into.window = into.window.or(from.window);
    into.min_score = into.min_score.or(from.min_score);
    into.model = into.model.take().or(from.model);
    into.instruction = into.instruction.take().or(from.instruction);
    into.fields = into.fields.take().or(from.fields);
    into.deadline_ms = into.deadline_ms.or(from.deadline_ms);
    into.answer_block = into.answer_block.or(from.answer_block);
    into.ignored.extend(from.ignored);
}

fn options(own: Value<'_>, body: &Object<'_>) -> Option<CallerOptions> {
    own::options(own, |options, name, value| match name {
        "query_context" => {
            let text = context_text(value, body)?;
            options.query.get_or_insert(text);
            Some(true)
        }
        _ => Some(false),
    })
}

/// OpenSearch's `query_context`: exactly one of the text and the path to it.
fn context_text(context: Value<'_>, body: &Object<'_>) -> Option<String> {
    match (context.get("query_text"), context.get("query_text_path")) {
        (Some(text), None) => own::text(text),
        (None, Some(path)) => {
            let path = path.as_str().filter(|path| path.chars().count() <= 1000)?;
            let keys: Vec<&str> = path.split('.').collect();
            if keys.len() > MOST_KEYS {
                return None;
            }
            text_at(body.value(), &keys).filter(|text| !text.is_empty())
        }
        _ => None,
    }
}

/// The text at a path. Servers evaluate it on the query's long form, clients write the short one: accept both.
fn text_at(value: Value<'_>, keys: &[&str]) -> Option<String> {
    let [first, rest @ ..] = keys else {
        return own::text(value).or_else(|| own::text(value.get("query")?));
    };
    match value.kind() {
        Kind::Array => text_at(value.items()?.into_iter().nth(first.parse().ok()?)?, rest),
        Kind::String if *first == "query" && rest.is_empty() => own::text(value),
        // `bool.must.0`, although the client wrote one object instead of a list.
        Kind::Object if *first == "0" && value.get("0").is_none() => text_at(value, rest),
        Kind::Object => {
            // A field's name may hold dots itself.
            let mut name = String::new();
            for (at, key) in keys.iter().enumerate() {
                if at > 0 {
                    name.push('.');
                }
                name.push_str(key);
                if let Some(inner) = value.get(&name) {
                    return text_at(inner, &keys[at + 1..]);
                }
            }
            None
        }
        _ => None,
    }
}
