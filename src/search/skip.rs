//! [`SkipRule`]: kinds of queries that a reranker has nothing to say about.

use unicode_segmentation::UnicodeSegmentation;
use wildmatch::WildMatch;

/// Which queries are left in the database's order; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkipRule {
    /// Those that look like the name of one thing: a single word with a digit in it, or with a sign between other
    /// characters (`SKU-4711`, `INV/2024/17`, `ada@example.org`, `com.example.Main`). A hyphen alone makes none.
    pub identifiers: bool,
    /// Those that are one phrase in quotation marks.
    pub phrases: bool,
    /// Those of at most so many words (UAX #29).
    pub words: Option<u64>,
    /// Those that match one of these, in any case; `*` and `?` are wild.
    pub patterns: Vec<String>,
}

/// Opening and closing quotation marks.
const QUOTES: [(char, char); 7] =
    [('"', '"'), ('“', '”'), ('„', '“'), ('„', '”'), ('«', '»'), ('»', '«'), ('「', '」')];

impl SkipRule {
    /// Whether a query is of one of these kinds.
    pub fn skips(&self, query: &str) -> bool {
        let query = query.trim();
        (self.identifiers && is_identifier(query))
            || (self.phrases && is_phrase(query))
            || self.words.is_some_and(|most| has_at_most(query, most))
            || self.patterns.iter().any(|pattern| WildMatch::new_case_insensitive(pattern).matches(query))
    }
}

fn is_identifier(query: &str) -> bool {
    let is_sign = |c: char| matches!(c, '_' | '/' | '\\' | '@' | ':' | '.' | '#' | '=' | '+');
    // From here on are scripts that are written without spaces: a word there is as long as a sentence.
    let is_sentence = query.chars().any(|c| c >= '\u{e00}' && c.is_alphabetic());
    let inside = query.trim_matches(|c: char| !c.is_alphanumeric());
    !inside.is_empty()
        && !is_sentence
        && !query.contains(char::is_whitespace)
        && (inside.contains(char::is_numeric) || inside.contains(is_sign))
}

fn is_phrase(query: &str) -> bool {
    let inside = |(open, close): &(char, char)| query.strip_prefix(*open)?.strip_suffix(*close);
    let is_one = |inside: &str| {
        !inside.trim().is_empty() && !inside.contains(['"', '“', '”', '„', '«', '»', '「', '」'])
    };
    QUOTES.iter().filter_map(inside).any(is_one)
}

fn has_at_most(query: &str, most: u64) -> bool {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    query.unicode_words().take(most.saturating_add(1)).count() <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_one_thing_is_an_identifier() {
        for one in [
            "SKU-4711",
            " INV/2024/17 ",
            "ada@example.org",
            "com.example.Main",
            "E_ACCESS",
            "550e8400-e29b-41d4-a716-446655440000",
            "#4711",
            "https://example.org/a?b=c",
            "4711",
        ] {
            assert!(SkipRule { identifiers: true, ..SkipRule::default() }.skips(one), "{one}");
        }
        for other in [
            "refund",
            "well-being",
            "refund SKU-4711",
            "what is 4711?",
            "",
            "?",
            "Zürich.",
            "日本語",
            "2024年度の払い戻し規定は",
        ] {
            assert!(!SkipRule { identifiers: true, ..SkipRule::default() }.skips(other), "{other}");
        }
    }

    #[test]
    fn what_is_all_in_quotation_marks_is_a_phrase() {
        let rule = SkipRule { phrases: true, ..SkipRule::default() };
        for phrase in ["\"to be or not\"", " “to be” ", "«être»", "„sein“"] {
            assert!(rule.skips(phrase), "{phrase}");
        }
        for other in [
            "to be",
            "\"to be\" or \"not\"",
            "「東京」 OR 「大阪」",
            "\"to be\" he said",
            "\"",
            "\"\"",
            "\" \"",
        ] {
            assert!(!rule.skips(other), "{other}");
        }
    }

    #[test]
    fn few_words_are_counted_in_every_script() {
        let rule = SkipRule { words: Some(2), ..SkipRule::default() };
        for few in ["refund", "train refund", "train: refund!", "can't go", "日本"] {
            assert!(rule.skips(few), "{few}");
        }
        for more in ["refund of trains", "日本語"] {
            assert!(!rule.skips(more), "{more}");
        }
    }

    #[test]
    fn patterns_are_for_the_whole_query_in_any_case() {
        let rule = SkipRule { patterns: vec!["site:*".into(), "??-####".into()], ..SkipRule::default() };
        assert!(rule.skips("Site:example.org trains") && rule.skips("ab-####"));
        assert!(!rule.skips("trains site:example.org"));
    }

    #[test]
    fn by_default_nothing_is_skipped() {
        for query in ["4711", "\"a b\"", "a", ""] {
            assert!(!SkipRule::default().skips(query), "{query}");
        }
    }
}
