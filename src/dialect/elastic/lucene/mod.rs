//! Lucene query syntax to plain words.

/// The words of a query string: no field prefixes, operators, boosts or ranges.
pub(super) fn plain(query: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut chars = query.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\\' => word.extend(chars.next()),
            // What stood before a colon was a field name.
            ':' => word.clear(),
            // The number after a boost, a fuzziness or a slop goes too.
            '^' | '~' => while chars.next_if(|c| c.is_ascii_digit() || *c == '.').is_some() {},
            // Inside a word these are letters: "co-op", "c++" loses its plus signs at the end only.
            '-' | '+' | '/' | '&' | '|'
                if !word.is_empty() && chars.peek().is_some_and(|c| c.is_alphanumeric()) =>
            {
                word.push(char);
            }
            '+' | '-' | '!' | '(' | ')' | '{' | '}' | '[' | ']' | '"' | '*' | '?' | '/' | '&' | '|' | '<'
            | '>' | '=' => end_word(&mut words, &mut word),
            space if space.is_whitespace() => end_word(&mut words, &mut word),
            other => word.push(other),
        }
    }
    end_word(&mut words, &mut word);
    words.join(" ")
}

fn end_word(words: &mut Vec<String>, word: &mut String) {
    let word = std::mem::take(word);
    if !word.is_empty() && !matches!(word.as_str(), "AND" | "OR" | "NOT") {
        words.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn only_the_words_of_a_query_string_are_left() {
        for (query, words) in [
            ("body:(coffee AND fresh)", "coffee fresh"),
            ("moon OR tomatoes", "moon tomatoes"),
            ("title:\"quick fox\"~2^3.5 -lazy +dog*", "quick fox lazy dog"),
            ("co-op C\\+\\+ roam~0.8", "co-op C++ roam"),
            ("meta.author:(x) && !y", "x y"),
            ("", ""),
            ("***", ""),
        ] {
            assert_eq!(plain(query), words);
        }
    }
}
