//! What the demo prints of its questions, as plain text.

use super::{Question, Row, Scorer, question_table};
use crate::search::KeepReason;

/// How many places are shown and measured.
pub(super) const PLACES: usize = 5;

/// A question and its results.
pub(super) struct Comparison {
    pub(super) question: &'static Question,
    /// The database's order.
    pub(super) before: Vec<Row<'static>>,
    /// The order that came through the proxy.
    pub(super) after: Vec<Row<'static>>,
    /// nDCG of both.
    pub(super) measures: (f64, f64),
    /// Why the order was kept, if it was.
    pub(super) kept: Option<KeepReason>,
    /// Where the question's text came from, if it was needed.
    pub(super) source: Option<String>,
}

impl Comparison {
    /// What reranking changed; 0 where the order was kept.
    fn gain(&self) -> f64 {
        self.measures.1 - self.measures.0
    }
}

/// All questions in reading order: first the one that gains most, last the one that loses most.
pub(super) fn ordered(mut asked: Vec<Comparison>) -> Vec<Comparison> {
    // The first of several that are alike.
    let best = (0..asked.len()).rev().max_by(|&a, &b| asked[a].gain().total_cmp(&asked[b].gain()));
    if let Some(best) = best.filter(|&at| asked[at].gain() > 0.0) {
        let best = asked.remove(best);
        asked.insert(0, best);
    }
    let worst = (0..asked.len()).min_by(|&a, &b| asked[a].gain().total_cmp(&asked[b].gain()));
    if let Some(worst) = worst.filter(|&at| asked[at].gain() < 0.0) {
        let worst = asked.remove(worst);
        asked.push(worst);
    }
    asked
}

/// Every question of `asked` with its two orders, under a line that says what became of it.
pub(super) fn questions_text(asked: &[Comparison], scorer: Scorer) -> String {
    let mut out = String::new();
    let last = asked.len().saturating_sub(1);
    for (at, each) in asked.iter().enumerate() {
        out += &format!("[{} of {}] {}\n", at + 1, asked.len(), what_became(each, at == 0, at == last));
        out += &question_table(&each.question.text, &each.before, &each.after, each.measures, PLACES);
        if at == last && each.gain() < 0.0 {
            out += lesson(scorer);
        }
        out.push('\n');
    }
    out
}

fn what_became(asked: &Comparison, first: bool, last: bool) -> String {
    let (before, after) = asked.measures;
    let figures = format!("nDCG@{PLACES} from {before:.3} to {after:.3}");
    match asked.kept {
        Some(reason) => format!("not reranked ({}): both orders are the database's", reason.as_str()),
        None if asked.gain() > 0.0 && first => format!("reranking mends this one most: {figures}"),
        None if asked.gain() > 0.0 => format!("mended: {figures}"),
        None if asked.gain() < 0.0 && last => format!("reranking spoils this one most: {figures}"),
        None if asked.gain() < 0.0 => format!("spoiled: {figures}"),
        None => format!("no better, no worse: nDCG@{PLACES} {before:.3}"),
    }
}

/// What a spoiled order teaches.
fn lesson(scorer: Scorer) -> &'static str {
    match scorer {
        Scorer::Lexical => {
            "Counting words finds nothing where question and passage say the same in other words. A cross-encoder reads\n\
             meaning, and spoils some orders too. How many of yours: rerankd eval.\n"
        }
        Scorer::Cohere => "A cross-encoder spoils some orders too. How many of yours: rerankd eval.\n",
    }
}

/// How many questions were mended and spoiled, and the means; of those that were reranked.
pub(super) fn summary_text(asked: &[Comparison], passages: usize) -> String {
    let reranked: Vec<&Comparison> = asked.iter().filter(|each| each.kept.is_none()).collect();
    let mut out = format!("{} questions over {passages} passages.", asked.len());
    let kept = asked.len() - reranked.len();
    if kept > 0 {
        out += &format!(" {kept} kept the database's order.");
    }
    out.push('\n');
    if reranked.is_empty() {
        return out;
    }
    let count = |of: fn(&Comparison) -> bool| reranked.iter().filter(|each| of(each)).count();
    let (mended, spoiled) = (count(|each| each.gain() > 0.0), count(|each| each.gain() < 0.0));
    let mean = |of: fn(&Comparison) -> f64| {
        reranked.iter().map(|each| of(each)).sum::<f64>() / reranked.len() as f64
    };
    out += &format!(
        "Reranked {}: {mended} mended, {spoiled} spoiled, {} as before; mean nDCG@{PLACES}: database {:.3}, reranked \
         {:.3}.\n",
        reranked.len(),
        reranked.len() - mended - spoiled,
        mean(|each| each.measures.0),
        mean(|each| each.measures.1),
    );
    out += "The first stage is a toy embedding on purpose: this shows the mechanism, not the quality to expect.\n";
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::questions;

    fn asked(at: usize, before: f64, after: f64, kept: Option<KeepReason>) -> Comparison {
        let row = Row { id: 1, title: "Salt", score: Some(0.5), grade: 3 };
        Comparison {
            question: &questions()[at],
            before: vec![row],
            after: vec![row],
            measures: (before, after),
            kept,
            source: None,
        }
    }

    #[test]
    fn the_demo_begins_with_the_most_mended_and_ends_with_the_most_spoiled() {
        let all = vec![
            asked(0, 0.5, 0.2, None),
            asked(1, 0.9, 0.1, None),
            asked(2, 0.0, 0.7, None),
            asked(3, 0.0, 0.7, None),
            asked(4, 0.4, 0.4, None),
        ];
        let ordered = ordered(all);
        let order: Vec<&str> = ordered.iter().map(|each| each.question.text.as_str()).collect();
        let expected: Vec<&str> = [2, 0, 3, 4, 1].map(|at| questions()[at].text.as_str()).to_vec();
        assert_eq!(order, expected);
        let text = questions_text(&ordered, Scorer::Lexical);
        assert!(
            text.starts_with("[1 of 5] reranking mends this one most: nDCG@5 from 0.000 to 0.700\n"),
            "{text}"
        );
        assert!(
            text.contains("[5 of 5] reranking spoils this one most: nDCG@5 from 0.900 to 0.100\n"),
            "{text}"
        );
        assert!(text.contains("A cross-encoder reads"), "{text}");
    }

    #[test]
    fn where_nothing_is_spoiled_nothing_is_said_to_be() {
        let ordered = ordered(vec![asked(0, 0.5, 0.5, None), asked(1, 0.1, 0.9, None)]);
        let text = questions_text(&ordered, Scorer::Cohere);
        assert!(!text.contains("spoil") && text.contains("no better, no worse: nDCG@5 0.500"), "{text}");
        assert!(summary_text(&ordered, 60).contains("1 mended, 0 spoiled, 1 as before"));
    }

    #[test]
    fn a_question_that_was_not_reranked_is_not_in_the_means() {
        let all = [asked(0, 0.5, 1.0, None), asked(1, 0.1, 0.1, Some(KeepReason::Auth))];
        let text = questions_text(&all, Scorer::Cohere) + &summary_text(&all, 60);
        assert!(text.contains("[2 of 2] not reranked (auth): both orders are the database's"), "{text}");
        assert!(
            text.contains("1 kept the database's order.") && text.contains("database 0.500, reranked 1.000")
        );
    }
}
