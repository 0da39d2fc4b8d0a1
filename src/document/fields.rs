//! Which members of a hit's objects make its document.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use super::{AUTO_FIELDS, AUTO_TITLES, NODE_CONTENT, clean, yaml::Scalar};
use crate::{
    search::{NESTED_LISTS, is_blank},
    wire::{Kind, Member, Value, json},
};

/// Numbers in an array beyond this many are a vector, not words.
const LONGEST_NUMBER_LIST: usize = 16;
/// How far down objects are searched for strings: deeper than data is nested, shallower than a stack.
const DEPTH: usize = 12;
/// How many lists, one inside the other, a list of strings may be.
const LISTS_OF_STRINGS: usize = 4;
/// How often the bytes of a list may be looked at, one level after the other, and what is never too many of them.
const PASSES: usize = 4;
const FEW_BYTES: usize = 64 << 10;
/// YAML's limit for a plain key is 1024 characters; such names are data, not names.
const LONGEST_KEY: usize = 256;
/// A payload with more fields is a table, which no model reads to its end.
const MOST_ENTRIES: usize = 256;

type Objects<'a> = [Vec<Member<'a>>];
type FieldEntry<'a> = (Cow<'a, str>, Scalar<'a>);

/// The main text by its well-known names, and the name to show for it.
pub(super) fn main_text<'a>(objects: &Objects<'a>) -> Option<(&'static str, Cow<'a, str>)> {
    first_string(objects, &AUTO_FIELDS).or_else(|| {
        let node = objects.iter().find_map(|members| last(members, NODE_CONTENT))?;
        Some(("text", node_text(node)?))
    })
}

/// The title by its well-known names.
pub(super) fn title<'a>(objects: &Objects<'a>) -> Option<(&'static str, Cow<'a, str>)> {
    first_string(objects, &AUTO_TITLES)
}

/// The named fields that have text, in the order they were named in.
pub(super) fn named<'a>(objects: &Objects<'a>, paths: &'a [String]) -> Vec<FieldEntry<'a>> {
    let mut entries = Vec::new();
    for path in paths {
        if in_node_content(path) {
            let node = objects.iter().find_map(|members| last(members, NODE_CONTENT));
            push(&mut entries, Cow::Borrowed("text"), node.and_then(node_text).map(Scalar::Text));
            continue;
        }
        for members in objects {
            let mut found = Vec::new();
            collect(members, path, &mut found);
            let before = entries.len();
            match found.as_slice() {
                [] => continue,
                [value] if value.kind() == Kind::Object => {
                    let mut inside = Vec::new();
                    push_object(&mut inside, Cow::Borrowed(path), *value, true, 1);
                    push_new(&mut entries, inside);
                }
                values => match joined(values, true) {
                    None => {
                        let mut inside = Vec::new();
                        push_lists(&mut inside, Cow::Borrowed(path), values, true);
                        push_new(&mut entries, inside);
                    }
                    text => push(&mut entries, Cow::Borrowed(path), text),
                },
            }
            if entries.len() > before {
                break;
            }
        }
    }
    entries
}

/// Every field with a string in it, in the order of the payload.
pub(super) fn all<'a>(objects: &Objects<'a>) -> Vec<FieldEntry<'a>> {
    let mut entries = Vec::new();
    for members in objects {
        let mut inside = Vec::new();
        push_members(&mut inside, "", members, false, 0);
        push_new(&mut entries, inside);
    }
    entries
}

/// Adds those entries whose keys are not there already.
fn push_new<'a>(entries: &mut Vec<FieldEntry<'a>>, others: Vec<FieldEntry<'a>>) {
    if entries.is_empty() {
        *entries = others;
    } else {
        others.into_iter().for_each(|(key, scalar)| push(entries, key, Some(scalar)));
    }
}

/// Takes Elasticsearch's multi-fields (`title.keyword` beside `title`) out of a hit's `fields`: the same text
/// once more, for exact matches. Names are flat there, so a name below another can be nothing else.
pub(super) fn drop_multi_fields(members: &mut Vec<Member<'_>>) {
    let names: HashSet<String> = members.iter().map(|member| member.key.to_string()).collect();
    let parents = |name: &str| name.match_indices('.').any(|(dot, _)| names.contains(&name[..dot]));
    members.retain(|member| !parents(&member.key));
}

/// Whether a path means LlamaIndex's node or something in it, which the database sees as one string.
pub(super) fn in_node_content(path: &str) -> bool {
    path.strip_prefix(NODE_CONTENT).is_some_and(|rest| rest.is_empty() || rest == ".text")
}

fn first_string<'a>(objects: &Objects<'a>, names: &[&'static str]) -> Option<(&'static str, Cow<'a, str>)> {
    names.iter().find_map(|&name| {
        let text = objects.iter().filter_map(|members| last(members, name)).find_map(string)?;
        Some((name, text))
    })
}

/// The text of a string, of an array of strings or of arrays of them, or of a legacy `semantic_text` object.
pub(super) fn string(value: Value<'_>) -> Option<Cow<'_, str>> {
    string_within(value, 1 + LISTS_OF_STRINGS)
}

fn string_within(value: Value<'_>, depth: usize) -> Option<Cow<'_, str>> {
    // Bodies nest as deep as they like, the stack does not.
    let depth = depth.checked_sub(1)?;
    let text = match value.kind() {
        Kind::String => clean::string(value)?,
        Kind::Array => {
            let items = value.items()?.into_iter();
            let texts: Vec<Cow<'_, str>> = items.filter_map(|item| string_within(item, depth)).collect();
            Cow::Owned(texts.join(", "))
        }
        Kind::Object => clean::string(value.get("text")?)?,
        _ => return None,
    };
    if is_blank(&text) { None } else { Some(text) }
}

/// The text inside a `_node_content` string: `text`, or `text_resource.text` in newer versions.
fn node_text(value: Value<'_>) -> Option<Cow<'_, str>> {
    let text = value.as_str()?;
    let node = json::Value::parse(text.as_bytes()).map(Value::Json).ok()?;
    let text = node.get("text").and_then(string);
    let text = text.or_else(|| node.at(&["text_resource", "text"]).and_then(string))?;
    Some(Cow::Owned(text.into_owned()))
}

/// The last member of that name, as most parsers would read it.
fn last<'a>(members: &[Member<'a>], key: &str) -> Option<Value<'a>> {
    members.iter().rev().find(|member| member.key == key).map(|member| member.value)
}

/// The values at a dotted path: a literal dotted key first, then nested objects, by the shortest key first, also
/// inside arrays.
fn collect<'a>(members: &[Member<'a>], path: &str, found: &mut Vec<Value<'a>>) {
    if let Some(value) = last(members, path) {
        found.push(value);
        return;
    }
    for (dot, _) in path.match_indices('.') {
        if let Some(value) = last(members, &path[..dot]) {
            collect_below(value, &path[dot + 1..], NESTED_LISTS, found);
            if !found.is_empty() {
                return;
            }
        }
    }
}

/// The strings, numbers and booleans at a dotted path, as text; of lists so many of them at most.
pub(super) fn texts<'a>(objects: &Objects<'a>, path: &str, most: usize) -> Vec<Cow<'a, str>> {
    let mut found = Vec::new();
    for members in objects {
        collect(members, path, &mut found);
        if !found.is_empty() {
            break;
        }
    }
    let mut scalars = Vec::new();
    found.iter().take(most).for_each(|value| flatten(*value, LISTS_OF_STRINGS, &mut scalars));
    scalars.into_iter().take(most).map(Scalar::into_text).collect()
}

fn collect_below<'a>(value: Value<'a>, path: &str, lists: usize, found: &mut Vec<Value<'a>>) {
    match (value.kind(), lists.checked_sub(1)) {
        (Kind::Object, _) => collect(&value.members().unwrap_or_default(), path, found),
        (Kind::Array, Some(lists)) => {
            for item in value.items().unwrap_or_default() {
                collect_below(item, path, lists, found);
            }
        }
        _ => {}
    }
}

/// One scalar of one or several values. `numbers`: whether values that hold no string count.
pub(super) fn joined<'a>(values: &[Value<'a>], numbers: bool) -> Option<Scalar<'a>> {
    let mut scalars = Vec::new();
    values.iter().for_each(|value| flatten(*value, LISTS_OF_STRINGS, &mut scalars));
    one_of(scalars, numbers)
}

fn flatten<'a>(value: Value<'a>, depth: usize, scalars: &mut Vec<Scalar<'a>>) {
    match (value.kind(), depth.checked_sub(1)) {
        (Kind::Array, Some(depth)) => {
            value.items().unwrap_or_default().into_iter().for_each(|item| flatten(item, depth, scalars));
        }
        _ => scalars.extend(scalar(value)),
    }
}

/// One scalar of several; none where they are numbers only, and `numbers` do not count or these are a vector.
fn one_of(mut scalars: Vec<Scalar<'_>>, numbers: bool) -> Option<Scalar<'_>> {
    let strings = scalars.iter().any(|scalar| matches!(scalar, Scalar::Text(_)));
    if !strings && (!numbers || scalars.len() > LONGEST_NUMBER_LIST) {
        return None;
    }
    if scalars.len() < 2 {
        return scalars.pop();
    }
    let texts: Vec<Cow<'_, str>> = scalars.into_iter().map(Scalar::into_text).collect();
    Some(Scalar::Text(Cow::Owned(texts.join(", "))))
}

fn scalar(value: Value<'_>) -> Option<Scalar<'_>> {
    match value.kind() {
        Kind::String | Kind::Object => string(value).map(Scalar::Text),
        Kind::Number | Kind::Bool => Some(Scalar::AsIs(value.scalar_text())),
        Kind::Array | Kind::Null => None,
    }
}

fn push_object<'a>(
    entries: &mut Vec<FieldEntry<'a>>,
    key: Cow<'a, str>,
    value: Value<'a>,
    numbers: bool,
    depth: usize,
) {
    let Some(members) = value.members() else { return };
    // A legacy semantic_text object: the text, never its chunks and their embeddings.
    if last(&members, "inference").is_some() {
        merge(entries, key, string(value).map(Scalar::Text));
    } else {
        push_members(entries, &key, &members, numbers, depth);
    }
}

fn push_members<'a>(
    entries: &mut Vec<FieldEntry<'a>>,
    prefix: &str,
    members: &[Member<'a>],
    numbers: bool,
    depth: usize,
) {
    if depth > DEPTH {
        return;
    }
    for member in each_once(members) {
        if entries.len() >= MOST_ENTRIES {
            return;
        }
        let key = below(prefix, &member.key);
        match member.value.kind() {
            Kind::String if member.key == NODE_CONTENT => {
                push(entries, Cow::Borrowed("text"), node_text(member.value).map(Scalar::Text));
            }
            Kind::Object => push_object(entries, key, member.value, numbers, depth + 1),
            Kind::Array if holds_more(member.value) => push_lists(entries, key, &[member.value], numbers),
            _ => merge(entries, key, joined(&[member.value], numbers)),
        }
    }
}

/// Of members with the same key the last, as most parsers would read them.
fn each_once<'m, 'a>(members: &'m [Member<'a>]) -> impl Iterator<Item = &'m Member<'a>> {
    let last_at: HashMap<&str, usize> = members.iter().enumerate().map(|(at, m)| (&*m.key, at)).collect();
    members
        .iter()
        .enumerate()
        .filter(move |(at, member)| last_at.get(&*member.key) == Some(at))
        .map(|(_, member)| member)
}

fn below<'a>(prefix: &str, key: &Cow<'a, str>) -> Cow<'a, str> {
    match prefix {
        "" => key.clone(),
        prefix => Cow::Owned(format!("{prefix}.{key}")),
    }
}

/// Whether there are objects or arrays in an array.
fn holds_more(array: Value<'_>) -> bool {
    let more = |item: &Value<'_>| matches!(item.kind(), Kind::Object | Kind::Array);
    array.items().is_some_and(|items| items.iter().any(more))
}

/// Adds what is in arrays of objects: one entry for all that has the same path.
fn push_lists<'a>(entries: &mut Vec<FieldEntry<'a>>, key: Cow<'a, str>, values: &[Value<'a>], numbers: bool) {
    let mut lists = Vec::new();
    for value in values {
        let mut left = FEW_BYTES.saturating_add(value.bytes().saturating_mul(PASSES));
        gather(*value, &key, (DEPTH, &mut left), &mut lists);
    }
    for (key, scalars) in lists {
        merge(entries, key, one_of(scalars, numbers));
    }
}

/// Notes what is in a value, as deep as `depth`, and as long as bytes are `left` to be looked at.
fn gather<'a>(
    value: Value<'a>,
    key: &str,
    (depth, left): (usize, &mut usize),
    lists: &mut Vec<(Cow<'a, str>, Vec<Scalar<'a>>)>,
) {
    let (kind, nested) = (value.kind(), matches!(value.kind(), Kind::Array | Kind::Object));
    if !nested {
        return note(key, scalar(value), lists);
    }
    let (Some(depth), Some(less)) = (depth.checked_sub(1), left.checked_sub(value.bytes())) else {
        return;
    };
    *left = less;
    if kind == Kind::Array {
        let items = value.items().unwrap_or_default();
        return items.into_iter().for_each(|item| gather(item, key, (depth, left), lists));
    }
    let members = value.members().unwrap_or_default();
    if last(&members, "inference").is_some() {
        return note(key, string(value).map(Scalar::Text), lists);
    }
    for member in each_once(&members) {
        match member.key == NODE_CONTENT && member.value.kind() == Kind::String {
            true => note("text", node_text(member.value).map(Scalar::Text), lists),
            false => gather(member.value, &below(key, &member.key), (depth, left), lists),
        }
    }
}

fn note<'a>(key: &str, scalar: Option<Scalar<'a>>, lists: &mut Vec<(Cow<'a, str>, Vec<Scalar<'a>>)>) {
    let Some(scalar) = scalar else { return };
    let room = lists.len() < MOST_ENTRIES;
    match lists.iter_mut().find(|(there, _)| there == key) {
        Some((_, scalars)) => scalars.push(scalar),
        None if room => lists.push((Cow::Owned(key.to_owned()), vec![scalar])),
        None => {}
    }
}

/// Adds an entry unless it is empty or its key is there already.
fn push<'a>(entries: &mut Vec<FieldEntry<'a>>, key: Cow<'a, str>, scalar: Option<Scalar<'a>>) {
    let (Some(scalar), Some(key)) = (scalar, label(key)) else { return };
    if entries.iter().all(|(there, _)| *there != key) {
        entries.push((key, scalar));
    }
}

/// The same, but what has a key that is there already follows there: `a.b` may be a key, and a way.
fn merge<'a>(entries: &mut Vec<FieldEntry<'a>>, key: Cow<'a, str>, scalar: Option<Scalar<'a>>) {
    let (Some(scalar), Some(key)) = (scalar, label(key)) else { return };
    match entries.iter_mut().find(|(there, _)| *there == key) {
        Some((_, there)) if *there != scalar => {
            let both = [there.clone(), scalar].map(Scalar::into_text).join(", ");
            *there = Scalar::Text(Cow::Owned(both));
        }
        Some(_) => {}
        None => entries.push((key, scalar)),
    }
}

/// A key as it is written; `None` for one that is no name.
fn label(key: Cow<'_, str>) -> Option<Cow<'_, str>> {
    let key = match key {
        Cow::Borrowed(key) => clean::line(key),
        Cow::Owned(key) => Cow::Owned(clean::line(&key).into_owned()),
    };
    (1..=LONGEST_KEY).contains(&key.len()).then_some(key)
}
