//! The demonstration's passages and questions, embedded in the program.

use std::{collections::HashMap, sync::LazyLock};

use serde::Deserialize;

/// A passage of the demonstration's collection.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Passage {
    /// Its point id.
    pub id: u64,
    /// Its title.
    pub title: String,
    /// Its text.
    pub text: String,
    /// What it is about.
    pub topic: String,
}

impl Passage {
    /// A field of its point's payload.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        match name {
            "title" => Some(&self.title),
            "text" => Some(&self.text),
            "topic" => Some(&self.topic),
            _ => None,
        }
    }
}

/// A question with its known answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Question {
    /// The query text.
    pub text: String,
    /// How good an answer a passage is, by id: 3 answers it, 1 helps; all others are 0.
    pub grades: HashMap<u64, u32>,
}

static PASSAGES: LazyLock<Vec<Passage>> = LazyLock::new(|| lines(include_str!("corpus.jsonl")));
static QUESTIONS: LazyLock<Vec<Question>> = LazyLock::new(|| lines(include_str!("questions.jsonl")));

/// All passages, by rising id.
pub fn passages() -> &'static [Passage] {
    &PASSAGES
}

/// All questions.
pub fn questions() -> &'static [Question] {
    &QUESTIONS
}

/// A test counts the lines, so that none is skipped.
fn lines<T: for<'a> Deserialize<'a>>(text: &str) -> Vec<T> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_passage_or_a_question() {
        assert_eq!(passages().len(), include_str!("corpus.jsonl").lines().count());
        assert_eq!(questions().len(), include_str!("questions.jsonl").lines().count());
        assert!(passages().iter().all(|p| !p.title.is_empty() && !p.text.is_empty() && !p.topic.is_empty()));
    }

    #[test]
    fn ids_are_distinct_and_rise() {
        assert!(passages().windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    #[test]
    fn every_answer_of_a_question_is_a_passage() {
        for question in questions() {
            assert!(!question.grades.is_empty());
            assert!(question.grades.keys().all(|id| passages().iter().any(|p| p.id == *id)));
        }
    }
}
