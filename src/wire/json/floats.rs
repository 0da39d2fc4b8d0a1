//! Lists of numbers as vectors.

use super::Value;
use crate::wire::MOST_COMPONENTS;

/// Reads a list of numbers into `into`, each as the nearest `f64` and that as the nearest `f32`: so every text that
/// printers make of one `f32` gives that `f32` again. `false`, and nothing read, for anything else: another kind of value
/// or item, a number beyond an `f32`, more than [`MOST_COMPONENTS`].
pub fn floats(list: Value<'_>, into: &mut Vec<f32>) -> bool {
    into.clear();
    let inside = list.text().strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    // Items of other kinds have quotes, brackets or letters, which are no numbers, wherever they are cut.
    let all = inside.is_some_and(|inside| inside.split(',').all(|number| push(number, into)));
    if !all {
        into.clear();
    }
    all
}

fn push(number: &str, into: &mut Vec<f32>) -> bool {
    let number = number.trim_ascii();
    // The parser takes words for what is no number, too.
    let begins = number.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let number = if begins { number.parse::<f64>().ok() } else { None };
    match number.map(|number| number as f32).filter(|number| number.is_finite()) {
        Some(number) if into.len() < MOST_COMPONENTS => into.push(number),
        _ => return false,
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Vec<f32>> {
        let mut numbers = vec![7.0];
        let read = floats(Value::parse(text.as_bytes()).unwrap(), &mut numbers);
        assert!(read || numbers.is_empty(), "nothing is left of what was not read");
        read.then_some(numbers)
    }

    #[test]
    fn numbers_are_read_in_every_form_of_json() {
        let read = read("[ 0, -0 ,5,\n-5.081506969872862e-05,5.4E-8,1e2,0.1]").unwrap();
        assert_eq!(read, [0.0, -0.0, 5.0, -5.081_507e-5, 5.4e-8, 100.0, 0.1]);
    }

    #[test]
    fn what_is_no_list_of_numbers_is_not_read() {
        for text in [
            "[]",
            "{}",
            "\"[1]\"",
            "1",
            "null",
            "[null]",
            "[true,1]",
            "[\"1\"]",
            "[\"1,2\"]",
            "[[1,2]]",
            "[1,[2]]",
            "[{\"a\":1}]",
            "[1e39]",
            "[1,-1e400]",
            "[\"nan\"]",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read("[1e-400]"), Some(vec![0.0]));
        let long = format!("[{}0]", "0,".repeat(MOST_COMPONENTS));
        assert_eq!(read(&long), None, "longer than any vector");
    }

    proptest! {
        #[test]
        fn every_printer_of_a_float_is_read_as_that_float(bits in proptest::collection::vec(any::<u32>(), 1..20)) {
            let numbers: Vec<f32> = bits.into_iter().map(f32::from_bits).filter(|x| x.is_finite()).collect();
            prop_assume!(!numbers.is_empty());
            let text = |print: &dyn Fn(f32) -> String| {
                format!("[{}]", numbers.iter().map(|&x| print(x)).collect::<Vec<_>>().join(","))
            };
            for printed in [
                text(&|x| serde_json::to_string(&x).unwrap()),
                text(&|x| serde_json::to_string(&f64::from(x)).unwrap()),
                text(&|x| format!("{x:e}")),
                text(&|x| format!("{:.16E}", f64::from(x))),
            ] {
                prop_assert_eq!(read(&printed), Some(numbers.clone()), "{}", printed);
            }
        }
    }
}
