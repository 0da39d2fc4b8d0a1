//! Formulas that make scores: whether what comes out still says how relevant a hit is.

use crate::{
    dialect::qdrant::order::is_score,
    wire::json::{Kind, Value},
};

/// Deeper expressions than anybody writes.
const MAX_DEPTH: usize = 40;
/// The operators whose operands are a list.
const LISTS: [&str; 4] = ["sum", "mult", "max", "min"];
/// Those of one operand that grow with it.
const SINGLES: [&str; 6] = ["abs", "sqrt", "exp", "log10", "ln", "acosh"];

/// Whether a formula's value grows with the scores of its prefetches. Where these do not stand in it, or only as what a
/// decay measures, negated, as a divisor or times zero, the order is another one: of age, of distance, of some field.
pub(super) fn ranks(formula: Value<'_>) -> bool {
    grows(formula, MAX_DEPTH)
}

fn grows(expression: Value<'_>, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match expression.kind() {
        // A name of any other kind is that of a field.
        Kind::String => expression.as_str().is_some_and(|name| is_score(&name)),
        Kind::Object => {
            let any = |list: Value<'_>| {
                let items = list.items().unwrap_or_default();
                items.into_iter().any(|item| grows(item, depth))
            };
            let of = |key: &&str| expression.get(key);
            if let Some(list) = LISTS.iter().find_map(of) {
                let turned = expression.get("mult").and_then(Value::items).unwrap_or_default();
                return any(list) && !turned.into_iter().any(|item| item.as_f64().is_some_and(|x| x <= 0.0));
            }
            let inside = SINGLES.iter().find_map(of).or_else(|| expression.at(&["div", "left"]));
            let power = || {
                let pow = expression.get("pow")?;
                let falls = pow.get("exponent")?.as_f64().is_some_and(|exponent| exponent <= 0.0);
                if falls { None } else { pow.get("base") }
            };
            // What is left is a condition, a distance, a date, a decay.
            inside.or_else(power).is_some_and(|inside| grows(inside, depth))
        }
        _ => false,
    }
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
            r#"{"pow":{"base":{"ln":"$score[0]"},"exponent":2}}"#,
            r#"{"abs":{"max":[0,"$score"]}}"#,
            r#"{"sum":["$score",{"neg":"age"}]}"#,
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
            r#"{"neg":"$score"}"#,
            r#"{"mult":["$score",-1]}"#,
            r#"{"div":{"left":1,"right":"$score"}}"#,
            r#"{"pow":{"base":"$score","exponent":-2}}"#,
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
        let deep = format!("{}{}{}", r#"{"abs":"#.repeat(900), r#""$score""#, "}".repeat(900));
        assert!(!ranks(Value::parse(deep.as_bytes()).unwrap()));
    }
}
