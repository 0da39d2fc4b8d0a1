/// The meaning of a word where yes or no is expected, in the ways that people write it; `None` if it is neither.
pub fn yes_or_no(word: &str) -> Option<bool> {
    const YES: [&str; 8] = ["on", "true", "1", "yes", "y", "t", "enable", "enabled"];
    const NO: [&str; 10] = ["off", "false", "0", "no", "n", "f", "none", "never", "disable", "disabled"];
    let bare = word.trim().trim_matches(['"', '\'', '?']).trim();
    let is = |other: &&str| bare.eq_ignore_ascii_case(other);
    if NO.iter().any(&is) {
        return Some(false);
    }
    YES.iter().any(is).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_words_say_yes_or_no_in_any_case() {
        for no in ["off", "OFF", "False", "0", "no", " No ", "\"false\"", "?0", "'off'", "disabled", "N"] {
            assert_eq!(yes_or_no(no), Some(false), "{no}");
        }
        for yes in ["on", "TRUE", "1", "yes", " \"On\" ", "?1"] {
            assert_eq!(yes_or_no(yes), Some(true), "{yes}");
        }
        for neither in ["", " ", "maybe", "offf", "-1", "2", "o n", "null", "nein"] {
            assert_eq!(yes_or_no(neither), None, "{neither}");
        }
    }
}
