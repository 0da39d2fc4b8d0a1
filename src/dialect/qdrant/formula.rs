//! Formulas that make scores: whether what comes out still says how relevant a hit is.

use crate::json::{Kind, Value};

/// Deeper expressions than anybody writes.
const MAX_DEPTH: usize = 40;
/// The decays: a measure of how near a value is to another one.
const DECAYS: [&str; 3] = ["lin_decay", "exp_decay", "gauss_decay"];
/// The operators whose operands are a list.
const LISTS: [&str; 4] = ["sum", "mult", "max", "min"];
/// Those of one operand.
const SINGLES: [&str; 7] = ["neg", "abs", "sqrt", "exp", "log10", "ln", "acosh"];
/// Those whose operands have names.
const NAMED: [(&str, [&str; 2]); 2] = [("div", ["left", "right"]), ("pow", ["base", "exponent"])];

/// Whether a formula's value goes by the scores of its prefetches. Where these do not stand in it, or only as what a
/// decay measures, or times zero, the order is another one: of age, of distance, of some field.
pub(super) fn ranks(formula: Value<'_>) -> bool {
    goes_by_score(formula, MAX_DEPTH)
}

fn goes_by_score(expression: Value<'_>, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match expression.kind() {
        // A name of any other kind is that of a field.
        Kind::String => expression.as_str().is_some_and(|name| is_score(&name)),
        Kind::Object => {
            let members = expression.members().unwrap_or_default();
            let get = |key: &str| members.iter().rev().find(|member| member.key == key).map(|m| m.value);
            if DECAYS.iter().any(|decay| get(decay).is_some()) {
                return false;
            }
            let any = |values: Vec<Value<'_>>| values.into_iter().any(|value| goes_by_score(value, depth));
            if let Some(list) = LISTS.iter().find_map(|&key| get(key)) {
                let items = list.items().unwrap_or_default();
                let zeroed = get("mult").is_some() && items.iter().any(|item| item.as_f64() == Some(0.0));
                return !zeroed && any(items);
            }
            if let Some(single) = SINGLES.iter().find_map(|&key| get(key)) {
                return goes_by_score(single, depth);
            }
            let named = NAMED.iter().find_map(|(key, operands)| Some((get(key)?, operands)));
            // What is left is a condition, a distance, a date.
            named.is_some_and(|(inside, operands)| {
                any(operands.iter().filter_map(|operand| inside.get(operand)).collect())
            })
        }
        _ => false,
    }
}

/// `$score`, or that of a prefetch by its number, `$score[1]`.
fn is_score(name: &str) -> bool {
    name.strip_prefix("$score").is_some_and(|rest| rest.is_empty() || rest.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_formula_ranks_where_the_scores_count() {
        let ranks = |formula: &str| super::ranks(Value::parse(formula.as_bytes()).unwrap());
        for formula in [
            r#""$score""#,
            r#""$score[1]""#,
            r#"{"sum":["$score",{"mult":[0.5,{"key":"tag","match":{"any":["h1","h2"]}}]}]}"#,
            r#"{"mult":["$score",{"exp_decay":{"x":{"datetime_key":"at"},"target":{"datetime":"2026-01-01T00:00:00Z"}}}]}"#,
            r#"{"div":{"left":"$score","right":"price","by_zero_default":0}}"#,
            r#"{"pow":{"base":2,"exponent":{"ln":"$score[0]"}}}"#,
            r#"{"neg":{"abs":{"max":[0,"$score"]}}}"#,
        ] {
            assert!(ranks(formula), "{formula}");
        }
        for formula in [
            "1",
            r#""price""#,
            r#""$scores""#,
            r#"{"exp_decay":{"x":{"datetime_key":"at"},"scale":86400}}"#,
            r#"{"gauss_decay":{"x":"$score","target":1}}"#,
            r#"{"sum":[{"lin_decay":{"x":{"geo_distance":{"origin":{"lat":1,"lon":2},"to":"at"}}}},"popularity"]}"#,
            r#"{"sum":[1,{"mult":[0.0,"$score"]}]}"#,
            r#"{"neg":{"geo_distance":{"origin":{"lat":1,"lon":2},"to":"at"}}}"#,
            r#"{"key":"name","match":{"value":"$score"}}"#,
            r#"{"tomorrow":["$score"]}"#,
            "null",
        ] {
            assert!(!ranks(formula), "{formula}");
        }
    }

    #[test]
    fn no_depth_is_too_much() {
        let deep = format!("{}{}{}", r#"{"neg":"#.repeat(900), r#""$score""#, "}".repeat(900));
        assert!(!ranks(Value::parse(deep.as_bytes()).unwrap()));
    }
}
