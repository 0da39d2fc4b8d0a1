use fearless_simd::{Level, dispatch};
use serde_json::value::RawValue;

use super::*;

/// Where the value ends that begins with the text, and whether it is a string with an escape.
fn walked(level: Level, text: &[u8]) -> Option<(usize, bool)> {
    dispatch!(level, simd => {
        let mut walk = Walk { text, at: 0 };
        walk.value(simd, &mut ()).ok().map(|escaped| (walk.at, escaped))
    })
}

/// Compares with serde_json, with the instructions of this processor and with those of every one.
fn same_as_serde_json(text: &str) {
    let theirs = serde_json::from_str::<&RawValue>(text).is_ok();
    for level in [Level::baseline(), Level::new()] {
        let ours = walked(level, text.as_bytes());
        assert_eq!(ours.is_some_and(|(at, _)| at == text.trim_end().len()), theirs, "{level:?}: {text}");
        if let Some((_, escaped)) = ours.filter(|_| theirs && text.starts_with('"')) {
            assert_eq!(escaped, text.contains('\\'), "{level:?}: {text}");
        }
    }
}

#[test]
fn what_ends_or_spoils_a_string_is_seen_at_every_place_in_a_block() {
    let inner = [
        "",
        "\"",
        "\\",
        "\\\\",
        "\\\\\\",
        "\\\"",
        "\\\\\"",
        "\\n",
        "\\n\\n",
        "\\/\\b\\f\\r\\t",
        "\\u00e9",
        "\\u00g9",
        "\\u12",
        "\\x",
        "\\\n",
        "\n",
        "\u{1f}",
        "\u{0}",
        "\u{7f}",
        "é",
        "🙂",
        "\\é",
        "\\u00é9",
        "\\ud83d\\ude00",
    ];
    for inner in inner {
        for before in 0..140 {
            for after in [0, 1, 2, 31, 33, 64, 70] {
                let text = format!("\"{}{inner}{}\"", "a".repeat(before), "b".repeat(after));
                same_as_serde_json(&text);
                same_as_serde_json(&format!("[1,{text}, \"x\"]"));
                same_as_serde_json(&format!("{{{text}:{text}}}"));
            }
        }
    }
}

#[test]
fn escapes_one_after_another_are_read_at_every_place_in_a_block() {
    for escapes in 0..70 {
        for before in 0..70 {
            let (a, backslashes, breaks) = ("a".repeat(before), "\\".repeat(escapes), "\\n".repeat(escapes));
            same_as_serde_json(&format!("\"{a}{backslashes}\""));
            same_as_serde_json(&format!("\"{a}{backslashes}\" , \""));
            same_as_serde_json(&format!("\"{a}{breaks}\\\"\""));
        }
    }
}

#[test]
fn numbers_of_every_length_are_read_wherever_the_text_ends() {
    let tails = ["", ".", ".5", ".e", "e", "e5", "E-7", "e+", ".5e12", "-", "..1", ".1.1", "a", " ", ":"];
    for digits in 0..70 {
        for start in ["", "-", "0", "-0", "00", "+", "0.", "-0."] {
            for tail in tails {
                let number = format!("{start}{}{tail}", "7".repeat(digits));
                same_as_serde_json(&number);
                for (open, close) in [("[", "]"), ("[1,", ",2]"), ("[1, ", ", 2 ]"), ("{\"a\":", ",\"b\":1}")]
                {
                    same_as_serde_json(&format!("{open}{number}{close}"));
                    same_as_serde_json(&format!("{open}{number}{close}{}", " ".repeat(40)).replace("  ", ""));
                }
            }
        }
    }
}

#[test]
fn what_stands_between_numbers_is_checked() {
    for between in
        [",", ", ", " ,", ",  ", "\n,\n", ",,", " ", ":", ", ,", "-", ",-", ",\"x\",", ",[1],", ",]", "]"]
    {
        same_as_serde_json(&format!("[0.25{between}3]"));
        same_as_serde_json(&format!("[[0.25{between}3], 1]"));
        same_as_serde_json(&format!("{{\"a\":[0.25{between}3]}}"));
        same_as_serde_json(&format!("{{\"a\":0.25{between}3}}"));
    }
}

#[test]
fn arrays_and_objects_are_distinguished_however_deep_they_stand() {
    for depth in 0..200 {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]"), ("[[[{\"a\":", "}]]]")] {
            let (opened, closed) = (open.repeat(depth), close.repeat(depth));
            same_as_serde_json(&format!("{opened}7{closed}").replace("::", ":"));
            same_as_serde_json(&format!("{opened}7{closed}]"));
            same_as_serde_json(&format!("{opened}7{}", closed.replace('}', "]")));
        }
    }
}

#[test]
fn long_lists_of_numbers_are_read_however_they_are_written() {
    let numbers = [
        "0",
        "-0",
        "7",
        "-12.5",
        "0.1234567",
        "1e-05",
        "-3.5E+7",
        "01",
        "-",
        "1.",
        ".5",
        "1-",
        "1.2.3",
        "--1",
        "1 2",
        "",
    ];
    let between = [",", ", ", " ,", ",  ", ",\n"];
    for number in numbers {
        for between in between {
            for place in [0, 1, 5, 6, 7, 12, 30, 31] {
                let mut all = vec!["0.25"; 32];
                all[place] = number;
                let list = all.join(between);
                same_as_serde_json(&format!("[{list}]"));
                same_as_serde_json(&format!("{{\"a\":[[ {list} ],{list}]}}"));
            }
        }
    }
}
