//! Whether a query that names a field looks for the text of documents.

use wildmatch::WildMatchPattern;

use super::{AUTO_FIELDS, AUTO_TITLES};
use crate::search::FieldSet;

/// Longer names are no field's.
const LONGEST_NAME: usize = 256;

/// Whether documents are made of the fields of this name, which may be a pattern with stars. Fields below a named one
/// (`title.english`) are the same text analysed otherwise, but for those that take it as one value.
pub fn is_text_field(set: &FieldSet, name: &str) -> bool {
    let one_value = name.ends_with(".keyword") || name.ends_with(".raw");
    if name.is_empty() || name.len() > LONGEST_NAME || name.starts_with('_') || one_value {
        return false;
    }
    match set {
        FieldSet::All => true,
        FieldSet::Auto => AUTO_TITLES.iter().chain(&AUTO_FIELDS).any(|known| is_one(name, known)),
        FieldSet::Named(paths) => is_one_of(name, paths),
        FieldSet::Template(template) => is_one_of(name, template.fields()),
    }
}

fn is_one_of(name: &str, paths: &[String]) -> bool {
    paths.iter().any(|path| is_one(name, &path.replace("[]", "")))
}

fn is_one(name: &str, known: &str) -> bool {
    let below = name.strip_prefix(known);
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        // `*.english` names fields below any.
        || (name.contains('*')
            && (name.starts_with("*.") || WildMatchPattern::<'*', '\0'>::new(name).matches(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_a_pattern_is_held_against_the_fields_of_documents() {
        let named =
            FieldSet::Named(vec!["summary".to_owned(), "meta.abstract".to_owned(), "chunks[].text".into()]);
        for (set, yes, no) in [
            (
                &FieldSet::Auto,
                &["content", "title", "text.english", "cont*", "*", "t*t", "*.english"][..],
                &[
                    "country",
                    "metadata.content",
                    "content.keyword",
                    "contents",
                    "lang*",
                    "_id",
                    "",
                    "title.raw",
                ][..],
            ),
            (
                &named,
                &["summary", "summary.de", "meta.abstract", "meta.*", "chunks.text"],
                &["content", "title", "meta", "meta.country", "meta.abstract.keyword"],
            ),
            (&FieldSet::All, &["country", "metadata.year", "*"], &["_id", "_exists_", "country.keyword"]),
        ] {
            for name in yes {
                assert!(is_text_field(set, name), "{set:?} {name}");
            }
            for name in no {
                assert!(!is_text_field(set, name), "{set:?} {name}");
            }
        }
        assert!(!is_text_field(&FieldSet::All, &"x".repeat(1000)));
    }
}
