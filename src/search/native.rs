use std::{borrow::Cow, collections::HashSet, fmt, sync::Arc};

/// Query text found in the query itself.
#[derive(Clone, PartialEq, Eq)]
pub enum NativeText {
    /// None there.
    None,
    /// One distinct text.
    One(String),
    /// Several different texts.
    Several,
    /// Which of these is the query depends on the fields that documents are made of: see
    /// [`NativeText::among`].
    ByField(Vec<ClauseText>),
    /// The order is by chance, popularity or nearness in time or space: no text in the query ranks, and only one
    /// given explicitly, in a header or the body, may.
    OtherOrder,
}

/// The text of one clause of a query.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ClauseText {
    /// In the order in which they are written.
    pub parts: Vec<TextPart>,
}

/// Words of a clause that search the same fields.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TextPart {
    /// The words.
    pub words: String,
    /// The names, which may be patterns; none where the database has a default for them.
    pub fields: Arc<[String]>,
    /// Whether the words count only where documents are made of one of the fields: elsewhere they only select.
    pub of_document: bool,
}

impl NativeText {
    /// The distinct texts of `clauses`, as far as that does not depend on fields.
    pub fn of(clauses: Vec<ClauseText>) -> Self {
        let depends = clauses.iter().flat_map(|clause| &clause.parts).any(|part| part.of_document);
        let text = Self::ByField(clauses);
        if depends { text } else { text.among(|_| true) }
    }

    /// Adds another text that is found in the same query.
    pub fn add(&mut self, text: Cow<'_, str>) {
        match self {
            Self::None => *self = Self::One(text.into_owned()),
            Self::One(there) if *there != text => *self = Self::Several,
            _ => {}
        }
    }

    /// The text once it is known which names (they may be patterns) are those of fields that documents are made of.
    pub fn among(&self, is_of_document: impl Fn(&str) -> bool) -> Self {
        let Self::ByField(clauses) = self else { return self.clone() };
        let counts = |part: &&TextPart| !part.of_document || part.fields.iter().any(|f| is_of_document(f));
        let text = |clause: &ClauseText| {
            let words = clause.parts.iter().filter(counts).map(|part| part.words.trim());
            words.filter(|words| !words.is_empty()).collect::<Vec<_>>().join(" ")
        };
        let mut texts: HashSet<String> = clauses.iter().map(text).collect();
        texts.remove("");
        let mut texts = texts.into_iter();
        match (texts.next(), texts.next()) {
            (None, _) => Self::None,
            (Some(one), None) => Self::One(one),
            _ => Self::Several,
        }
    }

    /// The length of the texts, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::One(text) => text.len(),
            Self::ByField(clauses) => {
                let parts = clauses.iter().flat_map(|clause| &clause.parts);
                parts.map(|part| part.words.len() + part.fields.iter().map(String::len).sum::<usize>()).sum()
            }
            Self::None | Self::Several | Self::OtherOrder => 0,
        }
    }
}

impl fmt::Debug for NativeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NativeText::None => "None",
            NativeText::One(_) => "One(…)",
            NativeText::Several => "Several",
            NativeText::ByField(_) => "ByField(…)",
            NativeText::OtherOrder => "OtherOrder",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clause(parts: &[(&str, &[&str], bool)]) -> ClauseText {
        let part = |&(words, fields, of_document): &(&str, &[&str], bool)| TextPart {
            words: words.to_owned(),
            fields: fields.iter().map(|&field| field.to_owned()).collect(),
            of_document,
        };
        ClauseText { parts: parts.iter().map(part).collect() }
    }

    #[test]
    fn words_on_other_fields_are_left_out_where_they_only_select() {
        let text = NativeText::of(vec![
            clause(&[("red shoes", &["content"], true), ("UK", &["lang"], true)]),
            clause(&[("2020", &["year"], true)]),
        ]);
        let one = |text: &str| NativeText::One(text.to_owned());
        assert_eq!(text.among(|name| name == "content"), one("red shoes"));
        assert_eq!(text.among(|name| name == "year"), one("2020"));
        assert_eq!(text.among(|_| true), NativeText::Several);
        assert_eq!(text.among(|_| false), NativeText::None);
    }

    #[test]
    fn what_depends_on_no_field_is_settled_at_once() {
        let same = clause(&[("red shoes", &["title"], false)]);
        let other = clause(&[("red ", &["body"], false), ("shoes", &[], false)]);
        assert_eq!(NativeText::of(vec![same.clone(), other]), NativeText::One("red shoes".to_owned()));
        assert_eq!(NativeText::of(vec![same, clause(&[("x", &[], false)])]), NativeText::Several);
        assert_eq!(NativeText::of(Vec::new()), NativeText::None);
    }

    #[test]
    fn texts_are_one_as_long_as_they_are_the_same() {
        let mut text = NativeText::None;
        for (next, expected) in [
            ("red", NativeText::One("red".to_owned())),
            ("red", NativeText::One("red".to_owned())),
            ("blue", NativeText::Several),
            ("red", NativeText::Several),
        ] {
            text.add(next.into());
            assert!(text == expected, "{next}");
        }
    }

    #[test]
    fn no_text_is_shown_by_debug() {
        let hidden = [
            NativeText::One("secret".to_owned()),
            NativeText::ByField(vec![clause(&[("secret", &["secret"], true)])]),
        ];
        assert!(!format!("{hidden:?}").contains("secret"));
    }
}
