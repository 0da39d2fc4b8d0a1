//! Long documents are scored by their passages: cut before the call, put together after it.

use std::{ops::Range, sync::Arc};

use crate::{
    document::{best_passages, highlighted, passages, with_words_of},
    rerank::{Scores, Spans},
    search::{Chunks, Document, Passage, PassageRule, Texts, is_blank},
};

/// Passages where a request asks for some and says no more: what `rerank.passages` has by default.
const USUAL_BYTES: usize = 1200;
const USUAL_OVERLAP: usize = 150;
/// The least of one, and the most of a document: what `rerank.passages` may have.
const LEAST_BYTES: usize = 100;
const MOST_CHUNKS: usize = 64;
/// What is repeated before each passage may take such a part of it.
const HEAD_SHARE: usize = 4;

/// How documents are scored by their passages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PassageSettings {
    /// How they are cut.
    pub rule: PassageRule,
    /// A document's score is the sum of so many of its best passages'; 1: the best one's.
    pub sum_of_best: usize,
    /// Of a document with too many, those with most words of the question are read, not the first ones.
    pub by_words: bool,
}

impl PassageSettings {
    /// What a request says of its own reranker, and these settings where it says nothing.
    pub(super) fn of_chunks(chunks: Chunks, configured: Option<Self>) -> Self {
        let bytes = chunks.bytes.or(configured.map(|own| own.rule.bytes)).unwrap_or(USUAL_BYTES);
        let bytes = bytes.max(LEAST_BYTES);
        let overlap = chunks.overlap.or(configured.map(|own| own.rule.overlap)).unwrap_or(USUAL_OVERLAP);
        let most = chunks.size.min(MOST_CHUNKS);
        let rule = PassageRule { bytes, overlap: overlap.min(bytes / 2), most };
        Self { rule, sum_of_best: 1, by_words: true }
    }
}

/// What is known of which passages of a document answer.
pub(super) struct Signs<'a, F> {
    /// The query text.
    pub(super) query: &'a str,
    /// What the database has highlighted in it; asked for long documents alone.
    pub(super) fragments: F,
}

/// The documents of a call, as it gets them.
pub(super) struct Cut {
    settings: PassageSettings,
    /// Whole documents, and the passages of long ones.
    documents: Vec<Document>,
    /// Those of each document.
    of: Vec<Of>,
}

/// What a document has come to.
struct Of {
    /// Among the documents of the call.
    places: Range<usize>,
    /// In its own text; empty where it is whole.
    passages: Option<Arc<Passages>>,
}

/// The passages of a document.
struct Passages {
    whole: Document,
    ranges: Vec<Range<usize>>,
    /// Each with the head of its document before it; empty where that has none.
    headed: Vec<Box<str>>,
}

impl Passages {
    fn new(whole: Document, ranges: Vec<Range<usize>>, head: usize) -> Self {
        let text = whole.text();
        let part = |range: Range<usize>| text.get(range).unwrap_or_default();
        let with_head = |range: &Range<usize>| {
            // The first one has it already.
            let head = if range.start < head { "" } else { part(0..head) };
            format!("{head}{}", part(range.clone())).into()
        };
        let headed = if head > 0 { ranges.iter().map(with_head).collect() } else { Vec::new() };
        Self { whole, ranges, headed }
    }
}

/// The passages of a long text. What stands before its last field, a title mostly, is said with each of them, unless that is
/// more than a quarter of one; it belongs to the first one anyway. With that, how much of the text it is.
fn cut(
    document: &Document,
    settings: PassageSettings,
    signs: Signs<'_, impl Fn() -> Vec<String>>,
) -> (Vec<Range<usize>>, usize) {
    let rule = settings.rule;
    let fragments = (signs.fragments)();
    let chosen = |text: &str, rule| {
        // The rest of a text is looked at only if something is looked for.
        if fragments.is_empty() && !settings.by_words {
            return passages(text, rule);
        }
        best_passages(text, rule, |all| {
            let marked = highlighted(text, &fragments, all);
            match settings.by_words && marked.iter().all(|marks| *marks == 0) {
                true => with_words_of(signs.query, text, all),
                false => marked,
            }
        })
    };
    let (text, head) = (document.text(), document.head().len());
    let rest = text.get(head..).unwrap_or_default();
    if head == 0 || head > rule.bytes / HEAD_SHARE || is_blank(rest) {
        return (chosen(text, rule), 0);
    }
    let bytes = rule.bytes - head;
    let ranges = chosen(rest, PassageRule { bytes, overlap: rule.overlap.min(bytes / 2), ..rule });
    let first = rest.len() - rest.trim_start().len();
    let placed = |range: Range<usize>| {
        let start = if range.start <= first { 0 } else { range.start + head };
        start..range.end + head
    };
    (ranges.into_iter().map(placed).collect(), head)
}

impl Texts for Passages {
    fn text(&self, at: usize) -> &str {
        let plain = || self.ranges.get(at).and_then(|range| self.whole.text().get(range.clone()));
        self.headed.get(at).map(|text| &**text).or_else(plain).unwrap_or_default()
    }

    fn size(&self, at: usize) -> usize {
        let plain = || self.ranges.get(at).map_or(0, Range::len);
        self.headed.get(at).map_or_else(plain, |text| text.len())
    }

    fn head(&self, _: usize) -> usize {
        0
    }

    fn write_json(&self, _: usize, _: usize, _: &mut Vec<u8>) -> bool {
        false
    }

    /// Its text: a passage and a document of the same text have the same score.
    fn identity(&self, at: usize, piece: &mut dyn FnMut(&[u8])) {
        piece(self.text(at).as_bytes());
    }
}

impl Cut {
    /// Of no documents yet.
    pub(super) fn new(settings: PassageSettings) -> Self {
        Self { settings, documents: Vec::new(), of: Vec::new() }
    }

    /// Adds a document, cut if it is long.
    pub(super) fn add(&mut self, document: &Document, signs: Signs<'_, impl Fn() -> Vec<String>>) {
        let start = self.documents.len();
        let rule = self.settings.rule;
        // Its text need not be made where it is short.
        let may_be_long = document.size() > rule.bytes && document.text().len() > rule.bytes;
        let (ranges, head) = if may_be_long { cut(document, self.settings, signs) } else { (Vec::new(), 0) };
        if ranges.is_empty() {
            self.documents.push(document.clone());
            return self.of.push(Of { places: start..start + 1, passages: None });
        }
        let count = ranges.len();
        let passages = Arc::new(Passages::new(document.clone(), ranges, head));
        self.documents.extend((0..count).map(|at| Document::made(passages.clone(), at)));
        self.of.push(Of { places: start..start + count, passages: Some(passages) });
    }

    /// What is scored: whole documents, and the passages of long ones.
    pub(super) fn documents(&self) -> Arc<[Document]> {
        self.documents.iter().cloned().collect()
    }

    /// How much of that lists have of so many documents each.
    pub(super) fn lists(&self, lists: &[usize]) -> Arc<[usize]> {
        let mut rest = self.of.iter();
        lists.iter().map(|&count| rest.by_ref().take(count).map(|of| of.places.len()).sum()).collect()
    }

    /// The scores of whole documents, of those of the call; and where the best passage of each stands that was cut.
    pub(super) fn joined(&self, scores: Scores) -> (Scores, Vec<Option<Passage>>) {
        let of = |of: &Of| scores.scores.get(of.places.clone()).unwrap_or_default();
        let joined = self.of.iter().map(|document| sum(of(document), self.settings.sum_of_best)).collect();
        let best = self.of.iter().map(|document| document.best(of(document))).collect();
        let missed = |document: &Of| {
            let first = scores.missed.partition_point(|&at| at < document.places.start);
            scores.missed.get(first).is_some_and(|at| document.places.contains(at))
        };
        let missed = (0..).zip(&self.of).filter(|(_, document)| missed(document)).map(|(at, _)| at).collect();
        // What is sent of a document is said by its passages.
        let sent_bytes = scores.sent_bytes.filter(|_| self.of.iter().all(|of| of.passages.is_none()));
        (Scores { scores: joined, missed, sent_bytes, spans: Vec::new(), ..scores }, best)
    }
}

/// The best passages that a model has told itself; empty where none were asked for.
pub(super) fn told(scores: &Scores) -> Vec<Option<Passage>> {
    let best = |spans: &Option<Spans>| {
        let best = spans.as_ref()?.first()?;
        Some(Passage {
            offset: usize::try_from(best.start).ok()?,
            length: usize::try_from(best.end.checked_sub(best.start)?).ok()?,
        })
    };
    scores.spans.iter().map(best).collect()
}

impl Of {
    /// Where the passage with the best score stands, of those that are not all of their document.
    fn best(&self, scores: &[Option<f32>]) -> Option<Passage> {
        let passages = self.passages.as_ref()?;
        let scored = scores.iter().enumerate().filter_map(|(at, score)| Some((at, (*score)?)));
        // The first of equal ones.
        let (at, _) = scored.rev().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let (range, text) = (passages.ranges.get(at)?, passages.whole.text());
        let characters = |range: Range<usize>| text.get(range).map_or(0, |part| part.chars().count());
        Some(Passage { offset: characters(0..range.start), length: characters(range.clone()) })
    }
}

/// The sum of the best scores, so many of them; `None` where there is none.
fn sum(scores: &[Option<f32>], most: usize) -> Option<f32> {
    let mut scores: Vec<f32> = scores.iter().flatten().copied().collect();
    scores.sort_by(|a, b| b.total_cmp(a));
    scores.into_iter().take(most.max(1)).reduce(|sum, score| sum + score)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "One is first here. Two follows it. Three comes after. Four is the last one.";

    const NONE: Signs<'_, fn() -> Vec<String>> = Signs { query: "", fragments: Vec::new };

    fn cut(documents: &[&str], sum_of_best: usize) -> Cut {
        let rule = PassageRule { bytes: 40, overlap: 20, most: 3 };
        let mut cut = Cut::new(PassageSettings { rule, sum_of_best, by_words: false });
        documents.iter().for_each(|&text| cut.add(&text.into(), NONE));
        cut
    }

    fn scores(scores: &[Option<f32>]) -> Scores {
        Scores { scores: scores.to_vec(), ..Scores::default() }
    }

    #[test]
    fn long_documents_are_cut_where_they_stand_and_each_list_has_its_own() {
        let cut = cut(&["short", LONG, "other"], 1);
        let texts: Vec<&str> = cut.documents.iter().map(Document::text).collect();
        let passages = [
            "One is first here. Two follows it.",
            "Two follows it. Three comes after.",
            "Three comes after. Four is the last one.",
        ];
        assert_eq!(texts, ["short", passages[0], passages[1], passages[2], "other"]);
        assert_eq!(cut.lists(&[2, 1])[..], [4, 1]);
        let identity = |document: &Document| {
            let mut bytes = Vec::new();
            document.identity(|piece| bytes.extend_from_slice(piece));
            bytes
        };
        assert_eq!(identity(&cut.documents[1]), passages[0].as_bytes());
    }

    #[test]
    fn each_passage_has_the_title_before_it() {
        let rule = PassageRule { bytes: 60, overlap: 0, most: 9 };
        let texts = |head: usize| {
            let text: Arc<str> = format!("Trains\n{LONG}").into();
            let mut cut = Cut::new(PassageSettings { rule, sum_of_best: 1, by_words: false });
            cut.add(&Document::headed(text.clone(), head), NONE);
            let sizes: Vec<usize> = cut.documents.iter().map(Document::size).collect();
            let (_, best) = cut.joined(scores(&vec![Some(0.5); sizes.len()]));
            assert!(sizes.iter().all(|&size| size <= rule.bytes));
            assert_eq!(best[0].unwrap().offset, 0);
            cut.documents.iter().map(|document| document.text().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            texts(7),
            [
                "Trains\nOne is first here. Two follows it.",
                "Trains\nThree comes after. Four is the last one."
            ]
        );
        let without =
            ["Trains\nOne is first here. Two follows it.", "Three comes after. Four is the last one."];
        assert_eq!(texts(0), without);
        assert_eq!(
            texts(26),
            ["Trains\nOne is first here. Two follows it.", "Three comes after. Four is the last one."]
        );
    }

    #[test]
    fn of_too_many_passages_highlighted_ones_are_read_and_for_a_chunk_rescorer_those_with_the_questions_words()
     {
        let rule = PassageRule { bytes: 20, overlap: 0, most: 1 };
        let read = |by_words, query, fragments: &[&str]| {
            let mut cut = Cut::new(PassageSettings { rule, sum_of_best: 1, by_words });
            let fragments = || fragments.iter().map(|&fragment| fragment.to_owned()).collect();
            cut.add(&LONG.into(), Signs { query, fragments });
            cut.documents[0].text().to_owned()
        };
        assert_eq!(read(false, "three", &[]), "One is first here.");
        assert_eq!(read(false, "three", &["<em>Two</em> follows"]), "Two follows it.");
        assert_eq!(read(true, "what of three?", &[]), "Three comes after.");
        assert_eq!(read(true, "what of three?", &["<em>Two</em> follows"]), "Two follows it.");
    }

    #[test]
    fn the_best_passage_is_the_documents_score_and_is_told() {
        let (joined, best) = cut(&["short", LONG, LONG], 1).joined(scores(&[
            Some(0.3),
            Some(0.1),
            Some(0.9),
            None,
            None,
            None,
            None,
        ]));
        assert_eq!(joined.scores, [Some(0.3), Some(0.9), None]);
        assert_eq!(best, [None, Some(Passage { offset: 19, length: 34 }), None]);
    }

    #[test]
    fn the_best_ones_add_up_where_that_is_set() {
        let given = [Some(0.5), Some(0.25), Some(0.125), Some(0.5)];
        let (joined, best) = cut(&[LONG, "short"], 2).joined(scores(&given));
        assert_eq!(joined.scores, [Some(0.75), Some(0.5)]);
        assert_eq!(best, [Some(Passage { offset: 0, length: 34 }), None]);
    }

    #[test]
    fn a_document_is_from_the_cache_if_all_its_passages_are() {
        let scores = Scores { missed: vec![2], cache_lookups: 7, cache_hits: 6, ..scores(&[Some(0.1); 7]) };
        let (joined, _) = cut(&[LONG, LONG, "short"], 1).joined(scores);
        let from_cache: Vec<bool> = (0..3).map(|at| joined.is_from_cache(at)).collect();
        assert_eq!(from_cache, [false, true, true]);
    }
}
