//! The demonstration's questions as the files that `rerankd eval` reads.

use serde_json::json;

use super::{COLLECTION, Question, embed, passages, questions};
use crate::wire::proto::write;

/// One query a line: its text and vector, and where it comes up as its category.
pub fn queries_file() -> String {
    let line = |(at, question): (usize, &Question)| {
        json!({
            "id": id(at),
            "category": topic(question).map(kind),
            "text": question.text,
            "vector": embed(&question.text),
            "collection": COLLECTION,
        })
        .to_string()
    };
    questions().iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// The known answers, one query a line.
pub fn judgments_file() -> String {
    let line = |(at, question): (usize, &Question)| {
        json!({ "query": id(at), "grades": question.grades }).to_string()
    };
    questions().iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// Path and body of a search of the demonstration's database for a text.
pub fn search(text: &str) -> (String, String) {
    let body = json!({ "query": embed(text), "limit": 5, "with_payload": ["title"] });
    (format!("/collections/{COLLECTION}/points/query"), body.to_string())
}

/// The message of the same search over gRPC, as hexadecimal digits: `QueryPoints` with so many hits and their payload.
pub(super) fn grpc_search(text: &str, limit: u64) -> String {
    let mut out = Vec::new();
    write::bytes(&mut out, 1, COLLECTION.as_bytes());
    write::message(&mut out, 3, |out| {
        write::message(out, 1, |out| write::message(out, 2, |out| write::floats(out, 1, &embed(text))));
    });
    write::unsigned(&mut out, 8, limit);
    write::message(&mut out, 11, |out| write::boolean(out, 1, true));
    out.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn id(at: usize) -> String {
    format!("question-{:02}", at + 1)
}

fn topic(question: &Question) -> Option<&'static str> {
    let (best, _) = question.grades.iter().max_by_key(|(id, grade)| (**grade, std::cmp::Reverse(**id)))?;
    passages().iter().find(|passage| passage.id == *best).map(|passage| passage.topic.as_str())
}

/// Two kinds of question; each topic alone has too few.
fn kind(topic: &str) -> &'static str {
    match topic {
        "cooking" | "gardening" | "home" | "pets" => "household",
        _ => "everyday",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_has_a_line_in_both_files() {
        assert_eq!(queries_file().lines().count(), questions().len());
        assert_eq!(judgments_file().lines().count(), questions().len());
        assert!(questions().iter().all(|question| topic(question).is_some()));
        assert!(
            queries_file().starts_with(r#"{"category":"#)
                && judgments_file().contains(r#""query":"question-01""#)
        );
    }
}
