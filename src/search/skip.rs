//! [`SkipRule`]: kinds of queries that a reranker has nothing to say about.

use wildmatch::WildMatch;

use super::query_traits::{has_at_most, is_identifier, is_phrase, is_question};

/// Which queries are left in the database's order; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkipRule {
    /// Those that look like the name of one thing, such as `SKU-4711` or `ada@example.org`.
    pub identifiers: bool,
    /// Those that are one phrase in quotation marks.
    pub phrases: bool,
    /// Those that are questions, by their mark or how they begin.
    pub questions: bool,
    /// Those of at most so many words (UAX #29).
    pub words: Option<u64>,
    /// Those of more than so many words.
    pub words_over: Option<u64>,
    /// Those that match one of these, in any case; `*` and `?` are wild.
    pub patterns: Vec<String>,
}

impl SkipRule {
    /// Whether a query is of one of these kinds.
    pub fn skips(&self, query: &str) -> bool {
        let query = query.trim();
        (self.identifiers && is_identifier(query))
            || (self.phrases && is_phrase(query))
            || self.words.is_some_and(|most| has_at_most(query, most))
            || self.words_over.is_some_and(|most| !has_at_most(query, most))
            || (self.questions && is_question(query))
            || self.patterns.iter().any(|pattern| WildMatch::new_case_insensitive(pattern).matches(query))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_skipped_by_its_own_setting_whatever_stands_around_it() {
        let none = SkipRule::default();
        let cases = [
            (SkipRule { identifiers: true, ..none.clone() }, " INV/2024/17 "),
            (SkipRule { phrases: true, ..none.clone() }, " “to be” "),
            (SkipRule { questions: true, ..none }, " how do planes fly "),
        ];
        for (rule, own) in &cases {
            for (_, query) in &cases {
                assert_eq!(rule.skips(query), query == own, "{rule:?}: {query}");
            }
            assert!(!rule.skips("train refund"), "{rule:?}");
        }
    }

    #[test]
    fn few_and_many_words_are_counted_in_every_script() {
        let few = SkipRule { words: Some(2), ..SkipRule::default() };
        let many = SkipRule { words_over: Some(2), ..SkipRule::default() };
        for query in ["refund", "train refund", "train: refund!", "can't go", "日本"] {
            assert!(few.skips(query) && !many.skips(query), "{query}");
        }
        for query in ["refund of trains", "日本語"] {
            assert!(!few.skips(query) && many.skips(query), "{query}");
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
        for query in ["4711", "\"a b\"", "a", "", "what is it?"] {
            assert!(!SkipRule::default().skips(query), "{query}");
        }
    }
}
