//! `rerank.boosts`: what a hit's fields add to its relevance.

use serde_json::{Value as Json, json};

use super::{
    node::Value,
    out::{list, quoted},
    problem::Problems,
    section::Section,
    values,
};
use crate::search::{Boost, BoostBy, Boosts};

/// More say nothing that anybody could follow, and each is a field to read.
const MOST: usize = 16;
const MOST_WEIGHT: f32 = 100.0;
const KEYS: [&str; 7] = ["field", "half_life", "pivot", "values", "weight", "floor", "cap"];

/// Reads `boosts` of a section, if it is there.
pub(super) fn read(section: &Section<'_>, to: &mut Boosts, problems: &mut Problems) {
    let items = match section.node("boosts").map(|node| &node.value) {
        None => return,
        Some(Value::Null) => &[][..],
        Some(Value::List(items)) => items,
        Some(_) => {
            return section.complain(
                "boosts",
                "this has to be a list (lines that begin with `- `).",
                problems,
            );
        }
    };
    if items.len() > MOST {
        section.complain("boosts", format!("{} boosts; {MOST} are the most.", items.len()), problems);
    }
    let read = |(at, item)| {
        let item = section.item(("boosts", at), item, &KEYS, problems);
        boost(&item, problems)
    };
    *to = Boosts(items.iter().enumerate().filter_map(read).collect());
}

fn boost(section: &Section<'_>, problems: &mut Problems) -> Option<Boost> {
    let field = section.read("field", problems, values::field);
    if !section.has("field") {
        section.complain("field", "a boost needs the field that it reads.", problems);
    }
    let ways = ["half_life", "pivot", "values"];
    let given: Vec<&str> = ways.into_iter().filter(|key| section.has(key)).collect();
    let [way] = given[..] else {
        let sentence = "say one of half_life (of a time), pivot (of a number) and values (of a source).";
        section.complain(given.get(1).copied().unwrap_or("field"), sentence, problems);
        return None;
    };
    let by = if way == "values" { by_values(section, problems) } else { by_share(section, way, problems) };
    Some(Boost { field: field?, by: by? })
}

fn by_share(section: &Section<'_>, way: &str, problems: &mut Problems) -> Option<BoostBy> {
    for key in ["floor", "cap"].into_iter().filter(|key| section.has(key)) {
        section.complain(key, "a floor or a cap is one for `values`.", problems);
    }
    if !section.has("weight") {
        section.complain("weight", "say how much it adds, relative to relevance, such as 0.2.", problems);
    }
    let weight = section.read("weight", problems, weight);
    match way {
        "half_life" => {
            let half_life = section.read("half_life", problems, values::duration)?;
            Some(BoostBy::Recency { half_life, weight: weight? })
        }
        _ => Some(BoostBy::Number { pivot: section.read("pivot", problems, pivot)?, weight: weight? }),
    }
}

fn by_values(section: &Section<'_>, problems: &mut Problems) -> Option<BoostBy> {
    let mut values = Vec::new();
    section.set_list("values", &mut values, problems, |text| Ok(text.to_owned()));
    if values.is_empty() {
        section.complain("values", "none is named, so it would change nothing.", problems);
    }
    let ways = ["weight", "floor", "cap"];
    let given: Vec<&str> = ways.into_iter().filter(|key| section.has(key)).collect();
    match given[..] {
        ["weight"] => Some(BoostBy::Values { values, weight: section.read("weight", problems, weight)? }),
        ["floor"] => Some(BoostBy::Floor { values, least: section.read("floor", problems, values::score)? }),
        ["cap"] => Some(BoostBy::Cap { values, most: section.read("cap", problems, values::score)? }),
        _ => {
            section.complain("values", "say one of weight, floor and cap for them.", problems);
            None
        }
    }
}

fn weight(text: &str) -> Result<f32, String> {
    let value = text.parse().ok().filter(|value: &f32| (0.0..=MOST_WEIGHT).contains(value));
    value.ok_or_else(|| format!("`{text}` is not a number from 0 to {MOST_WEIGHT}."))
}

fn pivot(text: &str) -> Result<f64, String> {
    let value = text.parse().ok().filter(|value: &f64| *value > 0.0 && value.is_finite());
    value.ok_or_else(|| format!("`{text}` is not a number above 0."))
}

/// What a file would say.
pub(super) fn text(boosts: &Boosts) -> String {
    let items: Vec<String> = boosts.0.iter().map(item).collect();
    format!("[{}]", items.join(", "))
}

fn item(boost: &Boost) -> String {
    let rest = match &boost.by {
        BoostBy::Recency { half_life, weight } => {
            format!(
                "half_life: {}, weight: {weight}",
                quoted(&humantime::format_duration(*half_life).to_string())
            )
        }
        BoostBy::Number { pivot, weight } => format!("pivot: {pivot}, weight: {weight}"),
        BoostBy::Values { values, weight } => format!("values: {}, weight: {weight}", list(values)),
        BoostBy::Floor { values, least } => format!("values: {}, floor: {least}", list(values)),
        BoostBy::Cap { values, most } => format!("values: {}, cap: {most}", list(values)),
    };
    format!("{{ field: {}, {rest} }}", quoted(&boost.field))
}

/// The JSON schema of the list.
pub(super) fn schema() -> Json {
    let number = json!({ "type": ["number", "string", "null"] });
    let boost = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "field": { "type": ["string", "number", "boolean"] },
            "half_life": { "type": ["string", "null"] },
            "pivot": number,
            "values": { "type": ["array", "string", "number", "boolean", "null"] },
            "weight": number,
            "floor": number,
            "cap": number,
        },
    });
    json!({ "type": ["array", "null"], "items": boost, "maxItems": MOST })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::try_load;

    fn read(boosts: &str) -> Result<Boosts, String> {
        let text =
            format!("listeners: [{{ upstream: {{ url: 'http://db' }} }}]\nrerank: {{ boosts: {boosts} }}");
        try_load(&text, &[]).map(|config| config.rerank.boosts).map_err(|problems| problems.to_string())
    }

    #[test]
    fn boosts_are_read_and_printed_as_they_are_read() {
        for written in [
            "[]",
            "[{ field: \"meta.published\", half_life: \"30days\", weight: 0.4 }]",
            "[{ field: \"views\", pivot: 100, weight: 0.2 }, { field: \"source\", values: [\"a\", \"b\"], weight: 1 }]",
            "[{ field: \"source\", values: [\"forum\"], cap: 0.6 }, { field: \"source\", values: [\"docs\"], floor: 0.3 }]",
        ] {
            assert_eq!(text(&read(written).unwrap()), written);
        }
        assert_eq!(read("null"), Ok(Boosts::default()));
        let one = read("[{ field: year, half_life: 30d, weight: 1 }]").unwrap();
        assert_eq!(one.fields(), ["year"]);
    }

    #[test]
    fn what_is_no_boost_is_a_problem_with_its_place() {
        for (written, part) in [
            ("x", "rerank.boosts: this has to be a list"),
            ("[{ half_life: 1d, weight: 1 }]", "rerank.boosts[0].field: a boost needs the field"),
            ("[{ field: a, weight: 1 }]", "say one of half_life"),
            (
                "[{ field: a, half_life: 1d, pivot: 3, weight: 1 }]",
                "rerank.boosts[0].pivot: say one of half_life",
            ),
            ("[{ field: a, half_life: 0s, weight: 1 }]", "rerank.boosts[0].half_life"),
            ("[{ field: a, half_life: 1d }]", "rerank.boosts[0].weight: say how much"),
            ("[{ field: a, pivot: 0, weight: 1 }]", "`0` is not a number above 0"),
            ("[{ field: a, pivot: NaN, weight: 1 }]", "rerank.boosts[0].pivot: `NaN`"),
            ("[{ field: a, pivot: 1, weight: -1 }]", "`-1` is not a number from 0 to 100"),
            ("[{ field: a, values: [], weight: 1 }]", "none is named, so it would change nothing"),
            ("[{ field: a, values: [x] }]", "say one of weight, floor and cap"),
            ("[{ field: a, values: [x], cap: 2 }]", "rerank.boosts[0].cap"),
            ("[{ field: a, pivot: 1, weight: 1, cap: 1 }]", "a floor or a cap is one for `values`"),
            ("[{ field: a, decay: 1 }]", "rerank.boosts[0].decay: unknown key"),
        ] {
            let said = read(written).unwrap_err();
            assert!(said.contains(part), "{written}: {said}");
        }
    }
}
