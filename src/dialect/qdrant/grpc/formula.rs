//! Formulas that make scores: whether what comes out still says how relevant a hit is.

use crate::dialect::{DialectError, grpc::Object, qdrant::order::is_score};

/// Deeper expressions than anybody writes.
const MAX_DEPTH: usize = 40;

/// Of a formula.
const EXPRESSION: u32 = 1;

/// The variants of an expression that matter here.
const CONSTANT: u32 = 1;
const VARIABLE: u32 = 2;
const MULT: u32 = 7;
const SUM: u32 = 8;
const DIV: u32 = 9;
const ABS: u32 = 11;
const SQRT: u32 = 12;
const POW: u32 = 13;
const EXP: u32 = 14;
const LOG10: u32 = 15;
const LN: u32 = 16;
const ACOSH: u32 = 20;
const MAX: u32 = 21;
const MIN: u32 = 22;

/// The operands of a list, the left side of a division, the base of a power.
const OPERANDS: u32 = 1;
const EXPONENT: u32 = 2;

/// Whether a formula's value grows with the scores of its prefetches. Where these do not stand in it, or only as what a
/// decay measures, negated, as a divisor or times zero, the order is another one: of age, of distance, of some field.
pub(super) fn ranks(formula: &Object<'_>) -> Result<bool, DialectError> {
    formula.inner(EXPRESSION)?.map_or(Ok(false), |expression| grows(&expression, MAX_DEPTH))
}

fn grows(expression: &Object<'_>, depth: usize) -> Result<bool, DialectError> {
    let Some(depth) = depth.checked_sub(1) else { return Ok(false) };
    let Some(variant) = expression.variant(MIN)? else { return Ok(false) };
    match variant.number {
        // A name of any other kind is that of a field.
        VARIABLE => Ok(is_score(variant.text()?)),
        MULT => {
            let operands = Object::inside(&variant)?.messages(OPERANDS)?;
            for operand in &operands {
                if is_at_most_zero(operand)? {
                    return Ok(false);
                }
            }
            any_grows(&operands, depth)
        }
        SUM | MAX | MIN => any_grows(&Object::inside(&variant)?.messages(OPERANDS)?, depth),
        ABS | SQRT | EXP | LOG10 | LN | ACOSH => grows(&Object::inside(&variant)?, depth),
        DIV => one_grows(&Object::inside(&variant)?, depth),
        POW => {
            let power = Object::inside(&variant)?;
            let falls = power.inner(EXPONENT)?.map_or(Ok(false), |exponent| is_at_most_zero(&exponent))?;
            if falls { Ok(false) } else { one_grows(&power, depth) }
        }
        // What is left is a number, a condition, a distance, a date, a decay, a negation.
        _ => Ok(false),
    }
}

fn any_grows(operands: &[Object<'_>], depth: usize) -> Result<bool, DialectError> {
    for operand in operands {
        if grows(operand, depth)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn one_grows(object: &Object<'_>, depth: usize) -> Result<bool, DialectError> {
    object.inner(OPERANDS)?.map_or(Ok(false), |operand| grows(&operand, depth))
}

/// Whether this is a number of 0 or below.
fn is_at_most_zero(expression: &Object<'_>) -> Result<bool, DialectError> {
    match expression.variant(MIN)? {
        Some(field) if field.number == CONSTANT => Ok(field.float()? <= 0.0),
        _ => Ok(false),
    }
}
