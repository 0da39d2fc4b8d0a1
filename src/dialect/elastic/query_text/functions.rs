//! What a `function_score` query makes of the score of the query inside it.

use super::{scripts, values::is_zero};
use crate::wire::json::Value;

/// The names of functions, in the query itself or in its list.
const KINDS: [&str; 7] =
    ["random_score", "field_value_factor", "script_score", "gauss", "linear", "exp", "weight"];

/// The functions of one query, together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Functions<'a> {
    /// The score of the query inside reaches the hits.
    pub(super) pass_score: bool,
    /// Some function ranks by a vector.
    pub(super) vector: bool,
    /// Some function ranks by chance.
    pub(super) chance: bool,
    /// Some function ranks by something else: a number, nearness, or a script that reads neither.
    pub(super) other: bool,
    /// The scripts that may compare vectors.
    pub(super) scripts: Vec<Value<'a>>,
}

/// One function.
#[derive(Default)]
struct Function<'a> {
    vector: bool,
    script: Option<Value<'a>>,
    chance: bool,
    other: bool,
    uses_score: bool,
    filtered: bool,
    zero: bool,
}

/// Reads the functions of a `function_score` query.
pub(super) fn read(query: Value<'_>) -> Functions<'_> {
    let own = KINDS.iter().any(|kind| query.get(kind).is_some()).then_some(query);
    let listed = query.get("functions").and_then(Value::items).unwrap_or_default();
    let all: Vec<Function<'_>> = own.into_iter().chain(listed).map(function).collect();
    let word = |key: &str| {
        let word = query.get(key).and_then(Value::as_str).unwrap_or_default();
        if word.is_empty() { "multiply".to_owned() } else { word.to_ascii_lowercase() }
    };
    let (mode, products) = (word("boost_mode"), word("score_mode") == "multiply");
    let always = |function: &&Function<'_>| !function.filtered;
    let zeros = all.iter().filter(always).filter(|function| function.zero).count();
    let nothing = zeros > 0 && (products || zeros == all.len());
    let capped = is_zero(query.get("max_boost"));
    let replaces = mode == "replace";
    let multiplies = mode == "multiply";
    // Without functions nothing replaces anything.
    if !all.is_empty() && (nothing || capped) && (replaces || multiplies) {
        return Functions::default();
    }
    let acting = || all.iter().filter(|function| !function.zero);
    Functions {
        pass_score: all.is_empty() || !replaces || acting().any(|function| function.uses_score),
        vector: acting().any(|function| function.vector),
        chance: acting().any(|function| function.chance),
        other: acting().any(|function| function.other),
        scripts: acting().filter_map(|function| function.script).collect(),
    }
}

fn function(value: Value<'_>) -> Function<'_> {
    let has = |kind: &str| value.get(kind).is_some();
    let written = value.get("script_score").and_then(|score| score.get("script"));
    let script = written.map(|script| scripts::read(Some(script))).unwrap_or_default();
    // A weight for all hits alike orders nothing.
    let filtered = value.get("filter").is_some_and(|filter| filter.get("match_all").is_none());
    let numbers = ["field_value_factor", "gauss", "linear", "exp"].into_iter().any(has);
    let reads_neither = has("script_score") && !script.uses_score && !script.vector && !script.unknown;
    Function {
        vector: script.vector,
        script: written.filter(|_| script.vector || script.unknown),
        chance: has("random_score"),
        other: numbers || reads_neither || (filtered && has("weight")),
        uses_score: script.uses_score,
        filtered,
        zero: is_zero(value.get("weight")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Functions<'_> {
        read(Value::parse(json.as_bytes()).unwrap())
    }

    #[test]
    fn the_inner_score_passes_unless_it_is_replaced_or_taken_away() {
        for (json, passes) in [
            (r#"{"boost_mode":"replace"}"#, true),
            (r#"{"functions":[],"boost_mode":"replace"}"#, true),
            (r#"{"field_value_factor":{"field":"n"}}"#, true),
            (r#"{"field_value_factor":{"field":"n"},"boost_mode":"sum"}"#, true),
            (r#"{"field_value_factor":{"field":"n"},"boost_mode":"replace"}"#, false),
            (r#"{"field_value_factor":{"field":"n"},"boost_mode":"REPLACE"}"#, false),
            (r#"{"functions":[{"gauss":{}}],"boost_mode":"replace"}"#, false),
            (r#"{"script_score":{"script":"_score*2"},"boost_mode":"replace"}"#, true),
            (r#"{"script_score":{"script":{"source":"doc['n'].value"}},"boost_mode":"replace"}"#, false),
            (r#"{"weight":0}"#, false),
            (r#"{"weight":"0.0"}"#, false),
            (r#"{"weight":2}"#, true),
            (r#"{"weight":0,"boost_mode":"sum"}"#, true),
            (r#"{"functions":[{"weight":0},{"field_value_factor":{}}]}"#, false),
            (r#"{"functions":[{"weight":0},{"field_value_factor":{}}],"score_mode":"sum"}"#, true),
            (r#"{"functions":[{"weight":0,"filter":{"term":{"a":1}}}]}"#, true),
            (r#"{"field_value_factor":{},"max_boost":0}"#, false),
        ] {
            assert_eq!(of(json).pass_score, passes, "{json}");
        }
    }

    #[test]
    fn functions_say_what_they_rank_by() {
        let chance = of(r#"{"functions":[{"random_score":{"seed":1}}]}"#);
        assert!(chance.chance && chance.pass_score);
        assert!(
            !of(r#"{"functions":[{"random_score":{},"weight":0},{"weight":1}],"score_mode":"sum"}"#).chance
        );
        let vector = of(r#"{"script_score":{"script":"dotProduct(params.v,'v')"},"boost_mode":"replace"}"#);
        assert!(vector.vector && !vector.other && !vector.pass_score);
        assert!(of(r#"{"exp":{"date":{}}}"#).other);
        assert!(!of(r#"{"weight":3}"#).other);
        assert!(of(r#"{"functions":[{"weight":3,"filter":{"term":{"a":1}}}]}"#).other);
    }
}
