//! A long text in passages that a reranker scores each for itself. Pure.

use std::{cmp::Reverse, ops::Range};

use unicode_segmentation::UnicodeSegmentation;

use crate::search::{PassageRule, is_blank};

/// Few sentences are longer, in bytes: looking for them is what costs.
const SENTENCE: usize = 256;
/// The most passages of a text of which the best are chosen.
const MOST: usize = 512;

/// The passages of a text, from its beginning, each within `rule.bytes` and never blank. One ends at the end of a sentence
/// (UAX #29) in its second half, else between two words, else between two characters; the next one begins with the last
/// sentence again, or with the last words of one that was cut, as far as `rule.overlap` lets it. There is at least one of a
/// text that is not blank.
pub fn passages(text: &str, rule: PassageRule) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut start = 0;
    while all.len() < rule.most && start < text.len() {
        let end = end(text, start, rule.bytes);
        let passage = trimmed(text, start..end.at);
        start = next(text, passage.start, end, rule.overlap);
        if !is_blank(text.get(passage.clone()).unwrap_or_default()) {
            all.push(passage);
        }
    }
    all
}

/// The passages of a text that are worth most, in the order of the text, where it has more than `rule.most`; of equal ones
/// the first. `worth` is told of all of them, up to a bound.
pub fn best_passages(
    text: &str,
    rule: PassageRule,
    worth: impl FnOnce(&[Range<usize>]) -> Vec<u32>,
) -> Vec<Range<usize>> {
    let all = passages(text, PassageRule { most: rule.most.max(MOST), ..rule });
    if all.len() <= rule.most {
        return all;
    }
    let worths = worth(&all);
    let mut best: Vec<usize> = (0..all.len()).collect();
    best.sort_by_key(|&at| (Reverse(worths.get(at).copied().unwrap_or_default()), at));
    best.truncate(rule.most);
    best.sort_unstable();
    best.into_iter().filter_map(|at| all.get(at).cloned()).collect()
}

/// Where a passage ends.
#[derive(Clone, Copy)]
struct End {
    at: usize,
    /// A sentence is cut there.
    cuts: bool,
}

/// Where the passage ends that begins at `start`; always behind it.
fn end(text: &str, start: usize, bytes: usize) -> End {
    let most = text.floor_char_boundary(start.saturating_add(bytes));
    if most >= text.len() {
        return End { at: text.len(), cuts: false };
    }
    let half = text.floor_char_boundary(start + bytes / 2).max(start);
    let near = text.floor_char_boundary(most.saturating_sub(SENTENCE)).max(half);
    if let Some(at) = last_sentence(text, near..most).or_else(|| last_sentence(text, half..most)) {
        return End { at, cuts: false };
    }
    let word = text.get(half..most).unwrap_or_default().char_indices().rev().find(|(_, c)| c.is_whitespace());
    let at = match word {
        Some((at, c)) => half + at + c.len_utf8(),
        None if most > start => most,
        // The first character alone is longer.
        None => text.ceil_char_boundary(start + 1),
    };
    End { at, cuts: true }
}

/// Where the last sentence begins that begins behind the start of this range.
fn last_sentence(text: &str, range: Range<usize>) -> Option<usize> {
    let starts = text.get(range.clone())?.split_sentence_bound_indices().map(|(at, _)| at);
    starts.filter(|&at| at > 0).last().map(|at| range.start + at)
}

/// Where the passage begins that follows the one from `start` to `end`; always behind `start`.
fn next(text: &str, start: usize, end: End, overlap: usize) -> usize {
    if end.at == text.len() {
        return end.at;
    }
    // With the character before it, so that one which begins just there is found too.
    let first = text.ceil_char_boundary(end.at.saturating_sub(overlap).max(start + 1));
    let from = text.floor_char_boundary(first - 1);
    let again = text.get(from..end.at).unwrap_or_default();
    let sentence = again.split_sentence_bound_indices().map(|(at, _)| at).find(|&at| at > 0);
    let word = || again.char_indices().find(|(_, c)| c.is_whitespace()).map(|(at, c)| at + c.len_utf8());
    sentence.or_else(|| word().filter(|_| end.cuts)).map_or(end.at, |at| from + at)
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let passage = text.get(range.clone()).unwrap_or_default();
    let start = range.end - passage.trim_start().len();
    start..start + passage.trim().len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str, bytes: usize, overlap: usize) -> Vec<&str> {
        let rule = PassageRule { bytes, overlap, most: 100 };
        passages(text, rule).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn a_passage_ends_with_a_sentence() {
        let text = "Trains are refunded in full. Buses are not, e.g. at night. Ask at the desk in Mr. Hall's office.";
        assert_eq!(cut(text, 200, 0), [text]);
        assert_eq!(
            cut(text, 60, 0),
            [
                "Trains are refunded in full. Buses are not, e.g. at night.",
                "Ask at the desk in Mr. Hall's office."
            ]
        );
    }

    #[test]
    fn the_next_passage_begins_with_the_last_sentence_again_where_it_is_short_enough() {
        let text = "One is first here. Two follows it. Three comes after. Four is the last one.";
        assert_eq!(
            cut(text, 40, 20),
            [
                "One is first here. Two follows it.",
                "Two follows it. Three comes after.",
                "Three comes after. Four is the last one."
            ]
        );
    }

    #[test]
    fn a_long_sentence_is_cut_between_words_and_a_long_word_between_characters() {
        assert_eq!(cut("alpha beta gamma delta", 12, 0), ["alpha beta", "gamma delta"]);
        assert_eq!(cut("alpha beta gamma delta", 12, 6), ["alpha beta", "beta gamma", "gamma delta"]);
        assert_eq!(cut("ααααααα", 4, 0), ["αα", "αα", "αα", "α"]);
        assert_eq!(cut("日本", 1, 0), ["日", "本"]);
    }

    #[test]
    fn sentences_end_in_scripts_without_full_stops_and_spaces_too() {
        assert_eq!(
            cut("これは最初の文です。これは次の文です。", 32, 0),
            ["これは最初の文です。", "これは次の文です。"]
        );
    }

    #[test]
    fn of_many_passages_those_that_are_worth_most_are_read_and_else_the_first() {
        let text = "One is first here. Two follows it. Three comes after. Four is the last one.";
        let rule = PassageRule { bytes: 22, overlap: 0, most: 2 };
        let best = |worths: [u32; 4]| {
            let chosen = best_passages(text, rule, |all| {
                assert_eq!(all.len(), 4);
                worths.to_vec()
            });
            chosen.into_iter().map(|range| &text[range]).collect::<Vec<_>>()
        };
        assert_eq!(best([0, 0, 0, 0]), ["One is first here.", "Two follows it."]);
        assert_eq!(best([0, 0, 1, 9]), ["Three comes after.", "Four is the last one."]);
        assert_eq!(best([0, 0, 0, 9]), ["One is first here.", "Four is the last one."]);
    }

    proptest! {
        #[test]
        fn passages_are_short_in_order_never_blank_and_leave_out_nothing_that_can_be_seen(
            text in "[a-cα日\u{1f469}\u{200b}. !?\n]{0,200}",
            (bytes, overlap) in (4_usize..60).prop_flat_map(|bytes| (Just(bytes), 0..=bytes / 2)),
        ) {
            let all = passages(&text, PassageRule { bytes, overlap, most: usize::MAX });
            let mut seen = 0;
            let mut last = None;
            for range in &all {
                prop_assert!(range.len() <= bytes && !is_blank(&text[range.clone()]));
                prop_assert!(last < Some(range.start));
                prop_assert!(range.start <= seen || is_blank(&text[seen..range.start]));
                (seen, last) = (range.end, Some(range.start));
            }
            prop_assert!(is_blank(&text[seen..]));
            prop_assert_eq!(all.is_empty(), is_blank(&text));
        }

        #[test]
        fn there_are_no_more_than_wanted(text in "\\PC{0,200}", most in 1_usize..5) {
            let rule = PassageRule { bytes: 10, overlap: 5, most };
            let all = passages(&text, rule);
            prop_assert!(all.len() <= most);
            prop_assert_eq!(&all[..], &passages(&text, PassageRule { most: usize::MAX, ..rule })[..all.len()]);
        }
    }
}
