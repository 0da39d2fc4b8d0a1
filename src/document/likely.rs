//! Which passages of a text are likely to answer a question: those that the database has highlighted, and those with the
//! question's words. Pure.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
};

use unicode_segmentation::UnicodeSegmentation;

use super::clean;

/// More fragments of a text are not looked for.
const MOST_FRAGMENTS: usize = 32;
/// The words of a question that are looked for.
const MOST_WORDS: usize = 64;

/// Of each of these passages of a text, how many highlighted words begin in it. A fragment that is not found in the text as it
/// stands counts for nothing.
pub fn highlighted(text: &str, fragments: &[String], passages: &[Range<usize>]) -> Vec<u32> {
    let marks: Vec<usize> =
        fragments.iter().take(MOST_FRAGMENTS).flat_map(|fragment| marks(text, fragment)).collect();
    let count = |passage: &Range<usize>| marks.iter().filter(|mark| passage.contains(mark)).count();
    passages.iter().map(|passage| u32::try_from(count(passage)).unwrap_or(u32::MAX)).collect()
}

/// Of each of these passages of a text, how many of a question's words are in it; one that few passages have counts for more.
pub fn with_words_of(question: &str, text: &str, passages: &[Range<usize>]) -> Vec<u32> {
    const SCALE: usize = 1 << 16;
    let asked: HashSet<String> = words(question).take(MOST_WORDS).collect();
    let of = |passage: &Range<usize>| -> HashSet<String> {
        words(text.get(passage.clone()).unwrap_or_default()).filter(|word| asked.contains(word)).collect()
    };
    let found: Vec<HashSet<String>> = passages.iter().map(of).collect();
    let mut spread: HashMap<&str, usize> = HashMap::new();
    found.iter().flatten().for_each(|word| *spread.entry(word).or_default() += 1);
    let worth = |words: &HashSet<String>| {
        let shares = words.iter().filter_map(|word| spread.get(word.as_str())).map(|count| SCALE / count);
        u32::try_from(shares.sum::<usize>()).unwrap_or(u32::MAX)
    };
    found.iter().map(worth).collect()
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.unicode_words().map(str::to_lowercase)
}

/// Where the marked words of a fragment begin in the text that it is of.
fn marks(text: &str, fragment: &str) -> Vec<usize> {
    let fragment = clean::text(fragment);
    let by_default: Vec<&str> = fragment.split("<em>").flat_map(|part| part.splitn(2, "</em>")).collect();
    // Other tags than Elasticsearch's default ones.
    let by_any: Vec<&str> = fragment.split('<').flat_map(|part| part.split('>').rev().take(1)).collect();
    if fragment.contains("<em>") {
        return placed(text, &by_default);
    }
    placed(text, &by_any)
}

/// The places of every other one of these parts of a text, which follow one another.
fn placed(text: &str, parts: &[&str]) -> Vec<usize> {
    let whole = parts.concat();
    let Some(start) = text.find(&whole).filter(|_| parts.len() > 1 && !whole.is_empty()) else {
        return Vec::new();
    };
    let starts = parts.iter().scan(start, |at, part| {
        let own = *at;
        *at += part.len();
        Some(own)
    });
    starts.skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "One is first here. Two follows it. Three comes after. Two is here again.";
    const PASSAGES: [Range<usize>; 4] = [0..18, 19..34, 35..53, 54..72];

    fn marked(fragments: &[&str]) -> Vec<u32> {
        let fragments: Vec<String> = fragments.iter().map(|&fragment| fragment.to_owned()).collect();
        highlighted(TEXT, &fragments, &PASSAGES)
    }

    #[test]
    fn passages_with_highlighted_words_are_known() {
        assert_eq!(marked(&["Two follows it. <em>Three</em> comes <em>after</em>."]), [0, 0, 2, 0]);
        assert_eq!(marked(&["<em>Two</em> is", "<mark class=\"x\">One</mark> is"]), [1, 0, 0, 1]);
        assert_eq!(
            marked(&["nothing <em>of</em> that", "Two follows", "", "<em>", "**Two** follows"]),
            [0; 4]
        );
    }

    #[test]
    fn passages_with_rare_words_of_the_question_are_worth_more() {
        let worths = with_words_of("When does TWO come after three?", TEXT, &PASSAGES);
        assert!(worths[2] > worths[1] && worths[1] == worths[3] && worths[0] == 0, "{worths:?}");
    }

    proptest! {
        #[test]
        fn any_fragment_is_looked_for(fragment in "[OneTwo <>/em.é]{0,30}", text in "[OneTwo <>/em.é]{0,60}") {
            for mark in marks(&text, &fragment) {
                prop_assert!(text.is_char_boundary(mark));
            }
        }
    }
}
