//! `response` of an operation.

use super::{
    no_hint,
    words::{keys_of_response as keys, one_of},
};
use crate::{
    config::{
        node::{Node, Value},
        problem::Problems,
        section::Section,
        values,
    },
    dialect::paths::{Columns, Echo, Echoed, Hits, ResponseDefinition, Rows},
};

const RESPONSE: [&str; 12] = [
    "may_lack_hits",
    "results",
    "status",
    "hits",
    "id",
    "score",
    "distance",
    "fields",
    "pinned",
    "columns",
    "leave_alone",
    "echoes",
];

pub(super) fn response(section: &Section<'_>, problems: &mut Problems) -> ResponseDefinition {
    let inner = section.inside("response", &RESPONSE, problems);
    let mut of = ResponseDefinition {
        results: inner.read("results", problems, keys),
        status: inner.read("status", problems, keys),
        ..ResponseDefinition::default()
    };
    inner.set("may_lack_hits", &mut of.may_lack_hits, problems, values::boolean);
    inner.set_list("leave_alone", &mut of.leave_alone, problems, keys);
    of.echoes = echoes(&inner, problems);
    if inner.has("columns") {
        of.hits = Hits::Columns(columns(&inner, problems));
        if inner.has("pinned") {
            inner.complain(
                "pinned",
                "hits that hold their place are known where hits are objects (`hits`).",
                problems,
            );
        }
        return of;
    }
    if !inner.has("hits") {
        let sentence = "say where the hits are: the path to an array of objects (`hits`; `.` where the response is the \
                        array), or `columns`.";
        inner.complain("hits", sentence, problems);
    }
    let mut distance = None;
    inner.set_option("distance", &mut distance, problems, keys);
    let score = inner.read("score", problems, keys);
    if distance.is_some() && score.is_some() {
        inner.complain("distance", "say where the score is, or the distance; not both.", problems);
    }
    of.hits = Hits::Rows(Rows {
        at: inner.read("hits", problems, keys).unwrap_or_default(),
        id: inner.read("id", problems, keys).unwrap_or_default(),
        distance: distance.is_some(),
        score: score.or(distance),
        fields: inner.read("fields", problems, keys).unwrap_or_default(),
        pinned: inner.read("pinned", problems, keys),
    });
    of
}

fn columns(response: &Section<'_>, problems: &mut Problems) -> Columns {
    let known = ["all", "id", "score", "distance", "texts", "fields", "echo"];
    let inner = response.inside("columns", &known, problems);
    let name = |text: &str| Ok(text.to_owned());
    let mut of = Columns::default();
    inner.set_list("all", &mut of.all, problems, name);
    let distance = inner.read("distance", problems, name);
    of.distance = distance.is_some();
    of.score = inner.read("score", problems, name).or(distance);
    of.fields = inner.read("fields", problems, name);
    of.echo = inner.read("echo", problems, name);
    of.id = inner.read("id", problems, name).unwrap_or_default();
    if !inner.has("id") {
        inner.complain("id", "say which column has the ids.", problems);
    }
    if let Some(Value::Map(entries)) = inner.node("texts").map(|node| &node.value) {
        for entry in entries {
            if let Value::Text(column) = &entry.node.value {
                of.texts.push((entry.key.clone(), column.clone()));
            }
        }
    } else if inner.has("texts") {
        let sentence = "this has to be a map from the name of a field to the column that holds it.";
        inner.complain("texts", sentence, problems);
    }
    let named = [&of.id].into_iter().chain(&of.score).chain(&of.fields);
    let named: Vec<String> = named
        .chain(of.texts.iter().map(|(_, column)| column))
        .filter(|name| !name.is_empty())
        .cloned()
        .collect();
    for name in named {
        if !of.all.contains(&name) {
            of.all.push(name);
        }
    }
    of
}

fn echoes(response: &Section<'_>, problems: &mut Problems) -> Vec<Echo> {
    let items: &[Node] = match response.node("echoes").map(|node| &node.value) {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::List(items)) => items,
        Some(_) => {
            let sentence = "this has to be a list of maps, such as `- { at: limit, of: limit }`.";
            response.complain("echoes", sentence, problems);
            return Vec::new();
        }
    };
    let path = response.path_of("echoes");
    let echo = |(number, item): (usize, &Node)| {
        let known = ["at", "of", "if_given"];
        let section = Section::open(Some(item), format!("{path}[{number}]"), &known, no_hint, problems);
        let of = [
            ("limit", Echoed::Limit),
            ("offset", Echoed::Offset),
            ("page", Echoed::Page),
            ("fields", Echoed::Fields),
        ];
        let mut if_given = false;
        section.set("if_given", &mut if_given, problems, values::boolean);
        let echo = Echo {
            at: section.read("at", problems, keys).unwrap_or_default(),
            of: section.read("of", problems, |text| one_of(text, &of)).unwrap_or(Echoed::Limit),
            if_given,
        };
        if !section.has("at") || !section.has("of") {
            section.complain("at", "an echo needs its place (`at`) and what stands there (`of`).", problems);
        }
        echo
    };
    items.iter().enumerate().map(echo).collect()
}
