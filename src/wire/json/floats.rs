//! Lists of numbers as vectors.

use super::Value;
use crate::wire::MOST_COMPONENTS;

/// Reads a list of numbers into `into`, each as the nearest `f64` and that as the nearest `f32`: so every text that
/// printers make of one `f32` gives that `f32` again. `false`, and nothing read, for anything else: another kind of value
/// or item, a number beyond an `f32`, more than [`MOST_COMPONENTS`].
pub fn floats(list: Value<'_>, into: &mut Vec<f32>) -> bool {
    into.clear();
    let read = read(list.text().as_bytes(), into).is_some();
    if !read {
        into.clear();
    }
    read
}

fn read(list: &[u8], into: &mut Vec<f32>) -> Option<()> {
    let mut rest = list.strip_prefix(b"[")?.trim_ascii_start();
    loop {
        // The parser takes words for what is no number, too.
        if !matches!(rest.first()?, b'-' | b'0'..=b'9') {
            return None;
        }
        let (number, length) = fast_float2::parse_partial::<f64, _>(rest).ok()?;
        let number = number as f32;
        if !number.is_finite() || into.len() == MOST_COMPONENTS {
            return None;
        }
        into.push(number);
        rest = rest.get(length..)?.trim_ascii_start();
        match rest.split_first()? {
            (b',', more) => rest = more.trim_ascii_start(),
            (b']', []) => return Some(()),
            _ => return None,
        }
    }
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
        fn every_number_is_read_as_the_standard_library_reads_it(
            numbers in proptest::collection::vec("-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,2})?", 1..8),
        ) {
            let expected: Vec<f32> = numbers.iter().map(|number| number.parse::<f64>().unwrap() as f32).collect();
            let finite = expected.iter().all(|number| number.is_finite());
            let read = read(&format!("[{}]", numbers.join(" ,\t")));
            prop_assert_eq!(read, finite.then_some(expected));
        }

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
